//! Everything the sandbox knows, and the one way to change it.
//!
//! A [`Tx`] is one request's (or one timer's) piece of work. It runs under the state's lock without waiting
//! for anything, and is kept or rolled back as a whole; what it changed is handed to the storage before
//! the lock is released, so the file sees changes in the order they happened.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::chaos::{Chaos, ChaosPlan};
use crate::clock::{Clock, Moment};
use crate::control::ClockSetting;
use crate::events::{Delivery, Event};
use crate::idempotency::SavedResponse;
use crate::resources::account_links::AccountLink;
use crate::resources::accounts::ConnectedAccount;
use crate::resources::application_fees::{ApplicationFee, FeeRefund};
use crate::resources::balance_transactions::BalanceTransaction;
use crate::resources::charges::Charge;
use crate::resources::checkout_sessions::CheckoutSession;
use crate::resources::customers::Customer;
use crate::resources::disputes::Dispute;
use crate::resources::oauth::{OAuthCode, OAuthToken};
use crate::resources::payment_intents::PaymentIntent;
use crate::resources::payment_intents::attempts::Challenge;
use crate::resources::payment_intents::settlements::Settlement;
use crate::resources::payment_methods::PaymentMethod;
use crate::resources::prices::Price;
use crate::resources::products::Product;
use crate::resources::refunds::Refund;
use crate::resources::transfers::{DestinationPayment, Reversal, Transfer};
use crate::resources::webhook_endpoints::WebhookEndpoint;
use crate::storage::{Ack, Storage, StorageError, StoredRow, Write};

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

struct Row<T> {
    account: Account,
    seq: u64,
    value: T,
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

    fn insert(&mut self, row: Row<T>) -> Option<Row<T>> {
        let id = row.value.id().to_owned();
        let old = self.remove(&id);
        if let Some(at) = row.value.due() {
            self.due.insert((at, id.clone()));
        }
        self.order.insert((row.account.clone(), row.seq), id.clone());
        self.rows.insert(id, row);
        old
    }

    fn remove(&mut self, id: &str) -> Option<Row<T>> {
        let row = self.rows.remove(id)?;
        if let Some(at) = row.value.due() {
            self.due.remove(&(at, id.to_owned()));
        }
        self.order.remove(&(row.account.clone(), row.seq));
        Some(row)
    }
}

/// Gives the table of a type; `tables!` implements it.
pub(crate) trait Has<T> {
    fn table(&self) -> &Table<T>;
    fn table_mut(&mut self) -> &mut Table<T>;
}

/// Declares the state's tables: a new resource is one more line.
macro_rules! tables {
    ($($field:ident: $type:ty),+ $(,)?) => {
        /// Every object of the sandbox.
        #[derive(Default)]
        pub(crate) struct State {
            last_seq: u64,
            $($field: Table<$type>),+
        }

        $(impl Has<$type> for State {
            fn table(&self) -> &Table<$type> {
                &self.$field
            }

            fn table_mut(&mut self) -> &mut Table<$type> {
                &mut self.$field
            }
        })+

        impl State {
            fn load(&mut self, row: StoredRow) -> Result<(), StorageError> {
                match row.kind.as_str() {
                    $(<$type>::KIND => self.$field.load(row, &mut self.last_seq),)+
                    _ => Err(StorageError::Kind(row.kind)),
                }
            }
        }
    };
}

tables! {
    payment_intents: PaymentIntent,
    challenges: Challenge,
    settlements: Settlement,
    payment_methods: PaymentMethod,
    charges: Charge,
    refunds: Refund,
    disputes: Dispute,
    balance_transactions: BalanceTransaction,
    checkout_sessions: CheckoutSession,
    customers: Customer,
    products: Product,
    prices: Price,
    accounts: ConnectedAccount,
    account_links: AccountLink,
    oauth_codes: OAuthCode,
    oauth_tokens: OAuthToken,
    application_fees: ApplicationFee,
    fee_refunds: FeeRefund,
    transfers: Transfer,
    transfer_reversals: Reversal,
    destination_payments: DestinationPayment,
    events: Event,
    deliveries: Delivery,
    webhook_endpoints: WebhookEndpoint,
    saved_responses: SavedResponse,
    clock_setting: ClockSetting,
}

impl<T: Resource> Table<T> {
    fn load(&mut self, row: StoredRow, last_seq: &mut u64) -> Result<(), StorageError> {
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

impl State {
    /// The table of a type.
    pub(crate) fn of<T>(&self) -> &Table<T>
    where
        Self: Has<T>,
    {
        self.table()
    }
}

/// What the endpoints need of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The URL browsers use, without a slash at the end.
    pub(crate) public_url: String,
    /// The id of the platform's own account.
    pub(crate) platform_id: String,
    pub(crate) debit_delay: Duration,
    pub(crate) delayed_debit_delay: Duration,
    pub(crate) refund_delay: Duration,
    pub(crate) dispute_delay: Duration,
    /// The faults to begin with.
    pub(crate) chaos: ChaosPlan,
}

/// Which request something happened in; empty for what the sandbox does by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) request_id: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    /// The platform's application, if it acts for a connected account.
    pub(crate) application: Option<String>,
}

type Undo = Box<dyn FnOnce(&mut State)>;

/// One piece of work on the objects of one account.
pub(crate) struct Tx<'s> {
    pub(crate) state: &'s mut State,
    pub(crate) settings: &'s Settings,
    pub(crate) clock: &'s Clock,
    pub(crate) chaos: &'s Chaos,
    pub(crate) account: Account,
    pub(crate) origin: Origin,
    pub(crate) now: Moment,
    undo: Vec<Undo>,
    writes: Vec<Write>,
}

impl Tx<'_> {
    pub(crate) fn get<T: Resource>(&self, id: &str) -> Option<&T>
    where
        State: Has<T>,
    {
        self.state.table().get(&self.account, id)
    }

    /// The account's objects of a type, the newest first.
    pub(crate) fn newest_first<'a, T: Resource + 'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        State: Has<T>,
    {
        self.state.of::<T>().newest_first(&self.account)
    }

    /// Creates an object, or replaces the one of the same id.
    pub(crate) fn put<T: Resource>(&mut self, value: T)
    where
        State: Has<T>,
    {
        let seq = match self.state.of::<T>().rows.get(value.id()) {
            Some(row) => row.seq,
            None => self.next_seq(),
        };
        if value.is_kept() {
            self.writes.push(Write::Put(StoredRow {
                kind: T::KIND.to_owned(),
                id: value.id().to_owned(),
                account: self.account.0.clone(),
                seq: i64::try_from(seq).unwrap_or(i64::MAX),
                body: serde_json::to_string(&value).expect("an object is plain data with text for keys"),
            }));
        }
        self.put_in_memory(seq, value);
    }

    /// Replaces an object without writing it to the file: for marks that a restart should forget.
    pub(crate) fn mark<T: Resource>(&mut self, value: T)
    where
        State: Has<T>,
    {
        if let Some(seq) = self.state.of::<T>().rows.get(value.id()).map(|row| row.seq) {
            self.put_in_memory(seq, value);
        }
    }

    fn put_in_memory<T: Resource>(&mut self, seq: u64, value: T)
    where
        State: Has<T>,
    {
        let id = value.id().to_owned();
        let row = Row { account: self.account.clone(), seq, value };
        let old = self.state.table_mut().insert(row);
        self.undo.push(Box::new(move |state| match old {
            Some(row) => drop(Has::<T>::table_mut(state).insert(row)),
            None => drop(Has::<T>::table_mut(state).remove(&id)),
        }));
    }

    pub(crate) fn delete<T: Resource>(&mut self, id: &str)
    where
        State: Has<T>,
    {
        if let Some(row) = Has::<T>::table_mut(self.state).remove(id) {
            self.writes.push(Write::Delete { kind: T::KIND, id: id.to_owned() });
            self.undo.push(Box::new(move |state| drop(Has::<T>::table_mut(state).insert(row))));
        }
    }

    /// Runs `work` on another account's objects.
    pub(crate) fn on_account<R>(&mut self, account: Account, work: impl FnOnce(&mut Self) -> R) -> R {
        let own = std::mem::replace(&mut self.account, account);
        let result = work(self);
        self.account = own;
        result
    }

    fn next_seq(&mut self) -> u64 {
        self.state.last_seq += 1;
        self.state.last_seq
    }

    /// Takes back every change made so far.
    pub(crate) fn roll_back(&mut self) {
        self.writes.clear();
        while let Some(undo) = self.undo.pop() {
            undo(self.state);
        }
    }
}

/// The state, its file, and its clock: shared by all requests and timers.
pub(crate) struct Store {
    state: Mutex<State>,
    storage: Storage,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) chaos: Chaos,
    changed: watch::Sender<()>,
}

impl Store {
    /// Reads the rows of a file into a new store.
    pub(crate) fn load(
        settings: Settings,
        storage: Storage,
        rows: Vec<StoredRow>,
    ) -> Result<Self, StorageError> {
        let mut state = State::default();
        for row in rows {
            state.load(row)?;
        }
        let clock = Clock::default();
        if let Some((_, setting)) = state.clock_setting.all().next() {
            clock.set_advanced(setting.advanced());
        }
        let chaos = Chaos::new(settings.chaos.clone());
        let changed = watch::Sender::new(());
        Ok(Self { state: Mutex::new(state), storage, settings, clock, chaos, changed })
    }

    /// Tells of every change, for whoever works off what is due.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Runs `work`, keeps its changes if it says so, and returns when they are on disk.
    pub(crate) async fn transact<R>(
        &self,
        account: &Account,
        origin: Origin,
        work: impl FnOnce(&mut Tx<'_>) -> (R, Keep),
    ) -> Result<R, StorageError> {
        let (result, ack, is_changed) = self.run(account, origin, work);
        ack.wait().await?;
        if is_changed {
            self.changed.send_replace(());
        }
        Ok(result)
    }

    fn run<R>(
        &self,
        account: &Account,
        origin: Origin,
        work: impl FnOnce(&mut Tx<'_>) -> (R, Keep),
    ) -> (R, Ack, bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tx = Tx {
            state: &mut state,
            settings: &self.settings,
            clock: &self.clock,
            chaos: &self.chaos,
            account: account.clone(),
            origin,
            now: self.clock.now(),
            undo: Vec::new(),
            writes: Vec::new(),
        };
        let (result, keep) = work(&mut tx);
        if keep == Keep::Nothing {
            tx.roll_back();
        }
        let is_changed = !tx.undo.is_empty();
        let ack = self.storage.append(std::mem::take(&mut tx.writes));
        (result, ack, is_changed)
    }

    /// Looks at the state or marks something in memory; nothing is written to the file.
    pub(crate) fn peek<R>(&self, work: impl FnOnce(&mut Tx<'_>) -> R) -> R {
        self.run(&Account::platform(), Origin::default(), |tx| (work(tx), Keep::Changes)).0
    }

    /// Wakes whoever works off what is due.
    pub(crate) fn wake(&self) {
        self.changed.send_replace(());
    }

    /// Writes everything to the file and closes it. Blocks.
    pub(crate) fn close(&self) {
        self.storage.close();
    }
}

/// What becomes of a transaction's changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Changes,
    Nothing,
}
