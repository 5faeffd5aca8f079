//! Tables of objects, indexed by account, creation order and due time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::storage::clock::Timestamp;
use crate::storage::file::{StorageError, StoredRow};

/// The account that owns an object: a connected account's ID, or empty for the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Account(pub(crate) String);

impl Account {
    pub(crate) fn platform() -> Self {
        Self::default()
    }

    pub(crate) fn is_platform(&self) -> bool {
        self.0.is_empty()
    }
}

/// An object with an ID, stored in a table.
pub(crate) trait Resource: Clone + Serialize + DeserializeOwned + Send + 'static {
    /// Its type in the state file.
    const KIND: &'static str;

    fn id(&self) -> &str;

    /// Returns the time of the object's next timer.
    fn due(&self) -> Option<Timestamp> {
        None
    }

    /// Returns whether the object is written to the state file.
    fn is_persistent(&self) -> bool {
        true
    }
}

pub(crate) struct Row<T> {
    pub(crate) account: Account,
    pub(crate) seq: u64,
    pub(crate) value: T,
}

/// All objects of one type, of all accounts. IDs are unique across accounts, but lookups require the account.
pub(crate) struct Table<T> {
    rows: HashMap<String, Row<T>>,
    order: BTreeMap<(Account, u64), String>,
    due: BTreeSet<(Timestamp, String)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: HashMap::new(), order: BTreeMap::new(), due: BTreeSet::new() }
    }
}

impl<T: Resource> Table<T> {
    pub(crate) fn get(&self, account: &Account, id: &str) -> Option<&T> {
        self.rows.get(id).filter(|row| row.account == *account).map(|row| &row.value)
    }

    /// Returns the object with this ID and its account.
    pub(crate) fn find(&self, id: &str) -> Option<(&Account, &T)> {
        self.rows.get(id).map(|row| (&row.account, &row.value))
    }

    /// Returns an account's objects, newest first.
    pub(crate) fn newest_first(&self, account: &Account) -> impl Iterator<Item = &T> {
        let range = (account.clone(), 0)..=(account.clone(), u64::MAX);
        self.order.range(range).rev().filter_map(|(_, id)| self.rows.get(id)).map(|row| &row.value)
    }

    /// Returns the objects of all accounts, in no particular order.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Account, &T)> {
        self.rows.values().map(|row| (&row.account, &row.value))
    }

    /// Returns the IDs that are due at `now`, and the time of the next one.
    pub(crate) fn due(&self, now: Timestamp) -> (Vec<String>, Option<Timestamp>) {
        let ready = self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| id.clone()).collect();
        (ready, self.due.iter().map(|(at, _)| *at).find(|at| *at > now))
    }

    /// Returns the earliest due time, which may be in the past.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Returns the object's position in creation order.
    pub(crate) fn seq(&self, id: &str) -> Option<u64> {
        self.rows.get(id).map(|row| row.seq)
    }

    pub(crate) fn insert(&mut self, row: Row<T>) -> Option<Row<T>> {
        let id = row.value.id().to_owned();
        let old = self.remove(&id);
        if let Some(at) = row.value.due() {
            self.due.insert((at, id.clone()));
        }
        self.order.insert((row.account.clone(), row.seq), id.clone());
        self.rows.insert(id, row);
        old
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Row<T>> {
        let row = self.rows.remove(id)?;
        if let Some(at) = row.value.due() {
            self.due.remove(&(at, id.to_owned()));
        }
        self.order.remove(&(row.account.clone(), row.seq));
        Some(row)
    }
}

impl<T: Resource> Table<T> {
    pub(crate) fn load(&mut self, row: StoredRow, last_seq: &mut u64) -> Result<(), StorageError> {
        let seq = row.seq.unsigned_abs();
        let value = serde_json::from_str(&row.body).map_err(|source| StorageError::Row {
            kind: row.kind,
            id: row.id,
            source,
        })?;
        *last_seq = seq.max(*last_seq);
        self.insert(Row { account: Account(row.account), seq, value });
        Ok(())
    }
}
