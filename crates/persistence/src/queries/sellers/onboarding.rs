//! Recording new sellers and their Stripe accounts.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::catalog::Metadata;
use quittance_domain::id::SellerId;
use quittance_domain::seller::{AccountSnapshot, AccountState, ConnectionStatus, Origin, Seller};

use super::super::Database;
use super::super::columns::instant;
use super::super::idempotency_keys::store_reply;
use super::super::rows::sellers::SellerRow;
use super::super::schema::sellers;
use super::locked_seller::LockedSeller;
use crate::Error;
use crate::model::{Completion, ConnectSeller, NewSeller};

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
            // A retry with the same idempotency key returns the same account.
            if locked.seller.account_id.get_or_insert_with(|| account_id.clone()) == &account_id {
                locked.connected_at_s = locked.connected_at_s.max(began_s);
                locked.apply_read(began_s, state.clone(), now);
                // Earlier events of this account were ignored, because no seller had it.
                locked.schedule_reread(now);
            }
            locked.commit(conn, &self.sellers_supported, now).await
        })
        .await
    }

    /// Deletes the seller. No event mentions it, because it was never connected.
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
            let new = SellerRow::new(&new_connected_seller(&connected), connected.mode)?;
            diesel::insert_into(sellers::table).values(new).on_conflict_do_nothing().execute(conn).await?;
            let found = LockedSeller::lock_by_accounts(conn, &[connected.account_id.as_str()]).await?;
            let mut locked =
                found.into_iter().next().ok_or_else(|| Error::corrupt("seller", "it doesn't exist"))?;
            locked.seller.connection_status = ConnectionStatus::Connected;
            locked.mode = connected.mode;
            locked.connected_at_s = locked.connected_at_s.max(connected.began_s);
            locked.unlink_forced = false;
            match &connected.state {
                Some(state) => {
                    locked.apply_read(connected.began_s, state.clone(), connected.now);
                    // Earlier events of this account were ignored, because no seller had it.
                    locked.schedule_reread(connected.now);
                }
                None => locked.check_at = Some(instant(connected.now)),
            }
            locked.commit(conn, &self.sellers_supported, connected.now).await
        })
        .await
    }
}

/// Returns a seller for a new account, before its connection is recorded.
fn new_connected_seller(connected: &ConnectSeller) -> Seller {
    Seller {
        id: connected.new_id.clone(),
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
