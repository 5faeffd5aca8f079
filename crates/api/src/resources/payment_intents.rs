//! PaymentIntents of orders. Their statuses are in `payment_lookups`.

use actix_web::http::StatusCode;
use actix_web::web::{Path, ThinData};
use actix_web::{HttpResponse, post};
use quittance_domain::order as domain;
use quittance_domain::payment as domain_payment;
use quittance_payments::LivePaymentIntent;
use quittance_persistence::ReplySecret;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::auth::Caller;
use crate::http::fields::{Optional, SecretKeyOnly, request_body};
use crate::http::idempotency::{KeyClaim, WorkReply, reply};
use crate::http::path::OrderPath;
use crate::http::request::{Headers, Request};
use crate::http::responses::{
    AuthErrors, IdempotentErrors, NotFoundErrors, PaymentErrors, ServerErrors, StatusErrors,
};
use crate::problem::Problem;
use crate::resources::enums::{CaptureMethod, PaymentStatus};
use crate::state::Api;

/// Registers the route of PaymentIntents.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(create);
}

request_body! {
    /// The options of a PaymentIntent. The body may be omitted.
    #[example({})]
    PaymentIntentCreate {
        /// The capture method. By default, it is `automatic`. Needs a secret key.
        capture_method: SecretKeyOnly<Optional<CaptureMethod>>;
    }
}

/// The values with which a page shows Stripe's Payment Element.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are those of the contract")]
pub(crate) struct PaymentIntent {
    /// The payment attempt's ID, which is `payment_id` in the PaymentIntent's metadata.
    #[schema(example = "pay_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    id: String,
    /// `payment_intent`.
    #[schema(example = "payment_intent")]
    object: &'static str,
    #[schema(example = "ord_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    order_id: String,
    /// The PaymentIntent's Stripe ID.
    #[schema(example = "pi_3SWcLdKnR7uC1oLi0G4eXjDk")]
    payment_intent_id: String,
    status: PaymentStatus,
    /// The amount to pay, in Stripe's minor unit.
    #[schema(example = 4998)]
    amount: i64,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    currency: &'static str,
    /// The seller's account, if it has the PaymentIntent. Pass it to Stripe.js as `stripeAccount`.
    #[schema(required)]
    stripe_account: Option<String>,
    /// The secret for Stripe.js in the customer's browser. Keep it out of logs and URLs.
    // Always `None`, because the reply is stored. `http::stored_body` adds the secret when the reply is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        value_type = String,
        required,
        example = "pi_3SWcLdKnR7uC1oLi0G4eXjDk_secret_5KGz0pHFGsJQ2MWqJEXAMPLE"
    )]
    client_secret: Option<String>,
}

/// The current payment of an order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderPayment {
    /// The PaymentIntent's Stripe ID, once known.
    #[schema(required, example = "pi_3SWcLdKnR7uC1oLi0G4eXjDk")]
    payment_intent_id: Option<String>,
    /// The Checkout Session's Stripe ID, if the customer pays on Stripe's page.
    #[schema(required, example = "cs_test_a1Ub9tQ3mFhW8pYtK5nR7uC1oLiG4eXjDk")]
    checkout_session_id: Option<String>,
    status: PaymentStatus,
    /// The error of the last attempt, if it failed.
    #[schema(required)]
    last_error: Option<PaymentError>,
}

/// Stripe's error for a failed payment attempt.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaymentError {
    /// Stripe's error code.
    #[schema(required, example = "card_declined")]
    code: Option<String>,
    /// The bank's decline code.
    #[schema(required, example = "insufficient_funds")]
    decline_code: Option<String>,
    /// The message to show to the customer.
    #[schema(required, example = "Your card has insufficient funds.")]
    message: Option<String>,
}

impl PaymentIntent {
    fn from_payable(payable: &LivePaymentIntent) -> Self {
        Self {
            id: payable.payment_id.to_string(),
            object: "payment_intent",
            order_id: payable.order.id.to_string(),
            payment_intent_id: payable.payment_intent_id.clone(),
            status: payable.status.into(),
            amount: payable.order.total.minor(),
            currency: payable.order.total.currency().code(),
            stripe_account: stripe_account(&payable.order),
            client_secret: None,
        }
    }
}

impl From<domain::CurrentPayment> for OrderPayment {
    fn from(payment: domain::CurrentPayment) -> Self {
        Self {
            payment_intent_id: payment.payment_intent_id,
            checkout_session_id: payment.checkout_session_id,
            status: payment.status.into(),
            last_error: payment.last_failure.map(PaymentError::from),
        }
    }
}

impl From<domain_payment::Failure> for PaymentError {
    fn from(failure: domain_payment::Failure) -> Self {
        Self { code: failure.code, decline_code: failure.decline_code, message: failure.message }
    }
}

/// Returns the connected account that has an order's payment.
pub(crate) fn stripe_account(order: &domain::Order) -> Option<String> {
    let account = order.payment.as_ref().map(|payment| &payment.account);
    account
        .filter(|account| **account != domain_payment::Account::own())
        .map(|account| account.as_str().to_owned())
}

/// Create or get the PaymentIntent of an order
///
/// Returns the order's live PaymentIntent, or creates one. Quittance closes a live Checkout Session first.
#[utoipa::path(
    tag = "Payments",
    operation_id = "order_payment_intent_create",
    request_body = PaymentIntentCreate,
    params(OrderPath, Headers),
    responses(
        (status = 200, description = "The PaymentIntent", body = PaymentIntent),
        AuthErrors, NotFoundErrors, IdempotentErrors, StatusErrors, ServerErrors, PaymentErrors
    ),
    security(("client_token" = []), ("secret_key" = []))
)]
#[post("/v1/orders/{id}/payment_intent")]
async fn create(
    api: ThinData<Api>,
    caller: Caller,
    path: Path<OrderPath>,
    request: Request,
) -> Result<HttpResponse, Problem> {
    let id = path.id()?;
    let access = api.access(&caller, &id)?;
    let audience = access.audience();
    let capture_method = request.read::<PaymentIntentCreate>(&api.body_rules(audience))?.capture_method;
    let payments = api.payments().clone();
    let work = async move |_: KeyClaim| {
        let payable = payments.pay(id, capture_method).await;
        let payable = payable.map_err(|error| Problem::from(error).for_audience(audience))?;
        let secret = ReplySecret::ClientSecret(payable.payment_id.clone());
        let reply = reply(StatusCode::OK, &PaymentIntent::from_payable(&payable), Some(secret));
        Ok(WorkReply::new(reply).with_client_secret(payable.client_secret))
    };
    api.run(request, access, work).await
}
