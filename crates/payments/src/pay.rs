//! Paying: one live PaymentIntent for an order, and its client secret for the page.

use chrono::Duration;
use quittance_crash_points::CrashPoint;
use quittance_domain::history::Task;
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::order::Order;
use quittance_domain::payment::{Account, CaptureMethod, Expected, PaymentStatus};
use quittance_persistence::{AttemptAtWork, Begun, NewAttempt, Observed};
use quittance_stripe_gateway::{NewPaymentIntent, PaymentDetails, PaymentIntent, Stripe};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Error, Payments, now};

/// How long the request that recorded an attempt has to finish it, before the worker does.
const GRACE: Duration = Duration::seconds(30);

/// How often an attempt is begun anew because the one found was closed, or the order changed meanwhile.
const TRIES: usize = 3;

/// What a page needs to let a customer pay.
#[derive(Debug)]
pub struct Payable {
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

/// What is kept of a client secret: enough to know it again.
#[must_use]
pub fn client_secret_hash(client_secret: &str) -> String {
    hex::encode(Sha256::digest(client_secret.as_bytes()))
}

impl Payments {
    /// Creates the order's one live PaymentIntent, or returns it. `capture_method` is for a new one; asking
    /// for another than the live one has is refused.
    pub async fn pay(
        &self,
        order_id: OrderId,
        capture_method: Option<CaptureMethod>,
    ) -> Result<Payable, Error> {
        self.detached(async move |payments: Self| payments.payable(order_id, capture_method).await).await
    }

    async fn payable(&self, order_id: OrderId, wanted: Option<CaptureMethod>) -> Result<Payable, Error> {
        for _ in 0..TRIES {
            let order = self.store.order(order_id.clone()).await?.ok_or(Error::NotFound)?;
            let work = match self.store.begin_attempt(self.new_attempt(&order, wanted)?).await? {
                Begun::Recorded(work) => {
                    CrashPoint::AttemptRecorded.reach();
                    work
                }
                Begun::Live(work) => work,
                Begun::Stale => continue,
                Begun::NotFound => return Err(Error::NotFound),
                Begun::NotPayable(status) if status.is_open() => return Err(Error::Closing),
                Begun::NotPayable(status) => return Err(Error::NotPayable(status)),
                Begun::TooManyAttempts => return Err(Error::TooManyAttempts),
            };
            if wanted.is_some_and(|wanted| wanted != work.attempt.capture_method) {
                return Err(Error::CaptureMethodFixed);
            }
            let (payment_intent, order) = self.make_or_read(&work).await?;
            match order.payment.as_ref().map(|payment| payment.status) {
                // It was closed at Stripe in the meantime: the next try records a new attempt.
                Some(PaymentStatus::Canceled) | None => {}
                Some(_) if !order.status.is_open() => return Err(Error::NotPayable(order.status)),
                Some(status) => return payable(work.attempt.id, status, payment_intent, order),
            }
        }
        Err(Error::Closing)
    }

    /// The PaymentIntent of an attempt, fresh from Stripe, with the order after its news was taken in.
    async fn make_or_read(&self, work: &AttemptAtWork) -> Result<(PaymentIntent, Order), Error> {
        let account = &work.attempt.expected.account;
        let payment_intent = match (&work.attempt.payment_intent_id, work.task) {
            (None, _) => self.make(work).await?,
            (Some(_), Some(Task::Close)) => return Err(Error::Closing),
            (Some(id), _) => self.stripe.retrieve_payment_intent(account, id).await?,
        };
        let order = self.record(&work.attempt.id, &payment_intent, None).await?.0;
        CrashPoint::PaymentIntentRecorded.reach();
        Ok((payment_intent, order))
    }

    /// Takes in what Stripe answered about an attempt; what is left to do for it.
    pub(crate) async fn record(
        &self,
        payment_id: &PaymentId,
        answer: &PaymentIntent,
        details_told: Option<i64>,
    ) -> Result<(Order, Option<Task>), Error> {
        let secret = answer.client_secret.as_ref();
        let hash = secret.map(|secret| client_secret_hash(secret.expose_secret()));
        let observation = answer.observation.clone();
        let observed = self.store.observe(payment_id.clone(), observation, hash, details_told, now()).await?;
        match observed {
            Observed::Mismatch(mismatch) => Err(Error::Mismatch(mismatch)),
            Observed::Merged(order, task) => {
                self.waiting.poke();
                Ok((order, task))
            }
        }
    }

    /// The client secret of an attempt whose answer is given again: fetched, because it is not stored.
    pub async fn client_secret(&self, payment_id: PaymentId) -> Result<SecretString, Error> {
        self.detached(async move |payments: Self| {
            let work = payments.store.attempt(payment_id).await?.ok_or(Error::NotFound)?;
            let (answer, _) = payments.make_or_read(&work).await?;
            answer.client_secret.ok_or_else(no_client_secret)
        })
        .await
    }

    fn new_attempt(&self, order: &Order, capture_method: Option<CaptureMethod>) -> Result<NewAttempt, Error> {
        let id = PaymentId::from_uuid(Uuid::now_v7());
        let expected = Expected {
            account: Account::own(),
            mode: self.stripe.mode(),
            amount: order.total,
            application_fee: None,
        };
        let capture_method = capture_method.unwrap_or_default();
        let request = Stripe::freeze_payment_intent(&NewPaymentIntent {
            order_id: order.id.clone(),
            payment_id: id.clone(),
            account: expected.account.clone(),
            amount: expected.amount,
            application_fee: expected.application_fee,
            capture_method,
            details: PaymentDetails {
                receipt_email: order.customer.email.clone(),
                shipping: order.shipping.clone(),
            },
            metadata: order.metadata.clone(),
        });
        Ok(NewAttempt {
            id,
            order_id: order.id.clone(),
            expected,
            capture_method,
            request: serde_json::to_string(&request).map_err(|_| unwritable())?,
            details_told: order.details_version,
            now: now(),
            redrive_at: now() + GRACE,
        })
    }
}

fn payable(
    payment_id: PaymentId,
    status: PaymentStatus,
    answer: PaymentIntent,
    order: Order,
) -> Result<Payable, Error> {
    Ok(Payable {
        payment_id,
        status,
        payment_intent_id: answer.observation.payment_intent_id,
        client_secret: answer.client_secret.ok_or_else(no_client_secret)?,
        order,
    })
}

fn no_client_secret() -> Error {
    Error::Stripe(quittance_stripe_gateway::Error::Unreadable {
        status: 200,
        request_id: None,
        reason: "a PaymentIntent without a client secret".to_owned(),
    })
}

fn unwritable() -> Error {
    Error::Stripe(quittance_stripe_gateway::Error::Unsendable("the request of an attempt"))
}
