//! Creates an order's live payment attempt, for your own page or for Stripe's hosted page. An order has one live attempt
//! at a time.

use chrono::{DateTime, Duration, Utc};
use quittance_crash_points::CrashPoint;
use quittance_domain::checkout::{PaymentFlow, SessionStatus};
use quittance_domain::history::Task;
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::order::Order;
use quittance_domain::payment::{Account, CaptureMethod, ExpectedPayment, PaymentStatus};
use quittance_domain::seller::SellerTerms;
use quittance_persistence::{BeginAttemptOutcome, NewAttempt, PendingAttempt};
use quittance_stripe_gateway::{
    CheckoutSession, FrozenRequest, NewCheckoutSession, NewPaymentIntent, PaymentDetails, PaymentIntent,
    Stripe,
};
use secrecy::SecretString;
use uuid::Uuid;

use super::REPLACE_TRIES;
use crate::Error;
use crate::attempts::StripeObject;
use crate::service::Payments;
use crate::time_limits::{REQUEST_GRACE, now};

/// The minimum lifetime of a Session. Stripe requires 30 minutes; the extra minute covers the request.
const SESSION_LIFE_MIN: Duration = Duration::minutes(31);

/// The maximum lifetime of a Session. Stripe allows 24 hours; the 5 minutes cover differing clocks.
const SESSION_LIFE_MAX: Duration = Duration::minutes(24 * 60 - 5);

/// A live PaymentIntent, with the client secret for Stripe.js.
#[derive(Debug)]
pub struct LivePaymentIntent {
    /// The current order.
    pub order: Order,
    /// The attempt's ID.
    pub payment_id: PaymentId,
    /// The PaymentIntent's ID at Stripe.
    pub payment_intent_id: String,
    /// The payment's status.
    pub status: PaymentStatus,
    /// The secret for Stripe.js. It is never stored or logged.
    pub client_secret: SecretString,
}

/// The parameters of a Checkout Session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutRequest {
    /// The page to which Stripe redirects the customer after payment. Stripe replaces `{CHECKOUT_SESSION_ID}` with the
    /// Session's ID.
    pub success_url: String,
    /// The page to which Stripe redirects the customer if they leave without paying.
    pub cancel_url: String,
    /// The capture method of a new Session. If it differs from the live Session's, the request fails.
    pub capture_method: Option<CaptureMethod>,
}

/// Stripe's hosted payment page for an order.
#[derive(Debug)]
pub struct HostedPage {
    /// The current order.
    pub order: Order,
    /// The Checkout Session's ID at Stripe.
    pub checkout_session_id: String,
    /// The page's URL. Redirect the customer to it.
    pub url: String,
    /// The time at which the Session expires.
    pub expires_at: Option<DateTime<Utc>>,
}

/// The caller's request for a payment.
enum PaymentRequest {
    PaymentIntent(Option<CaptureMethod>),
    CheckoutSession(CheckoutRequest),
}

impl PaymentRequest {
    fn capture_method(&self) -> Option<CaptureMethod> {
        match self {
            Self::PaymentIntent(capture_method) => *capture_method,
            Self::CheckoutSession(request) => request.capture_method,
        }
    }
}

impl Payments {
    /// Creates the order's live PaymentIntent, or returns the existing one. `capture_method` applies to a new one; if
    /// it differs from the live one's, this fails. A live Checkout Session is closed first.
    pub async fn pay(
        &self,
        order_id: OrderId,
        capture_method: Option<CaptureMethod>,
    ) -> Result<LivePaymentIntent, Error> {
        self.detached(async move |payments: Self| {
            let request = PaymentRequest::PaymentIntent(capture_method);
            let (work, object, order) = payments.live_attempt(order_id, &request).await?;
            let status = order.payment.as_ref().map(|payment| payment.status);
            match (object, status) {
                (StripeObject::PaymentIntent(intent), Some(status)) => {
                    live_payment_intent(work.attempt.id, status, *intent, order)
                }
                _ => Err(missing_client_secret()),
            }
        })
        .await
    }

    /// Creates the order's live Checkout Session, or returns the existing one if its parameters are equal. A live
    /// PaymentIntent, or a Session with different parameters, is closed first.
    pub async fn checkout(&self, order_id: OrderId, request: CheckoutRequest) -> Result<HostedPage, Error> {
        self.detached(async move |payments: Self| {
            let request = PaymentRequest::CheckoutSession(request);
            let (_, object, order) = payments.live_attempt(order_id, &request).await?;
            match object {
                StripeObject::CheckoutSession(session) => hosted_page(*session, order),
                StripeObject::PaymentIntent(_) => Err(Error::OrderClosing),
            }
        })
        .await
    }

    /// Returns the order's live attempt for this request, as read from Stripe. Creates it if necessary.
    async fn live_attempt(
        &self,
        order_id: OrderId,
        request: &PaymentRequest,
    ) -> Result<(PendingAttempt, StripeObject, Order), Error> {
        for _ in 0..REPLACE_TRIES {
            let order = self.store.order(order_id.clone()).await?.ok_or(Error::OrderNotFound)?;
            let Some(work) = self.begin_or_replace(self.new_attempt(&order, request)?).await? else {
                continue;
            };
            if request.capture_method().is_some_and(|method| method != work.attempt.capture_method) {
                return Err(Error::CaptureMethodConflict);
            }
            let (object, order) = match self.create_or_read(&work).await {
                Err(error) if error.is_unreachable(&work.attempt) => {
                    self.mark_unreachable(&work, &error).await?;
                    if error.is_deleted_at_stripe(&work.attempt) {
                        continue;
                    }
                    return Err(Error::AccountUnreachable);
                }
                result => result?,
            };
            let is_complete = match &object {
                StripeObject::CheckoutSession(session) => session.observation.status != SessionStatus::Open,
                StripeObject::PaymentIntent(_) => false,
            };
            match order.payment.as_ref().map(|payment| payment.status) {
                // The attempt was closed at Stripe in the meantime. The next iteration records a new one.
                Some(PaymentStatus::Canceled) | None => {}
                Some(_) if !order.status.is_open() => return Err(Error::OrderNotPayable(order.status)),
                // The customer has completed the Session. The outcome of the payment is open.
                Some(_) if is_complete => return Err(Error::payment_in_flight(order.status)),
                Some(_) => return Ok((work, object, order)),
            }
        }
        Err(Error::OrderClosing)
    }

    /// Records a new attempt, or returns the live one. Returns `None` if the order changed or another attempt was
    /// closed, so that the caller must try again.
    async fn begin_or_replace(&self, new: NewAttempt) -> Result<Option<PendingAttempt>, Error> {
        match self.store.begin_attempt(new).await? {
            BeginAttemptOutcome::Recorded(work) => {
                CrashPoint::AttemptRecorded.reach();
                Ok(Some(work))
            }
            BeginAttemptOutcome::Live(work) => Ok(Some(work)),
            BeginAttemptOutcome::CloseFirst(work) => {
                CrashPoint::AttemptAbandoned.reach();
                self.close_for_replacement(&work).await?;
                Ok(None)
            }
            BeginAttemptOutcome::Stale => Ok(None),
            BeginAttemptOutcome::SellerNotReady { seller_id, blockers } => {
                Err(Error::SellerNotReady { seller_id, blockers })
            }
            BeginAttemptOutcome::NotFound => Err(Error::OrderNotFound),
            BeginAttemptOutcome::NotPayable(status) if status.is_open() => {
                Err(Error::payment_in_flight(status))
            }
            BeginAttemptOutcome::NotPayable(status) => Err(Error::OrderNotPayable(status)),
            BeginAttemptOutcome::TooManyAttempts => Err(Error::TooManyAttempts),
        }
    }

    /// Reads an attempt's object from Stripe, or creates it, and records it.
    async fn create_or_read(&self, work: &PendingAttempt) -> Result<(StripeObject, Order), Error> {
        if work.attempt.exists_at_stripe() && work.task == Some(Task::Close) {
            return Err(Error::OrderClosing);
        }
        let object = match self.read_attempt(work).await? {
            Some(object) => object,
            None => self.create_attempt(work).await?,
        };
        let order = self.record_object(&work.attempt.id, &object, None).await?.0;
        Ok((object, order))
    }

    /// Reads an attempt's client secret from Stripe, for a repeated response. The secret isn't stored.
    pub async fn client_secret(&self, payment_id: PaymentId) -> Result<SecretString, Error> {
        self.detached(async move |payments: Self| {
            let work = payments.store.attempt(payment_id).await?.ok_or(Error::OrderNotFound)?;
            match payments.create_or_read(&work).await?.0 {
                StripeObject::PaymentIntent(intent) => intent.client_secret.ok_or_else(missing_client_secret),
                StripeObject::CheckoutSession(_) => Err(missing_client_secret()),
            }
        })
        .await
    }

    fn new_attempt(&self, order: &Order, request: &PaymentRequest) -> Result<NewAttempt, Error> {
        let id = PaymentId::from_uuid(Uuid::now_v7());
        let seller_terms = order.seller_terms.as_ref();
        let destination = seller_terms.and_then(SellerTerms::destination).map(str::to_owned);
        let expected = ExpectedPayment {
            account: seller_terms.map_or_else(Account::own, SellerTerms::charge_account),
            mode: self.stripe.mode(),
            amount: order.total,
            application_fee: seller_terms.and_then(SellerTerms::charged_fee),
        };
        let capture_method = request.capture_method().unwrap_or_default();
        let (flow, request_params, frozen, live_until) = match request {
            PaymentRequest::PaymentIntent(_) => {
                let frozen =
                    freeze_payment_intent(order, &id, &expected, destination.clone(), capture_method);
                (PaymentFlow::PaymentIntent, String::new(), frozen, None)
            }
            PaymentRequest::CheckoutSession(checkout) => {
                let expires_at = order.expires_at.clamp(now() + SESSION_LIFE_MIN, now() + SESSION_LIFE_MAX);
                let frozen = freeze_session(
                    order,
                    &id,
                    &expected,
                    destination.clone(),
                    capture_method,
                    checkout,
                    expires_at,
                );
                let request_params = format!("{}\n{}", checkout.success_url, checkout.cancel_url);
                (PaymentFlow::CheckoutSession, request_params, frozen, Some(expires_at))
            }
        };
        Ok(NewAttempt {
            id,
            order_id: order.id.clone(),
            flow,
            request_params,
            expected,
            destination,
            capture_method,
            request: serde_json::to_string(&frozen).map_err(|_| unserializable())?,
            sent_details_version: order.details_version,
            now: now(),
            resume_at: now() + REQUEST_GRACE,
            live_until,
        })
    }
}

fn payment_details(order: &Order) -> PaymentDetails {
    PaymentDetails { receipt_email: order.customer.email.clone(), shipping: order.shipping.clone() }
}

fn freeze_payment_intent(
    order: &Order,
    id: &PaymentId,
    expected: &ExpectedPayment,
    destination: Option<String>,
    capture_method: CaptureMethod,
) -> FrozenRequest {
    Stripe::freeze_payment_intent(&NewPaymentIntent {
        order_id: order.id.clone(),
        payment_id: id.clone(),
        account: expected.account.clone(),
        amount: expected.amount,
        application_fee: expected.application_fee,
        destination,
        capture_method,
        details: payment_details(order),
        metadata: order.metadata.clone(),
    })
}

fn freeze_session(
    order: &Order,
    id: &PaymentId,
    expected: &ExpectedPayment,
    destination: Option<String>,
    capture_method: CaptureMethod,
    request: &CheckoutRequest,
    expires_at: DateTime<Utc>,
) -> FrozenRequest {
    Stripe::freeze_checkout_session(&NewCheckoutSession {
        order_id: order.id.clone(),
        payment_id: id.clone(),
        account: expected.account.clone(),
        lines: order.lines.clone(),
        application_fee: expected.application_fee,
        destination,
        capture_method,
        details: payment_details(order),
        metadata: order.metadata.clone(),
        success_url: request.success_url.clone(),
        cancel_url: request.cancel_url.clone(),
        expires_at,
    })
}

fn live_payment_intent(
    payment_id: PaymentId,
    status: PaymentStatus,
    intent: PaymentIntent,
    order: Order,
) -> Result<LivePaymentIntent, Error> {
    Ok(LivePaymentIntent {
        payment_id,
        status,
        payment_intent_id: intent.observation.payment_intent_id,
        client_secret: intent.client_secret.ok_or_else(missing_client_secret)?,
        order,
    })
}

fn hosted_page(session: CheckoutSession, order: Order) -> Result<HostedPage, Error> {
    let url = session.url.ok_or_else(|| unreadable("an open Checkout Session without a URL"))?;
    Ok(HostedPage {
        order,
        checkout_session_id: session.observation.checkout_session_id,
        url,
        expires_at: session.expires_at,
    })
}

fn missing_client_secret() -> Error {
    unreadable("a PaymentIntent without a client secret")
}

fn unreadable(reason: &str) -> Error {
    Error::Stripe(quittance_stripe_gateway::Error::Unreadable {
        status: 200,
        request_id: None,
        reason: reason.to_owned(),
    })
}

fn unserializable() -> Error {
    Error::Stripe(quittance_stripe_gateway::Error::Unsendable("an attempt's request"))
}
