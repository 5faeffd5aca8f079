//! Captures: recorded before Stripe performs them.

use chrono::{DateTime, Utc};
use quittance_domain::history::History;
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::money::Money;
use quittance_domain::payment::{Attempt, PaymentStatus};

use super::super::Database;
use super::locked_order::LockedOrders;
use crate::Error;
use crate::model::CaptureOutcome;

impl Database {
    pub(crate) async fn request_capture(
        &self,
        order_id: OrderId,
        amount: Option<i64>,
        now: DateTime<Utc>,
    ) -> Result<CaptureOutcome, Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let Some(mut locked) = LockedOrders::lock_one(conn, &order_id).await? else {
                return Ok(CaptureOutcome::NotFound);
            };
            let status = locked.order.order_status()?;
            if let Some(done) = captured(&locked.history, amount) {
                return Ok(CaptureOutcome::Recorded(locked.pending_attempt(&done.id, &limits)?));
            }
            let is_closing = locked.history.closing.is_some();
            let held = locked.history.live_attempt().filter(|live| live.is_authorized() && !live.abandoned);
            let Some(attempt) = held.filter(|_| !is_closing) else {
                return Ok(CaptureOutcome::NotPossible(status));
            };
            let (id, held, recorded) = (attempt.id.clone(), attempt.expected.amount, attempt.capture);
            let wanted = amount.unwrap_or(held.minor());
            match recorded {
                Some(recorded) if recorded != wanted => {
                    let recorded = Money::new(recorded, held.currency());
                    return Ok(CaptureOutcome::OtherAmount(
                        recorded.map_err(|error| Error::corrupt("payment", error))?,
                    ));
                }
                None if wanted > held.minor() => return Ok(CaptureOutcome::TooMuch(held)),
                _ => {}
            }
            if let Some(attempt) = locked.attempt_mut(&id) {
                attempt.capture = Some(wanted);
            }
            locked.commit(conn, &limits, now).await?;
            Ok(CaptureOutcome::Recorded(locked.pending_attempt(&id, &limits)?))
        })
        .await
    }

    pub(crate) async fn withdraw_capture(
        &self,
        payment_id: PaymentId,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let limits = self.limits;
        self.write(async |conn| {
            let mut locked = LockedOrders::lock_for_attempt(conn, &payment_id).await?;
            if let Some(attempt) = locked.attempt_mut(&payment_id)
                && attempt.facts.status() != PaymentStatus::Succeeded
            {
                attempt.capture = None;
            }
            locked.commit(conn, &limits, now).await?;
            Ok(())
        })
        .await
    }
}

/// Returns the attempt with a completed capture of this amount. The caller may not have received the first reply.
fn captured(history: &History, amount: Option<i64>) -> Option<&Attempt> {
    history.attempts.iter().find(|attempt| {
        let wanted = amount.unwrap_or(attempt.expected.amount.minor());
        attempt.capture == Some(wanted) && attempt.facts.status() == PaymentStatus::Succeeded
    })
}
