//! Whether an attempt may be charged as it was made: through a seller that is ready, on the terms of the order.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::payment::{Account, ExpectedPayment};
use quittance_domain::seller::{ConnectionStatus, SellerTerms, SupportedSellers};

use super::super::Database;
use super::super::dialect::{Conn, for_share};
use super::locked_order::LockedOrder;
use super::rows::{OrderRow, instant};
use super::schema::sellers;
use super::seller_rows::SellerRow;
use crate::Error;
use crate::model::BeginAttemptOutcome;

/// Why nothing can be charged through the order's seller now. The seller stays as it is until the attempt is recorded.
pub(super) async fn seller_not_ready(
    conn: &mut Conn,
    locked: &LockedOrder,
    supported: &SupportedSellers,
) -> Result<Option<BeginAttemptOutcome>, Error> {
    let Some(seller_terms) = locked.order.seller_terms()? else { return Ok(None) };
    let seller_id = seller_terms.seller_id;
    let query = for_share!(sellers::table.find(seller_id.as_str()).select(SellerRow::as_select()));
    let seller = query.first::<SellerRow>(conn).await?.read()?;
    let readiness = seller.readiness(supported);
    let blockers = readiness.blockers;
    Ok((!readiness.ready).then_some(BeginAttemptOutcome::SellerNotReady { seller_id, blockers }))
}

/// Whether an attempt was made for a total, or for terms, that the order does not have any more.
pub(super) fn is_outdated(
    expected: &ExpectedPayment,
    destination: Option<&str>,
    order: &OrderRow,
) -> Result<bool, Error> {
    let total = expected.amount;
    let seller_terms = order.seller_terms()?;
    let seller_terms = seller_terms.as_ref();
    Ok((total.minor(), total.currency().code()) != (order.amount_total, &order.currency)
        || expected.account != seller_terms.map(SellerTerms::charge_account).unwrap_or_default()
        || expected.application_fee != seller_terms.and_then(SellerTerms::charged_fee)
        || destination != seller_terms.and_then(SellerTerms::destination))
}

/// Has a seller's account read at once.
pub(super) async fn schedule_seller_refresh(
    conn: &mut Conn,
    seller_id: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let connected = sellers::table
        .find(seller_id)
        .filter(sellers::connection_status.eq(ConnectionStatus::Connected.as_str()));
    diesel::update(connected).set(sellers::check_at.eq(Some(instant(now)))).execute(conn).await?;
    Ok(())
}

impl Database {
    pub(crate) async fn schedule_account_refresh(
        &self,
        account: Account,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.write(async |conn| {
            let of_account = sellers::account_id.eq(account.as_str());
            let found: Option<String> =
                sellers::table.filter(of_account).select(sellers::id).first(conn).await.optional()?;
            match found {
                Some(seller_id) => schedule_seller_refresh(conn, &seller_id, now).await,
                None => Ok(()),
            }
        })
        .await
    }
}
