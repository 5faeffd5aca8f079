//! What is to be done at Stripe about sellers: making their accounts, reading them, and letting them go.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::{OrderId, SellerId};
use quittance_domain::order::OrderStatus;
use quittance_domain::seller::{AccountState, ConnectionStatus, Seller};

use super::super::Database;
use super::super::dialect::for_update_skip_locked;
use super::rows::{instant, parse};
use super::schema::{orders, sellers};
use super::seller_rows::{LockedSeller, SellerRow};
use crate::Error;
use crate::model::{BeginUnlinkOutcome, PendingSeller, SellerWork, WorkClaim};

/// How long whoever asked for the end of a link has to reach it, before a worker does it instead.
const GRACE: Duration = Duration::seconds(30);

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
                    sellers::checks.eq(sellers::checks + 1),
                ))
                .execute(conn)
                .await?;
            due.iter_mut().map(at_work).collect()
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
            locked.checks = 0;
            if began_s <= locked.connected_at_s {
                // The platform may have been let in again since.
                locked.read_again(now);
            } else {
                if locked.seller.connection_status == ConnectionStatus::Connected {
                    locked.seller.connection_status = ConnectionStatus::Disconnected;
                }
                locked.plan_next(now);
            }
            locked.commit(conn, &self.sellers_supported, now).await
        })
        .await
    }

    pub(crate) async fn begin_unlink(
        &self,
        id: SellerId,
        force: bool,
        now: DateTime<Utc>,
    ) -> Result<BeginUnlinkOutcome, Error> {
        let supported = &self.sellers_supported;
        self.write(async |conn| {
            let Some(mut locked) = LockedSeller::find(conn, &id).await? else {
                return Ok(BeginUnlinkOutcome::NotFound);
            };
            match locked.seller.connection_status {
                ConnectionStatus::Unlinked => return Ok(BeginUnlinkOutcome::Done(locked.seller)),
                // There is nothing to be ended at Stripe.
                _ if !locked.seller.is_connected() => {
                    end(&mut locked);
                    return Ok(BeginUnlinkOutcome::Done(locked.commit(conn, supported, now).await?));
                }
                ConnectionStatus::Connected if !force && !locked.seller.readiness(supported).can_unlink => {
                    return Ok(BeginUnlinkOutcome::NotAllowed(locked.seller));
                }
                ConnectionStatus::Connected
                | ConnectionStatus::Unlinking
                | ConnectionStatus::Disconnected => {}
            }
            locked.seller.connection_status = ConnectionStatus::Unlinking;
            locked.unlink_forced |= force;
            locked.check_at = Some(instant(now + GRACE));
            locked.checks = 0;
            Ok(BeginUnlinkOutcome::BeginAttemptOutcome(locked.commit(conn, supported, now).await?))
        })
        .await
    }

    pub(crate) async fn stop_unlink(&self, id: SellerId, now: DateTime<Utc>) -> Result<Seller, Error> {
        self.write(async |conn| {
            let mut locked = LockedSeller::lock(conn, &id).await?;
            if locked.seller.connection_status == ConnectionStatus::Unlinking {
                locked.seller.connection_status = ConnectionStatus::Connected;
                locked.unlink_forced = false;
                // What was heard meanwhile was not looked into.
                locked.read_again(now);
            }
            locked.commit(conn, &self.sellers_supported, now).await
        })
        .await
    }

    pub(crate) async fn unlinked(&self, id: SellerId, now: DateTime<Utc>) -> Result<Seller, Error> {
        self.write(async |conn| {
            let mut locked = LockedSeller::lock(conn, &id).await?;
            // One that was let in again meanwhile stays.
            if matches!(
                locked.seller.connection_status,
                ConnectionStatus::Unlinking | ConnectionStatus::Disconnected
            ) {
                end(&mut locked);
            }
            locked.commit(conn, &self.sellers_supported, now).await
        })
        .await
    }

    pub(crate) async fn open_orders_of_seller(
        &self,
        id: SellerId,
    ) -> Result<Vec<(OrderId, OrderStatus)>, Error> {
        let open: Vec<&str> =
            OrderStatus::ALL.into_iter().filter(|status| status.is_open()).map(OrderStatus::as_str).collect();
        let mut conn = self.reader().await?;
        let rows: Vec<(String, String)> = orders::table
            .filter(orders::seller_id.eq(id.as_str()))
            .filter(orders::status.eq_any(open))
            .order(orders::id.asc())
            .select((orders::id, orders::status))
            .load(&mut conn)
            .await?;
        let read = |(id, status): (String, String)| Ok((parse("order", &id)?, parse("order", &status)?));
        rows.into_iter().map(read).collect()
    }
}

fn end(locked: &mut LockedSeller) {
    locked.seller.connection_status = ConnectionStatus::Unlinked;
    locked.unlink_forced = false;
    locked.check_at = None;
}

fn at_work(row: &mut SellerRow) -> Result<PendingSeller, Error> {
    let seller = row.read()?;
    let work = match row.request.take() {
        _ if seller.connection_status == ConnectionStatus::Unlinking => {
            SellerWork::Unlink { force: row.unlink_forced }
        }
        Some(request) if seller.account_id.is_none() => SellerWork::Make(request),
        _ => SellerWork::Read,
    };
    Ok(PendingSeller { seller, mode: row.mode()?, work, checks: row.checks + 1 })
}
