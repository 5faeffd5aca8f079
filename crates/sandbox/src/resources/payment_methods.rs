//! Payment methods: <https://docs.stripe.com/api/payment_methods>.
//!
//! Made from test numbers and test names only. Of a number nothing is kept but its last four digits and how
//! its payments go; a number that is no test number is refused before anything of it is kept or logged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::list::Page;
use crate::params::{MetadataChange, Params, Word, words};
use crate::request::Call;
use crate::resources::address::BillingDetails;
use crate::resources::customers::Customer;
use crate::routes::Route;
use crate::state::{Resource, Tx};
use crate::test_banks::TEST_ROUTING_NUMBER;
use crate::test_cards::Behavior;
use crate::test_quirks::Quirk;

mod test_data;

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/v1/payment_methods", create).publishable(),
    Route::get("/v1/payment_methods", list),
    Route::get("/v1/payment_methods/{id}", retrieve),
    Route::post("/v1/payment_methods/{id}", update),
    Route::post("/v1/payment_methods/{id}/attach", attach),
    Route::post("/v1/payment_methods/{id}/detach", detach),
];

words! {
    /// The kinds of payment method the sandbox has.
    PaymentMethodType {
        Card = "card",
        SepaDebit = "sepa_debit",
        UsBankAccount = "us_bank_account",
        Multibanco = "multibanco",
    }
}

words! {
    /// Whether a saved payment method may be shown again at checkout.
    AllowRedisplay { Always = "always", Limited = "limited", Unspecified = "unspecified" }
}

words! {
    /// Who holds a bank account.
    AccountHolderType { Company = "company", Individual = "individual" }
}

words! {
    /// What a bank account is for.
    AccountType { Checking = "checking", Savings = "savings" }
}

/// What is particular to a type.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Details {
    Card(Card),
    SepaDebit { country: String, bank_code: String },
    UsBankAccount { holder: AccountHolderType, account_type: AccountType },
    Multibanco,
}

/// The visible part of a card.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Card {
    pub(crate) brand: String,
    pub(crate) country: String,
    pub(crate) funding: String,
    pub(crate) exp_month: i64,
    pub(crate) exp_year: i64,
    pub(crate) has_cvc: bool,
    pub(crate) supports_3d_secure: bool,
}

/// A means to pay.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PaymentMethod {
    pub(crate) id: String,
    created: i64,
    pub(crate) billing_details: BillingDetails,
    pub(crate) customer: Option<String>,
    metadata: BTreeMap<String, String>,
    allow_redisplay: AllowRedisplay,
    pub(crate) details: Details,
    pub(crate) last4: String,
    pub(crate) fingerprint: String,
    pub(crate) behavior: Behavior,
    #[serde(default)]
    pub(crate) quirk: Quirk,
    /// Whether an authenticated payment saved it for off-session use.
    pub(crate) is_set_up: bool,
}

impl Resource for PaymentMethod {
    const KIND: &'static str = "payment_method";

    fn id(&self) -> &str {
        &self.id
    }
}

impl PaymentMethod {
    pub(crate) fn type_(&self) -> PaymentMethodType {
        match self.details {
            Details::Card(_) => PaymentMethodType::Card,
            Details::SepaDebit { .. } => PaymentMethodType::SepaDebit,
            Details::UsBankAccount { .. } => PaymentMethodType::UsBankAccount,
            Details::Multibanco => PaymentMethodType::Multibanco,
        }
    }

    /// Finds a stored one, or makes a new one of a test name. A new one still has to be put.
    pub(crate) fn resolve(tx: &Tx<'_>, id: &str) -> Result<Self, ApiError> {
        tx.get::<Self>(id)
            .cloned()
            .or_else(|| Self::of_test_name(id, tx.now.seconds()))
            .ok_or_else(|| ApiError::missing("PaymentMethod", id, "payment_method").with_status(400))
    }

    pub(crate) fn render(&self) -> Value {
        let type_ = self.type_().as_str();
        let mut rendered = json!({
            "id": self.id,
            "object": "payment_method",
            "allow_redisplay": self.allow_redisplay,
            "billing_details": self.billing_details,
            "created": self.created,
            "customer": self.customer,
            "customer_account": null,
            "livemode": false,
            "metadata": self.metadata,
            "type": type_,
        });
        rendered[type_] = self.render_details();
        rendered
    }

    fn render_details(&self) -> Value {
        match &self.details {
            Details::Card(card) => json!({
                "brand": card.brand,
                "checks": {
                    "address_line1_check": null,
                    "address_postal_code_check": null,
                    "cvc_check": card.has_cvc.then_some("unchecked"),
                },
                "country": card.country,
                "display_brand": card.brand,
                "exp_month": card.exp_month,
                "exp_year": card.exp_year,
                "fingerprint": self.fingerprint,
                "funding": card.funding,
                "generated_from": null,
                "last4": self.last4,
                "networks": { "available": [card.brand], "preferred": null },
                "regulated_status": "unregulated",
                "three_d_secure_usage": { "supported": card.supports_3d_secure },
                "wallet": null,
            }),
            Details::SepaDebit { country, bank_code } => json!({
                "bank_code": bank_code,
                "branch_code": "",
                "country": country,
                "fingerprint": self.fingerprint,
                "generated_from": { "charge": null, "setup_attempt": null },
                "last4": self.last4,
            }),
            Details::UsBankAccount { holder, account_type } => json!({
                "account_holder_type": holder,
                "account_type": account_type,
                "bank_name": "STRIPE TEST BANK",
                "financial_connections_account": null,
                "fingerprint": self.fingerprint,
                "last4": self.last4,
                "networks": { "preferred": "ach", "supported": ["ach"] },
                "routing_number": TEST_ROUTING_NUMBER,
                "status_details": {},
            }),
            Details::Multibanco => json!({}),
        }
    }
}

/// The parameters of a new payment method: of `POST /v1/payment_methods`, or `payment_method_data`.
pub(crate) fn parse(mut params: Params, now_seconds: i64) -> Result<PaymentMethod, ApiError> {
    let type_ = params.word::<PaymentMethodType>("type")?.ok_or_else(|| params.missing("type"))?;
    let mut method = match type_ {
        PaymentMethodType::Card => test_data::parse_card(&mut params, now_seconds)?,
        PaymentMethodType::SepaDebit => test_data::parse_sepa_debit(&mut params, now_seconds)?,
        PaymentMethodType::UsBankAccount => test_data::parse_us_bank_account(&mut params, now_seconds)?,
        PaymentMethodType::Multibanco => test_data::parse_multibanco(&mut params, now_seconds)?,
    };
    if let Some(details) = params.nested("billing_details")? {
        method.billing_details.update(details)?;
    }
    let is_debit = matches!(type_, PaymentMethodType::SepaDebit | PaymentMethodType::UsBankAccount);
    if is_debit && method.billing_details.name.is_none() {
        return Err(params.missing("billing_details[name]"));
    }
    let needs_email = matches!(type_, PaymentMethodType::SepaDebit | PaymentMethodType::Multibanco);
    if needs_email && method.billing_details.email.is_none() {
        return Err(params.missing("billing_details[email]"));
    }
    if let Some(change) = params.metadata()? {
        change.apply(&mut method.metadata)?;
    }
    method.allow_redisplay = params.word("allow_redisplay")?.unwrap_or(AllowRedisplay::Unspecified);
    params.refuse_unsupported(&["radar_options", "customer", "payment_method"])?;
    params.finish()?;
    Ok(method)
}

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
    // A test name makes a new payment method whenever it is used, here too.
    if call.tx.get::<PaymentMethod>(&method.id).is_none() {
        call.tx.put(method);
    }
    Ok(rendered)
}

fn find(call: &Call<'_, '_>) -> Result<PaymentMethod, ApiError> {
    PaymentMethod::resolve(call.tx, call.id).map_err(|error| error.with_status(404))
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let billing_details = params.nested("billing_details")?;
    let metadata: Option<MetadataChange> = params.metadata()?;
    let allow_redisplay = params.word("allow_redisplay")?;
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
    list_of(call.tx, params, customer.as_deref(), "/v1/payment_methods")
}

/// A page of payment methods, of a customer if one is given.
pub(crate) fn list_of(
    tx: &Tx<'_>,
    mut params: Params,
    customer: Option<&str>,
    url: &str,
) -> Result<Value, ApiError> {
    let page = Page::parse(&mut params)?;
    let type_ = params.word::<PaymentMethodType>("type")?;
    params.finish()?;
    let methods: Vec<&PaymentMethod> = tx
        .newest_first::<PaymentMethod>()
        .filter(|method| customer.is_none() || method.customer.as_deref() == customer)
        .filter(|method| type_.is_none_or(|type_| method.type_() == type_))
        .collect();
    page.cut(&methods, "PaymentMethod", url, |method| &method.id, |method| method.render())
}

fn attach(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let customer = params.required_string("customer")?;
    params.finish()?;
    let mut method = find(call)?;
    Customer::check(call.tx, &customer)?;
    if let Some(other) = &method.customer {
        return Err(ApiError::refused(format!(
            "The payment method you provided has already been attached to a customer. Detach it from {other} \
             first."
        )));
    }
    if let Behavior::Declines(decline) = method.behavior {
        return Err(crate::resources::payment_intents::attempts::decline_error(decline));
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
    call.tx.emit_change("payment_method.detached", rendered.clone(), Some(json!({ "customer": customer })));
    Ok(rendered)
}
