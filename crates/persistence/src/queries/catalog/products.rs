//! Products.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::catalog::Product;
use quittance_domain::id::{ProductId, SellerId};
use quittance_domain::money::Money;

use super::super::Database;
use super::super::columns::{document, instant};
use super::super::dialect::{Conn, for_update};
use super::super::idempotency_keys::store_reply;
use super::super::rows::products::ProductRow;
use super::super::schema::{products, sellers};
use crate::Error;
use crate::model::{ChangeProductOutcome, Completion, Cursor, Page, ProductChange, ProductVisibility};

impl Database {
    pub(crate) async fn insert_product(
        &self,
        product: Product,
        completion: Option<Completion<Product>>,
    ) -> Result<Product, Error> {
        let (created_at, updated_at) = (instant(product.created_at), instant(product.updated_at));
        let product = Product { created_at, updated_at, ..product };
        let row = ProductRow::from_product(&product)?;
        self.write(async |conn| {
            if !is_connected_seller(conn, product.seller_id.as_ref()).await? {
                return Err(Error::UnknownSeller);
            }
            diesel::insert_into(products::table).values(row.clone()).execute(conn).await?;
            store_reply(conn, completion.as_ref(), &product).await
        })
        .await?;
        Ok(product)
    }

    pub(crate) async fn change_product(
        &self,
        id: ProductId,
        change: ProductChange,
        now: DateTime<Utc>,
    ) -> Result<ChangeProductOutcome, Error> {
        self.write(async |conn| {
            let query = for_update!(products::table.find(id.as_str()).select(ProductRow::as_select()));
            let Some(row) = query.first::<ProductRow>(conn).await.optional()? else {
                return Ok(ChangeProductOutcome::NotFound);
            };
            let mut product = row.read()?;
            let currency = change.currency.unwrap_or(product.unit_price.currency());
            match Money::new(change.unit_amount.unwrap_or(product.unit_price.minor()), currency) {
                Ok(price) => product.unit_price = price,
                Err(error) => return Ok(ChangeProductOutcome::Price(error)),
            }
            let change = change.clone();
            if let Some(seller_id) = change.seller_id.filter(|seller_id| *seller_id != product.seller_id) {
                if !is_connected_seller(conn, seller_id.as_ref()).await? {
                    return Ok(ChangeProductOutcome::UnknownSeller);
                }
                set_seller(conn, &id, seller_id.as_ref()).await?;
                product.seller_id = seller_id;
            }
            product.name = change.name.unwrap_or(product.name);
            product.description = change.description.unwrap_or(product.description);
            product.active = change.active.unwrap_or(product.active);
            product.stock = change.stock.unwrap_or(product.stock);
            product.metadata = change.metadata.unwrap_or(product.metadata);
            product.updated_at = instant(now);
            diesel::update(products::table.find(id.as_str()))
                .set((
                    products::name.eq(&product.name),
                    products::description.eq(&product.description),
                    products::unit_amount.eq(product.unit_price.minor()),
                    products::currency.eq(product.unit_price.currency().code()),
                    products::active.eq(product.active),
                    products::stock.eq(product.stock.map(i64::from)),
                    products::metadata.eq(document("product", &product.metadata)?),
                    products::updated_at.eq(product.updated_at),
                ))
                .execute(conn)
                .await?;
            Ok(ChangeProductOutcome::Done(product))
        })
        .await
    }

    pub(crate) async fn stripe_product(&self, id: ProductId) -> Result<Option<String>, Error> {
        let mut conn = self.reader().await?;
        let found: Option<Option<String>> = products::table
            .find(id.as_str())
            .select(products::stripe_product_id)
            .first(&mut conn)
            .await
            .optional()?;
        Ok(found.flatten())
    }

    pub(crate) async fn set_stripe_product(
        &self,
        id: ProductId,
        seller_id: SellerId,
        stripe_product_id: String,
    ) -> Result<Option<String>, Error> {
        self.write(async |conn| {
            let of_seller =
                products::table.find(id.as_str()).filter(products::seller_id.eq(seller_id.as_str()));
            diesel::update(of_seller.filter(products::stripe_product_id.is_null()))
                .set(products::stripe_product_id.eq(Some(&stripe_product_id)))
                .execute(conn)
                .await?;
            let stands: Option<Option<String>> =
                of_seller.select(products::stripe_product_id).first(conn).await.optional()?;
            Ok(stands.flatten())
        })
        .await
    }

    pub(crate) async fn product(&self, id: ProductId) -> Result<Option<Product>, Error> {
        let mut conn = self.reader().await?;
        products::table
            .find(id.as_str())
            .select(ProductRow::as_select())
            .first(&mut conn)
            .await
            .optional()?
            .map(ProductRow::read)
            .transpose()
    }

    pub(crate) async fn products(
        &self,
        wanted: ProductVisibility,
        cursor: Cursor<ProductId>,
    ) -> Result<Page<Product>, Error> {
        let mut query = products::table
            .select(ProductRow::as_select())
            .order(products::id.desc())
            .limit(i64::from(cursor.limit) + 1)
            .into_boxed();
        if wanted == ProductVisibility::Active {
            query = query.filter(products::active.eq(true));
        }
        if let Some(id) = cursor.starting_after {
            query = query.filter(products::id.lt(String::from(id)));
        }
        let mut conn = self.reader().await?;
        let rows: Vec<ProductRow> = query.load(&mut conn).await?;
        Page::from_rows(rows, cursor.limit, ProductRow::read)
    }
}

/// Reports whether a product can have this seller: it has an account, or it is the platform itself.
async fn is_connected_seller(conn: &mut Conn, seller_id: Option<&SellerId>) -> Result<bool, Error> {
    let Some(seller_id) = seller_id else { return Ok(true) };
    let known: Option<String> = sellers::table
        .find(seller_id.as_str())
        .filter(sellers::account_id.is_not_null())
        .select(sellers::id)
        .first(conn)
        .await
        .optional()?;
    Ok(known.is_some())
}

/// Changes a product's seller. Clears its ID at Stripe, which belongs to the previous seller's account.
async fn set_seller(conn: &mut Conn, id: &ProductId, seller_id: Option<&SellerId>) -> Result<(), Error> {
    diesel::update(products::table.find(id.as_str()))
        .set((
            products::seller_id.eq(seller_id.map(SellerId::as_str)),
            products::stripe_product_id.eq(None::<String>),
        ))
        .execute(conn)
        .await?;
    Ok(())
}
