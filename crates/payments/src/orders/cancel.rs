//! Cancels an order: the request is recorded, the attempt is closed at Stripe, and then the order is canceled.

use quittance_crash_points::CrashPoint;
use quittance_domain::history::CloseReason;
use quittance_domain::id::OrderId;
use quittance_domain::order::{Order, OrderStatus};
use quittance_persistence::{CloseOutcome, CloseRequester};

use crate::Error;
use crate::service::Payments;
use crate::time_limits::now;

impl Payments {
    /// Cancels an unpaid order. If the payment succeeded in the meantime, the order is paid and this fails.
    pub async fn cancel(&self, order_id: OrderId, by: CloseRequester) -> Result<Order, Error> {
        self.detached(async move |payments: Self| {
            let outcome =
                payments.store.request_close(order_id.clone(), CloseReason::Canceled, by, now()).await?;
            CrashPoint::CloseRequested.reach();
            match outcome {
                CloseOutcome::NotFound => Err(Error::OrderNotFound),
                CloseOutcome::NotPossible(status) => Err(Error::OrderNotCancelable(status)),
                CloseOutcome::Done(order) => {
                    payments.waiters.notify();
                    Ok(order)
                }
                CloseOutcome::CloseFirst(work) => {
                    payments.resume(&work.attempt.id).await?;
                    let order = payments.store.order(order_id).await?.ok_or(Error::OrderNotFound)?;
                    if order.status == OrderStatus::Canceled {
                        Ok(order)
                    } else {
                        Err(Error::OrderNotCancelable(order.status))
                    }
                }
            }
        })
        .await
    }
}
