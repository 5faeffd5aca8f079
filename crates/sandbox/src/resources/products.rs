//! Products: <https://docs.stripe.com/api/products>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::config::is_http_url;
use crate::ids;
use crate::list::{Page, created_filter};
use crate::params::{Change, MetadataChange, Params, words};
use crate::request::Call;
use crate::resources::address::MAX_TEXT_CHARS;
use crate::resources::prices::{self, Price};
use crate::routes::Route;
use crate::state::{Resource, Tx};

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/v1/products", create),
    Route::get("/v1/products", list),
    Route::get("/v1/products/{id}", retrieve),
    Route::post("/v1/products/{id}", update),
    Route::delete("/v1/products/{id}", delete),
];

/// The limits that Stripe's documentation names.
const MAX_IMAGES: usize = 8;
const MAX_MARKETING_FEATURES: usize = 15;
const MAX_MARKETING_FEATURE_CHARS: usize = 80;
const MAX_DESCRIPTION_CHARS: usize = 40_000;
const MAX_STATEMENT_DESCRIPTOR_CHARS: usize = 22;

/// What Stripe has for products and the sandbox has not.
const UNSUPPORTED: &[&str] = &["package_dimensions", "tax_details"];

words! {
    /// What a product is for: subscriptions, or the orders that Stripe once had.
    ProductType { Good = "good", Service = "service" }
}

/// Something that is sold.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Product {
    id: String,
    created: i64,
    updated: i64,
    active: bool,
    default_price: Option<String>,
    description: Option<String>,
    images: Vec<String>,
    marketing_features: Vec<String>,
    metadata: BTreeMap<String, String>,
    name: String,
    shippable: Option<bool>,
    statement_descriptor: Option<String>,
    tax_code: Option<String>,
    type_: ProductType,
    unit_label: Option<String>,
    url: Option<String>,
}

impl Resource for Product {
    const KIND: &'static str = "product";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Product {
    fn new(name: String, type_: ProductType, now_seconds: i64) -> Self {
        Self {
            id: format!("prod_{}", ids::random(14)),
            created: now_seconds,
            updated: now_seconds,
            active: true,
            default_price: None,
            description: None,
            images: Vec::new(),
            marketing_features: Vec::new(),
            metadata: BTreeMap::new(),
            name,
            shippable: None,
            statement_descriptor: None,
            tax_code: None,
            type_,
            unit_label: None,
            url: None,
        }
    }

    pub(crate) fn render(&self) -> Value {
        let features: Vec<Value> =
            self.marketing_features.iter().map(|name| json!({ "name": name })).collect();
        json!({
            "id": self.id,
            "object": "product",
            "active": self.active,
            "created": self.created,
            "default_price": self.default_price,
            "description": self.description,
            "images": self.images,
            "livemode": false,
            "marketing_features": features,
            "metadata": self.metadata,
            "name": self.name,
            "package_dimensions": null,
            "shippable": self.shippable,
            "statement_descriptor": self.statement_descriptor,
            "tax_code": self.tax_code,
            "tax_details": null,
            "type": self.type_,
            "unit_label": self.unit_label,
            "updated": self.updated,
            "url": self.url,
        })
    }
}

/// The parameters that create and update share.
struct Fields {
    active: Option<bool>,
    description: Change<String>,
    images: Change<Vec<String>>,
    marketing_features: Change<Vec<String>>,
    metadata: Option<MetadataChange>,
    name: Option<String>,
    shippable: Option<bool>,
    statement_descriptor: Option<String>,
    tax_code: Change<String>,
    unit_label: Change<String>,
    url: Change<String>,
}

impl Fields {
    fn parse(params: &mut Params) -> Result<Self, ApiError> {
        params.refuse_unsupported(UNSUPPORTED)?;
        Ok(Self {
            active: params.boolean("active")?,
            description: params.text("description", MAX_DESCRIPTION_CHARS)?,
            images: read_images(params)?,
            marketing_features: read_marketing_features(params)?,
            metadata: params.metadata()?,
            name: params.string("name")?,
            shippable: params.boolean("shippable")?,
            statement_descriptor: read_statement_descriptor(params)?,
            tax_code: read_tax_code(params)?,
            unit_label: params.text("unit_label", MAX_TEXT_CHARS)?,
            url: read_url(params)?,
        })
    }

    fn apply(self, product: &mut Product) -> Result<(), ApiError> {
        product.active = self.active.unwrap_or(product.active);
        self.description.apply(&mut product.description);
        for (change, list) in
            [(self.images, &mut product.images), (self.marketing_features, &mut product.marketing_features)]
        {
            match change {
                Change::Keep => {}
                Change::Unset => list.clear(),
                Change::Set(new) => *list = new,
            }
        }
        if let Some(name) = self.name {
            product.name = name;
        }
        product.shippable = self.shippable.or(product.shippable);
        product.statement_descriptor = self.statement_descriptor.or(product.statement_descriptor.take());
        self.tax_code.apply(&mut product.tax_code);
        self.unit_label.apply(&mut product.unit_label);
        self.url.apply(&mut product.url);
        match self.metadata {
            Some(change) => change.apply(&mut product.metadata),
            None => Ok(()),
        }
    }
}

/// Reads `images`, the addresses of pictures.
pub(crate) fn read_images(params: &mut Params) -> Result<Change<Vec<String>>, ApiError> {
    let change = params.list_change("images")?;
    match &change {
        Change::Set(images) if images.len() > MAX_IMAGES => {
            Err(params.invalid("images", format!("You may pass at most {MAX_IMAGES} images.")))
        }
        Change::Set(images) if images.iter().any(|image| !is_http_url(image)) => {
            Err(params.invalid("images", "Not a valid URL").with_code("url_invalid"))
        }
        _ => Ok(change),
    }
}

fn read_marketing_features(params: &mut Params) -> Result<Change<Vec<String>>, ApiError> {
    let given = match params.objects_change("marketing_features")? {
        Change::Keep => return Ok(Change::Keep),
        Change::Unset => return Ok(Change::Unset),
        Change::Set(given) => given,
    };
    if given.len() > MAX_MARKETING_FEATURES {
        let message = format!("You may pass at most {MAX_MARKETING_FEATURES} marketing features.");
        return Err(params.invalid("marketing_features", message));
    }
    let mut names = Vec::with_capacity(given.len());
    for mut feature in given {
        match feature.text("name", MAX_MARKETING_FEATURE_CHARS)? {
            Change::Set(name) => names.push(name),
            Change::Keep | Change::Unset => return Err(feature.missing("name")),
        }
        feature.finish()?;
    }
    Ok(Change::Set(names))
}

fn read_statement_descriptor(params: &mut Params) -> Result<Option<String>, ApiError> {
    let Some(text) = params.string("statement_descriptor")? else { return Ok(None) };
    let is_bad = text.chars().count() > MAX_STATEMENT_DESCRIPTOR_CHARS
        || text.contains(['<', '>', '\\', '"', '\''])
        || !text.chars().any(char::is_alphabetic);
    if is_bad {
        return Err(params.invalid(
            "statement_descriptor",
            "The statement descriptor must be at most 22 characters, contain at least one letter, and none of \
             < > \\ \" '.",
        ));
    }
    Ok(Some(text))
}

/// Every code of the shape `txcd_99999999` is taken for one of Stripe's.
fn read_tax_code(params: &mut Params) -> Result<Change<String>, ApiError> {
    let change = params.text("tax_code", MAX_TEXT_CHARS)?;
    let is_code = |text: &str| {
        text.strip_prefix("txcd_")
            .is_some_and(|digits| digits.len() == 8 && digits.chars().all(|digit| digit.is_ascii_digit()))
    };
    match &change {
        Change::Set(text) if !is_code(text) => {
            Err(ApiError::missing("tax code", text, "tax_code").with_status(400))
        }
        _ => Ok(change),
    }
}

fn read_url(params: &mut Params) -> Result<Change<String>, ApiError> {
    let change = params.text("url", MAX_TEXT_CHARS)?;
    match &change {
        Change::Set(url) if !is_http_url(url) => {
            Err(params.invalid("url", "Not a valid URL").with_code("url_invalid"))
        }
        _ => Ok(change),
    }
}

fn find<'a>(call: &'a Call<'_, '_>) -> Result<&'a Product, ApiError> {
    call.tx.get::<Product>(call.id).ok_or_else(|| ApiError::missing("product", call.id, "id"))
}

/// A new product of the parameters, which still has to be put.
fn read_new(params: &mut Params, now_seconds: i64) -> Result<Product, ApiError> {
    // Ids of the caller's own would have to be told apart by account.
    params.refuse_unsupported(&["id"])?;
    let fields = Fields::parse(params)?;
    let name = fields.name.clone().ok_or_else(|| params.missing("name"))?;
    let mut product = Product::new(name, ProductType::Service, now_seconds);
    fields.apply(&mut product)?;
    Ok(product)
}

fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let now = call.tx.now.seconds();
    let mut product = read_new(&mut params, now)?;
    product.type_ = params.word("type")?.unwrap_or(product.type_);
    let price = match params.nested("default_price_data")? {
        None => None,
        Some(mut data) => {
            let price = Price::read(&mut data, &product.id, now)?;
            data.finish()?;
            Some(price)
        }
    };
    params.finish()?;
    product.default_price = price.as_ref().map(|price| price.id.clone());
    let rendered = add(call.tx, product);
    if let Some(price) = price {
        prices::add(call.tx, price);
    }
    Ok(rendered)
}

fn add(tx: &mut Tx<'_>, product: Product) -> Value {
    let rendered = product.render();
    tx.put(product);
    tx.emit("product.created", rendered.clone());
    rendered
}

/// Makes the product that a new price brings along (`product_data`); returns its id.
pub(crate) fn add_of_price(tx: &mut Tx<'_>, mut params: Params) -> Result<String, ApiError> {
    params.refuse_unknown(NOT_FOR_PRODUCT_DATA)?;
    let product = read_new(&mut params, tx.now.seconds())?;
    params.finish()?;
    let id = product.id.clone();
    add(tx, product);
    Ok(id)
}

/// Parameters of a product that `product_data` of a price does not have.
const NOT_FOR_PRODUCT_DATA: &[&str] =
    &["description", "images", "marketing_features", "package_dimensions", "shippable", "url"];

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
        let price = price.ok_or_else(|| ApiError::missing("price", id, "default_price").with_status(400))?;
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
    if prices::of_product(call.tx, &product.id).next().is_some() {
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
    let type_ = params.word::<ProductType>("type")?;
    let url = params.string("url")?;
    if ids.is_some() && page.has_cursor() {
        return Err(
            params.invalid("ids", "You can not use ids together with starting_after or ending_before.")
        );
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
    page.cut(&products, "product", "/v1/products", |product| &product.id, |product| product.render())
}
