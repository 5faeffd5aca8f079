//! Products: <https://docs.stripe.com/api/products>.

use serde_json::{Value, json};

use crate::endpoints::price_params;
use crate::endpoints::product_params::{Fields, parse_new};
use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::http::pagination::{Page, created_filter};
use crate::http::params::{Change, MAX_TEXT_CHARS};
use crate::objects::price::Price;
use crate::objects::product::{Product, ProductType};
use crate::operations::catalog;

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/v1/products", create),
    Route::get("/v1/products", list),
    Route::get("/v1/products/{id}", retrieve),
    Route::post("/v1/products/{id}", update),
    Route::delete("/v1/products/{id}", delete),
];

fn find<'a>(call: &'a Call<'_, '_>) -> Result<&'a Product, ApiError> {
    call.tx.get::<Product>(call.id).ok_or_else(|| ApiError::not_found("product", call.id, "id"))
}

fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let now = call.tx.now.seconds();
    let mut product = parse_new(&mut params, now)?;
    product.type_ = params.enum_value("type")?.unwrap_or(product.type_);
    let price = match params.nested("default_price_data")? {
        None => None,
        Some(mut data) => {
            let price = price_params::parse(&mut data, &product.id, now)?;
            data.finish()?;
            Some(price)
        }
    };
    params.finish()?;
    product.default_price = price.as_ref().map(|price| price.id.clone());
    let rendered = catalog::add_product(call.tx, product);
    if let Some(price) = price {
        catalog::add_price(call.tx, price);
    }
    Ok(rendered)
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    find(call).map(Product::render)
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let fields = Fields::parse(&mut params)?;
    let default_price = params.text("default_price", MAX_TEXT_CHARS)?;
    params.finish()?;
    let mut product = find(call)?.clone();
    if let Change::Set(id) = &default_price {
        let price = call.tx.get::<Price>(id);
        let price =
            price.ok_or_else(|| ApiError::not_found("price", id, "default_price").with_status(400))?;
        if !price.is_offered_for(&product.id) {
            return Err(ApiError::refused("The default price must be an active price of this product.")
                .with_param("default_price"));
        }
    }
    default_price.apply(&mut product.default_price);
    fields.apply(&mut product)?;
    product.updated = call.tx.now.seconds();
    let rendered = product.render();
    call.tx.put(product);
    call.tx.emit("product.updated", rendered.clone());
    Ok(rendered)
}

fn delete(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let product = find(call)?.clone();
    if catalog::prices_for_product(call.tx, &product.id).next().is_some() {
        return Err(ApiError::refused(
            "This product cannot be deleted because it has one or more user-created prices.",
        ));
    }
    call.tx.delete::<Product>(&product.id);
    call.tx.emit("product.deleted", product.render());
    Ok(json!({ "id": product.id, "object": "product", "deleted": true }))
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    let active = params.boolean("active")?;
    let ids = params.strings("ids")?;
    let shippable = params.boolean("shippable")?;
    let type_ = params.enum_value::<ProductType>("type")?;
    let url = params.string("url")?;
    if ids.is_some() && page.has_cursor() {
        return Err(params.invalid("ids", "You cannot combine ids with starting_after or ending_before."));
    }
    params.finish()?;
    let products: Vec<&Product> = call
        .tx
        .newest_first::<Product>()
        .filter(|product| created.contains(&product.created))
        .filter(|product| active.is_none_or(|active| product.active == active))
        .filter(|product| ids.as_ref().is_none_or(|ids| ids.contains(&product.id)))
        .filter(|product| shippable.is_none() || product.shippable == shippable)
        .filter(|product| type_.is_none_or(|type_| product.type_ == type_))
        .filter(|product| url.is_none() || product.url == url)
        .collect();
    page.render(&products, "product", "/v1/products", |product| &product.id, |product| product.render())
}
