//! The catalogue.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::catalog::Product;
use quittance_domain::id::ProductId;
use quittance_domain::money::Money;

use super::super::Database;
use super::super::dialect::for_update;
use super::replies::store_reply;
use super::rows::{ProductRow, document, instant};
use super::schema::products;
use crate::Error;
use crate::model::{Completion, Cursor, Page, ProductChange, ProductChanged, Shelf};

impl Database {
    pub(crate) async fn insert_product(
        &self,
        product: Product,
        completion: Option<Completion<Product>>,
    ) -> Result<Product, Error> {
        let (created_at, updated_at) = (instant(product.created_at), instant(product.updated_at));
        let product = Product { created_at, updated_at, ..product };
        let row = ProductRow::of(&product)?;
        self.write(async |conn| {
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
    ) -> Result<ProductChanged, Error> {
        self.write(async |conn| {
            let query = for_update!(products::table.find(id.as_str()).select(ProductRow::as_select()));
            let Some(row) = query.first::<ProductRow>(conn).await.optional()? else {
                return Ok(ProductChanged::NotFound);
            };
            let mut product = row.read()?;
            let currency = change.currency.unwrap_or(product.unit_price.currency());
            match Money::new(change.unit_amount.unwrap_or(product.unit_price.minor()), currency) {
                Ok(price) => product.unit_price = price,
                Err(error) => return Ok(ProductChanged::Price(error)),
            }
            let change = change.clone();
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
            Ok(ProductChanged::Done(product))
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
        wanted: Shelf,
        cursor: Cursor<ProductId>,
    ) -> Result<Page<Product>, Error> {
        let mut query = products::table
            .select(ProductRow::as_select())
            .order(products::id.desc())
            .limit(i64::from(cursor.limit) + 1)
            .into_boxed();
        if wanted == Shelf::Active {
            query = query.filter(products::active.eq(true));
        }
        if let Some(id) = cursor.starting_after {
            query = query.filter(products::id.lt(String::from(id)));
        }
        let mut conn = self.reader().await?;
        let rows: Vec<ProductRow> = query.load(&mut conn).await?;
        Page::of(rows, cursor.limit, ProductRow::read)
    }
}
