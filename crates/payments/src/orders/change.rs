//! Changes an order's items, customer or shipping address.

use quittance_crash_points::CrashPoint;
use quittance_domain::order::Order;
use quittance_persistence::{ChangeOrderOutcome, OrderChange};

use super::REPLACE_TRIES;
use crate::Error;
use crate::service::Payments;

impl Payments {
    /// Changes an order, and updates its live PaymentIntent at Stripe.
    ///
    /// Different items have a different total, so a live attempt is closed at Stripe first, and the next one has the
    /// new total. Other changes are final once they are committed. If Stripe can't be updated, the worker retries.
    pub async fn change_order(&self, change: OrderChange) -> Result<ChangeOrderOutcome, Error> {
        self.detached(async move |payments: Self| {
            for _ in 0..REPLACE_TRIES {
                match payments.store.change_order(change.clone()).await? {
                    ChangeOrderOutcome::CloseFirst(work) => {
                        CrashPoint::AttemptAbandoned.reach();
                        payments.close_for_replacement(&work).await?;
                    }
                    outcome => {
                        CrashPoint::DetailsChanged.reach();
                        if let ChangeOrderOutcome::Done(Order { payment: Some(payment), .. }) = &outcome {
                            payments.resume_or_defer(&payment.id).await;
                        }
                        return Ok(outcome);
                    }
                }
            }
            Err(Error::OrderClosing)
        })
        .await
    }
}
