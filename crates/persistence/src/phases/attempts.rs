//! Attempts to pay: recorded before Stripe hears of them, kept true by what it answers.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::history::{Limits, Task};
use quittance_domain::id::{DisputeId, OrderId, PaymentId, RefundId};
use quittance_domain::payment::{Attempt, Facts, Mismatch, Observation};
use uuid::Uuid;

use super::super::Database;
use super::super::dialect::{Conn, for_update_skip_locked};
use super::ledger::{Ledger, Ledgers};
use super::rows::{PaymentRow, document, instant, parse};
use super::schema::{orders, payments};
use super::seller_gate::{is_outdated, look_at_seller, seller_not_ready};
use crate::Error;
use crate::model::{AttemptAtWork, Begun, Findings, NewAttempt, Observed, WorkClaim};

impl Database {
    pub(crate) async fn begin_attempt(&self, new: NewAttempt) -> Result<Begun, Error> {
        let (limits, supported) = (self.limits, &self.sellers_supported);
        self.write(async |conn| {
            let Some(mut ledger) = Ledgers::lock_one(conn, &new.order_id).await? else {
                return Ok(Begun::NotFound);
            };
            let status = ledger.order.order_status()?;
            if !status.is_open() || ledger.history.closing.is_some() {
                return Ok(Begun::NotPayable(status));
            }
            if ledger.history.failure_count() >= limits.max_declines {
                return Ok(Begun::TooManyAttempts);
            }
            if let Some(not_ready) = seller_not_ready(conn, &ledger, supported).await? {
                return Ok(not_ready);
            }
            if let Some(live) = ledger.history.live_attempt() {
                let id = live.id.clone();
                let at_work = ledger.at_work(&id, &limits)?;
                let is_paying = live.is_on_its_way() || live.is_held();
                let is_wanted = at_work.asked == new.asked && at_work.task != Some(Task::Close);
                if live.rail == new.rail && (is_wanted || is_paying) {
                    return Ok(Begun::Live(at_work));
                }
                if is_paying {
                    return Ok(Begun::NotPayable(status));
                }
                ledger.abandon(&id);
                ledger.commit(conn, &limits, new.now).await?;
                return Ok(Begun::CloseFirst(ledger.at_work(&id, &limits)?));
            }
            if is_outdated(&new.expected, new.destination.as_deref(), &ledger.order)? {
                return Ok(Begun::Stale);
            }
            let row = new_row(&new)?;
            diesel::insert_into(payments::table).values(row.clone()).execute(conn).await?;
            ledger.add(row)?;
            if let Some(live_until) = new.live_until {
                put_off_expiry(conn, &mut ledger, live_until).await?;
            }
            ledger.commit(conn, &limits, new.now).await?;
            Ok(Begun::Recorded(ledger.at_work(&new.id, &limits)?))
        })
        .await
    }

    pub(crate) async fn observe(
        &self,
        payment_id: PaymentId,
        observation: Observation,
        client_secret_hash: Option<String>,
        details_told: Option<i64>,
        now: DateTime<Utc>,
    ) -> Result<Observed, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let mut ledger = Ledgers::lock_of_attempt(conn, &payment_id).await?;
            let order_id = ledger.order_id.clone();
            if let Err(mismatch) = ledger.history.absorb(&payment_id, &order_id, &observation) {
                return Ok(Observed::Mismatch(mismatch));
            }
            if let Some(row) = ledger.payment_mut(&payment_id) {
                if client_secret_hash.is_some() {
                    row.client_secret_hash.clone_from(&client_secret_hash);
                }
                row.details_told = details_told.map_or(row.details_told, |told| told.max(row.details_told));
            }
            let order = ledger.commit(conn, &limits, now).await?;
            Ok(Observed::Merged(order, ledger.at_work(&payment_id, &limits)?.task))
        })
        .await
    }

    pub(crate) async fn take_in(
        &self,
        payment_id: PaymentId,
        findings: Findings,
        now: DateTime<Utc>,
    ) -> Result<Observed, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let mut ledger = Ledgers::lock_of_attempt(conn, &payment_id).await?;
            if let Err(mismatch) = absorb_all(&mut ledger, &payment_id, &findings) {
                return Ok(Observed::Mismatch(mismatch));
            }
            let order = ledger.commit(conn, &limits, now).await?;
            Ok(Observed::Merged(order, ledger.at_work(&payment_id, &limits)?.task))
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
            // What turned up after all was not refused.
            let may_be = |attempt: &Attempt| !attempt.is_made();
            give_up(conn, &payment_id, &reason, may_be, &limits, now).await.map(drop)
        })
        .await
    }

    pub(crate) async fn lose_attempt(
        &self,
        payment_id: PaymentId,
        reason: String,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let may_be = |attempt: &Attempt| !attempt.is_closed();
            let ledger = give_up(conn, &payment_id, &reason, may_be, &limits, now).await?;
            let Some(seller_id) = &ledger.order.seller_id else { return Ok(()) };
            look_at_seller(conn, seller_id, now).await
        })
        .await
    }

    pub(crate) async fn give_up_details(
        &self,
        payment_id: PaymentId,
        told: i64,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let mut ledger = Ledgers::lock_of_attempt(conn, &payment_id).await?;
            if let Some(row) = ledger.payment_mut(&payment_id) {
                row.details_told = told.max(row.details_told);
            }
            ledger.commit(conn, &limits, now).await?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn claim_work(&self, claim: WorkClaim) -> Result<Vec<AttemptAtWork>, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let due: Vec<(String, String)> = for_update_skip_locked!(
                payments::table
                    .filter(payments::redrive_at.is_not_null())
                    .filter(payments::redrive_at.le(claim.now))
                    .order(payments::redrive_at.asc())
                    .limit(i64::from(claim.limit))
                    .select((payments::id, payments::order_id))
            )
            .load(conn)
            .await?;
            let ids: Vec<&String> = due.iter().map(|(id, _)| id).collect();
            diesel::update(payments::table.filter(payments::id.eq_any(ids)))
                .set((
                    payments::redrive_at.eq(Some(instant(claim.lease_until))),
                    payments::redrives.eq(payments::redrives + 1),
                ))
                .execute(conn)
                .await?;
            let read =
                |(id, order_id): &(String, String)| Ok((parse("payment", id)?, parse("payment", order_id)?));
            let taken = due.iter().map(read).collect::<Result<Vec<_>, Error>>()?;
            let mut works = at_work(conn, &taken, &limits).await?;
            // Somebody else has done it since it was due.
            let done: Vec<String> = works
                .extract_if(.., |work| work.task.is_none())
                .map(|work| work.attempt.id.to_string())
                .collect();
            if !done.is_empty() {
                diesel::update(payments::table.filter(payments::id.eq_any(done)))
                    .set((payments::redrive_at.eq(None::<DateTime<Utc>>), payments::redrives.eq(0)))
                    .execute(conn)
                    .await?;
            }
            Ok(works)
        })
        .await
    }

    pub(crate) async fn attempt(&self, payment_id: PaymentId) -> Result<Option<AttemptAtWork>, Error> {
        let limits = self.limits;
        let mut conn = self.reader().await?;
        let order_id: Option<String> = payments::table
            .find(payment_id.as_str())
            .select(payments::order_id)
            .first(&mut conn)
            .await
            .optional()?;
        let Some(order_id) = order_id else { return Ok(None) };
        let read = at_work(&mut conn, &[(payment_id, parse("payment", &order_id)?)], &limits).await?;
        Ok(read.into_iter().next())
    }
}

/// Takes in all that was found of an attempt. The Checkout Session comes first: it names the PaymentIntent.
fn absorb_all(ledger: &mut Ledger, payment_id: &PaymentId, findings: &Findings) -> Result<(), Mismatch> {
    let Ledger { history, order_id, .. } = ledger;
    if let Some(seen) = &findings.session {
        history.absorb_session(payment_id, order_id, seen)?;
    }
    if let Some(seen) = &findings.payment_intent {
        history.absorb(payment_id, order_id, seen)?;
    }
    for seen in &findings.refunds {
        history.absorb_refund(payment_id, seen, RefundId::from_uuid(Uuid::now_v7()))?;
    }
    for seen in &findings.disputes {
        history.absorb_dispute(payment_id, seen, DisputeId::from_uuid(Uuid::now_v7()))?;
    }
    Ok(())
}

/// Keeps an order from expiring while an attempt that was just begun can be paid.
async fn put_off_expiry(
    conn: &mut Conn,
    ledger: &mut Ledger,
    live_until: DateTime<Utc>,
) -> Result<(), Error> {
    let order = &mut ledger.order;
    let expires_at = instant(live_until);
    if expires_at <= order.expires_at {
        return Ok(());
    }
    // A look that is wanted earlier, for another reason, stands.
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

/// Reads attempts as they are now, without locking their orders.
async fn at_work(
    conn: &mut Conn,
    attempts: &[(PaymentId, OrderId)],
    limits: &Limits,
) -> Result<Vec<AttemptAtWork>, Error> {
    let order_ids = attempts.iter().map(|(_, order_id)| order_id.to_string()).collect();
    let ledgers = Ledgers::read(conn, order_ids).await?;
    attempts
        .iter()
        .filter_map(|(payment_id, order_id)| Some(ledgers.get(order_id)?.at_work(payment_id, limits)))
        .collect()
}

/// Records why nothing can come of an attempt, if that may still be so.
async fn give_up(
    conn: &mut Conn,
    payment_id: &PaymentId,
    reason: &str,
    may_be: fn(&Attempt) -> bool,
    limits: &Limits,
    now: DateTime<Utc>,
) -> Result<Ledger, Error> {
    let mut ledger = Ledgers::lock_of_attempt(conn, payment_id).await?;
    if let Some(attempt) = ledger.attempt_mut(payment_id).filter(|attempt| may_be(attempt)) {
        attempt.refused = Some(reason.to_owned());
    }
    ledger.commit(conn, limits, now).await?;
    Ok(ledger)
}

fn new_row(new: &NewAttempt) -> Result<PaymentRow, Error> {
    Ok(PaymentRow {
        id: new.id.to_string(),
        order_id: new.order_id.to_string(),
        rail: new.rail.as_str().to_owned(),
        asked: new.asked.clone(),
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
        details_told: new.details_told,
        redrive_at: Some(new.redrive_at),
        redrives: 0,
        created_at: new.now,
    })
}
