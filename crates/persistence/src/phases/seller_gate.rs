//! Whether an attempt may be charged as it was made: through a seller that is ready, on the terms of the order.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::payment::{Account, Expected};
use quittance_domain::seller::{Link, SoldBy, Supported};

use super::super::Database;
use super::super::dialect::{Conn, for_share};
use super::ledger::Ledger;
use super::rows::{OrderRow, instant};
use super::schema::sellers;
use super::seller_rows::SellerRow;
use crate::Error;
use crate::model::Begun;

/// Why nothing can be charged through the order's seller now. The seller stays as it is until the attempt is recorded.
pub(super) async fn seller_not_ready(
    conn: &mut Conn,
    ledger: &Ledger,
    supported: &Supported,
) -> Result<Option<Begun>, Error> {
    let Some(sold_by) = ledger.order.sold_by()? else { return Ok(None) };
    let seller_id = sold_by.seller_id;
    let query = for_share!(sellers::table.find(seller_id.as_str()).select(SellerRow::as_select()));
    let seller = query.first::<SellerRow>(conn).await?.read()?;
    let readiness = seller.readiness(supported);
    let blockers = readiness.blockers;
    Ok((!readiness.ready).then_some(Begun::SellerNotReady { seller_id, blockers }))
}

/// Whether an attempt was made for a total, or for terms, that the order does not have any more.
pub(super) fn is_outdated(
    expected: &Expected,
    destination: Option<&str>,
    order: &OrderRow,
) -> Result<bool, Error> {
    let total = expected.amount;
    let sold_by = order.sold_by()?;
    let sold_by = sold_by.as_ref();
    Ok((total.minor(), total.currency().code()) != (order.amount_total, &order.currency)
        || expected.account != sold_by.map(SoldBy::charged_on).unwrap_or_default()
        || expected.application_fee != sold_by.and_then(SoldBy::charged_fee)
        || destination != sold_by.and_then(SoldBy::destination))
}

/// Has a seller's account read at once.
pub(super) async fn look_at_seller(
    conn: &mut Conn,
    seller_id: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let connected = sellers::table.find(seller_id).filter(sellers::link.eq(Link::Connected.as_str()));
    diesel::update(connected).set(sellers::check_at.eq(Some(instant(now)))).execute(conn).await?;
    Ok(())
}

impl Database {
    pub(crate) async fn look_at_account(&self, account: Account, now: DateTime<Utc>) -> Result<(), Error> {
        self.write(async |conn| {
            let of_account = sellers::account_id.eq(account.as_str());
            let found: Option<String> =
                sellers::table.filter(of_account).select(sellers::id).first(conn).await.optional()?;
            match found {
                Some(seller_id) => look_at_seller(conn, &seller_id, now).await,
                None => Ok(()),
            }
        })
        .await
    }
}
