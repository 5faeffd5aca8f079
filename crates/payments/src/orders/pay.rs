//! Paying: one live attempt for an order, on the shop's own page or on Stripe's.

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
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::answer::Answer;
use crate::{Error, Payments, now};

/// How long the request that recorded an attempt has to finish it, before the worker does.
pub(crate) const GRACE: Duration = Duration::seconds(30);

/// How often an attempt is begun anew because the one found was closed, or the order changed meanwhile.
pub(crate) const TRIES: usize = 4;

/// Stripe takes no Session that ends sooner than 30 minutes after it was made; the minute is for the way there.
const SESSION_LIFE_MIN: Duration = Duration::minutes(31);

/// Stripe takes no Session that ends later than 24 hours after it was made.
const SESSION_LIFE_MAX: Duration = Duration::minutes(24 * 60 - 5);

/// What a page needs to let a customer pay.
#[derive(Debug)]
pub struct LivePaymentIntent {
    /// The order as it is now.
    pub order: Order,
    /// Our id of the attempt.
    pub payment_id: PaymentId,
    /// Stripe's id of it.
    pub payment_intent_id: String,
    /// Where it stands.
    pub status: PaymentStatus,
    /// For Stripe.js. Never stored, never logged.
    pub client_secret: SecretString,
}

/// Where Stripe's page sends the customer back to, and when the money is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutRequest {
    /// After the customer has done their part. `{CHECKOUT_SESSION_ID}` in it becomes the Session's id.
    pub success_url: String,
    /// When the customer gives up.
    pub cancel_url: String,
    /// For a new Session; another than the live one's is refused.
    pub capture_method: Option<CaptureMethod>,
}

/// A page of Stripe's on which an order can be paid.
#[derive(Debug)]
pub struct HostedPage {
    /// The order as it is now.
    pub order: Order,
    /// Stripe's id of the Checkout Session.
    pub checkout_session_id: String,
    /// Where the customer is to be sent.
    pub url: String,
    /// Until when it can be used.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What is kept of a client secret: enough to know it again.
#[must_use]
pub fn client_secret_hash(client_secret: &str) -> String {
    hex::encode(Sha256::digest(client_secret.as_bytes()))
}

/// How an attempt is asked for.
enum PaymentRequest {
    Element(Option<CaptureMethod>),
    Checkout(CheckoutRequest),
}

impl PaymentRequest {
    fn capture_method(&self) -> Option<CaptureMethod> {
        match self {
            Self::Element(capture_method) => *capture_method,
            Self::Checkout(request) => request.capture_method,
        }
    }
}

impl Payments {
    /// Creates the order's one live PaymentIntent, or returns it. `capture_method` is for a new one; asking
    /// for another than the live one has is refused. A live Checkout Session is closed first.
    pub async fn pay(
        &self,
        order_id: OrderId,
        capture_method: Option<CaptureMethod>,
    ) -> Result<LivePaymentIntent, Error> {
        self.detached(async move |payments: Self| {
            let wish = PaymentRequest::Element(capture_method);
            let (work, answer, order) = payments.live_attempt(order_id, &wish).await?;
            let status = order.payment.as_ref().map(|payment| payment.status);
            match (answer, status) {
                (Answer::PaymentIntent(answer), Some(status)) => {
                    payable(work.attempt.id, status, *answer, order)
                }
                _ => Err(no_client_secret()),
            }
        })
        .await
    }

    /// Creates the order's one live Checkout Session, or returns it where it was asked for in the same words. A
    /// live PaymentIntent, or a Session asked for in other words, is closed first.
    pub async fn checkout(&self, order_id: OrderId, request: CheckoutRequest) -> Result<HostedPage, Error> {
        self.detached(async move |payments: Self| {
            let wish = PaymentRequest::Checkout(request);
            let (_, answer, order) = payments.live_attempt(order_id, &wish).await?;
            match answer {
                Answer::Session(session) => hosted_page(*session, order),
                Answer::PaymentIntent(_) => Err(Error::OrderClosing),
            }
        })
        .await
    }

    /// The order's one live attempt as it was wished for, fresh from Stripe.
    async fn live_attempt(
        &self,
        order_id: OrderId,
        wish: &PaymentRequest,
    ) -> Result<(PendingAttempt, Answer, Order), Error> {
        for _ in 0..TRIES {
            let order = self.store.order(order_id.clone()).await?.ok_or(Error::OrderNotFound)?;
            let work = match self.store.begin_attempt(self.new_attempt(&order, wish)?).await? {
                BeginAttemptOutcome::Recorded(work) => {
                    CrashPoint::AttemptRecorded.reach();
                    work
                }
                BeginAttemptOutcome::Live(work) => work,
                BeginAttemptOutcome::CloseFirst(work) => {
                    CrashPoint::AttemptAbandoned.reach();
                    self.close_for_another(&work).await?;
                    continue;
                }
                BeginAttemptOutcome::Stale => continue,
                BeginAttemptOutcome::SellerNotReady { seller_id, blockers } => {
                    return Err(Error::SellerNotReady { seller_id, blockers });
                }
                BeginAttemptOutcome::NotFound => return Err(Error::OrderNotFound),
                BeginAttemptOutcome::NotPayable(status) if status.is_open() => {
                    return Err(Error::in_flight(status));
                }
                BeginAttemptOutcome::NotPayable(status) => return Err(Error::OrderNotPayable(status)),
                BeginAttemptOutcome::TooManyAttempts => return Err(Error::TooManyAttempts),
            };
            if wish.capture_method().is_some_and(|wanted| wanted != work.attempt.capture_method) {
                return Err(Error::CaptureMethodConflict);
            }
            let (answer, order) = match self.make_or_read(&work).await {
                Err(error) if error.is_out_of_reach(&work.attempt) => {
                    self.mark_unreachable(&work, &error).await?;
                    if error.is_deleted_at_stripe(&work.attempt) {
                        continue;
                    }
                    return Err(Error::AccountUnreachable);
                }
                read => read?,
            };
            let is_complete = match &answer {
                Answer::Session(session) => session.observation.status != SessionStatus::Open,
                Answer::PaymentIntent(_) => false,
            };
            match order.payment.as_ref().map(|payment| payment.status) {
                // It was closed at Stripe in the meantime: the next try records a new attempt.
                Some(PaymentStatus::Canceled) | None => {}
                Some(_) if !order.status.is_open() => return Err(Error::OrderNotPayable(order.status)),
                // The customer has done their part; whether the money comes will show.
                Some(_) if is_complete => return Err(Error::in_flight(order.status)),
                Some(_) => return Ok((work, answer, order)),
            }
        }
        Err(Error::OrderClosing)
    }

    /// Closes an attempt that stands in the way of another.
    pub(crate) async fn close_for_another(&self, work: &PendingAttempt) -> Result<(), Error> {
        match self.resume(&work.attempt.id).await {
            // The money was on its way already: that is how the order is being paid.
            Err(Error::OrderNotCancelable(status)) => Err(Error::in_flight(status)),
            result => result,
        }
    }

    /// What Stripe has of an attempt, fresh, with the order after its news was taken in.
    async fn make_or_read(&self, work: &PendingAttempt) -> Result<(Answer, Order), Error> {
        if work.attempt.exists_at_stripe() && work.task == Some(Task::Close) {
            return Err(Error::OrderClosing);
        }
        let answer = match self.read_attempt(work).await? {
            Some(answer) => answer,
            None => self.make(work).await?,
        };
        let order = self.record(&work.attempt.id, &answer, None).await?.0;
        Ok((answer, order))
    }

    /// The client secret of an attempt whose answer is given again: fetched, because it is not stored.
    pub async fn client_secret(&self, payment_id: PaymentId) -> Result<SecretString, Error> {
        self.detached(async move |payments: Self| {
            let work = payments.store.attempt(payment_id).await?.ok_or(Error::OrderNotFound)?;
            match payments.make_or_read(&work).await?.0 {
                Answer::PaymentIntent(answer) => answer.client_secret.ok_or_else(no_client_secret),
                Answer::Session(_) => Err(no_client_secret()),
            }
        })
        .await
    }

    fn new_attempt(&self, order: &Order, wish: &PaymentRequest) -> Result<NewAttempt, Error> {
        let id = PaymentId::from_uuid(Uuid::now_v7());
        let seller_terms = order.seller_terms.as_ref();
        let destination = seller_terms.and_then(SellerTerms::destination).map(str::to_owned);
        let expected = ExpectedPayment {
            account: seller_terms.map_or_else(Account::own, SellerTerms::charge_account),
            mode: self.stripe.mode(),
            amount: order.total,
            application_fee: seller_terms.and_then(SellerTerms::charged_fee),
        };
        let capture_method = wish.capture_method().unwrap_or_default();
        let (flow, request_params, request, live_until) = match wish {
            PaymentRequest::Element(_) => {
                let request =
                    freeze_payment_intent(order, &id, &expected, destination.clone(), capture_method);
                (PaymentFlow::PaymentIntent, String::new(), request, None)
            }
            PaymentRequest::Checkout(wish) => {
                let expires_at = order.expires_at.clamp(now() + SESSION_LIFE_MIN, now() + SESSION_LIFE_MAX);
                let request = freeze_session(
                    order,
                    &id,
                    &expected,
                    destination.clone(),
                    capture_method,
                    wish,
                    expires_at,
                );
                let request_params = format!("{}\n{}", wish.success_url, wish.cancel_url);
                (PaymentFlow::CheckoutSession, request_params, request, Some(expires_at))
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
            request: serde_json::to_string(&request).map_err(|_| unwritable())?,
            sent_details_version: order.details_version,
            now: now(),
            resume_at: now() + GRACE,
            live_until,
        })
    }
}

fn details_of(order: &Order) -> PaymentDetails {
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
        details: details_of(order),
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
        details: details_of(order),
        metadata: order.metadata.clone(),
        success_url: request.success_url.clone(),
        cancel_url: request.cancel_url.clone(),
        expires_at,
    })
}

fn payable(
    payment_id: PaymentId,
    status: PaymentStatus,
    answer: PaymentIntent,
    order: Order,
) -> Result<LivePaymentIntent, Error> {
    Ok(LivePaymentIntent {
        payment_id,
        status,
        payment_intent_id: answer.observation.payment_intent_id,
        client_secret: answer.client_secret.ok_or_else(no_client_secret)?,
        order,
    })
}

fn hosted_page(session: CheckoutSession, order: Order) -> Result<HostedPage, Error> {
    let url = session.url.ok_or_else(|| unreadable("an open Checkout Session without a url"))?;
    Ok(HostedPage {
        order,
        checkout_session_id: session.observation.checkout_session_id,
        url,
        expires_at: session.expires_at,
    })
}

fn no_client_secret() -> Error {
    unreadable("a PaymentIntent without a client secret")
}

fn unreadable(reason: &str) -> Error {
    Error::Stripe(quittance_stripe_gateway::Error::Unreadable {
        status: 200,
        request_id: None,
        reason: reason.to_owned(),
    })
}

fn unwritable() -> Error {
    Error::Stripe(quittance_stripe_gateway::Error::Unsendable("the request of an attempt"))
}
