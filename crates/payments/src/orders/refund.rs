//! Refunds an order: the refund is recorded under the order's lock, then sent to Stripe with its own idempotency key.

use chrono::{DateTime, Duration, Utc};
use quittance_crash_points::CrashPoint;
use quittance_domain::id::{OrderId, RefundId};
use quittance_domain::refund::RefundReason;
use quittance_persistence::{
    BeginRefundOutcome, Completion, NewRefund, PendingRefund, RefundKey, RefundTermsRequest, SpentRefundKey,
    StoredRefund,
};
use quittance_stripe_gateway::{Error as StripeError, NewRefund as RefundAtStripe, Refusal};
use tracing::Instrument;
use uuid::Uuid;

use crate::Error;
use crate::attempts::UNREACHABLE;
use crate::error::RefusalError;
use crate::service::Payments;
use crate::time_limits::{KEY_AGE_MAX, REQUEST_GRACE, WORK_LEASE, now};

/// The age from which a key can no longer have an effect. No request used it since [`KEY_AGE_MAX`], and Stripe may have
/// forgotten it. See <https://docs.stripe.com/api/idempotent_requests>.
const KEY_LIFETIME: Duration = Duration::hours(24);

/// The limits of the time until a refund with an uncertain result is looked up again. In between, that time equals the
/// age of the refund's key.
const LOOKUP_DELAY_MIN: Duration = Duration::minutes(1);
const LOOKUP_DELAY_MAX: Duration = Duration::hours(1);

/// The maximum time until a refused automatic refund is retried.
const RETRY_DELAY_MAX: Duration = Duration::hours(24);

/// The parameters of a refund.
#[derive(Debug, Clone)]
pub struct RefundRequest {
    /// The order to refund.
    pub order_id: OrderId,
    /// The amount in minor units. Without it, the remaining amount is refunded.
    pub amount: Option<i64>,
    /// The reason.
    pub reason: Option<RefundReason>,
    /// Whether the transfer and the application fee are refunded too.
    pub terms: RefundTermsRequest,
}

impl Payments {
    /// Refunds an order.
    ///
    /// A recorded refund will be executed. If Stripe doesn't respond, this returns the pending refund instead of an
    /// error, because a second request would refund the amount twice. If Stripe refuses the refund, this fails.
    /// `completion` stores the API response in the same transaction, so that a crash can't cause a second refund.
    pub async fn refund(
        &self,
        request: RefundRequest,
        completion: Option<Completion<StoredRefund>>,
    ) -> Result<StoredRefund, Error> {
        self.detached(async move |payments: Self| {
            let new = NewRefund {
                id: RefundId::from_uuid(Uuid::now_v7()),
                order_id: request.order_id,
                amount: request.amount,
                reason: request.reason,
                terms: request.terms,
                now: now(),
                resume_at: now() + REQUEST_GRACE,
            };
            let work = match payments.store.begin_refund(new, completion).await? {
                BeginRefundOutcome::Recorded(work) => work,
                BeginRefundOutcome::NotFound => return Err(Error::OrderNotFound),
                BeginRefundOutcome::NotPaid(status) => return Err(Error::OrderNotRefundable(status)),
                BeginRefundOutcome::Disputed => return Err(Error::ChargeDisputed),
                BeginRefundOutcome::TooMuch(left) => return Err(Error::RefundTooLarge(left)),
                BeginRefundOutcome::NoTransfer => return Err(Error::NoTransferToReverse),
                BeginRefundOutcome::NoApplicationFee => return Err(Error::NoApplicationFee),
            };
            CrashPoint::RefundRecorded.reach();
            match payments.send_refund(&work).await {
                Ok(stored) => Ok(stored),
                Err(refused @ (Error::StripeRefusal(_) | Error::AccountUnreachable)) => Err(refused),
                Err(error) => {
                    tracing::warn!(
                        refund.id = %work.stored.refund.id,
                        error = &error as &dyn std::error::Error,
                        "failed to send refund to Stripe; the worker retries it with the same key"
                    );
                    Ok(work.stored)
                }
            }
        })
        .await
    }

    /// Sends a recorded refund to Stripe, or finds the existing one.
    pub(crate) async fn send_refund(&self, work: &PendingRefund) -> Result<StoredRefund, Error> {
        self.create_or_find_refund(work).instrument(refund_span(&work.stored)).await
    }

    async fn create_or_find_refund(&self, work: &PendingRefund) -> Result<StoredRefund, Error> {
        if key_age(work.key) >= KEY_AGE_MAX {
            return self.find_refund(work).await;
        }
        match self.create_refund(work).await {
            Err(StripeError::Unavailable { replayed: true, .. }) => self.find_refund(work).await,
            Err(StripeError::Refused(refusal)) if refusal.is_idempotency_mismatch() => {
                self.find_refund(work).await
            }
            result => self.record_refund_result(work, result).await,
        }
    }

    /// Looks up a refund whose request can't be repeated.
    ///
    /// After a server error, Stripe may still complete the refund (<https://docs.stripe.com/error-low-level>). While its
    /// key can have an effect, a missing refund is therefore looked up later. After that, it is requested with the next
    /// key.
    async fn find_refund(&self, work: &PendingRefund) -> Result<StoredRefund, Error> {
        let id = &work.stored.refund.id;
        let age = key_age(work.key);
        let listed = match self.stripe.list_refunds(&work.account, &work.payment_intent_id).await {
            // The result of the request stays unknown.
            Err(StripeError::Refused(refusal)) if refusal.is_account_unreachable() => {
                return if age < KEY_LIFETIME || is_automatic(work) {
                    self.postpone_lookup(work, "the account is unreachable").await
                } else {
                    self.refuse_refund(id, refusal).await
                };
            }
            listed => listed?,
        };
        if let Some(found) = listed.into_iter().find(|refund| refund.refund_id.as_ref() == Some(id)) {
            let stored = self.store.apply_refund_observation(id.clone(), found, now()).await?;
            self.waiters.notify();
            return stored.ok_or(Error::OrderNotFound);
        }
        if age < KEY_LIFETIME {
            return self.postpone_lookup(work, "the refund doesn't exist yet").await;
        }
        let spent = SpentRefundKey {
            id: id.clone(),
            number: work.key.number,
            next_since: now(),
            resume_at: now() + WORK_LEASE,
        };
        let Some(renewed) = self.store.renew_refund_key(spent).await? else {
            return Ok(work.stored.clone());
        };
        tracing::warn!("failed to find the refund at Stripe for a day; requesting it with a new key");
        let result = self.create_refund(&renewed).await;
        self.record_refund_result(&renewed, result).await
    }

    async fn postpone_lookup(&self, work: &PendingRefund, reason: &str) -> Result<StoredRefund, Error> {
        let until = now() + key_age(work.key).clamp(LOOKUP_DELAY_MIN, LOOKUP_DELAY_MAX);
        self.store.postpone_refund(work.stored.refund.id.clone(), until).await?;
        tracing::warn!(
            reason,
            until = %until,
            "failed to determine the result of a refund; the worker looks it up again, and requests it with a new key \
             a day after the first request. Don't refund the payment manually before that"
        );
        Ok(work.stored.clone())
    }

    async fn create_refund(
        &self,
        work: &PendingRefund,
    ) -> Result<quittance_stripe_gateway::RefundReply, StripeError> {
        let refund = &work.stored.refund;
        let idempotency_key = match work.key.number {
            0 => refund.id.to_string(),
            number => format!("{}-{number}", refund.id),
        };
        let new = RefundAtStripe {
            refund_id: refund.id.clone(),
            order_id: work.stored.order_id.clone(),
            account: work.account.clone(),
            payment_intent_id: work.payment_intent_id.clone(),
            amount: refund.amount,
            reason: refund.reason.as_deref().and_then(|reason| reason.parse().ok()),
            terms: refund.terms,
        };
        let result = self.stripe.create_refund(&new, &idempotency_key).await;
        let outcome = result.as_ref().map(|refunded| refunded.request_id.as_deref());
        self.record_call(&work.stored.order_id, refund.id.as_str(), "refunds.create", outcome).await;
        result
    }

    async fn record_refund_result(
        &self,
        work: &PendingRefund,
        result: Result<quittance_stripe_gateway::RefundReply, StripeError>,
    ) -> Result<StoredRefund, Error> {
        let id = &work.stored.refund.id;
        match result {
            Ok(refunded) => {
                CrashPoint::RefundCreated.reach();
                let stored =
                    self.store.apply_refund_observation(id.clone(), refunded.observation, now()).await?;
                self.waiters.notify();
                stored.ok_or(Error::OrderNotFound)
            }
            Err(StripeError::Refused(refusal)) if refusal.is_key_error() => {
                Err(Error::Stripe(StripeError::Refused(refusal)))
            }
            Err(StripeError::Refused(refusal)) if is_automatic(work) && !refusal.is_refund_impossible() => {
                self.retry_later_with_next_key(work, refusal).await
            }
            Err(StripeError::Refused(refusal)) => self.refuse_refund(id, refusal).await,
            Err(error) => Err(Error::Stripe(error)),
        }
    }

    /// Postpones an automatic refund that Stripe refused for a temporary reason. Stripe would repeat the refusal for a
    /// day, so the refund gets the next key.
    async fn retry_later_with_next_key(
        &self,
        work: &PendingRefund,
        refusal: Box<Refusal>,
    ) -> Result<StoredRefund, Error> {
        let until = now() + retry_delay(work.key);
        let id = work.stored.refund.id.clone();
        let spent = SpentRefundKey { id, number: work.key.number, next_since: until, resume_at: until };
        if self.store.renew_refund_key(spent).await?.is_some() {
            log_refusal(work, refusal, until);
        }
        Ok(work.stored.clone())
    }

    async fn refuse_refund(&self, id: &RefundId, refusal: Box<Refusal>) -> Result<StoredRefund, Error> {
        let (reason, error) = match &refusal.code {
            _ if refusal.is_account_unreachable() => (UNREACHABLE.to_owned(), Error::AccountUnreachable),
            Some(code) => (code.clone(), Error::StripeRefusal(RefusalError(refusal))),
            None => (refusal.status.to_string(), Error::StripeRefusal(RefusalError(refusal))),
        };
        self.store.refuse_refund(id.clone(), reason, now()).await?;
        Err(error)
    }
}

/// Returns true if Quittance started the refund. No caller waits for it, so temporary refusals are retried.
fn is_automatic(work: &PendingRefund) -> bool {
    work.stored.refund.cause.is_automatic()
}

fn key_age(key: RefundKey) -> Duration {
    now() - key.since
}

/// Returns the time until a refused refund is requested with its next key. It starts at an hour, doubles with each key,
/// and ends at a day.
fn retry_delay(key: RefundKey) -> Duration {
    Duration::hours(1 << key.number.clamp(0, 5)).min(RETRY_DELAY_MAX)
}

/// Creates a span with the fields that identify a refund's log lines.
pub(crate) fn refund_span(stored: &StoredRefund) -> tracing::Span {
    tracing::info_span!("refund", order.id = %stored.order_id, refund.id = %stored.refund.id)
}

fn log_refusal(work: &PendingRefund, refusal: Box<Refusal>, until: DateTime<Utc>) {
    tracing::error!(
        error = &RefusalError(refusal) as &dyn std::error::Error,
        cause = work.stored.refund.cause.as_str(),
        until = %until,
        "failed to create an automatic refund because Stripe refused it; it stays pending and is retried. Add funds if \
         a balance is too low. Check STRIPE_SECRET_KEY and the seller's connection if the payment or its account is \
         missing. Otherwise, refund the payment in Stripe's Dashboard"
    );
}
