//! PaymentIntents: <https://docs.stripe.com/api/payment_intents>.

use serde_json::Value;

use crate::endpoints::payment_intent_params::{self, Confirmation, Fields};
use crate::endpoints::payment_method_params::PaymentMethodParam;
use crate::endpoints::payment_method_type_params;
use crate::endpoints::route::{Call, Role, Route};
use crate::http::error::ApiError;
use crate::http::pagination::{Page, created_filter};
use crate::http::params::Params;
use crate::http::string_enum::StringEnum;
use crate::objects::payment_intent::{AllowRedirects, CancellationReason, PaymentIntent, Status};
use crate::objects::payment_method::PaymentMethod;
use crate::objects::payment_method_type::PaymentMethodType;
use crate::operations::attempts::check_method;
use crate::operations::{attempts, cancellation, captures, checkout_completion, connect, payment_methods};
use crate::state::Tx;
use crate::storage::ids;

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/v1/payment_intents", create),
    Route::get("/v1/payment_intents", list),
    Route::get("/v1/payment_intents/{id}", retrieve).publishable(),
    Route::post("/v1/payment_intents/{id}", update),
    Route::post("/v1/payment_intents/{id}/confirm", confirm).publishable(),
    Route::post("/v1/payment_intents/{id}/capture", capture),
    Route::post("/v1/payment_intents/{id}/cancel", cancel),
];

fn find(call: &Call<'_, '_>) -> Result<PaymentIntent, ApiError> {
    call.tx
        .get::<PaymentIntent>(call.id)
        .cloned()
        .ok_or_else(|| ApiError::not_found("payment_intent", call.id, "intent"))
}

/// Finds the PaymentIntent. A publishable key requires its client secret.
fn find_with_secret(call: &Call<'_, '_>, client_secret: Option<&String>) -> Result<PaymentIntent, ApiError> {
    let intent = find(call)?;
    match (call.role, client_secret) {
        (Role::Publishable, None) => Err(call.params.missing("client_secret")),
        (_, Some(secret)) if *secret != intent.client_secret => {
            Err(ApiError::not_found("payment_intent", call.id, "intent"))
        }
        _ => Ok(intent),
    }
}

fn render(intent: &PaymentIntent, role: Role) -> Value {
    match role {
        Role::Secret => intent.render(),
        Role::Publishable => intent.render_public(),
    }
}

fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let now = call.tx.now.seconds();
    let (automatic, is_automatic_given) = payment_intent_params::parse_automatic(&mut params)?;
    payment_method_type_params::reject_method_type_list(&params, call.version)?;
    let by_caller =
        ["payment_method_types", "allowed_payment_method_types"].iter().find(|name| params.has(name));
    let has_types = by_caller.is_some();
    if let Some(name) = by_caller.filter(|_| automatic.is_some()) {
        return Err(payment_method_type_params::mutually_exclusive(
            &params,
            "automatic_payment_methods",
            name,
        ));
    }
    let fields = Fields::parse(&mut params)?;
    let is_confirmed = params.boolean("confirm")?.unwrap_or(false);
    let all_params = params.clone();
    let confirmation = Confirmation::parse(&mut params, now)?;
    if !is_confirmed {
        reject_without_confirm(&all_params)?;
    }
    if fields.amount.is_none() {
        return Err(params.missing("amount"));
    }
    let currency = fields.currency.clone().ok_or_else(|| params.missing("currency"))?;
    payment_intent_params::finish(params)?;

    let id = ids::object("pi");
    let client_secret = format!("{id}_secret_{}", ids::random(25));
    let mut intent = PaymentIntent::new(id, client_secret, now, currency);
    // Stripe's default since 2023-08-16: without a list of types, payment methods are automatic.
    intent.automatic_payment_methods = match automatic {
        None if !has_types && !is_automatic_given => Some(AllowRedirects::Always),
        automatic => automatic,
    };
    if is_automatic_given && automatic.is_none() && !has_types {
        intent.payment_method_types = vec![PaymentMethodType::Card];
    }
    intent.application.clone_from(&call.tx.origin.application);
    fields.apply(call.tx, &mut intent)?;
    save_and_confirm(call.tx, intent, confirmation, is_confirmed)
}

/// Rejects parameters that require `confirm`.
fn reject_without_confirm(params: &Params) -> Result<(), ApiError> {
    for name in ["return_url", "off_session", "error_on_requires_action", "mandate_data"] {
        if params.has(name) {
            return Err(params.invalid(
                name,
                format!("The parameter {name} cannot be passed when creating a PaymentIntent unless confirm is set to true."),
            ));
        }
    }
    Ok(())
}

/// Stores a new PaymentIntent and confirms it on request.
fn save_and_confirm(
    tx: &mut Tx<'_>,
    mut intent: PaymentIntent,
    mut confirmation: Confirmation,
    is_confirmed: bool,
) -> Result<Value, ApiError> {
    let method = match confirmation.method.take() {
        Some(param) => Some(param.resolve(tx)?),
        None => None,
    };
    if let Some(method) = &method {
        check_method(&intent, method)?;
        intent.payment_method = Some(method.id.clone());
        intent.status = Status::RequiresConfirmation;
    }
    connect::check_capabilities(tx, &intent)?;
    if is_confirmed {
        check_return_url(&intent, &confirmation)?;
    }
    let method = match (is_confirmed, method) {
        (true, None) => return Err(missing_method(&intent)),
        (_, method) => method,
    };
    tx.put(intent.clone());
    tx.emit("payment_intent.created", intent.render());
    if let Some(method) = method {
        tx.put(method.clone());
        if is_confirmed {
            intent.return_url.clone_from(&confirmation.return_url);
            intent = attempts::attempt(tx, intent, &method, confirmation.options)?;
        }
    }
    Ok(intent.render())
}

fn missing_method(intent: &PaymentIntent) -> ApiError {
    intent.unexpected_state(
        "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the \
         PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a \
         payment method or ConfirmationToken.",
    )
}

/// Requires a return URL if a payment method may redirect.
fn check_return_url(intent: &PaymentIntent, confirmation: &Confirmation) -> Result<(), ApiError> {
    let may_redirect = intent.automatic_payment_methods == Some(AllowRedirects::Always);
    if !may_redirect || confirmation.return_url.is_some() || intent.return_url.is_some() {
        return Ok(());
    }
    Err(ApiError::refused(
        "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of \
         these payment methods might redirect your customer off of your page, you must provide a `return_url`. \
         If you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to \
         `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and \
         Payment Intents.",
    ))
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let client_secret = params.string("client_secret")?;
    params.finish()?;
    let intent = find_with_secret(call, client_secret.as_ref())?;
    Ok(render(&intent, call.role))
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    payment_method_type_params::reject_method_type_list(&params, call.version)?;
    let method = PaymentMethodParam::parse(&mut params, call.tx.now.seconds())?;
    let fields = Fields::parse(&mut params)?;
    payment_intent_params::finish(params)?;
    let mut intent = find(call)?;
    let is_open = matches!(
        intent.status,
        Status::RequiresPaymentMethod | Status::RequiresConfirmation | Status::RequiresAction
    );
    let locked = [
        ("amount", fields.amount.is_some()),
        ("currency", fields.currency.is_some()),
        ("payment_method", method.is_some()),
    ];
    if let Some((name, _)) = locked.iter().find(|(_, is_given)| *is_given && !is_open) {
        return Err(intent.unexpected_state(format!(
            "This PaymentIntent's {name} could not be updated because it has a status of {}. You may only update \
             the {name} of a PaymentIntent with one of the following statuses: requires_payment_method, \
             requires_confirmation, requires_action.",
            intent.status.as_str()
        )));
    }
    if locked.iter().any(|(_, is_given)| *is_given) {
        checkout_completion::reject_if_open(call.tx, &intent)?;
    }
    let is_repriced = fields.amount.is_some_and(|amount| amount != intent.amount);
    fields.apply(call.tx, &mut intent)?;
    let is_replaced = method.is_some();
    if let Some(param) = method {
        let method = param.resolve(call.tx)?;
        check_method(&intent, &method)?;
        intent.payment_method = Some(method.id.clone());
        call.tx.put(method);
    }
    if is_open && intent.payment_method.is_some() && (is_replaced || is_repriced) {
        // The amount or payment method has changed since the customer's confirmation.
        cancellation::abandon(call.tx, &intent);
        intent.status = Status::RequiresConfirmation;
        intent.next_action = None;
    }
    call.tx.put(intent.clone());
    Ok(intent.render())
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    let customer = params.string("customer")?;
    params.finish()?;
    let intents: Vec<&PaymentIntent> = call
        .tx
        .newest_first::<PaymentIntent>()
        .filter(|intent| created.contains(&intent.created))
        .filter(|intent| customer.is_none() || intent.customer == customer)
        .collect();
    page.render(
        &intents,
        "payment_intent",
        "/v1/payment_intents",
        |intent| &intent.id,
        |intent| intent.render(),
    )
}

/// Confirms a PaymentIntent. For a publishable key, errors contain its public fields only.
fn confirm(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let role = call.role;
    confirm_with_role(call).map_err(|error| match role {
        Role::Publishable if error.has("payment_intent") => {
            let intent = call.tx.get::<PaymentIntent>(call.id);
            error.with("payment_intent", intent.map_or(Value::Null, PaymentIntent::render_public))
        }
        _ => error,
    })
}

fn confirm_with_role(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let client_secret = params.string("client_secret")?;
    params.reject_unknown(NOT_FOR_CONFIRM)?;
    if call.role == Role::Publishable {
        params.reject_unknown(NOT_FOR_PUBLISHABLE)?;
        // Stripe.js sends the type that it has collected. The payment method contains it as well.
        params.string("expected_payment_method_type")?;
    }
    payment_method_type_params::reject_method_type_list(&params, call.version)?;
    let mut confirmation = Confirmation::parse(&mut params, call.tx.now.seconds())?;
    let fields = Fields::parse(&mut params)?;
    payment_intent_params::finish(params)?;
    let mut intent = find_with_secret(call, client_secret.as_ref())?;
    checkout_completion::reject_if_open(call.tx, &intent)?;
    check_confirmable(&intent)?;
    fields.apply(call.tx, &mut intent)?;
    let method = match (confirmation.method.take(), &intent.payment_method) {
        (Some(param), _) => param.resolve(call.tx)?,
        (None, Some(id)) => payment_methods::resolve(call.tx, id)?,
        (None, None) => return Err(missing_method(&intent)),
    };
    check_method(&intent, &method)?;
    connect::check_capabilities(call.tx, &intent)?;
    // Stripe.js shows the next action on the shop's page, so it needs no return URL.
    if call.role == Role::Secret || !confirmation.options.uses_stripe_sdk {
        check_return_url(&intent, &confirmation)?;
    }
    intent.return_url = confirmation.return_url.clone().or(intent.return_url);
    call.tx.put(method.clone());
    let intent = attempts::attempt(call.tx, intent, &method, confirmation.options)?;
    Ok(render(&intent, call.role))
}

/// Parameters of create and update that confirm doesn't have.
const NOT_FOR_CONFIRM: &[&str] = &[
    "amount",
    "application_fee_amount",
    "currency",
    "customer",
    "description",
    "metadata",
    "on_behalf_of",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
];

/// Parameters of confirm that require a secret key, because customers must not change them.
const NOT_FOR_PUBLISHABLE: &[&str] = &[
    "allowed_payment_method_types",
    "capture_method",
    "error_on_requires_action",
    "excluded_payment_method_types",
    "off_session",
    "payment_method_options",
    "payment_method_types",
];

fn check_confirmable(intent: &PaymentIntent) -> Result<(), ApiError> {
    match intent.status {
        Status::RequiresPaymentMethod | Status::RequiresConfirmation | Status::RequiresAction => Ok(()),
        Status::Succeeded => Err(intent.unexpected_state(
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously \
             confirmed.",
        )),
        status => Err(intent.unexpected_state(format!(
            "You cannot confirm this PaymentIntent because it has a status of {}. Only a PaymentIntent with one of \
             the following statuses may be confirmed: requires_confirmation, requires_action.",
            status.as_str()
        ))),
    }
}

fn capture(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let amount = params.integer("amount_to_capture")?;
    let is_final = params.boolean("final_capture")?.unwrap_or(true);
    let fee = params.integer("application_fee_amount")?;
    let metadata = params.metadata()?;
    let statement_descriptor = params.text("statement_descriptor", 22)?;
    let suffix = params.text("statement_descriptor_suffix", 22)?;
    params.reject_unsupported(&["transfer_data"])?;
    payment_intent_params::finish(params)?;
    let mut intent = find(call)?;
    if intent.status != Status::RequiresCapture {
        return Err(intent.unexpected_state(format!(
            "This PaymentIntent could not be captured because it has a status of {}. Only a PaymentIntent with one \
             of the following statuses may be captured: requires_capture.",
            intent.status.as_str()
        )));
    }
    let amount = amount.unwrap_or(intent.amount_capturable);
    if amount < 1 {
        return Err(ApiError::invalid("This value must be greater than or equal to 1.")
            .with_code("parameter_invalid_integer")
            .with_param("amount_to_capture"));
    }
    if amount > intent.amount_capturable {
        return Err(ApiError::refused(format!(
            "The capture amount must be less than or equal to the amount_capturable of the PaymentIntent, {}.",
            intent.amount_capturable
        ))
        .with_code("amount_too_large")
        .with_param("amount_to_capture"));
    }
    if !is_final {
        return Err(ApiError::refused(
            "final_capture=false requires multicapture, which is not available for this payment.",
        )
        .with_param("final_capture"));
    }
    if fee.or(intent.application_fee_amount).is_some_and(|fee| fee < 0 || fee > amount) {
        return Err(ApiError::invalid("The application fee must be between zero and the captured amount.")
            .with_param("application_fee_amount"));
    }
    intent.application_fee_amount = fee.or(intent.application_fee_amount);
    connect::check_shares(call.tx, &intent)?;
    statement_descriptor.apply(&mut intent.statement_descriptor);
    suffix.apply(&mut intent.statement_descriptor_suffix);
    if let Some(change) = metadata {
        change.apply(&mut intent.metadata)?;
    }
    Ok(captures::capture(call.tx, intent, amount).render())
}

fn cancel(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let reason = params.enum_value::<CancellationReason>("cancellation_reason")?;
    payment_intent_params::finish(params)?;
    if reason.is_some_and(CancellationReason::is_reserved_for_stripe) {
        return Err(ApiError::invalid(
            "Invalid cancellation_reason: must be one of duplicate, fraudulent, requested_by_customer, or abandoned",
        )
        .with_param("cancellation_reason"));
    }
    let intent = find(call)?;
    checkout_completion::reject_if_open(call.tx, &intent)?;
    let is_cancelable = match intent.status {
        Status::Succeeded | Status::Canceled => false,
        Status::Processing => is_us_bank_debit(call.tx, &intent),
        _ => true,
    };
    if !is_cancelable {
        return Err(intent.unexpected_state(format!(
            "You cannot cancel this PaymentIntent because it has a status of {}. Only a PaymentIntent with one of \
             the following statuses may be canceled: requires_payment_method, requires_capture, \
             requires_confirmation, requires_action, processing.",
            intent.status.as_str()
        )));
    }
    Ok(cancellation::cancel(call.tx, intent, reason).render())
}

/// Returns whether the payment is a US bank debit. Only these can be canceled while processing.
fn is_us_bank_debit(tx: &Tx<'_>, intent: &PaymentIntent) -> bool {
    let method = intent.payment_method.as_ref().and_then(|id| tx.get::<PaymentMethod>(id));
    method.is_some_and(|method| method.type_() == PaymentMethodType::UsBankAccount)
}
