//! Giving money back: recorded under the lock of its order, then asked of Stripe under the refund's own key.

use quittance_crash_points::CrashPoint;
use quittance_domain::id::{OrderId, RefundId};
use quittance_domain::refund::RefundReason;
use quittance_persistence::{AskedTerms, Completion, NewRefund, RefundAtWork, RefundBegun, StoredRefund};
use quittance_stripe_gateway::{Error as StripeError, NewRefund as RefundAtStripe, Refusal};
use tracing::Instrument;
use uuid::Uuid;

use crate::drive::{KEY_AGE_MAX, UNREACHABLE};
use crate::error::RefusalError;
use crate::pay::GRACE;
use crate::{Error, Payments, now};

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
    pub terms: AskedTerms,
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
                redrive_at: now() + GRACE,
            };
            let work = match payments.store.begin_refund(new, completion).await? {
                RefundBegun::Recorded(work) => work,
                RefundBegun::NotFound => return Err(Error::NotFound),
                RefundBegun::NotPaid(status) => return Err(Error::NotRefundable(status)),
                RefundBegun::Disputed => return Err(Error::Disputed),
                RefundBegun::TooMuch(left) => return Err(Error::RefundTooLarge(left)),
                RefundBegun::NoTransfer => return Err(Error::NoTransferToReverse),
                RefundBegun::NoApplicationFee => return Err(Error::NoApplicationFee),
            };
            CrashPoint::RefundRecorded.reach();
            match payments.send_refund(&work).await {
                Ok(stored) => Ok(stored),
                Err(refused @ (Error::Refused(_) | Error::AccountUnreachable)) => Err(refused),
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
    pub(crate) async fn send_refund(&self, work: &RefundAtWork) -> Result<StoredRefund, Error> {
        let span = tracing::info_span!("refund", order.id = %work.stored.order_id, refund.id = %work.stored.refund.id);
        self.ask_refund(work).instrument(span).await
    }

    async fn ask_refund(&self, work: &RefundAtWork) -> Result<StoredRefund, Error> {
        let id = &work.stored.refund.id;
        if now() - work.stored.created_at >= KEY_AGE_MAX {
            return self.find_refund(work).await;
        }
        match self.create_refund(work, id.as_str()).await {
            Err(StripeError::Unavailable { replayed: true, .. }) => self.find_refund(work).await,
            Err(StripeError::Refused(refusal)) if refusal.is_idempotency_mismatch() => {
                self.find_refund(work).await
            }
            result => self.refund_answered(work, result).await,
        }
    }

    /// Looks for a refund whose key can not be used any more. If Stripe has none, it is asked for under a new key:
    /// whatever was sent under the old one has come to nothing.
    async fn find_refund(&self, work: &RefundAtWork) -> Result<StoredRefund, Error> {
        let id = &work.stored.refund.id;
        let listed = match self.stripe.list_refunds(&work.account, &work.payment_intent_id).await {
            Err(StripeError::Refused(refusal)) if refusal.is_account_unreachable() => {
                return self.refuse_refund(id, refusal).await;
            }
            listed => listed?,
        };
        if let Some(found) = listed.into_iter().find(|refund| refund.refund_id.as_ref() == Some(id)) {
            let stored = self.store.observe_refund(id.clone(), found, now()).await?;
            self.waiting.poke();
            return stored.ok_or(Error::NotFound);
        }
        let result = self.create_refund(work, &format!("{id}-{}", work.redrives)).await;
        self.refund_answered(work, result).await
    }

    async fn create_refund(
        &self,
        work: &RefundAtWork,
        idempotency_key: &str,
    ) -> Result<quittance_stripe_gateway::Refunded, StripeError> {
        let refund = &work.stored.refund;
        let new = RefundAtStripe {
            refund_id: refund.id.clone(),
            order_id: work.stored.order_id.clone(),
            account: work.account.clone(),
            payment_intent_id: work.payment_intent_id.clone(),
            amount: refund.amount,
            reason: refund.reason.as_deref().and_then(RefundReason::from_word),
            terms: refund.terms,
        };
        let result = self.stripe.create_refund(&new, idempotency_key).await;
        let outcome = result.as_ref().map(|answer| answer.request_id.as_deref());
        self.note(&work.stored.order_id, refund.id.as_str(), "refunds.create", outcome).await;
        result
    }

    async fn refund_answered(
        &self,
        work: &RefundAtWork,
        result: Result<quittance_stripe_gateway::Refunded, StripeError>,
    ) -> Result<StoredRefund, Error> {
        let id = &work.stored.refund.id;
        match result {
            Ok(answer) => {
                CrashPoint::RefundMade.reach();
                let stored = self.store.observe_refund(id.clone(), answer.observation, now()).await?;
                self.waiting.poke();
                stored.ok_or(Error::NotFound)
            }
            Err(StripeError::Refused(refusal)) if !refusal.is_about_the_key() => {
                self.refuse_refund(id, refusal).await
            }
            Err(error) => Err(Error::Stripe(error)),
        }
    }

    async fn refuse_refund(&self, id: &RefundId, refusal: Box<Refusal>) -> Result<StoredRefund, Error> {
        let (reason, error) = match &refusal.code {
            _ if refusal.is_account_unreachable() => (UNREACHABLE.to_owned(), Error::AccountUnreachable),
            Some(code) => (code.clone(), Error::Refused(RefusalError(refusal))),
            None => (refusal.status.to_string(), Error::Refused(RefusalError(refusal))),
        };
        self.store.refuse_refund(id.clone(), reason, now()).await?;
        Err(error)
    }
}
