//! Customers: <https://docs.stripe.com/api/customers>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::ids;
use crate::list::{Page, created_filter};
use crate::params::{Change, MetadataChange, Params};
use crate::request::Call;
use crate::resources::address::{Address, MAX_TEXT_CHARS, Shipping};
use crate::resources::payment_methods;
use crate::routes::Route;
use crate::state::{Resource, Tx};

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/v1/customers", create),
    Route::get("/v1/customers", list),
    Route::get("/v1/customers/{id}", retrieve),
    Route::post("/v1/customers/{id}", update),
    Route::delete("/v1/customers/{id}", delete),
    Route::get("/v1/customers/{id}/payment_methods", list_payment_methods),
];

/// Someone who pays more than once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Customer {
    id: String,
    created: i64,
    address: Option<Address>,
    description: Option<String>,
    email: Option<String>,
    metadata: BTreeMap<String, String>,
    name: Option<String>,
    phone: Option<String>,
    shipping: Option<Shipping>,
    is_deleted: bool,
}

impl Resource for Customer {
    const KIND: &'static str = "customer";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Customer {
    /// Refuses a customer that is not there, as a parameter of another object.
    pub(crate) fn check(tx: &Tx<'_>, id: &str) -> Result<(), ApiError> {
        match tx.get::<Self>(id) {
            Some(customer) if !customer.is_deleted => Ok(()),
            _ => Err(ApiError::missing("customer", id, "customer").with_status(400)),
        }
    }

    pub(crate) fn render(&self) -> Value {
        if self.is_deleted {
            return json!({ "id": self.id, "object": "customer", "deleted": true });
        }
        json!({
            "id": self.id,
            "object": "customer",
            "address": self.address,
            "balance": 0,
            "created": self.created,
            "currency": null,
            "customer_account": null,
            "default_source": null,
            "delinquent": false,
            "description": self.description,
            "discount": null,
            "email": self.email,
            "invoice_prefix": self.id[4..12].to_ascii_uppercase(),
            "invoice_settings": {
                "custom_fields": null,
                "default_payment_method": null,
                "footer": null,
                "rendering_options": null,
            },
            "livemode": false,
            "metadata": self.metadata,
            "name": self.name,
            "next_invoice_sequence": 1,
            "phone": self.phone,
            "preferred_locales": [],
            "shipping": self.shipping,
            "tax_exempt": "none",
            "test_clock": null,
        })
    }
}

/// The parameters that create and update share.
struct Fields {
    address: Change<Params>,
    description: Change<String>,
    email: Change<String>,
    metadata: Option<MetadataChange>,
    name: Change<String>,
    phone: Change<String>,
    shipping: Change<Shipping>,
}

impl Fields {
    fn parse(mut params: Params) -> Result<Self, ApiError> {
        let fields = Self {
            address: params.object("address")?,
            description: params.text("description", MAX_TEXT_CHARS)?,
            email: params.text("email", 512)?,
            metadata: params.metadata()?,
            name: params.text("name", 256)?,
            phone: params.text("phone", 20)?,
            shipping: Shipping::parse(&mut params)?,
        };
        params.refuse_unsupported(&[
            "balance",
            "cash_balance",
            "coupon",
            "default_source",
            "invoice_prefix",
            "invoice_settings",
            "next_invoice_sequence",
            "payment_method",
            "preferred_locales",
            "source",
            "tax",
            "tax_exempt",
            "tax_id_data",
            "test_clock",
        ])?;
        params.finish()?;
        Ok(fields)
    }

    fn apply(self, customer: &mut Customer) -> Result<(), ApiError> {
        match self.address {
            Change::Keep => {}
            Change::Unset => customer.address = None,
            Change::Set(params) => customer.address.get_or_insert_default().update(params)?,
        }
        self.description.apply(&mut customer.description);
        self.email.apply(&mut customer.email);
        self.name.apply(&mut customer.name);
        self.phone.apply(&mut customer.phone);
        self.shipping.apply(&mut customer.shipping);
        match self.metadata {
            Some(change) => change.apply(&mut customer.metadata),
            None => Ok(()),
        }
    }
}

fn find<'a>(call: &'a Call<'_, '_>) -> Result<&'a Customer, ApiError> {
    call.tx.get::<Customer>(call.id).ok_or_else(|| ApiError::missing("customer", call.id, "id"))
}

fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let fields = Fields::parse(std::mem::take(&mut call.params))?;
    let mut customer = Customer {
        id: format!("cus_{}", ids::random(14)),
        created: call.tx.now.seconds(),
        address: None,
        description: None,
        email: None,
        metadata: BTreeMap::new(),
        name: None,
        phone: None,
        shipping: None,
        is_deleted: false,
    };
    fields.apply(&mut customer)?;
    let rendered = customer.render();
    call.tx.put(customer);
    call.tx.emit("customer.created", rendered.clone());
    Ok(rendered)
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    find(call).map(Customer::render)
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let fields = Fields::parse(std::mem::take(&mut call.params))?;
    let mut customer = find(call)?.clone();
    if customer.is_deleted {
        return Err(ApiError::missing("customer", call.id, "id"));
    }
    fields.apply(&mut customer)?;
    let rendered = customer.render();
    call.tx.put(customer);
    call.tx.emit("customer.updated", rendered.clone());
    Ok(rendered)
}

fn delete(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let mut customer = find(call)?.clone();
    if customer.is_deleted {
        return Err(ApiError::missing("customer", call.id, "id"));
    }
    let before = customer.render();
    customer.is_deleted = true;
    let rendered = customer.render();
    call.tx.put(customer);
    call.tx.emit("customer.deleted", before);
    Ok(rendered)
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    let email = params.string("email")?;
    params.finish()?;
    let customers: Vec<&Customer> = call
        .tx
        .newest_first::<Customer>()
        .filter(|customer| !customer.is_deleted && created.contains(&customer.created))
        .filter(|customer| email.is_none() || customer.email == email)
        .collect();
    page.cut(&customers, "customer", "/v1/customers", |customer| &customer.id, |customer| customer.render())
}

fn list_payment_methods(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let params = std::mem::take(&mut call.params);
    let id = find(call)?.id.clone();
    let url = format!("/v1/customers/{id}/payment_methods");
    payment_methods::list_of(call.tx, params, Some(&id), &url)
}
