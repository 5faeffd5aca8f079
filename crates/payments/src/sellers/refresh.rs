//! Asking Stripe how a seller's account stands.

use std::time::{Duration, Instant};

use quittance_domain::id::SellerId;
use quittance_domain::payment::Account;
use quittance_domain::seller::{ConnectionStatus, Seller};
use quittance_persistence::{PendingSeller, SellerWork};
use quittance_stripe_gateway::Error as StripeError;

use crate::{Error, Payments, now};

/// How often Stripe is asked until its answer is newer than what was heard.
const READS_MAX: usize = 4;

/// How long until an answer is of a later second.
const UNTIL_LATER: Duration = Duration::from_secs(1);

/// What came of a read.
struct Read {
    /// The seller after it.
    seller: Seller,
    /// Whether the seller stands as it was read, and not as something newer says.
    counts: bool,
}

impl Payments {
    /// Asks Stripe now how a seller's account stands. Events have times to the second: where one is so new that the
    /// answer may be older, Stripe is asked again in a moment. One that seems to have left is asked about, too: it is
    /// connected if Stripe answers.
    pub async fn refresh_seller(&self, id: SellerId) -> Result<Seller, Error> {
        self.detached(async move |payments: Self| {
            let mut seller = payments.store.seller(id).await?.ok_or(Error::SellerNotFound)?;
            for _ in 0..READS_MAX {
                if seller.account_id.is_none() || seller.connection_status == ConnectionStatus::Unlinked {
                    break;
                }
                let read = payments.read_account(&seller).await?;
                seller = read.seller;
                if read.counts {
                    break;
                }
                tokio::time::sleep(UNTIL_LATER).await;
            }
            Ok(seller)
        })
        .await
    }

    /// Does what is due for a seller: makes its account, asks how it stands, or carries on with its leaving.
    pub(crate) async fn work_on_seller(&self, work: &PendingSeller) -> Result<(), Error> {
        match &work.work {
            SellerWork::Make(request) => self.make_account(&work.seller, request).await,
            SellerWork::Read => self.read_account(&work.seller).await.map(|read| read.seller),
            SellerWork::Unlink { force } => self.carry_on_unlinking(&work.seller, *force).await,
        }
        .map(drop)
    }

    async fn read_account(&self, seller: &Seller) -> Result<Read, Error> {
        let id = seller.id.clone();
        let account_id = seller.account_id.as_deref().ok_or(Error::SellerNotConnected)?;
        let asked_at = Instant::now();
        match self.stripe.retrieve_account(account_id).await {
            Ok(answer) => {
                if seller.connection_status == ConnectionStatus::Disconnected {
                    // Before it is connected again: if that is not reached, all of this is done once more.
                    self.store.schedule_unreachable_refresh(Account::connected(account_id), now()).await?;
                }
                let seller =
                    self.store.record_account_snapshot(id, answer.began_s, answer.state, now()).await?;
                Ok(Read { counts: seller.snapshot.snapshot_at_s <= answer.began_s, seller })
            }
            Err(StripeError::Refused(refusal)) if refusal.is_account_unreachable() => {
                let answered_s = refusal.answered_s.unwrap_or_else(|| now().timestamp());
                let elapsed_s = i64::try_from(asked_at.elapsed().as_secs()).unwrap_or(0) + 1;
                let seller = self.store.record_account_disconnect(id, answered_s - elapsed_s, now()).await?;
                Ok(Read { counts: !seller.is_connected(), seller })
            }
            Err(error) => Err(Error::Stripe(error)),
        }
    }
}
