//! Payment methods: <https://docs.stripe.com/api/payment_methods>.

use serde_json::{Value, json};

use crate::endpoints::payment_method_params::parse;
use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::http::pagination::Page;
use crate::http::params::{MetadataChange, Params};
use crate::objects::payment_method::{Details, PaymentMethod};
use crate::objects::payment_method_type::PaymentMethodType;
use crate::operations::attempts::decline_error;
use crate::operations::{customers, payment_methods};
use crate::state::Tx;
use crate::test_data::behavior::Behavior;

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/v1/payment_methods", create).publishable(),
    Route::get("/v1/payment_methods", list),
    Route::get("/v1/payment_methods/{id}", retrieve),
    Route::post("/v1/payment_methods/{id}", update),
    Route::post("/v1/payment_methods/{id}/attach", attach),
    Route::post("/v1/payment_methods/{id}/detach", detach),
];

fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let method = parse(std::mem::take(&mut call.params), call.tx.now.seconds())?;
    let rendered = method.render();
    call.tx.put(method);
    Ok(rendered)
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let method = find(call)?;
    let rendered = method.render();
    // Each use of a test name creates a payment method.
    if call.tx.get::<PaymentMethod>(&method.id).is_none() {
        call.tx.put(method);
    }
    Ok(rendered)
}

fn find(call: &Call<'_, '_>) -> Result<PaymentMethod, ApiError> {
    payment_methods::resolve(call.tx, call.id).map_err(|error| error.with_status(404))
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let billing_details = params.nested("billing_details")?;
    let metadata: Option<MetadataChange> = params.metadata()?;
    let allow_redisplay = params.enum_value("allow_redisplay")?;
    let expiry = match params.nested("card")? {
        None => None,
        Some(mut card) => {
            let expiry = (card.integer("exp_month")?, card.integer("exp_year")?);
            card.finish()?;
            Some(expiry)
        }
    };
    params.finish()?;
    let mut method = find(call)?;
    if let Some(details) = billing_details {
        method.billing_details.update(details)?;
    }
    if let Some(change) = metadata {
        change.apply(&mut method.metadata)?;
    }
    method.allow_redisplay = allow_redisplay.unwrap_or(method.allow_redisplay);
    if let (Details::Card(card), Some((month, year))) = (&mut method.details, expiry) {
        card.exp_month = month.unwrap_or(card.exp_month);
        card.exp_year = year.unwrap_or(card.exp_year);
    }
    let rendered = method.render();
    call.tx.put(method);
    call.tx.emit("payment_method.updated", rendered.clone());
    Ok(rendered)
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let customer = params.string("customer")?;
    list_page(call.tx, params, customer.as_deref(), "/v1/payment_methods")
}

/// Returns a page of payment methods, filtered by customer if given.
pub(crate) fn list_page(
    tx: &Tx<'_>,
    mut params: Params,
    customer: Option<&str>,
    url: &str,
) -> Result<Value, ApiError> {
    let page = Page::parse(&mut params)?;
    let type_ = params.enum_value::<PaymentMethodType>("type")?;
    params.finish()?;
    let methods: Vec<&PaymentMethod> = tx
        .newest_first::<PaymentMethod>()
        .filter(|method| customer.is_none() || method.customer.as_deref() == customer)
        .filter(|method| type_.is_none_or(|type_| method.type_() == type_))
        .collect();
    page.render(&methods, "PaymentMethod", url, |method| &method.id, |method| method.render())
}

fn attach(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let customer = params.required_string("customer")?;
    params.finish()?;
    let mut method = find(call)?;
    customers::check(call.tx, &customer)?;
    if let Some(other) = &method.customer {
        return Err(ApiError::refused(format!(
            "The payment method you provided has already been attached to a customer. Detach it from {other} \
             first."
        )));
    }
    if let Behavior::Declines(decline) = method.behavior {
        return Err(decline_error(decline));
    }
    method.customer = Some(customer);
    let rendered = method.render();
    call.tx.put(method);
    call.tx.emit("payment_method.attached", rendered.clone());
    Ok(rendered)
}

fn detach(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let mut method = find(call)?;
    let Some(customer) = method.customer.take() else {
        return Err(ApiError::refused(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
        ));
    };
    let rendered = method.render();
    call.tx.put(method);
    call.tx.emit_with_previous(
        "payment_method.detached",
        rendered.clone(),
        Some(json!({ "customer": customer })),
    );
    Ok(rendered)
}
