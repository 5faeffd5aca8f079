//! Changing a seller: lock, change, write, and add an event.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::catalog::Metadata;
use quittance_domain::id::{MessageId, SellerId};
use quittance_domain::payment::Mode;
use quittance_domain::seller::{
    AccountEvent, AccountState, ChargeType, ConnectionStatus, FeeTerms, Seller, SupportedSellers,
};
use uuid::Uuid;

use super::super::batch;
use super::super::changes::Changes;
use super::super::columns::instant;
use super::super::dialect::{Conn, for_update};
use super::super::rows::outbox::OutboxRow;
use super::super::rows::sellers::SellerRow;
use super::super::schema::sellers;
use crate::Error;

/// When to read an account again, in case an event is newer than the read. Stripe's clock has whole seconds, and ours
/// may be slightly off.
const REREAD_DELAY: Duration = Duration::seconds(2);

/// A seller whose row is locked until the transaction ends. Transactions lock orders and products before sellers.
pub(crate) struct LockedSeller {
    pub(crate) seller: Seller,
    pub(crate) mode: Mode,
    /// The second of Stripe's clock in which the platform got access.
    pub(crate) connected_at_s: i64,
    pub(crate) unlink_forced: bool,
    pub(crate) check_at: Option<DateTime<Utc>>,
    pub(crate) check_count: i32,
    row: SellerRow,
    before: Seller,
}

impl LockedSeller {
    fn open(row: SellerRow) -> Result<Self, Error> {
        let seller = row.read()?;
        Ok(Self {
            before: seller.clone(),
            seller,
            mode: row.mode()?,
            connected_at_s: row.connected_at_s,
            unlink_forced: row.unlink_forced,
            check_at: row.check_at,
            check_count: row.check_count,
            row,
        })
    }

    /// Locks a seller, if it exists.
    pub(crate) async fn find(conn: &mut Conn, id: &SellerId) -> Result<Option<Self>, Error> {
        let query = for_update!(sellers::table.find(id.as_str()).select(SellerRow::as_select()));
        query.first::<SellerRow>(conn).await.optional()?.map(Self::open).transpose()
    }

    /// Locks a seller that must exist.
    pub(crate) async fn lock(conn: &mut Conn, id: &SellerId) -> Result<Self, Error> {
        Self::find(conn, id).await?.ok_or_else(|| Error::corrupt("seller", "it doesn't exist"))
    }

    /// Locks the sellers of these accounts, in ID order to avoid deadlocks.
    pub(crate) async fn lock_by_accounts(conn: &mut Conn, accounts: &[&str]) -> Result<Vec<Self>, Error> {
        let query = for_update!(
            sellers::table
                .filter(sellers::account_id.eq_any(accounts))
                .order(sellers::id.asc())
                .select(SellerRow::as_select())
        );
        query.load::<SellerRow>(conn).await?.into_iter().map(Self::open).collect()
    }

    /// Applies an event that was created in this second.
    pub(crate) fn apply_event(&mut self, account_event: &AccountEvent, created_s: i64, now: DateTime<Utc>) {
        let snapshot = &mut self.seller.snapshot;
        match account_event {
            AccountEvent::Updated(state) => snapshot.apply_event(created_s, Some((**state).clone())),
            AccountEvent::Changed | AccountEvent::Deauthorized => snapshot.apply_event(created_s, None),
        }
        let is_ending = matches!(
            self.seller.connection_status,
            ConnectionStatus::Connected | ConnectionStatus::Unlinking
        );
        // A disconnect before the latest connection has no effect.
        if *account_event == AccountEvent::Deauthorized && is_ending && created_s >= self.connected_at_s {
            self.seller.connection_status = ConnectionStatus::Disconnected;
        }
        if matches!(
            self.seller.connection_status,
            ConnectionStatus::Connected | ConnectionStatus::Disconnected
        ) {
            self.check_at = Some(instant(now));
        }
    }

    /// Applies the state of the account, read by a request that began in this second. Schedules the next read.
    pub(crate) fn apply_read(&mut self, began_s: i64, state: AccountState, now: DateTime<Utc>) {
        let has_outcome = self.seller.snapshot.apply_read(began_s, state);
        // A successful read proves access, even after an event of a disconnect.
        if has_outcome && self.seller.connection_status == ConnectionStatus::Disconnected {
            self.seller.connection_status = ConnectionStatus::Connected;
            self.connected_at_s = self.connected_at_s.max(began_s);
        }
        self.seller.checked_at = Some(instant(now));
        self.check_count = 0;
        if has_outcome { self.schedule_next_read(now) } else { self.schedule_reread(now) }
    }

    /// Schedules the next regular read of the account. A seller that is being unlinked needs none.
    pub(crate) fn schedule_next_read(&mut self, now: DateTime<Utc>) {
        if self.seller.connection_status != ConnectionStatus::Unlinking {
            self.check_at = self.seller.check_due_at(now).map(instant);
        }
    }

    /// Schedules another read of the account soon.
    pub(crate) fn schedule_reread(&mut self, now: DateTime<Utc>) {
        if matches!(
            self.seller.connection_status,
            ConnectionStatus::Connected | ConnectionStatus::Disconnected
        ) {
            self.check_at = Some(instant(now + REREAD_DELAY));
        }
    }

    /// Writes the changes and their event.
    pub(crate) async fn commit(
        self,
        conn: &mut Conn,
        supported: &SupportedSellers,
        now: DateTime<Utc>,
    ) -> Result<Seller, Error> {
        let (seller, event) = self.store(conn, supported, now).await?;
        let outbox = event.into_iter().collect();
        batch::write(conn, Changes { outbox, ..Changes::default() }, Vec::new()).await?;
        Ok(seller)
    }

    /// Writes the changes, and returns their event for the caller to write.
    pub(crate) async fn store(
        mut self,
        conn: &mut Conn,
        supported: &SupportedSellers,
        now: DateTime<Utc>,
    ) -> Result<(Seller, Option<OutboxRow>), Error> {
        let event = self.seller.event_since(&self.before, supported);
        if event.is_some() || visible_fields(&self.seller) != visible_fields(&self.before) {
            self.seller.version += 1;
            self.seller.updated_at = instant(now);
        }
        let seller = self.seller;
        let row = SellerRow {
            connected_at_s: self.connected_at_s,
            unlink_forced: self.unlink_forced,
            check_at: self.check_at,
            check_count: self.check_count,
            request: self.row.request.clone(),
            ..SellerRow::new(&seller, self.mode)?
        };
        if row != self.row {
            diesel::update(sellers::table.find(seller.id.as_str())).set(row).execute(conn).await?;
        }
        let event = event.map(|kind| OutboxRow {
            id: MessageId::from_uuid(Uuid::now_v7()).to_string(),
            order_id: None,
            seller_id: Some(seller.id.to_string()),
            kind: kind.as_str(),
            subject: seller.version.to_string(),
            sequence: seller.version,
            created_at: instant(now),
        });
        Ok((seller, event))
    }
}

/// The fields of a seller that clients see, except for `checked_at`.
type VisibleFields<'a> = (
    (Option<&'a str>, ConnectionStatus, Option<&'a AccountState>),
    (ChargeType, FeeTerms, Option<&'a str>, &'a Metadata),
);

fn visible_fields(seller: &Seller) -> VisibleFields<'_> {
    (
        (seller.account_id.as_deref(), seller.connection_status, seller.snapshot.state.as_ref()),
        (seller.charge_type, seller.fee, seller.reference.as_deref(), &seller.metadata),
    )
}
