//! Payment attempts: recorded before Stripe creates them, updated by its answers.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::history::{Limits, Task};
use quittance_domain::id::{DisputeId, OrderId, PaymentId, RefundId};
use quittance_domain::order::is_outdated;
use quittance_domain::payment::{Attempt, Facts, Mismatch, Observation};
use uuid::Uuid;

use super::super::Database;
use super::super::columns::{document, instant, parse};
use super::super::dialect::{Conn, for_update_skip_locked};
use super::super::rows::payments::PaymentRow;
use super::super::schema::{orders, payments};
use super::super::sellers::readiness::{lock_readiness, schedule_seller_refresh};
use super::locked_order::{LockedOrder, LockedOrders};
use crate::Error;
use crate::model::{
    AttemptObservations, BeginAttemptOutcome, NewAttempt, ObserveOutcome, PendingAttempt, WorkClaim,
};

impl Database {
    pub(crate) async fn begin_attempt(&self, new: NewAttempt) -> Result<BeginAttemptOutcome, Error> {
        let (limits, supported) = (self.limits, &self.sellers_supported);
        self.write(async |conn| {
            let Some(mut locked) = LockedOrders::lock_one(conn, &new.order_id).await? else {
                return Ok(BeginAttemptOutcome::NotFound);
            };
            let status = locked.order.order_status()?;
            if !status.is_open() || locked.history.closing.is_some() {
                return Ok(BeginAttemptOutcome::NotPayable(status));
            }
            if locked.history.failure_count() >= limits.max_declines {
                return Ok(BeginAttemptOutcome::TooManyAttempts);
            }
            let seller_terms = locked.order.seller_terms()?;
            if let Some(seller_terms) = &seller_terms {
                let seller_id = seller_terms.seller_id.clone();
                let readiness = lock_readiness(conn, &seller_id, supported).await?;
                if !readiness.ready {
                    return Ok(BeginAttemptOutcome::SellerNotReady {
                        seller_id,
                        blockers: readiness.blockers,
                    });
                }
            }
            if let Some(live) = locked.history.live_attempt() {
                let id = live.id.clone();
                let pending = locked.pending_attempt(&id, &limits)?;
                let is_paying = live.is_processing() || live.is_authorized();
                let is_wanted =
                    pending.request_params == new.request_params && pending.task != Some(Task::Close);
                if live.flow == new.flow && (is_wanted || is_paying) {
                    return Ok(BeginAttemptOutcome::Live(pending));
                }
                if is_paying {
                    return Ok(BeginAttemptOutcome::NotPayable(status));
                }
                locked.abandon(&id);
                locked.commit(conn, &limits, new.now).await?;
                return Ok(BeginAttemptOutcome::CloseFirst(locked.pending_attempt(&id, &limits)?));
            }
            let total = locked.order.total()?;
            if is_outdated(&new.expected, new.destination.as_deref(), total, seller_terms.as_ref()) {
                return Ok(BeginAttemptOutcome::Stale);
            }
            let row = new_row(&new)?;
            diesel::insert_into(payments::table).values(row.clone()).execute(conn).await?;
            locked.add(row)?;
            if let Some(live_until) = new.live_until {
                postpone_expiry(conn, &mut locked, live_until).await?;
            }
            locked.commit(conn, &limits, new.now).await?;
            Ok(BeginAttemptOutcome::Recorded(locked.pending_attempt(&new.id, &limits)?))
        })
        .await
    }

    pub(crate) async fn apply_observation(
        &self,
        payment_id: PaymentId,
        observation: Observation,
        client_secret_hash: Option<String>,
        sent_details_version: Option<i64>,
        now: DateTime<Utc>,
    ) -> Result<ObserveOutcome, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let mut locked = LockedOrders::lock_for_attempt(conn, &payment_id).await?;
            let order_id = locked.order_id.clone();
            if let Err(mismatch) = locked.history.apply_observation(&payment_id, &order_id, &observation) {
                return Ok(ObserveOutcome::Mismatch(mismatch));
            }
            if let Some(row) = locked.payment_mut(&payment_id) {
                if client_secret_hash.is_some() {
                    row.client_secret_hash.clone_from(&client_secret_hash);
                }
                row.sent_details_version = sent_details_version
                    .map_or(row.sent_details_version, |events| events.max(row.sent_details_version));
            }
            let order = locked.commit(conn, &limits, now).await?;
            Ok(ObserveOutcome::Merged(order, locked.pending_attempt(&payment_id, &limits)?.task))
        })
        .await
    }

    pub(crate) async fn apply_observations(
        &self,
        payment_id: PaymentId,
        observations: AttemptObservations,
        now: DateTime<Utc>,
    ) -> Result<ObserveOutcome, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let mut locked = LockedOrders::lock_for_attempt(conn, &payment_id).await?;
            if let Err(mismatch) = apply_all(&mut locked, &payment_id, &observations) {
                return Ok(ObserveOutcome::Mismatch(mismatch));
            }
            let order = locked.commit(conn, &limits, now).await?;
            Ok(ObserveOutcome::Merged(order, locked.pending_attempt(&payment_id, &limits)?.task))
        })
        .await
    }

    pub(crate) async fn refuse_attempt(
        &self,
        payment_id: PaymentId,
        reason: String,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let limits = self.limits;
        self.write(async |conn| {
            // An attempt that exists at Stripe wasn't refused.
            let applies = |attempt: &Attempt| !attempt.exists_at_stripe();
            record_refusal(conn, &payment_id, &reason, applies, &limits, now).await.map(drop)
        })
        .await
    }

    pub(crate) async fn mark_attempt_unreachable(
        &self,
        payment_id: PaymentId,
        reason: String,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let applies = |attempt: &Attempt| !attempt.is_closed();
            let locked = record_refusal(conn, &payment_id, &reason, applies, &limits, now).await?;
            let Some(seller_id) = &locked.order.seller_id else { return Ok(()) };
            schedule_seller_refresh(conn, seller_id, now).await
        })
        .await
    }

    pub(crate) async fn skip_details_update(
        &self,
        payment_id: PaymentId,
        events: i64,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let mut locked = LockedOrders::lock_for_attempt(conn, &payment_id).await?;
            if let Some(row) = locked.payment_mut(&payment_id) {
                row.sent_details_version = events.max(row.sent_details_version);
            }
            locked.commit(conn, &limits, now).await?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn claim_attempts(&self, claim: WorkClaim) -> Result<Vec<PendingAttempt>, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let due: Vec<(String, String)> = for_update_skip_locked!(
                payments::table
                    .filter(payments::resume_at.is_not_null())
                    .filter(payments::resume_at.le(claim.now))
                    .order(payments::resume_at.asc())
                    .limit(i64::from(claim.limit))
                    .select((payments::id, payments::order_id))
            )
            .load(conn)
            .await?;
            let ids: Vec<&String> = due.iter().map(|(id, _)| id).collect();
            diesel::update(payments::table.filter(payments::id.eq_any(ids)))
                .set((
                    payments::resume_at.eq(Some(instant(claim.lease_until))),
                    payments::resume_count.eq(payments::resume_count + 1),
                ))
                .execute(conn)
                .await?;
            let read =
                |(id, order_id): &(String, String)| Ok((parse("payment", id)?, parse("payment", order_id)?));
            let taken = due.iter().map(read).collect::<Result<Vec<_>, Error>>()?;
            let mut works = pending_attempts(conn, &taken, &limits).await?;
            // Another worker has finished these.
            let done: Vec<String> = works
                .extract_if(.., |work| work.task.is_none())
                .map(|work| work.attempt.id.to_string())
                .collect();
            if !done.is_empty() {
                diesel::update(payments::table.filter(payments::id.eq_any(done)))
                    .set((payments::resume_at.eq(None::<DateTime<Utc>>), payments::resume_count.eq(0)))
                    .execute(conn)
                    .await?;
            }
            Ok(works)
        })
        .await
    }

    pub(crate) async fn attempt(&self, payment_id: PaymentId) -> Result<Option<PendingAttempt>, Error> {
        let limits = self.limits;
        let mut conn = self.reader().await?;
        let order_id: Option<String> = payments::table
            .find(payment_id.as_str())
            .select(payments::order_id)
            .first(&mut conn)
            .await
            .optional()?;
        let Some(order_id) = order_id else { return Ok(None) };
        let read =
            pending_attempts(&mut conn, &[(payment_id, parse("payment", &order_id)?)], &limits).await?;
        Ok(read.into_iter().next())
    }
}

/// Applies all observations of an attempt. The Checkout Session comes first, because it names the PaymentIntent.
fn apply_all(
    locked: &mut LockedOrder,
    payment_id: &PaymentId,
    observations: &AttemptObservations,
) -> Result<(), Mismatch> {
    let LockedOrder { history, order_id, .. } = locked;
    if let Some(seen) = &observations.session {
        history.apply_session(payment_id, order_id, seen)?;
    }
    if let Some(seen) = &observations.payment_intent {
        history.apply_observation(payment_id, order_id, seen)?;
    }
    for seen in &observations.refunds {
        history.apply_refund(payment_id, seen, RefundId::from_uuid(Uuid::now_v7()))?;
    }
    for seen in &observations.disputes {
        history.apply_dispute(payment_id, seen, DisputeId::from_uuid(Uuid::now_v7()))?;
    }
    Ok(())
}

/// Postpones the expiry of an order while a new attempt can be paid.
async fn postpone_expiry(
    conn: &mut Conn,
    locked: &mut LockedOrder,
    live_until: DateTime<Utc>,
) -> Result<(), Error> {
    let order = &mut locked.order;
    let expires_at = instant(live_until);
    if expires_at <= order.expires_at {
        return Ok(());
    }
    // Keep an earlier check with another reason.
    if order.check_at.is_none_or(|at| at == order.expires_at) {
        order.check_at = Some(expires_at);
    }
    order.expires_at = expires_at;
    diesel::update(orders::table.find(&order.id))
        .set((orders::expires_at.eq(order.expires_at), orders::check_at.eq(order.check_at)))
        .execute(conn)
        .await?;
    Ok(())
}

/// Reads attempts without locking their orders.
async fn pending_attempts(
    conn: &mut Conn,
    attempts: &[(PaymentId, OrderId)],
    limits: &Limits,
) -> Result<Vec<PendingAttempt>, Error> {
    let order_ids = attempts.iter().map(|(_, order_id)| order_id.to_string()).collect();
    let locked_orders = LockedOrders::read(conn, order_ids).await?;
    attempts
        .iter()
        .filter_map(|(payment_id, order_id)| {
            Some(locked_orders.get(order_id)?.pending_attempt(payment_id, limits))
        })
        .collect()
}

/// Records why an attempt can't succeed, if `applies` still holds.
async fn record_refusal(
    conn: &mut Conn,
    payment_id: &PaymentId,
    reason: &str,
    applies: fn(&Attempt) -> bool,
    limits: &Limits,
    now: DateTime<Utc>,
) -> Result<LockedOrder, Error> {
    let mut locked = LockedOrders::lock_for_attempt(conn, payment_id).await?;
    if let Some(attempt) = locked.attempt_mut(payment_id).filter(|attempt| applies(attempt)) {
        attempt.refused = Some(reason.to_owned());
    }
    locked.commit(conn, limits, now).await?;
    Ok(locked)
}

fn new_row(new: &NewAttempt) -> Result<PaymentRow, Error> {
    Ok(PaymentRow {
        id: new.id.to_string(),
        order_id: new.order_id.to_string(),
        flow: new.flow.as_str().to_owned(),
        request_params: new.request_params.clone(),
        account: new.expected.account.as_str().to_owned(),
        mode: new.expected.mode.as_str().to_owned(),
        amount: new.expected.amount.minor(),
        currency: new.expected.amount.currency().to_string(),
        application_fee: new.expected.application_fee,
        destination: new.destination.clone(),
        capture_method: new.capture_method.as_str().to_owned(),
        payment_intent_id: None,
        checkout_session_id: None,
        client_secret_hash: None,
        facts: document("payment", &Facts::default())?,
        capture: None,
        abandoned: false,
        refused: None,
        closed: false,
        request: new.request.clone(),
        sent_details_version: new.sent_details_version,
        resume_at: Some(new.resume_at),
        resume_count: 0,
        created_at: new.now,
    })
}
