//! Rows of sellers, and the one way in which a seller changes: lock, change, write, and tell.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::catalog::Metadata;
use quittance_domain::id::{MessageId, SellerId};
use quittance_domain::payment::Mode;
use quittance_domain::seller::{
    AccountEvent, AccountSnapshot, AccountState, ChargeType, ConnectionStatus, FeeTerms, Seller,
    SupportedSellers,
};
use serde_json::Value;
use uuid::Uuid;

use super::super::batch;
use super::super::dialect::{Conn, Db, for_update};
use super::persist::Changes;
use super::rows::{OutboxRow, document, instant, parse, read};
use super::schema::sellers;
use crate::Error;

/// After how long an account is read again, because an event may be newer than what was read. Stripe's clock has
/// whole seconds, and ours may be a little off.
const READ_AGAIN: Duration = Duration::seconds(2);

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = sellers, check_for_backend(Db), treat_none_as_default_value = false)]
#[diesel(treat_none_as_null = true)]
pub(super) struct SellerRow {
    pub(super) id: String,
    pub(super) account_id: Option<String>,
    pub(super) mode: String,
    pub(super) origin: String,
    pub(super) connection_status: String,
    pub(super) unlink_forced: bool,
    pub(super) charge_type: String,
    pub(super) fee_basis_points: i32,
    pub(super) fee_fixed: i64,
    pub(super) fee_minimum: i64,
    pub(super) reference: Option<String>,
    pub(super) metadata: Value,
    pub(super) state: Option<Value>,
    pub(super) snapshot_at_s: i64,
    pub(super) last_event_at_s: i64,
    pub(super) connected_at_s: i64,
    pub(super) request: Option<String>,
    pub(super) checked_at: Option<DateTime<Utc>>,
    pub(super) check_at: Option<DateTime<Utc>>,
    pub(super) checks: i32,
    pub(super) version: i64,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

impl SellerRow {
    /// The row of a seller that nobody is to do anything about yet.
    pub(super) fn new(seller: &Seller, mode: Mode) -> Result<Self, Error> {
        let snapshot = &seller.snapshot;
        Ok(Self {
            id: seller.id.to_string(),
            account_id: seller.account_id.clone(),
            mode: mode.as_str().to_owned(),
            origin: seller.origin.as_str().to_owned(),
            connection_status: seller.connection_status.as_str().to_owned(),
            unlink_forced: false,
            charge_type: seller.charge_type.as_str().to_owned(),
            fee_basis_points: i32::from(seller.fee.basis_points()),
            fee_fixed: seller.fee.fixed(),
            fee_minimum: seller.fee.minimum(),
            reference: seller.reference.clone(),
            metadata: document("seller", &seller.metadata)?,
            state: snapshot.state.as_ref().map(|state| document("seller", state)).transpose()?,
            snapshot_at_s: snapshot.snapshot_at_s,
            last_event_at_s: snapshot.last_event_at_s,
            connected_at_s: 0,
            request: None,
            checked_at: seller.checked_at.map(instant),
            check_at: None,
            checks: 0,
            version: seller.version,
            created_at: instant(seller.created_at),
            updated_at: instant(seller.updated_at),
        })
    }

    pub(super) fn mode(&self) -> Result<Mode, Error> {
        parse("seller", &self.mode)
    }

    pub(super) fn read(&self) -> Result<Seller, Error> {
        let points = u16::try_from(self.fee_basis_points).map_err(|error| Error::corrupt("seller", error))?;
        Ok(Seller {
            id: parse("seller", &self.id)?,
            account_id: self.account_id.clone(),
            origin: parse("seller", &self.origin)?,
            connection_status: parse("seller", &self.connection_status)?,
            charge_type: parse("seller", &self.charge_type)?,
            fee: FeeTerms::new(points, self.fee_fixed, self.fee_minimum)
                .map_err(|error| Error::corrupt("seller", error))?,
            reference: self.reference.clone(),
            metadata: read("seller", self.metadata.clone())?,
            snapshot: AccountSnapshot {
                state: self.state.clone().map(|state| read("seller", state)).transpose()?,
                snapshot_at_s: self.snapshot_at_s,
                last_event_at_s: self.last_event_at_s,
            },
            checked_at: self.checked_at,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// Sellers by their ids, as they are now.
pub(super) async fn sellers_by_id(
    conn: &mut Conn,
    ids: Vec<String>,
) -> Result<HashMap<String, Seller>, Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<SellerRow> =
        sellers::table.filter(sellers::id.eq_any(ids)).select(SellerRow::as_select()).load(conn).await?;
    rows.into_iter().map(|row| Ok((row.id.clone(), row.read()?))).collect()
}

/// A seller whose row is locked until the transaction ends. Orders are locked before sellers, and products, too.
pub(super) struct LockedSeller {
    pub(super) seller: Seller,
    pub(super) mode: Mode,
    /// Stripe's second in which the platform was let in.
    pub(super) connected_at_s: i64,
    pub(super) unlink_forced: bool,
    pub(super) check_at: Option<DateTime<Utc>>,
    pub(super) checks: i32,
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
            checks: row.checks,
            row,
        })
    }

    /// Locks a seller, if there is one.
    pub(super) async fn find(conn: &mut Conn, id: &SellerId) -> Result<Option<Self>, Error> {
        let query = for_update!(sellers::table.find(id.as_str()).select(SellerRow::as_select()));
        query.first::<SellerRow>(conn).await.optional()?.map(Self::open).transpose()
    }

    /// Locks a seller that must be there.
    pub(super) async fn lock(conn: &mut Conn, id: &SellerId) -> Result<Self, Error> {
        Self::find(conn, id).await?.ok_or_else(|| Error::corrupt("seller", "it is gone"))
    }

    /// Locks the sellers of these accounts, in the order of their ids, so that no two phases wait for each other.
    pub(super) async fn of_accounts(conn: &mut Conn, accounts: &[&str]) -> Result<Vec<Self>, Error> {
        let query = for_update!(
            sellers::table
                .filter(sellers::account_id.eq_any(accounts))
                .order(sellers::id.asc())
                .select(SellerRow::as_select())
        );
        query.load::<SellerRow>(conn).await?.into_iter().map(Self::open).collect()
    }

    /// Takes in what an event of this second says.
    pub(super) fn hear(&mut self, news: &AccountEvent, created_s: i64, now: DateTime<Utc>) {
        let snapshot = &mut self.seller.snapshot;
        match news {
            AccountEvent::Updated(state) => snapshot.apply_event(created_s, Some((**state).clone())),
            AccountEvent::Changed | AccountEvent::Deauthorized => snapshot.apply_event(created_s, None),
        }
        let is_ending = matches!(
            self.seller.connection_status,
            ConnectionStatus::Connected | ConnectionStatus::Unlinking
        );
        // What ended before the platform was let in again ends nothing now.
        if *news == AccountEvent::Deauthorized && is_ending && created_s >= self.connected_at_s {
            self.seller.connection_status = ConnectionStatus::Disconnected;
        }
        if matches!(
            self.seller.connection_status,
            ConnectionStatus::Connected | ConnectionStatus::Disconnected
        ) {
            self.check_at = Some(instant(now));
        }
    }

    /// Takes in what was read of the account, by a request that began in this second, and plans the next one.
    pub(super) fn apply_read(&mut self, began_s: i64, state: AccountState, now: DateTime<Utc>) {
        let has_outcome = self.seller.snapshot.apply_read(began_s, state);
        // Whoever can read the account is let in, whatever was heard before.
        if has_outcome && self.seller.connection_status == ConnectionStatus::Disconnected {
            self.seller.connection_status = ConnectionStatus::Connected;
            self.connected_at_s = self.connected_at_s.max(began_s);
        }
        self.seller.checked_at = Some(instant(now));
        self.checks = 0;
        if has_outcome { self.plan_next(now) } else { self.read_again(now) }
    }

    /// Has the account read in its time. One that is being unlinked is driven on by whoever does that.
    pub(super) fn plan_next(&mut self, now: DateTime<Utc>) {
        if self.seller.connection_status != ConnectionStatus::Unlinking {
            self.check_at = self.seller.check_due_at(now).map(instant);
        }
    }

    /// Has the account read once more, soon.
    pub(super) fn read_again(&mut self, now: DateTime<Utc>) {
        if matches!(
            self.seller.connection_status,
            ConnectionStatus::Connected | ConnectionStatus::Disconnected
        ) {
            self.check_at = Some(instant(now + READ_AGAIN));
        }
    }

    /// Writes what has changed, and tells of it.
    pub(super) async fn commit(
        self,
        conn: &mut Conn,
        supported: &SupportedSellers,
        now: DateTime<Utc>,
    ) -> Result<Seller, Error> {
        let (seller, told) = self.store(conn, supported, now).await?;
        let outbox = told.into_iter().collect();
        batch::write(conn, Changes { outbox, ..Changes::default() }, Vec::new()).await?;
        Ok(seller)
    }

    /// Writes what has changed; what is to be told of it is left to the caller.
    pub(super) async fn store(
        mut self,
        conn: &mut Conn,
        supported: &SupportedSellers,
        now: DateTime<Utc>,
    ) -> Result<(Seller, Option<OutboxRow>), Error> {
        let told = self.seller.event_since(&self.before, supported);
        if told.is_some() || shown(&self.seller) != shown(&self.before) {
            self.seller.version += 1;
            self.seller.updated_at = instant(now);
        }
        let seller = self.seller;
        let row = SellerRow {
            connected_at_s: self.connected_at_s,
            unlink_forced: self.unlink_forced,
            check_at: self.check_at,
            checks: self.checks,
            request: self.row.request.clone(),
            ..SellerRow::new(&seller, self.mode)?
        };
        if row != self.row {
            diesel::update(sellers::table.find(seller.id.as_str())).set(row).execute(conn).await?;
        }
        let told = told.map(|announcement| OutboxRow {
            id: MessageId::from_uuid(Uuid::now_v7()).to_string(),
            order_id: None,
            seller_id: Some(seller.id.to_string()),
            kind: announcement.as_str(),
            subject: seller.version.to_string(),
            sequence: seller.version,
            created_at: instant(now),
        });
        Ok((seller, told))
    }
}

/// What a reader sees of a seller beside when Stripe was asked about it.
type Shown<'a> = (
    (Option<&'a str>, ConnectionStatus, Option<&'a AccountState>),
    (ChargeType, FeeTerms, Option<&'a str>, &'a Metadata),
);

fn shown(seller: &Seller) -> Shown<'_> {
    (
        (seller.account_id.as_deref(), seller.connection_status, seller.snapshot.state.as_ref()),
        (seller.charge_type, seller.fee, seller.reference.as_deref(), &seller.metadata),
    )
}
