//! Tables of objects, indexed by account, creation order and due time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::storage::clock::Moment;
use crate::storage::file::{StorageError, StoredRow};

/// The account an object belongs to: a connected account's id, or empty for the platform's own.
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

/// Something with an id that the state holds in a table.
pub(crate) trait Resource: Clone + Serialize + DeserializeOwned + Send + 'static {
    /// Its kind in the state file.
    const KIND: &'static str;

    fn id(&self) -> &str;

    /// When a timer has to look at it again.
    fn due(&self) -> Option<Moment> {
        None
    }

    /// Whether it is kept over a restart.
    fn is_kept(&self) -> bool {
        true
    }
}

pub(crate) struct Row<T> {
    pub(crate) account: Account,
    pub(crate) seq: u64,
    pub(crate) value: T,
}

/// All objects of one type, of all accounts. Ids are unique over accounts; reading asks for the account too.
pub(crate) struct Table<T> {
    rows: HashMap<String, Row<T>>,
    order: BTreeMap<(Account, u64), String>,
    due: BTreeSet<(Moment, String)>,
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

    /// The object of this id and the account it belongs to.
    pub(crate) fn find(&self, id: &str) -> Option<(&Account, &T)> {
        self.rows.get(id).map(|row| (&row.account, &row.value))
    }

    /// An account's objects, the newest first.
    pub(crate) fn newest_first(&self, account: &Account) -> impl Iterator<Item = &T> {
        let range = (account.clone(), 0)..=(account.clone(), u64::MAX);
        self.order.range(range).rev().filter_map(|(_, id)| self.rows.get(id)).map(|row| &row.value)
    }

    /// The objects of all accounts, in no particular order.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Account, &T)> {
        self.rows.values().map(|row| (&row.account, &row.value))
    }

    /// Ids that are due at `now`, and the moment at which the next one will be.
    pub(crate) fn due(&self, now: Moment) -> (Vec<String>, Option<Moment>) {
        let ready = self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| id.clone()).collect();
        (ready, self.due.iter().map(|(at, _)| *at).find(|at| *at > now))
    }

    /// The moment at which the first one is due, be it past.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The position of the object of this id in the order of creation.
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
