//! Refunds, recorded before Stripe creates them or reported by Stripe; and disputes.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::{DisputeId, OrderId, PaymentId, RefundId};
use quittance_domain::money::Money;
use quittance_domain::order::OrderStatus;
use quittance_domain::refund::{Refund, RefundCause, RefundFacts, RefundObservation, RefundTerms};

use super::super::Database;
use super::super::columns::{instant, parse};
use super::super::dialect::{Conn, for_update_skip_locked};
use super::super::idempotency_keys::store_reply;
use super::super::schema::{disputes, refunds};
use super::locked_order::{LockedOrder, LockedOrders};
use crate::Error;
use crate::model::{
    BeginRefundOutcome, Completion, NewRefund, PendingRefund, RefundKey, RefundTermsRequest, SpentRefundKey,
    StoredDispute, StoredRefund, WorkClaim,
};

/// The refusal reason of a refund that Stripe reported without our ID, and that another row has recorded.
const REPORTED_WITHOUT_ID: &str = "recorded_as_another_refund";

impl Database {
    pub(crate) async fn begin_refund(
        &self,
        new: NewRefund,
        completion: Option<Completion<StoredRefund>>,
    ) -> Result<BeginRefundOutcome, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let Some(mut locked) = LockedOrders::lock_one(conn, &new.order_id).await? else {
                return Ok(BeginRefundOutcome::NotFound);
            };
            let (payment_id, amount) = match refundable(&locked, new.amount)? {
                Ok(found) => found,
                Err(refused) => return Ok(refused),
            };
            let all = locked.history.attempt(&payment_id).map(RefundTerms::for_attempt).unwrap_or_default();
            if let Some(refused) = missing_terms(all, new.terms) {
                return Ok(refused);
            }
            locked.send_at.insert(new.id.clone(), instant(new.resume_at));
            locked.history.refunds.push(Refund {
                id: new.id.clone(),
                payment_id,
                amount,
                reason: new.reason.map(|reason| reason.as_str().to_owned()),
                cause: RefundCause::Requested,
                terms: RefundTerms {
                    reverse_transfer: new.terms.reverse_transfer.unwrap_or(all.reverse_transfer),
                    refund_application_fee: new
                        .terms
                        .refund_application_fee
                        .unwrap_or(all.refund_application_fee),
                },
                stripe_refund_id: None,
                facts: RefundFacts::default(),
                refused: None,
            });
            locked.commit(conn, &limits, new.now).await?;
            let pending = locked.pending_refund(&new.id)?;
            store_reply(conn, completion.as_ref(), &pending.stored).await?;
            Ok(BeginRefundOutcome::Recorded(pending))
        })
        .await
    }

    pub(crate) async fn refund(&self, id: RefundId) -> Result<Option<PendingRefund>, Error> {
        let mut conn = self.reader().await?;
        let Some(order_id) = order_id_of(&mut conn, &id).await? else { return Ok(None) };
        let locked_orders = LockedOrders::read(&mut conn, vec![order_id.to_string()]).await?;
        locked_orders.get(&order_id).map(|locked| locked.pending_refund(&id)).transpose()
    }

    pub(crate) async fn refunds(&self, order_id: OrderId) -> Result<Vec<StoredRefund>, Error> {
        let mut conn = self.reader().await?;
        let locked_orders = LockedOrders::read(&mut conn, vec![order_id.to_string()]).await?;
        let Some(locked) = locked_orders.get(&order_id) else { return Ok(Vec::new()) };
        let newest_first = locked.history.refunds.iter().rev();
        newest_first.map(|refund| locked.stored_refund(&refund.id)).collect()
    }

    pub(crate) async fn apply_refund_observation(
        &self,
        id: RefundId,
        seen: RefundObservation,
        now: DateTime<Utc>,
    ) -> Result<Option<StoredRefund>, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let Some(mut locked) = lock_order_of(conn, &id).await? else { return Ok(None) };
            let Some(payment_id) = locked.refund(&id).map(|refund| refund.payment_id.clone()) else {
                return Ok(None);
            };
            // Stripe's answer belongs to this refund, even if its metadata has changed.
            let seen = RefundObservation { refund_id: Some(id.clone()), ..seen.clone() };
            if locked.history.apply_refund(&payment_id, &seen, id.clone()).is_err() {
                return Ok(None);
            }
            if let Some(refund) = locked.refund_mut(&id).filter(|refund| refund.is_unsent()) {
                refund.refused = Some(REPORTED_WITHOUT_ID.to_owned());
            }
            locked.commit(conn, &limits, now).await?;
            locked.stored_refund(&id).map(Some)
        })
        .await
    }

    pub(crate) async fn refuse_refund(
        &self,
        id: RefundId,
        reason: String,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let Some(mut locked) = lock_order_of(conn, &id).await? else { return Ok(()) };
            // A refund that exists at Stripe wasn't refused.
            if let Some(refund) = locked.refund_mut(&id).filter(|refund| refund.is_unsent()) {
                refund.refused = Some(reason.clone());
            }
            locked.commit(conn, &limits, now).await?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn postpone_refund(&self, id: RefundId, resume_at: DateTime<Utc>) -> Result<(), Error> {
        self.write(async |conn| {
            if lock_unsent(conn, &id).await?.is_some() {
                diesel::update(refunds::table.find(id.as_str()))
                    .set(refunds::resume_at.eq(Some(instant(resume_at))))
                    .execute(conn)
                    .await?;
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn renew_refund_key(
        &self,
        spent: SpentRefundKey,
    ) -> Result<Option<PendingRefund>, Error> {
        self.write(async |conn| {
            let known = lock_unsent(conn, &spent.id).await?;
            let Some(known) = known.filter(|known| known.key.number == spent.number) else { return Ok(None) };
            let key = RefundKey { number: spent.number + 1, since: instant(spent.next_since) };
            diesel::update(refunds::table.find(spent.id.as_str()))
                .set((
                    refunds::key_number.eq(key.number),
                    refunds::key_since.eq(Some(key.since)),
                    refunds::resume_at.eq(Some(instant(spent.resume_at))),
                ))
                .execute(conn)
                .await?;
            Ok(Some(PendingRefund { key, ..known }))
        })
        .await
    }

    pub(crate) async fn claim_refunds(&self, claim: WorkClaim) -> Result<Vec<PendingRefund>, Error> {
        self.write(async |conn| {
            let due: Vec<(String, String)> = for_update_skip_locked!(
                refunds::table
                    .filter(refunds::resume_at.is_not_null())
                    .filter(refunds::resume_at.le(claim.now))
                    .order(refunds::resume_at.asc())
                    .limit(i64::from(claim.limit))
                    .select((refunds::id, refunds::order_id))
            )
            .load(conn)
            .await?;
            let ids: Vec<&String> = due.iter().map(|(id, _)| id).collect();
            diesel::update(refunds::table.filter(refunds::id.eq_any(ids)))
                .set((
                    refunds::resume_at.eq(Some(instant(claim.lease_until))),
                    refunds::resume_count.eq(refunds::resume_count + 1),
                ))
                .execute(conn)
                .await?;
            let order_ids = due.iter().map(|(_, order_id)| order_id.clone()).collect();
            let locked_orders = LockedOrders::read(conn, order_ids).await?;
            let mut taken = Vec::with_capacity(due.len());
            for (id, order_id) in &due {
                if let Some(locked) = locked_orders.get(&parse("refund", order_id)?) {
                    taken.push(locked.pending_refund(&parse("refund", id)?)?);
                }
            }
            // Another worker has finished these.
            let done: Vec<PendingRefund> =
                taken.extract_if(.., |pending| !pending.stored.refund.is_unsent()).collect();
            let done: Vec<&str> = done.iter().map(|pending| pending.stored.refund.id.as_str()).collect();
            if !done.is_empty() {
                diesel::update(refunds::table.filter(refunds::id.eq_any(done)))
                    .set((refunds::resume_at.eq(None::<DateTime<Utc>>), refunds::resume_count.eq(0)))
                    .execute(conn)
                    .await?;
            }
            Ok(taken)
        })
        .await
    }

    pub(crate) async fn disputes(&self, order_id: OrderId) -> Result<Vec<StoredDispute>, Error> {
        let mut conn = self.reader().await?;
        let locked_orders = LockedOrders::read(&mut conn, vec![order_id.to_string()]).await?;
        let Some(locked) = locked_orders.get(&order_id) else { return Ok(Vec::new()) };
        Ok(locked.stored_disputes().rev().collect())
    }

    pub(crate) async fn dispute(&self, id: DisputeId) -> Result<Option<StoredDispute>, Error> {
        let mut conn = self.reader().await?;
        let order_id: Option<String> =
            disputes::table.find(id.as_str()).select(disputes::order_id).first(&mut conn).await.optional()?;
        let Some(order_id) = order_id else { return Ok(None) };
        let locked_orders = LockedOrders::read(&mut conn, vec![order_id.clone()]).await?;
        let Some(locked) = locked_orders.get(&parse("dispute", &order_id)?) else { return Ok(None) };
        Ok(locked.stored_disputes().find(|stored| stored.dispute.id == id))
    }
}

/// Returns the attempt and the amount to refund, or why a refund isn't possible.
fn refundable(
    locked: &LockedOrder,
    amount: Option<i64>,
) -> Result<Result<(PaymentId, Money), BeginRefundOutcome>, Error> {
    let status = locked.order.order_status()?;
    if status == OrderStatus::Disputed {
        return Ok(Err(BeginRefundOutcome::Disputed));
    }
    // A lost dispute has already taken the money.
    let attempt = locked.history.refundable_attempt().filter(|_| status != OrderStatus::ChargedBack);
    let left = attempt.and_then(|attempt| Some((attempt, locked.history.refundable(&attempt.id)?)));
    let Some((attempt, left)) = left else { return Ok(Err(BeginRefundOutcome::NotPaid(status))) };
    let wanted = amount.unwrap_or(left.minor());
    if left.minor() == 0 || wanted > left.minor() {
        return Ok(Err(BeginRefundOutcome::TooMuch(left)));
    }
    let wanted = Money::new(wanted, left.currency()).map_err(|error| Error::corrupt("refund", error))?;
    Ok(Ok((attempt.id.clone(), wanted)))
}

/// Returns which requested terms the payment can't satisfy, if any.
fn missing_terms(all: RefundTerms, request_params: RefundTermsRequest) -> Option<BeginRefundOutcome> {
    if request_params.reverse_transfer == Some(true) && !all.reverse_transfer {
        Some(BeginRefundOutcome::NoTransfer)
    } else if request_params.refund_application_fee == Some(true) && !all.refund_application_fee {
        Some(BeginRefundOutcome::NoApplicationFee)
    } else {
        None
    }
}

impl LockedOrder {
    fn refund(&self, id: &RefundId) -> Option<&Refund> {
        self.history.refunds.iter().find(|refund| refund.id == *id)
    }

    fn refund_mut(&mut self, id: &RefundId) -> Option<&mut Refund> {
        self.history.refunds.iter_mut().find(|refund| refund.id == *id)
    }

    pub(crate) fn stored_refund(&self, id: &RefundId) -> Result<StoredRefund, Error> {
        let row = self.refunds.iter().find(|row| row.id == id.as_str());
        let (Some(refund), Some(row)) = (self.refund(id), row) else {
            return Err(Error::corrupt("order", "it has no such refund"));
        };
        let quantities = self.history.decisions.accepted.as_ref();
        Ok(StoredRefund {
            refund: refund.clone(),
            order_id: self.order_id.clone(),
            is_surplus: quantities != Some(&refund.payment_id),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }

    fn pending_refund(&self, id: &RefundId) -> Result<PendingRefund, Error> {
        let stored = self.stored_refund(id)?;
        let row = self.refunds.iter().find(|row| row.id == id.as_str());
        let key = RefundKey {
            number: row.map_or(0, |row| row.key_number),
            since: row.and_then(|row| row.key_since).unwrap_or(stored.created_at),
        };
        let attempt = self.history.attempt(&stored.refund.payment_id);
        let payment_intent_id = attempt.and_then(|attempt| attempt.payment_intent_id.clone());
        let (Some(attempt), Some(payment_intent_id)) = (attempt, payment_intent_id) else {
            return Err(Error::corrupt("refund", "its payment has no PaymentIntent"));
        };
        Ok(PendingRefund {
            account: attempt.expected.account.clone(),
            mode: attempt.expected.mode,
            payment_intent_id,
            resume_count: row.map_or(0, |row| row.resume_count),
            key,
            stored,
        })
    }

    pub(crate) fn stored_disputes(&self) -> impl DoubleEndedIterator<Item = StoredDispute> {
        self.history.disputes.iter().zip(&self.disputes).map(|(dispute, row)| StoredDispute {
            dispute: dispute.clone(),
            order_id: self.order_id.clone(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

async fn order_id_of(conn: &mut Conn, id: &RefundId) -> Result<Option<OrderId>, Error> {
    let order_id: Option<String> =
        refunds::table.find(id.as_str()).select(refunds::order_id).first(conn).await.optional()?;
    order_id.map(|id| parse("refund", &id)).transpose()
}

/// Locks the order of a refund that has yet to be sent to Stripe.
async fn lock_unsent(conn: &mut Conn, id: &RefundId) -> Result<Option<PendingRefund>, Error> {
    let pending = lock_order_of(conn, id).await?.map(|locked| locked.pending_refund(id)).transpose()?;
    Ok(pending.filter(|pending| pending.stored.refund.is_unsent()))
}

/// Locks the order of a refund.
async fn lock_order_of(conn: &mut Conn, id: &RefundId) -> Result<Option<LockedOrder>, Error> {
    match order_id_of(conn, id).await? {
        Some(order_id) => LockedOrders::lock_one(conn, &order_id).await,
        None => Ok(None),
    }
}
