//! Executes the open tasks of an attempt. The caller is the request that recorded them, or the worker after a crash.

use quittance_domain::history::Task;
use quittance_domain::id::{OrderId, PaymentId};
use quittance_persistence::PendingAttempt;
use tracing::Instrument;

use super::UNREACHABLE;
use crate::Error;
use crate::service::Payments;
use crate::time_limits::now;

/// The reason recorded for attempts that no longer exist at Stripe.
const DELETED: &str = "deleted_at_stripe";

/// The most tasks executed in one call. An attempt has up to three: create, update details, close.
const STEPS_MAX: usize = 4;

impl Payments {
    /// Executes an attempt's open tasks. After an error, the worker executes the rest.
    pub(crate) async fn resume(&self, payment_id: &PaymentId) -> Result<(), Error> {
        for _ in 0..STEPS_MAX {
            let Some(work) = self.store.attempt(payment_id.clone()).await? else { return Ok(()) };
            let Some(task) = work.task else { return Ok(()) };
            let step = async {
                match task {
                    Task::Create => {
                        let object = self.create_attempt(&work).await?;
                        self.record_object(&work.attempt.id, &object, None).await.map(drop)
                    }
                    Task::Capture => self.send_capture(&work).await,
                    Task::Close => self.send_close(&work).await,
                    Task::Refresh => self.refresh_attempt(&work).await,
                    Task::UpdateDetails => self.update_details(&work).await,
                }
            };
            match step.instrument(payment_span(&work.order_id, &work.attempt.id)).await {
                Err(error) if error.is_unreachable(&work.attempt) => {
                    self.mark_unreachable(&work, &error).await?;
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// Executes an attempt's open tasks, and logs an error instead of returning it. For callers whose own change is
    /// committed already.
    pub(crate) async fn resume_or_defer(&self, payment_id: &PaymentId) {
        if let Err(error) = self.resume(payment_id).await {
            tracing::warn!(
                payment.id = %payment_id,
                error = &error as &dyn std::error::Error,
                "failed to update payment at Stripe; the worker retries it"
            );
        }
    }

    /// Marks an attempt as unreachable: its account is disconnected, or the attempt was deleted. The attempt can
    /// neither be paid through this service nor be closed. Later events still count.
    pub(crate) async fn mark_unreachable(&self, work: &PendingAttempt, error: &Error) -> Result<(), Error> {
        let reason = if error.is_deleted_at_stripe(&work.attempt) { DELETED } else { UNREACHABLE };
        tracing::warn!(
            order.id = %work.order_id,
            payment.id = %work.attempt.id,
            reason,
            "failed to reach payment at Stripe; its attempt is marked as unreachable"
        );
        self.store.mark_attempt_unreachable(work.attempt.id.clone(), reason.to_owned(), now()).await?;
        self.waiters.notify();
        Ok(())
    }

    /// Reads an attempt of which an event contained only a part.
    async fn refresh_attempt(&self, work: &PendingAttempt) -> Result<(), Error> {
        if let Some(object) = self.read_attempt(work).await? {
            self.record_object(&work.attempt.id, &object, None).await?;
        }
        Ok(())
    }
}

/// Creates a span with the fields that identify an attempt's log lines.
pub(crate) fn payment_span(order_id: &OrderId, payment_id: &PaymentId) -> tracing::Span {
    tracing::info_span!("payment", order.id = %order_id, payment.id = %payment_id)
}
