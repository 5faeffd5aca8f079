//! Parameters of PaymentIntents.

use crate::endpoints::payment_method_params::PaymentMethodParam;
use crate::endpoints::payment_method_type_params::MethodTypeParams;
use crate::http::amounts;
use crate::http::error::ApiError;
use crate::http::params::{Change, MetadataChange, Params};
use crate::http::url::is_http_url;
use crate::objects::address::Shipping;
use crate::objects::payment_intent::{
    AllowRedirects, CaptureMethod, PaymentIntent, RequestThreeDSecure, SetupFutureUsage, TransferData,
};
use crate::operations::attempts::AttemptOptions;
use crate::operations::{connect, customers};
use crate::state::Tx;

/// PaymentIntent parameters that Stripe supports and the sandbox doesn't.
const UNSUPPORTED: &[&str] = &[
    "amount_details",
    "confirmation_token",
    "customer_account",
    "hooks",
    "mandate",
    "managed_payments",
    "payment_details",
    "payment_method_configuration",
    "radar_options",
];

/// The parameters of create and update.
pub(crate) struct Fields {
    pub(crate) amount: Option<i64>,
    pub(crate) currency: Option<String>,
    application_fee_amount: Option<i64>,
    capture_method: Option<CaptureMethod>,
    customer: Option<String>,
    description: Change<String>,
    metadata: Option<MetadataChange>,
    on_behalf_of: Option<String>,
    receipt_email: Change<String>,
    request_three_d_secure: Option<RequestThreeDSecure>,
    setup_future_usage: Change<SetupFutureUsage>,
    shipping: Change<Shipping>,
    statement_descriptor: Change<String>,
    statement_descriptor_suffix: Change<String>,
    transfer_amount: Option<i64>,
    transfer_destination: Option<String>,
    transfer_group: Option<String>,
    types: MethodTypeParams,
}

impl Fields {
    pub(crate) fn parse(params: &mut Params) -> Result<Self, ApiError> {
        let (transfer_destination, transfer_amount) = parse_transfer_data(params)?;
        let options = parse_options(params)?;
        let setup_future_usage = params.enum_change("setup_future_usage")?;
        Ok(Self {
            amount: params.integer("amount")?,
            currency: amounts::currency(params)?,
            application_fee_amount: params.integer("application_fee_amount")?,
            capture_method: params.enum_value("capture_method")?,
            customer: params.string("customer")?,
            description: params.text("description", 1_000)?,
            metadata: params.metadata()?,
            on_behalf_of: params.string("on_behalf_of")?,
            receipt_email: params.email("receipt_email")?,
            request_three_d_secure: options,
            setup_future_usage,
            shipping: Shipping::parse(params)?,
            statement_descriptor: params.text("statement_descriptor", 22)?,
            statement_descriptor_suffix: params.text("statement_descriptor_suffix", 22)?,
            transfer_amount,
            transfer_destination,
            transfer_group: params.string("transfer_group")?,
            types: MethodTypeParams::parse(params)?,
        })
    }

    /// Applies the parameters to `intent`. Callers check that its status allows the change.
    pub(crate) fn apply(self, tx: &Tx<'_>, intent: &mut PaymentIntent) -> Result<(), ApiError> {
        if let Some(customer) = &self.customer {
            customers::check(tx, customer)?;
        }
        if let Some(destination) = self.transfer_destination {
            intent.transfer_data = Some(TransferData { destination, amount: None });
        }
        if let (Some(amount), Some(data)) = (self.transfer_amount, &mut intent.transfer_data) {
            data.amount = Some(amount);
        }
        intent.amount = self.amount.unwrap_or(intent.amount);
        intent.currency = self.currency.unwrap_or_else(|| intent.currency.clone());
        amounts::check_amount(intent.amount, &intent.currency)?;
        self.types.apply(intent)?;
        intent.application_fee_amount = self.application_fee_amount.or(intent.application_fee_amount);
        intent.capture_method = self.capture_method.unwrap_or(intent.capture_method);
        intent.customer = self.customer.or(intent.customer.take());
        self.description.apply(&mut intent.description);
        intent.on_behalf_of = self.on_behalf_of.or(intent.on_behalf_of.take());
        self.receipt_email.apply(&mut intent.receipt_email);
        intent.request_three_d_secure = self.request_three_d_secure.unwrap_or(intent.request_three_d_secure);
        self.setup_future_usage.apply(&mut intent.setup_future_usage);
        self.shipping.apply(&mut intent.shipping);
        self.statement_descriptor.apply(&mut intent.statement_descriptor);
        self.statement_descriptor_suffix.apply(&mut intent.statement_descriptor_suffix);
        intent.transfer_group = self.transfer_group.or(intent.transfer_group.take());
        connect::check_shares(tx, intent)?;
        match self.metadata {
            Some(change) => change.apply(&mut intent.metadata),
            None => Ok(()),
        }
    }
}

/// Reads the destination and the amount of `transfer_data`.
fn parse_transfer_data(params: &mut Params) -> Result<(Option<String>, Option<i64>), ApiError> {
    let Some(mut data) = params.nested("transfer_data")? else { return Ok((None, None)) };
    let result = (data.string("destination")?, data.integer("amount")?);
    data.reject_unsupported(&["description", "metadata", "payment_data"])?;
    data.finish()?;
    Ok(result)
}

fn parse_options(params: &mut Params) -> Result<Option<RequestThreeDSecure>, ApiError> {
    let Some(mut options) = params.nested("payment_method_options")? else { return Ok(None) };
    let request = match options.nested("card")? {
        None => None,
        Some(mut card) => {
            let request = card.enum_value("request_three_d_secure")?;
            card.reject_unsupported(&[
                "capture_method",
                "cvc_token",
                "installments",
                "mandate_options",
                "moto",
                "network",
                "request_extended_authorization",
                "request_incremental_authorization",
                "request_multicapture",
                "request_overcapture",
                "require_cvc_recollection",
                "setup_future_usage",
                "statement_descriptor_suffix_kana",
                "statement_descriptor_suffix_kanji",
                "three_d_secure",
            ])?;
            card.finish()?;
            request
        }
    };
    options.reject_unsupported(&["link", "multibanco", "sepa_debit", "us_bank_account"])?;
    options.finish()?;
    Ok(request)
}

/// Reads `automatic_payment_methods`: `None` unless enabled, and whether the parameter is present.
pub(crate) fn parse_automatic(params: &mut Params) -> Result<(Option<AllowRedirects>, bool), ApiError> {
    let Some(mut automatic) = params.nested("automatic_payment_methods")? else { return Ok((None, false)) };
    let enabled = automatic.boolean("enabled")?.ok_or_else(|| automatic.missing("enabled"))?;
    let allow_redirects = automatic.enum_value("allow_redirects")?.unwrap_or(AllowRedirects::Always);
    automatic.finish()?;
    Ok((enabled.then_some(allow_redirects), true))
}

/// The parameters of a confirmation: of confirm, and of create with `confirm`.
#[derive(Default)]
pub(crate) struct Confirmation {
    pub(crate) method: Option<PaymentMethodParam>,
    pub(crate) options: AttemptOptions,
    pub(crate) return_url: Option<String>,
}

impl Confirmation {
    pub(crate) fn parse(params: &mut Params, now_seconds: i64) -> Result<Self, ApiError> {
        let method = PaymentMethodParam::parse(params, now_seconds)?;
        // `one_off` and `recurring` have the same effect as `true`.
        let off_session = params.string("off_session")?;
        let is_off_session = match off_session.as_deref() {
            None | Some("false") => false,
            Some("true" | "one_off" | "recurring") => true,
            Some(other) => return Err(params.invalid("off_session", format!("Invalid boolean: {other}"))),
        };
        check_mandate_data(params)?;
        let options = AttemptOptions {
            is_off_session,
            fails_on_action: params.boolean("error_on_requires_action")?.unwrap_or(false),
            uses_stripe_sdk: params.boolean("use_stripe_sdk")?.unwrap_or(false),
        };
        Ok(Self { method, options, return_url: parse_return_url(params)? })
    }
}

/// Validates `mandate_data`. Stripe requires it for debits. The sandbox creates no mandates.
fn check_mandate_data(params: &mut Params) -> Result<(), ApiError> {
    let Change::Set(mut data) = params.object("mandate_data")? else { return Ok(()) };
    let mut acceptance =
        data.nested("customer_acceptance")?.ok_or_else(|| data.missing("customer_acceptance"))?;
    acceptance.required_string("type")?;
    acceptance.integer("accepted_at")?;
    // An empty object is encoded as empty text, so `offline` can be either.
    acceptance.object("offline")?;
    if let Change::Set(mut online) = acceptance.object("online")? {
        online.string("ip_address")?;
        online.string("user_agent")?;
        online.boolean("infer_from_client")?;
        online.finish()?;
    }
    acceptance.finish()?;
    data.finish()
}

fn parse_return_url(params: &mut Params) -> Result<Option<String>, ApiError> {
    match params.string("return_url")? {
        // Apps use their own URL schemes, so every absolute URL is allowed except scripts and local files.
        Some(url)
            if !is_http_url(&url)
                && !reqwest::Url::parse(&url)
                    .is_ok_and(|url| !matches!(url.scheme(), "javascript" | "data" | "file")) =>
        {
            Err(params.invalid("return_url", "Not a valid URL").with_code("url_invalid"))
        }
        url => Ok(url),
    }
}

/// Rejects unsupported and unknown parameters.
pub(crate) fn finish(mut params: Params) -> Result<(), ApiError> {
    if params.string("confirmation_method")?.is_some_and(|method| method != "automatic") {
        return Err(params.invalid(
            "confirmation_method",
            "The sandbox does not support confirmation_method=manual. Stripe does.",
        ));
    }
    params.reject_unsupported(UNSUPPORTED)?;
    params.finish()
}
