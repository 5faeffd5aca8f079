//! Sellers: recorded, changed, and kept true by what Stripe answers about their accounts.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::catalog::Metadata;
use quittance_domain::id::SellerId;
use quittance_domain::seller::{
    AccountSnapshot, AccountState, ConnectionStatus, FeeTerms, Origin, Seller, SupportedSellers,
};

use super::super::Database;
use super::super::dialect::Conn;
use super::replies::store_reply;
use super::rows::instant;
use super::schema::sellers;
use super::seller_rows::{LockedSeller, SellerRow};
use crate::Error;
use crate::model::{
    ChangeSellerOutcome, Completion, ConnectSeller, Cursor, NewSeller, Page, SellerChange, SellerFilter,
};

/// How many sellers are looked at at once for those that can be charged through: that is derived, and not stored.
const LOOKED_AT_ONCE: i64 = 200;

impl Database {
    pub(crate) async fn insert_seller(
        &self,
        new: NewSeller,
        completion: Option<Completion<Seller>>,
    ) -> Result<Seller, Error> {
        let seller = Seller {
            id: new.id,
            account_id: None,
            origin: Origin::Created,
            connection_status: ConnectionStatus::Connected,
            charge_type: new.charge_type,
            fee: new.fee,
            reference: new.reference,
            metadata: new.metadata,
            snapshot: AccountSnapshot::default(),
            checked_at: None,
            version: 1,
            created_at: instant(new.now),
            updated_at: instant(new.now),
        };
        let row = SellerRow {
            request: Some(new.request),
            check_at: Some(instant(new.resume_at)),
            ..SellerRow::new(&seller, new.mode)?
        };
        self.write(async |conn| {
            diesel::insert_into(sellers::table).values(row.clone()).execute(conn).await?;
            store_reply(conn, completion.as_ref(), &seller).await
        })
        .await?;
        Ok(seller)
    }

    pub(crate) async fn record_created_account(
        &self,
        id: SellerId,
        account_id: String,
        began_s: i64,
        state: AccountState,
        now: DateTime<Utc>,
    ) -> Result<Seller, Error> {
        self.write(async |conn| {
            let mut locked = LockedSeller::lock(conn, &id).await?;
            // Whoever asks once more with the same idempotency key is answered the same account.
            if locked.seller.account_id.get_or_insert_with(|| account_id.clone()) == &account_id {
                locked.connected_at_s = locked.connected_at_s.max(began_s);
                locked.apply_read(began_s, state.clone(), now);
                // What was told of the account before it was known here was of nobody.
                locked.read_again(now);
            }
            locked.commit(conn, &self.sellers_supported, now).await
        })
        .await
    }

    /// It was never shown to anybody as connected, so nothing speaks of it.
    pub(crate) async fn refuse_seller(&self, id: SellerId) -> Result<(), Error> {
        self.write(async |conn| {
            diesel::delete(
                sellers::table
                    .find(id.as_str())
                    .filter(sellers::account_id.is_null())
                    .filter(sellers::connection_status.eq(ConnectionStatus::Connected.as_str())),
            )
            .execute(conn)
            .await?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn connect_seller(&self, connected: ConnectSeller) -> Result<Seller, Error> {
        self.write(async |conn| {
            let new = SellerRow::new(&not_yet_connected(&connected), connected.mode)?;
            diesel::insert_into(sellers::table).values(new).on_conflict_do_nothing().execute(conn).await?;
            let found = LockedSeller::of_accounts(conn, &[connected.account_id.as_str()]).await?;
            let mut locked =
                found.into_iter().next().ok_or_else(|| Error::corrupt("seller", "it is gone"))?;
            locked.seller.connection_status = ConnectionStatus::Connected;
            locked.mode = connected.mode;
            locked.connected_at_s = locked.connected_at_s.max(connected.began_s);
            locked.unlink_forced = false;
            match &connected.state {
                Some(state) => {
                    locked.apply_read(connected.began_s, state.clone(), connected.now);
                    // What was told of the account before it was known here was of nobody.
                    locked.read_again(connected.now);
                }
                None => locked.check_at = Some(instant(connected.now)),
            }
            locked.commit(conn, &self.sellers_supported, connected.now).await
        })
        .await
    }

    pub(crate) async fn seller(&self, id: SellerId) -> Result<Option<Seller>, Error> {
        let mut conn = self.reader().await?;
        let row: Option<SellerRow> = sellers::table
            .find(id.as_str())
            .select(SellerRow::as_select())
            .first(&mut conn)
            .await
            .optional()?;
        row.as_ref().map(SellerRow::read).transpose()
    }

    pub(crate) async fn sellers(
        &self,
        filter: SellerFilter,
        cursor: Cursor<SellerId>,
    ) -> Result<Page<Seller>, Error> {
        let wanted = usize::from(cursor.limit) + 1;
        let mut before = cursor.starting_after.map(String::from);
        let mut found = Vec::with_capacity(wanted);
        let mut conn = self.reader().await?;
        loop {
            let rows = page_of_rows(&mut conn, &filter, before.as_deref()).await?;
            let is_last = rows.len() < usize::try_from(LOOKED_AT_ONCE).unwrap_or_default();
            before = rows.last().map(|row| row.id.clone());
            for row in rows {
                let seller = row.read()?;
                if is_wanted(&seller, filter.ready, &self.sellers_supported) {
                    found.push(seller);
                }
            }
            if is_last || found.len() >= wanted {
                return Page::of(found, cursor.limit, Ok);
            }
        }
    }

    pub(crate) async fn change_seller(&self, change: SellerChange) -> Result<ChangeSellerOutcome, Error> {
        self.write(async |conn| {
            let Some(mut locked) = LockedSeller::find(conn, &change.id).await? else {
                return Ok(ChangeSellerOutcome::NotFound);
            };
            let (seller, change) = (&mut locked.seller, change.clone());
            let fee = FeeTerms::new(
                change.fee_basis_points.unwrap_or(seller.fee.basis_points()),
                change.fee_fixed.unwrap_or(seller.fee.fixed()),
                change.fee_minimum.unwrap_or(seller.fee.minimum()),
            );
            match fee {
                Ok(fee) => seller.fee = fee,
                Err(error) => return Ok(ChangeSellerOutcome::Fee(error)),
            }
            seller.charge_type = change.charge_type.unwrap_or(seller.charge_type);
            seller.reference = change.reference.unwrap_or(seller.reference.take());
            if let Some(metadata) = change.metadata {
                seller.metadata = metadata;
            }
            Ok(ChangeSellerOutcome::Done(locked.commit(conn, &self.sellers_supported, change.now).await?))
        })
        .await
    }
}

/// The seller of an account that nobody knew, before it is taken in that the platform was let in.
fn not_yet_connected(connected: &ConnectSeller) -> Seller {
    Seller {
        id: connected.fresh_id.clone(),
        account_id: Some(connected.account_id.clone()),
        origin: Origin::OAuth,
        connection_status: ConnectionStatus::Disconnected,
        charge_type: connected.charge_type,
        fee: connected.fee,
        reference: None,
        metadata: Metadata::new(),
        snapshot: AccountSnapshot::default(),
        checked_at: None,
        version: 0,
        created_at: connected.now,
        updated_at: connected.now,
    }
}

async fn page_of_rows(
    conn: &mut Conn,
    filter: &SellerFilter,
    before: Option<&str>,
) -> Result<Vec<SellerRow>, Error> {
    let mut query = sellers::table
        .select(SellerRow::as_select())
        .order(sellers::id.desc())
        .limit(LOOKED_AT_ONCE)
        .into_boxed();
    if let Some(reference) = &filter.reference {
        query = query.filter(sellers::reference.eq(reference));
    }
    if let Some(account_id) = &filter.account_id {
        query = query.filter(sellers::account_id.eq(account_id));
    }
    if filter.ready == Some(true) {
        query = query.filter(sellers::connection_status.eq(ConnectionStatus::Connected.as_str()));
    }
    if let Some(before) = before {
        query = query.filter(sellers::id.lt(before.to_owned()));
    }
    Ok(query.load(conn).await?)
}

fn is_wanted(seller: &Seller, ready: Option<bool>, supported: &SupportedSellers) -> bool {
    ready.is_none_or(|ready| seller.readiness(supported).ready == ready)
}
