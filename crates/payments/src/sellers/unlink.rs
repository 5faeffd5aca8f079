//! How sellers leave: their open orders are closed first, then Stripe is told.

use quittance_crash_points::CrashPoint;
use quittance_domain::id::SellerId;
use quittance_domain::seller::{Origin, Seller};
use quittance_persistence::{BeginUnlinkOutcome, CloseRequester};
use quittance_stripe_gateway::Error as StripeError;

use crate::{Error, Payments, now};

impl Payments {
    /// Ends the platform's use of a seller's account. From the moment this is recorded nobody can begin to pay through
    /// it; its open orders are canceled, and then an account that its owner had connected is let go at Stripe.
    ///
    /// An account that works is let go only by `force`. So is one with money on its way or held: `force` releases what
    /// is held, and leaves what is on its way to whatever becomes of it.
    pub async fn unlink_seller(&self, id: SellerId, force: bool) -> Result<Seller, Error> {
        self.detached(async move |payments: Self| {
            let begun = payments.store.begin_unlink(id, force, now()).await?;
            CrashPoint::UnlinkStarted.reach();
            match begun {
                BeginUnlinkOutcome::NotFound => Err(Error::SellerNotFound),
                BeginUnlinkOutcome::NotAllowed(seller) => Err(Error::SellerInUse(Box::new(seller))),
                BeginUnlinkOutcome::Done(seller) => Ok(seller),
                BeginUnlinkOutcome::BeginAttemptOutcome(seller) => {
                    payments.carry_on_unlinking(&seller, force).await
                }
            }
        })
        .await
    }

    pub(super) async fn carry_on_unlinking(&self, seller: &Seller, force: bool) -> Result<Seller, Error> {
        let in_the_way = self.cancel_open_orders(&seller.id, force).await?;
        if in_the_way > 0 && !force {
            self.store.stop_unlink(seller.id.clone(), now()).await?;
            return Err(Error::OpenSellerPayments(in_the_way));
        }
        if let (Origin::OAuth, Some(account_id)) = (seller.origin, &seller.account_id) {
            self.deauthorize(account_id).await?;
        }
        CrashPoint::Deauthorized.reach();
        Ok(self.store.unlinked(seller.id.clone(), now()).await?)
    }

    /// Cancels what can be canceled; how many orders there are whose money can not be stopped.
    async fn cancel_open_orders(&self, id: &SellerId, force: bool) -> Result<usize, Error> {
        let by = if force { CloseRequester::Shop } else { CloseRequester::Holder };
        let mut in_the_way = 0;
        for (order_id, _) in self.store.open_orders_of_seller(id.clone()).await? {
            match self.cancel(order_id, by).await {
                Ok(_) => {}
                // It was paid, or ended otherwise, in the meantime: then nothing of it is open.
                Err(Error::OrderNotCancelable(status)) if !status.is_open() => {}
                Err(Error::OrderNotCancelable(_)) => in_the_way += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(in_the_way)
    }

    async fn deauthorize(&self, account_id: &str) -> Result<(), Error> {
        let client_id = self.connect.client_id.as_deref().ok_or(Error::OAuthNotConfigured)?;
        self.stripe.deauthorize(client_id, account_id).await.map_err(|error| match error {
            StripeError::Refused(refusal) => Error::StripeRefusal(crate::error::RefusalError(refusal)),
            error => Error::Stripe(error),
        })
    }
}
