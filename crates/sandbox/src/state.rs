//! The sandbox's state and its transactions.
//!
//! A [`Tx`] is the work of one request or one timer. It runs under the state's lock without waiting, and it is
//! committed or rolled back as a whole. Its writes are queued for the state file before the lock is released, so the
//! file receives changes in the order in which they happened.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::chaos::Chaos;
use crate::objects::account::ConnectedAccount;
use crate::objects::account_link::AccountLink;
use crate::objects::application_fee::{ApplicationFee, FeeRefund};
use crate::objects::balance_transaction::BalanceTransaction;
use crate::objects::challenge::Challenge;
use crate::objects::charge::Charge;
use crate::objects::checkout_session::CheckoutSession;
use crate::objects::clock_setting::ClockSetting;
use crate::objects::customer::Customer;
use crate::objects::delivery::Delivery;
use crate::objects::destination_payment::DestinationPayment;
use crate::objects::dispute::Dispute;
use crate::objects::event::Event;
use crate::objects::oauth::{OAuthCode, OAuthToken};
use crate::objects::payment_intent::PaymentIntent;
use crate::objects::payment_method::PaymentMethod;
use crate::objects::price::Price;
use crate::objects::product::Product;
use crate::objects::refund::Refund;
use crate::objects::saved_response::SavedResponse;
use crate::objects::settlement::Settlement;
use crate::objects::transfer::{Reversal, Transfer};
use crate::objects::webhook_endpoint::WebhookEndpoint;
use crate::storage::clock::{Clock, Timestamp};
use crate::storage::file::{Ack, Storage, StorageError, StoredRow, Write};
use crate::storage::table::{Account, Resource, Row, Table};

/// Access to the table of a type. `tables!` implements it.
pub(crate) trait TableAccess<T> {
    fn table_ref(&self) -> &Table<T>;
    fn table_mut(&mut self) -> &mut Table<T>;
}

/// Declares the state's tables. A new type of object needs one more line.
macro_rules! tables {
    ($($field:ident: $type:ty),+ $(,)?) => {
        /// All objects of the sandbox.
        #[derive(Default)]
        pub(crate) struct State {
            last_seq: u64,
            $($field: Table<$type>),+
        }

        $(impl TableAccess<$type> for State {
            fn table_ref(&self) -> &Table<$type> {
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

impl State {
    /// Returns the table of a type.
    pub(crate) fn table<T>(&self) -> &Table<T>
    where
        Self: TableAccess<T>,
    {
        self.table_ref()
    }
}

/// The settings that operations and endpoints need.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The base URL for browsers, without a trailing slash.
    pub(crate) public_url: String,
    /// The platform account's ID.
    pub(crate) platform_id: String,
    pub(crate) debit_delay: Duration,
    pub(crate) delayed_debit_delay: Duration,
    pub(crate) refund_delay: Duration,
    pub(crate) dispute_delay: Duration,
}

/// The request that caused a change. Empty for changes that timers and pages make.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) request_id: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    /// The platform's application, if it acts for a connected account.
    pub(crate) application: Option<String>,
}

type Undo = Box<dyn FnOnce(&mut State)>;

/// A transaction on the objects of one account.
pub(crate) struct Tx<'s> {
    pub(crate) state: &'s mut State,
    pub(crate) settings: &'s Settings,
    pub(crate) clock: &'s Clock,
    pub(crate) chaos: &'s Chaos,
    pub(crate) account: Account,
    pub(crate) origin: Origin,
    pub(crate) now: Timestamp,
    undo: Vec<Undo>,
    writes: Vec<Write>,
}

impl Tx<'_> {
    pub(crate) fn get<T: Resource>(&self, id: &str) -> Option<&T>
    where
        State: TableAccess<T>,
    {
        self.state.table::<T>().get(&self.account, id)
    }

    /// Returns the account's objects of a type, newest first.
    pub(crate) fn newest_first<'a, T: Resource + 'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        State: TableAccess<T>,
    {
        self.state.table::<T>().newest_first(&self.account)
    }

    /// Creates an object, or replaces the object with the same ID.
    pub(crate) fn put<T: Resource>(&mut self, value: T)
    where
        State: TableAccess<T>,
    {
        let seq = match self.state.table::<T>().seq(value.id()) {
            Some(seq) => seq,
            None => self.next_seq(),
        };
        if value.is_persistent() {
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

    /// Replaces an object in memory only. A restart restores the stored version.
    pub(crate) fn put_transient<T: Resource>(&mut self, value: T)
    where
        State: TableAccess<T>,
    {
        if let Some(seq) = self.state.table::<T>().seq(value.id()) {
            self.put_in_memory(seq, value);
        }
    }

    fn put_in_memory<T: Resource>(&mut self, seq: u64, value: T)
    where
        State: TableAccess<T>,
    {
        let id = value.id().to_owned();
        let row = Row { account: self.account.clone(), seq, value };
        let old = self.state.table_mut().insert(row);
        self.undo.push(Box::new(move |state| match old {
            Some(row) => drop(TableAccess::<T>::table_mut(state).insert(row)),
            None => drop(TableAccess::<T>::table_mut(state).remove(&id)),
        }));
    }

    pub(crate) fn delete<T: Resource>(&mut self, id: &str)
    where
        State: TableAccess<T>,
    {
        if let Some(row) = TableAccess::<T>::table_mut(self.state).remove(id) {
            self.writes.push(Write::Delete { kind: T::KIND, id: id.to_owned() });
            self.undo.push(Box::new(move |state| drop(TableAccess::<T>::table_mut(state).insert(row))));
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

    /// Undoes all changes of this transaction.
    pub(crate) fn roll_back(&mut self) {
        self.writes.clear();
        while let Some(undo) = self.undo.pop() {
            undo(self.state);
        }
    }
}

/// The state, its file, and its clock. All requests and timers share it.
pub(crate) struct Store {
    state: Mutex<State>,
    storage: Storage,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) chaos: Chaos,
    changed: watch::Sender<()>,
}

impl Store {
    /// Creates a store from the rows of a file.
    pub(crate) fn load(
        settings: Settings,
        chaos: Chaos,
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
        let changed = watch::Sender::new(());
        Ok(Self { state: Mutex::new(state), storage, settings, clock, chaos, changed })
    }

    /// Returns a receiver that is notified of every change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Runs `work` in a transaction, commits or rolls back, and returns when the changes are on disk.
    pub(crate) async fn transact<R>(
        &self,
        account: &Account,
        origin: Origin,
        work: impl FnOnce(&mut Tx<'_>) -> (R, TxOutcome),
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
        work: impl FnOnce(&mut Tx<'_>) -> (R, TxOutcome),
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
        if keep == TxOutcome::RollBack {
            tx.roll_back();
        }
        let is_changed = !tx.undo.is_empty();
        let ack = self.storage.append(std::mem::take(&mut tx.writes));
        (result, ack, is_changed)
    }

    /// Runs `work` without waiting for the file: for reads and transient changes.
    pub(crate) fn run_in_memory<R>(&self, work: impl FnOnce(&mut Tx<'_>) -> R) -> R {
        self.run(&Account::platform(), Origin::default(), |tx| (work(tx), TxOutcome::Commit)).0
    }

    /// Wakes the background worker.
    pub(crate) fn wake(&self) {
        self.changed.send_replace(());
    }

    /// Writes all pending changes to the file and closes it. Blocks.
    pub(crate) fn close(&self) {
        self.storage.close();
    }
}

/// The end of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TxOutcome {
    Commit,
    RollBack,
}
