//! Canceling an order: recorded, then closed at Stripe, and only then canceled.

use quittance_crash_points::CrashPoint;
use quittance_domain::history::CloseReason;
use quittance_domain::id::OrderId;
use quittance_domain::order::{Order, OrderStatus};
use quittance_persistence::{CloseOutcome, CloseRequester};

use crate::{Error, Payments, now};

impl Payments {
    /// Ends an order unpaid. If the money came after all, the order is paid and this says so.
    pub async fn cancel(&self, order_id: OrderId, by: CloseRequester) -> Result<Order, Error> {
        self.detached(async move |payments: Self| {
            let outcome =
                payments.store.request_close(order_id.clone(), CloseReason::Canceled, by, now()).await?;
            CrashPoint::CloseRequested.reach();
            match outcome {
                CloseOutcome::NotFound => Err(Error::OrderNotFound),
                CloseOutcome::NotPossible(status) => Err(Error::OrderNotCancelable(status)),
                CloseOutcome::Done(order) => {
                    payments.waiting.notify();
                    Ok(order)
                }
                CloseOutcome::CloseFirst(work) => {
                    payments.resume(&work.attempt.id).await?;
                    payments.canceled(order_id).await
                }
            }
        })
        .await
    }

    async fn canceled(&self, order_id: OrderId) -> Result<Order, Error> {
        let order = self.store.order(order_id).await?.ok_or(Error::OrderNotFound)?;
        if order.status == OrderStatus::Canceled {
            Ok(order)
        } else {
            Err(Error::OrderNotCancelable(order.status))
        }
    }
}
