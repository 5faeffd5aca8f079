//! The readiness of sellers to accept payments, and immediate reads of their accounts.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::SellerId;
use quittance_domain::payment::Account;
use quittance_domain::seller::{ConnectionStatus, Readiness, SupportedSellers};

use super::super::Database;
use super::super::columns::instant;
use super::super::dialect::{Conn, for_share};
use super::super::rows::sellers::SellerRow;
use super::super::schema::sellers;
use crate::Error;

/// Returns a seller's readiness. The seller's row stays locked against changes until the transaction ends.
pub(crate) async fn lock_readiness(
    conn: &mut Conn,
    seller_id: &SellerId,
    supported: &SupportedSellers,
) -> Result<Readiness, Error> {
    let query = for_share!(sellers::table.find(seller_id.as_str()).select(SellerRow::as_select()));
    let seller = query.first::<SellerRow>(conn).await?.read()?;
    Ok(seller.readiness(supported))
}

/// Schedules an immediate read of a seller's account.
pub(crate) async fn schedule_seller_refresh(
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
