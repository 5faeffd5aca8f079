//! Paying an order with a PaymentIntent. How that stands is in `payment_lookups`.

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

use crate::Api;
use crate::auth::{Audience, Caller};
use crate::body::{Object, Read};
use crate::idempotency::{Done, Work, reply};
use crate::path::OrderPath;
use crate::problem::Problem;
use crate::request::{Headers, Request};
use crate::responses::{Conflicts, Failures, Keyed, Missing, Pays, Unauthorized};
use crate::words::{CaptureMethod, PaymentStatus};

/// The route of PaymentIntents.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(create);
}

/// How an order is to be paid. May be left out.
#[derive(Debug, ToSchema)]
#[schema(example = json!({}))]
#[expect(dead_code, reason = "describes the body; `read_capture_method` reads it")]
pub(crate) struct PaymentIntentCreate {
    /// When the money is taken; `automatic` if nothing is said. With a secret key only.
    #[schema(nullable = false)]
    capture_method: Option<CaptureMethod>,
}

/// What a page needs to let a customer pay with Stripe's Payment Element.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are those of the contract")]
pub(crate) struct PaymentIntent {
    /// Our id of this attempt to pay, in the PaymentIntent's metadata as `payment_id`.
    #[schema(example = "pay_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    id: String,
    /// `payment_intent`.
    #[schema(example = "payment_intent")]
    object: &'static str,
    #[schema(example = "ord_01kb3m9q4e8v2tz6h0rxw5ncy7")]
    order_id: String,
    /// Stripe's id.
    #[schema(example = "pi_3SWcLdKnR7uC1oLi0G4eXjDk")]
    payment_intent_id: String,
    status: PaymentStatus,
    /// What is to be paid, in Stripe's minor unit.
    #[schema(example = 4998)]
    amount: i64,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    currency: &'static str,
    /// The account that it is on, where that is the seller's own: for Stripe.js, as its `stripeAccount`.
    #[schema(required, example = "acct_1SWcLdKnR7uC1oLi")]
    stripe_account: Option<String>,
    /// For Stripe.js in the customer's browser. Keep it out of logs and URLs.
    // Always `None` here: what this type makes is stored, and the secret is added to it on its way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        value_type = String,
        required,
        example = "pi_3SWcLdKnR7uC1oLi0G4eXjDk_secret_5KGz0pHFGsJQ2MWqJEXAMPLE"
    )]
    client_secret: Option<String>,
}

/// How the payment of an order stands, as part of the order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderPayment {
    /// Stripe's id of the PaymentIntent, once known.
    #[schema(required, example = "pi_3SWcLdKnR7uC1oLi0G4eXjDk")]
    payment_intent_id: Option<String>,
    /// Stripe's id of the Checkout Session, where it is paid on Stripe's page.
    #[schema(required, example = "cs_test_a1Ub9tQ3mFhW8pYtK5nR7uC1oLiG4eXjDk")]
    checkout_session_id: Option<String>,
    status: PaymentStatus,
    /// Why the last try failed, if nothing has come after it.
    #[schema(required)]
    last_error: Option<PaymentError>,
}

/// Why a try at paying failed, in Stripe's words.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaymentError {
    /// Stripe's code.
    #[schema(required, example = "card_declined")]
    code: Option<String>,
    /// The bank's code.
    #[schema(required, example = "insufficient_funds")]
    decline_code: Option<String>,
    /// What to tell the customer.
    #[schema(required, example = "Your card has insufficient funds.")]
    message: Option<String>,
}

impl PaymentIntent {
    fn of(payable: &LivePaymentIntent) -> Self {
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

/// The connected account that an order's payment is on.
pub(crate) fn stripe_account(order: &domain::Order) -> Option<String> {
    let account = order.payment.as_ref().map(|payment| &payment.account);
    account
        .filter(|account| **account != domain_payment::Account::own())
        .map(|account| account.as_str().to_owned())
}

/// When the money is to be taken, which is the shop's alone to say.
pub(crate) fn read_capture_method(
    body: &mut Object<'_>,
    by: Audience,
) -> Read<Option<domain_payment::CaptureMethod>> {
    match by {
        Audience::Shop => body.optional("capture_method", |field| field.word("automatic, manual")),
        Audience::Holder => body.forbidden("capture_method").map(|()| None),
    }
}

/// Create or get the PaymentIntent of an order
///
/// An order has one live PaymentIntent, which is returned again and again, and made anew where it was closed. A live
/// Checkout Session is closed first.
#[utoipa::path(
    tag = "Payments",
    operation_id = "order_payment_intent_create",
    request_body = PaymentIntentCreate,
    params(OrderPath, Headers),
    responses(
        (status = 200, description = "The PaymentIntent", body = PaymentIntent),
        Unauthorized, Missing, Keyed, Conflicts, Failures, Pays
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
    let right = caller.right_to(&api, &id)?;
    let audience = right.audience();
    let capture_method = request.read(|body| read_capture_method(body, audience))?;
    let payments = api.payments().clone();
    let work = async move |_: Work| {
        let payable = payments.pay(id, capture_method).await;
        let payable = payable.map_err(|error| Problem::from(error).told_to(audience))?;
        let secret = ReplySecret::ClientSecret(payable.payment_id.clone());
        let reply = reply(StatusCode::OK, &PaymentIntent::of(&payable), Some(secret));
        Ok(Done::new(reply).with_client_secret(payable.client_secret))
    };
    request.run(&api, right, work).await
}
