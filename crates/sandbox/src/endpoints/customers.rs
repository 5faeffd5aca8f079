//! Customers: <https://docs.stripe.com/api/customers>.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::endpoints::payment_methods;
use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::http::pagination::{Page, created_filter};
use crate::http::params::{Change, MAX_TEXT_CHARS, MetadataChange, Params};
use crate::objects::address::Shipping;
use crate::objects::customer::Customer;
use crate::storage::ids;

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/v1/customers", create),
    Route::get("/v1/customers", list),
    Route::get("/v1/customers/{id}", retrieve),
    Route::post("/v1/customers/{id}", update),
    Route::delete("/v1/customers/{id}", delete),
    Route::get("/v1/customers/{id}/payment_methods", list_payment_methods),
];

/// The parameters of create and update.
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
        params.reject_unsupported(&[
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
            Change::Unchanged => {}
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
    call.tx.get::<Customer>(call.id).ok_or_else(|| ApiError::not_found("customer", call.id, "id"))
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
        return Err(ApiError::not_found("customer", call.id, "id"));
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
        return Err(ApiError::not_found("customer", call.id, "id"));
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
    page.render(
        &customers,
        "customer",
        "/v1/customers",
        |customer| &customer.id,
        |customer| customer.render(),
    )
}

fn list_payment_methods(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let params = std::mem::take(&mut call.params);
    let id = find(call)?.id.clone();
    let url = format!("/v1/customers/{id}/payment_methods");
    payment_methods::list_page(call.tx, params, Some(&id), &url)
}
