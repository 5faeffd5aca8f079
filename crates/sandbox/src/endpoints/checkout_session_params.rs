//! Parameters of new Checkout Sessions.

use std::collections::BTreeMap;

use crate::endpoints::line_item_params;
use crate::endpoints::payment_intent_params::Fields;
use crate::endpoints::payment_method_type_params::{self, MethodTypeParams};
use crate::http::amounts;
use crate::http::error::ApiError;
use crate::http::params::Params;
use crate::objects::checkout_session::{
    BillingAddressCollection, CheckoutSession, PaymentStatus, SessionStatus,
};
use crate::objects::line_item::LineItem;
use crate::objects::payment_intent::PaymentIntent;
use crate::operations::{connect, customers};
use crate::state::Tx;
use crate::storage::ids;

/// Session parameters that Stripe supports and the sandbox doesn't.
const UNSUPPORTED: &[&str] = &[
    "after_expiration",
    "allow_promotion_codes",
    "automatic_tax",
    "branding_settings",
    "consent_collection",
    "currency",
    "custom_fields",
    "custom_text",
    "customer_account",
    "customer_creation",
    "customer_update",
    "discounts",
    "integration_identifier",
    "invoice_creation",
    "managed_payments",
    "name_collection",
    "optional_items",
    "origin_context",
    "payment_method_collection",
    "payment_method_configuration",
    "payment_method_data",
    "payment_method_options",
    "permissions",
    "phone_number_collection",
    "redirect_on_completion",
    "return_url",
    "saved_payment_method_options",
    "setup_intent_data",
    "shipping_address_collection",
    "shipping_options",
    "subscription_data",
    "tax_id_collection",
    "wallet_options",
];

/// The locales of Stripe's page. The sandbox's page is always in English.
const LOCALES: &str = "auto bg cs da de el en en-GB es es-419 et fi fil fr fr-CA hr hu id it ja ko lt lv ms mt nb nl pl \
                       pt pt-BR ro ru sk sl sv th tr vi zh zh-HK zh-TW";

const MINUTE: i64 = 60;
const MIN_LIFETIME_SECONDS: i64 = 30 * MINUTE;
const MAX_LIFETIME_SECONDS: i64 = 24 * 60 * MINUTE;
const MAX_REFERENCE_CHARS: usize = 200;

/// PaymentIntent parameters that `payment_intent_data` doesn't have.
const NOT_FOR_INTENT_DATA: &[&str] = &[
    "allowed_payment_method_types",
    "amount",
    "currency",
    "customer",
    "excluded_payment_method_types",
    "payment_method_options",
    "payment_method_types",
];

/// Reads a new Session, which still has to be stored.
pub(crate) fn parse(tx: &Tx<'_>, mut params: Params, version: &str) -> Result<CheckoutSession, ApiError> {
    if !payment_method_type_params::accepts_method_type_list(version) {
        params.reject_unknown(&["payment_method_types"])?;
    }
    let now = tx.now.seconds();
    parse_mode(&mut params)?;
    let line_items = line_item_params::parse(&mut params, now)?;
    let currency = line_items.first().map(LineItem::currency).unwrap_or_default().to_owned();
    let intent_data = params.nested("payment_intent_data")?;
    let mut template = PaymentIntent::new(String::new(), String::new(), now, currency.clone());
    template.application.clone_from(&tx.origin.application);
    MethodTypeParams::parse(&mut params)?.apply(&mut template)?;
    let customer = params.string("customer")?;
    let customer_email = params.email("customer_email")?;
    let mut session = CheckoutSession {
        id: format!("cs_test_a1{}", ids::random(56)),
        created: now,
        is_adaptive_pricing: parse_adaptive_pricing(&mut params)?,
        billing_address_collection: params
            .enum_value::<BillingAddressCollection>("billing_address_collection")?,
        cancel_url: params.url("cancel_url")?,
        client_reference_id: None,
        customer: customer.clone(),
        customer_details: None,
        customer_email: None,
        expires_at: parse_expiry(&mut params, now)?,
        locale: parse_locale(&mut params)?,
        metadata: BTreeMap::new(),
        payment_intent: None,
        payment_method_types: template.payment_method_types.clone(),
        intent_template: template,
        payment_status: PaymentStatus::Unpaid,
        status: SessionStatus::Open,
        submit_type: params.enum_value("submit_type")?,
        success_url: params.url("success_url")?.ok_or_else(|| params.missing("success_url"))?,
        currency,
        line_items,
    };
    params.text("client_reference_id", MAX_REFERENCE_CHARS)?.apply(&mut session.client_reference_id);
    customer_email.apply(&mut session.customer_email);
    if let Some(change) = params.metadata()? {
        change.apply(&mut session.metadata)?;
    }
    if customer.is_some() && session.customer_email.is_some() {
        return Err(params.invalid(
            "customer_email",
            "You may only specify one of these parameters: customer, customer_email.",
        ));
    }
    params.reject_unsupported(UNSUPPORTED)?;
    params.finish()?;
    if let Some(customer) = &customer {
        customers::check(tx, customer)?;
    }
    session.intent_template = parse_intent_data(tx, intent_data, &session)?;
    Ok(session)
}

fn parse_mode(params: &mut Params) -> Result<(), ApiError> {
    let mode = params.required_string("mode")?;
    match mode.as_str() {
        "payment" => {}
        "setup" | "subscription" => {
            return Err(
                params.invalid("mode", format!("The sandbox does not support mode={mode}. Stripe does."))
            );
        }
        _ => {
            return Err(
                params.invalid("mode", "Invalid mode: must be one of payment, setup, or subscription")
            );
        }
    }
    match params.string("ui_mode")?.as_deref() {
        None | Some("hosted_page") => Ok(()),
        Some(other) => Err(params
            .invalid("ui_mode", format!("The sandbox does not support ui_mode={other}. Use hosted_page."))),
    }
}

fn parse_adaptive_pricing(params: &mut Params) -> Result<bool, ApiError> {
    let Some(mut pricing) = params.nested("adaptive_pricing")? else { return Ok(false) };
    let is_enabled = pricing.boolean("enabled")?.unwrap_or(false);
    pricing.finish()?;
    Ok(is_enabled)
}

fn parse_expiry(params: &mut Params, now: i64) -> Result<i64, ApiError> {
    let Some(expires_at) = params.integer("expires_at")? else { return Ok(now + MAX_LIFETIME_SECONDS) };
    let message = if expires_at < now + MIN_LIFETIME_SECONDS {
        "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
    } else if expires_at > now + MAX_LIFETIME_SECONDS {
        "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
    } else {
        return Ok(expires_at);
    };
    Err(params.invalid("expires_at", message))
}

fn parse_locale(params: &mut Params) -> Result<Option<String>, ApiError> {
    match params.string("locale")? {
        Some(locale) if !LOCALES.split_ascii_whitespace().any(|known| known == locale) => {
            let known = LOCALES.split_ascii_whitespace().collect::<Vec<_>>().join(", ");
            Err(params.invalid("locale", format!("Invalid locale: must be one of {known}")))
        }
        locale => Ok(locale),
    }
}

/// Returns the template of the Session's PaymentIntent.
fn parse_intent_data(
    tx: &Tx<'_>,
    data: Option<Params>,
    session: &CheckoutSession,
) -> Result<PaymentIntent, ApiError> {
    let mut intent = session.intent_template.clone();
    let total = session.total();
    if total != 0 {
        amounts::check_total(total, &session.currency)?;
    }
    intent.amount = total;
    intent.customer.clone_from(&session.customer);
    intent.checkout_session = Some(session.id.clone());
    if let Some(mut data) = data {
        data.reject_unknown(NOT_FOR_INTENT_DATA)?;
        let fields = Fields::parse(&mut data)?;
        data.finish()?;
        if total == 0 {
            return Err(ApiError::invalid("You cannot pass payment_intent_data if the total is zero.")
                .with_param("payment_intent_data"));
        }
        fields.apply(tx, &mut intent).map_err(|error| error.within("payment_intent_data"))?;
    }
    connect::check_capabilities(tx, &intent)?;
    Ok(intent)
}
