//! Unlinking sellers.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::{OrderId, SellerId};
use quittance_domain::order::OrderStatus;
use quittance_domain::seller::{ConnectionStatus, Seller};

use super::super::Database;
use super::super::columns::{instant, parse};
use super::super::schema::orders;
use super::locked_seller::LockedSeller;
use crate::Error;
use crate::model::BeginUnlinkOutcome;

/// The time that the caller has to finish unlinking before a worker takes over.
const CALLER_GRACE_PERIOD: Duration = Duration::seconds(30);

impl Database {
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
                // Stripe has no connection to end.
                _ if !locked.seller.is_connected() => {
                    end_connection(&mut locked);
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
            locked.check_at = Some(instant(now + CALLER_GRACE_PERIOD));
            locked.check_count = 0;
            Ok(BeginUnlinkOutcome::Begun(locked.commit(conn, supported, now).await?))
        })
        .await
    }

    pub(crate) async fn stop_unlink(&self, id: SellerId, now: DateTime<Utc>) -> Result<Seller, Error> {
        self.write(async |conn| {
            let mut locked = LockedSeller::lock(conn, &id).await?;
            if locked.seller.connection_status == ConnectionStatus::Unlinking {
                locked.seller.connection_status = ConnectionStatus::Connected;
                locked.unlink_forced = false;
                // Events during the unlinking caused no read.
                locked.schedule_reread(now);
            }
            locked.commit(conn, &self.sellers_supported, now).await
        })
        .await
    }

    pub(crate) async fn record_unlinked(&self, id: SellerId, now: DateTime<Utc>) -> Result<Seller, Error> {
        self.write(async |conn| {
            let mut locked = LockedSeller::lock(conn, &id).await?;
            // Keep a seller that was reconnected meanwhile.
            if matches!(
                locked.seller.connection_status,
                ConnectionStatus::Unlinking | ConnectionStatus::Disconnected
            ) {
                end_connection(&mut locked);
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

fn end_connection(locked: &mut LockedSeller) {
    locked.seller.connection_status = ConnectionStatus::Unlinked;
    locked.unlink_forced = false;
    locked.check_at = None;
}
