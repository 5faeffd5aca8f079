//! Work due for sellers at Stripe: creating, reading and unlinking their accounts.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::SellerId;
use quittance_domain::seller::{AccountState, ConnectionStatus, Seller};

use super::super::Database;
use super::super::columns::instant;
use super::super::dialect::for_update_skip_locked;
use super::super::rows::sellers::SellerRow;
use super::super::schema::sellers;
use super::locked_seller::LockedSeller;
use crate::Error;
use crate::model::{PendingSeller, SellerWork, WorkClaim};

impl Database {
    pub(crate) async fn claim_seller_checks(&self, claim: WorkClaim) -> Result<Vec<PendingSeller>, Error> {
        self.write(async |conn| {
            let mut due: Vec<SellerRow> = for_update_skip_locked!(
                sellers::table
                    .filter(sellers::check_at.is_not_null())
                    .filter(sellers::check_at.le(claim.now))
                    .order(sellers::check_at.asc())
                    .limit(i64::from(claim.limit))
                    .select(SellerRow::as_select())
            )
            .load(conn)
            .await?;
            let ids: Vec<&String> = due.iter().map(|row| &row.id).collect();
            diesel::update(sellers::table.filter(sellers::id.eq_any(ids)))
                .set((
                    sellers::check_at.eq(Some(instant(claim.lease_until))),
                    sellers::check_count.eq(sellers::check_count + 1),
                ))
                .execute(conn)
                .await?;
            due.iter_mut().map(pending_seller).collect()
        })
        .await
    }

    pub(crate) async fn record_account_snapshot(
        &self,
        id: SellerId,
        began_s: i64,
        state: AccountState,
        now: DateTime<Utc>,
    ) -> Result<Seller, Error> {
        self.write(async |conn| {
            let mut locked = LockedSeller::lock(conn, &id).await?;
            locked.apply_read(began_s, state.clone(), now);
            locked.commit(conn, &self.sellers_supported, now).await
        })
        .await
    }

    pub(crate) async fn record_account_disconnect(
        &self,
        id: SellerId,
        began_s: i64,
        now: DateTime<Utc>,
    ) -> Result<Seller, Error> {
        self.write(async |conn| {
            let mut locked = LockedSeller::lock(conn, &id).await?;
            locked.seller.checked_at = Some(instant(now));
            locked.check_count = 0;
            if began_s <= locked.connected_at_s {
                // The platform may have been reconnected since.
                locked.schedule_reread(now);
            } else {
                if locked.seller.connection_status == ConnectionStatus::Connected {
                    locked.seller.connection_status = ConnectionStatus::Disconnected;
                }
                locked.schedule_next_read(now);
            }
            locked.commit(conn, &self.sellers_supported, now).await
        })
        .await
    }
}

fn pending_seller(row: &mut SellerRow) -> Result<PendingSeller, Error> {
    let seller = row.read()?;
    let work = match row.request.take() {
        _ if seller.connection_status == ConnectionStatus::Unlinking => {
            SellerWork::Unlink { force: row.unlink_forced }
        }
        Some(request) if seller.account_id.is_none() => SellerWork::Make(request),
        _ => SellerWork::Read,
    };
    Ok(PendingSeller { seller, mode: row.mode()?, work, check_count: row.check_count + 1 })
}
