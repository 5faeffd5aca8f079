//! Reading sellers.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::SellerId;
use quittance_domain::seller::{ConnectionStatus, Seller, SupportedSellers};

use super::super::Database;
use super::super::dialect::Conn;
use super::super::rows::sellers::SellerRow;
use super::super::schema::sellers;
use crate::Error;
use crate::model::{Cursor, Page, SellerFilter};

/// The batch size when filtering sellers by readiness, which is derived and not stored.
const READ_BATCH_SIZE: i64 = 200;

impl Database {
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
            let rows = load_batch(&mut conn, &filter, before.as_deref()).await?;
            let is_last = rows.len() < usize::try_from(READ_BATCH_SIZE).unwrap_or_default();
            before = rows.last().map(|row| row.id.clone());
            for row in rows {
                let seller = row.read()?;
                if matches_ready(&seller, filter.ready, &self.sellers_supported) {
                    found.push(seller);
                }
            }
            if is_last || found.len() >= wanted {
                return Page::from_rows(found, cursor.limit, Ok);
            }
        }
    }
}

/// Returns sellers by ID.
pub(crate) async fn sellers_by_id(
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

async fn load_batch(
    conn: &mut Conn,
    filter: &SellerFilter,
    before: Option<&str>,
) -> Result<Vec<SellerRow>, Error> {
    let mut query = sellers::table
        .select(SellerRow::as_select())
        .order(sellers::id.desc())
        .limit(READ_BATCH_SIZE)
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

fn matches_ready(seller: &Seller, ready: Option<bool>, supported: &SupportedSellers) -> bool {
    ready.is_none_or(|ready| seller.readiness(supported).ready == ready)
}
