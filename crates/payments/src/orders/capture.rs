//! Captures an authorized order.

use quittance_crash_points::CrashPoint;
use quittance_domain::id::OrderId;
use quittance_domain::order::Order;
use quittance_persistence::CaptureOutcome;

use crate::Error;
use crate::service::Payments;
use crate::time_limits::now;

impl Payments {
    /// Captures an order's authorized payment. `amount` is in minor units; without it, the full amount is captured.
    /// Stripe releases the rest permanently.
    pub async fn capture(&self, order_id: OrderId, amount: Option<i64>) -> Result<Order, Error> {
        self.detached(async move |payments: Self| {
            let outcome = payments.store.request_capture(order_id.clone(), amount, now()).await?;
            CrashPoint::CaptureRequested.reach();
            match outcome {
                CaptureOutcome::Recorded(work) => payments.resume(&work.attempt.id).await?,
                CaptureOutcome::NotFound => return Err(Error::OrderNotFound),
                CaptureOutcome::NotPossible(status) => return Err(Error::OrderNotCapturable(status)),
                CaptureOutcome::OtherAmount(amount) => return Err(Error::CaptureInProgress(amount)),
                CaptureOutcome::TooMuch(authorized) => return Err(Error::CaptureTooLarge(authorized)),
            }
            let order = payments.store.order(order_id).await?.ok_or(Error::OrderNotFound)?;
            if order.status.was_paid() { Ok(order) } else { Err(Error::OrderNotCapturable(order.status)) }
        })
        .await
    }
}
