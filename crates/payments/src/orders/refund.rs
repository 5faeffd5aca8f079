//! Giving money back: recorded under the lock of its order, then asked of Stripe under the refund's own key.

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

use crate::error::RefusalError;
use crate::pay::GRACE;
use crate::resume::{KEY_AGE_MAX, UNREACHABLE};
use crate::worker::LEASE;
use crate::{Error, Payments, now};

/// From this age on nothing can come of a key any more: since [`KEY_AGE_MAX`] nothing was sent under it, and Stripe need
/// not know it any longer. See <https://docs.stripe.com/api/idempotent_requests>.
const KEY_FORGOTTEN: Duration = Duration::hours(24);

/// A refund of which Stripe left open whether it makes it is looked for again after as long as its key is old by then,
/// but no earlier and no later than this.
const LOOK_AGAIN_MIN: Duration = Duration::minutes(1);
const LOOK_AGAIN_MAX: Duration = Duration::hours(1);

/// No refund that may still be made is left for longer than this.
const PATIENCE_MAX: Duration = Duration::hours(24);

/// What is to go back.
#[derive(Debug, Clone)]
pub struct RefundRequest {
    /// Of which order.
    pub order_id: OrderId,
    /// How much, in minor units; everything that is left if it is not said.
    pub amount: Option<i64>,
    /// Why.
    pub reason: Option<RefundReason>,
    /// What else goes back with it.
    pub terms: RefundTermsRequest,
}

impl Payments {
    /// Gives money back.
    ///
    /// Once the refund is recorded it will be carried out, and this returns it as it stands, also if Stripe gave
    /// no answer yet: asking for it again would give the money back twice. It fails if Stripe refuses the refund.
    /// `completion` stores the reply with the record, so that a crash in between repeats nothing.
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
                resume_at: now() + GRACE,
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
                        "Stripe did not answer to a refund; the worker asks again under the same key."
                    );
                    Ok(work.stored)
                }
            }
        })
        .await
    }

    /// Asks Stripe for a refund that was recorded, or finds the one that was made.
    pub(crate) async fn send_refund(&self, work: &PendingRefund) -> Result<StoredRefund, Error> {
        let span = tracing::info_span!("refund", order.id = %work.stored.order_id, refund.id = %work.stored.refund.id);
        self.ask_refund(work).instrument(span).await
    }

    async fn ask_refund(&self, work: &PendingRefund) -> Result<StoredRefund, Error> {
        if age_of(work.key) >= KEY_AGE_MAX {
            return self.find_refund(work).await;
        }
        match self.create_refund(work).await {
            Err(StripeError::Unavailable { replayed: true, .. }) => self.find_refund(work).await,
            Err(StripeError::Refused(refusal)) if refusal.is_idempotency_mismatch() => {
                self.find_refund(work).await
            }
            result => self.refund_answered(work, result).await,
        }
    }

    /// Looks for a refund that can not be had by asking for it again. As long as something may still come of what was
    /// sent under its key, one that is not there is only looked for again: a server error of Stripe's leaves open what
    /// it did, and Stripe may complete it later (<https://docs.stripe.com/error-low-level>). After that it is asked
    /// for under the next key.
    async fn find_refund(&self, work: &PendingRefund) -> Result<StoredRefund, Error> {
        let id = &work.stored.refund.id;
        let age = age_of(work.key);
        let listed = match self.stripe.list_refunds(&work.account, &work.payment_intent_id).await {
            // This says nothing of what was sent under the key.
            Err(StripeError::Refused(refusal)) if refusal.is_account_unreachable() => {
                return if age < KEY_FORGOTTEN || is_patient(work) {
                    self.look_later(work, "its account is out of reach").await
                } else {
                    self.refuse_refund(id, refusal).await
                };
            }
            listed => listed?,
        };
        if let Some(found) = listed.into_iter().find(|refund| refund.refund_id.as_ref() == Some(id)) {
            let stored = self.store.apply_refund_observation(id.clone(), found, now()).await?;
            self.waiting.notify();
            return stored.ok_or(Error::OrderNotFound);
        }
        if age < KEY_FORGOTTEN {
            return self.look_later(work, "it is not there yet").await;
        }
        let spent = SpentRefundKey {
            id: id.clone(),
            number: work.key.number,
            next_since: now(),
            resume_at: now() + LEASE,
        };
        let Some(renewed) = self.store.renew_refund_key(spent).await? else {
            return Ok(work.stored.clone());
        };
        tracing::warn!("Stripe has made nothing of this refund for a day; it is asked for anew.");
        let result = self.create_refund(&renewed).await;
        self.refund_answered(&renewed, result).await
    }

    async fn look_later(&self, work: &PendingRefund, why: &str) -> Result<StoredRefund, Error> {
        let until = now() + age_of(work.key).clamp(LOOK_AGAIN_MIN, LOOK_AGAIN_MAX);
        self.store.postpone_refund(work.stored.refund.id.clone(), until).await?;
        tracing::warn!(
            until = %until,
            "Stripe left open whether it makes this refund, and {why}. It is looked for again, and asked for anew a day \
             after it was first asked for. Do not give it back by hand before."
        );
        Ok(work.stored.clone())
    }

    async fn create_refund(
        &self,
        work: &PendingRefund,
    ) -> Result<quittance_stripe_gateway::Refunded, StripeError> {
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
        let outcome = result.as_ref().map(|answer| answer.request_id.as_deref());
        self.note(&work.stored.order_id, refund.id.as_str(), "refunds.create", outcome).await;
        result
    }

    async fn refund_answered(
        &self,
        work: &PendingRefund,
        result: Result<quittance_stripe_gateway::Refunded, StripeError>,
    ) -> Result<StoredRefund, Error> {
        let id = &work.stored.refund.id;
        match result {
            Ok(answer) => {
                CrashPoint::RefundCreated.reach();
                let stored =
                    self.store.apply_refund_observation(id.clone(), answer.observation, now()).await?;
                self.waiting.notify();
                stored.ok_or(Error::OrderNotFound)
            }
            Err(StripeError::Refused(refusal)) if refusal.is_about_the_key() => {
                Err(Error::Stripe(StripeError::Refused(refusal)))
            }
            Err(StripeError::Refused(refusal)) if is_patient(work) && !refusal.is_refund_impossible() => {
                self.put_off_refused(work, refusal).await
            }
            Err(StripeError::Refused(refusal)) => self.refuse_refund(id, refusal).await,
            Err(error) => Err(Error::Stripe(error)),
        }
    }

    /// Leaves a refund to be done that Stripe refused for a reason that may pass. Nothing was made under its key, and
    /// Stripe would say so again for a day; so it gets the next one.
    async fn put_off_refused(
        &self,
        work: &PendingRefund,
        refusal: Box<Refusal>,
    ) -> Result<StoredRefund, Error> {
        let until = now() + patience(work.key);
        let id = work.stored.refund.id.clone();
        let spent = SpentRefundKey { id, number: work.key.number, next_since: until, resume_at: until };
        if self.store.renew_refund_key(spent).await?.is_some() {
            warn_of_refusal(work, refusal, until);
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

/// Whether nobody waits for the refund: then what may pass is waited for.
fn is_patient(work: &PendingRefund) -> bool {
    work.stored.refund.cause.is_automatic()
}

fn age_of(key: RefundKey) -> Duration {
    now() - key.since
}

/// How long a refused refund is left before it is asked for under its next key: an hour, twice as long after each key,
/// and a day at most.
fn patience(key: RefundKey) -> Duration {
    Duration::hours(1 << key.number.clamp(0, 5)).min(PATIENCE_MAX)
}

fn warn_of_refusal(work: &PendingRefund, refusal: Box<Refusal>, until: DateTime<Utc>) {
    tracing::error!(
        error = &RefusalError(refusal) as &dyn std::error::Error,
        cause = work.stored.refund.cause.as_str(),
        until = %until,
        "Stripe refused a refund that nobody asked for; it stays pending, and is tried again. If a balance is too small, \
         fill it up; if the payment is missing or its account is out of reach, look at the key in STRIPE_SECRET_KEY and \
         at the seller's connection; or give the money back in Stripe's dashboard."
    );
}
