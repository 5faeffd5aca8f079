//! Canceling an order: recorded, then closed at Stripe, and only then canceled.

use quittance_crash_points::CrashPoint;
use quittance_domain::history::Closure;
use quittance_domain::id::OrderId;
use quittance_domain::order::{Order, OrderStatus};
use quittance_persistence::{ClosureAsked, ClosureBy};

use crate::{Error, Payments, now};

impl Payments {
    /// Ends an order unpaid. If the money came after all, the order is paid and this says so.
    pub async fn cancel(&self, order_id: OrderId, by: ClosureBy) -> Result<Order, Error> {
        self.detached(async move |payments: Self| {
            let asked = payments.store.ask_closure(order_id.clone(), Closure::Canceled, by, now()).await?;
            CrashPoint::CloseRequested.reach();
            match asked {
                ClosureAsked::NotFound => Err(Error::NotFound),
                ClosureAsked::NotPossible(status) => Err(Error::NotCancelable(status)),
                ClosureAsked::Done(order) => {
                    payments.waiting.poke();
                    Ok(order)
                }
                ClosureAsked::CloseFirst(work) => {
                    payments.drive(&work.attempt.id).await?;
                    payments.canceled(order_id).await
                }
            }
        })
        .await
    }

    async fn canceled(&self, order_id: OrderId) -> Result<Order, Error> {
        let order = self.store.order(order_id).await?.ok_or(Error::NotFound)?;
        if order.status == OrderStatus::Canceled {
            Ok(order)
        } else {
            Err(Error::NotCancelable(order.status))
        }
    }
}
