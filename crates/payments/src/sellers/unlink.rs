//! Unlinks sellers: closes their open orders, then disconnects the account at Stripe.

use quittance_crash_points::CrashPoint;
use quittance_domain::id::SellerId;
use quittance_domain::seller::{Origin, Seller};
use quittance_persistence::{BeginUnlinkOutcome, CloseRequester};
use quittance_stripe_gateway::Error as StripeError;

use crate::error::{Error, RefusalError};
use crate::service::Payments;
use crate::time_limits::now;

impl Payments {
    /// Unlinks a seller. Once this is recorded, no payment through the seller can start. Its open orders are canceled.
    /// Then an account that was connected by OAuth is disconnected at Stripe.
    ///
    /// `force` is required if the seller can accept payments, or if payments are processing or authorized. It releases
    /// authorized payments. Processing payments continue.
    pub async fn unlink_seller(&self, id: SellerId, force: bool) -> Result<Seller, Error> {
        self.detached(async move |payments: Self| {
            let outcome = payments.store.begin_unlink(id, force, now()).await?;
            CrashPoint::UnlinkStarted.reach();
            match outcome {
                BeginUnlinkOutcome::NotFound => Err(Error::SellerNotFound),
                BeginUnlinkOutcome::NotAllowed(seller) => Err(Error::SellerInUse(Box::new(seller))),
                BeginUnlinkOutcome::Done(seller) => Ok(seller),
                BeginUnlinkOutcome::Begun(seller) => payments.continue_unlink(&seller, force).await,
            }
        })
        .await
    }

    pub(super) async fn continue_unlink(&self, seller: &Seller, force: bool) -> Result<Seller, Error> {
        let blocking = self.cancel_open_orders(&seller.id, force).await?;
        if blocking > 0 && !force {
            self.store.stop_unlink(seller.id.clone(), now()).await?;
            return Err(Error::OpenSellerPayments(blocking));
        }
        if let (Origin::OAuth, Some(account_id)) = (seller.origin, &seller.account_id) {
            self.deauthorize(account_id).await?;
        }
        CrashPoint::Deauthorized.reach();
        Ok(self.store.record_unlinked(seller.id.clone(), now()).await?)
    }

    /// Cancels the seller's open orders. Returns the number of orders whose payment can't be stopped.
    async fn cancel_open_orders(&self, id: &SellerId, force: bool) -> Result<usize, Error> {
        let by = if force { CloseRequester::Shop } else { CloseRequester::Holder };
        let mut blocking = 0;
        for (order_id, _) in self.store.open_orders_of_seller(id.clone()).await? {
            match self.cancel(order_id, by).await {
                Ok(_) => {}
                // The order was paid or closed in the meantime.
                Err(Error::OrderNotCancelable(status)) if !status.is_open() => {}
                Err(Error::OrderNotCancelable(_)) => blocking += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(blocking)
    }

    async fn deauthorize(&self, account_id: &str) -> Result<(), Error> {
        let client_id = self.connect.client_id.as_deref().ok_or(Error::OAuthNotConfigured)?;
        self.stripe.deauthorize(client_id, account_id).await.map_err(|error| match error {
            StripeError::Refused(refusal) => Error::StripeRefusal(RefusalError(refusal)),
            error => Error::Stripe(error),
        })
    }
}
