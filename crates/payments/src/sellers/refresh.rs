//! Reads sellers' accounts from Stripe.

use std::time::{Duration, Instant};

use quittance_domain::id::SellerId;
use quittance_domain::payment::Account;
use quittance_domain::seller::{ConnectionStatus, Seller};
use quittance_persistence::{PendingSeller, SellerWork};
use quittance_stripe_gateway::Error as StripeError;

use crate::Error;
use crate::service::Payments;
use crate::time_limits::now;

/// The most reads until a response is newer than the last event.
const READS_MAX: usize = 4;

/// The pause after which a response has a later second.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// The result of a read.
struct AccountRead {
    /// The seller after the read.
    seller: Seller,
    /// True if the response was newer than the last event.
    is_current: bool,
}

impl Payments {
    /// Reads a seller's account from Stripe now. Event times have a precision of a second, so the account is read again
    /// if an event may be newer than the response. A disconnected account is read too, and counts as connected if
    /// Stripe returns it.
    pub async fn refresh_seller(&self, id: SellerId) -> Result<Seller, Error> {
        self.detached(async move |payments: Self| {
            let mut seller = payments.store.seller(id).await?.ok_or(Error::SellerNotFound)?;
            for _ in 0..READS_MAX {
                if seller.account_id.is_none() || seller.connection_status == ConnectionStatus::Unlinked {
                    break;
                }
                let read = payments.read_account(&seller).await?;
                seller = read.seller;
                if read.is_current {
                    break;
                }
                tokio::time::sleep(READ_PAUSE).await;
            }
            Ok(seller)
        })
        .await
    }

    /// Executes a seller's pending work: creates its account, refreshes it, or continues to unlink it.
    pub(crate) async fn resume_seller(&self, work: &PendingSeller) -> Result<(), Error> {
        match &work.work {
            SellerWork::Make(request) => self.create_account(&work.seller, request).await,
            SellerWork::Read => self.read_account(&work.seller).await.map(|read| read.seller),
            SellerWork::Unlink { force } => self.continue_unlink(&work.seller, *force).await,
        }
        .map(drop)
    }

    async fn read_account(&self, seller: &Seller) -> Result<AccountRead, Error> {
        let id = seller.id.clone();
        let account_id = seller.account_id.as_deref().ok_or(Error::SellerNotConnected)?;
        let asked_at = Instant::now();
        match self.stripe.retrieve_account(account_id).await {
            Ok(account) => {
                if seller.connection_status == ConnectionStatus::Disconnected {
                    // Scheduled before the account counts as connected, so that a crash in between repeats both.
                    self.store.schedule_unreachable_refresh(Account::connected(account_id), now()).await?;
                }
                let seller =
                    self.store.record_account_snapshot(id, account.began_s, account.state, now()).await?;
                Ok(AccountRead { is_current: seller.snapshot.snapshot_at_s <= account.began_s, seller })
            }
            Err(StripeError::Refused(refusal)) if refusal.is_account_unreachable() => {
                let answered_s = refusal.answered_s.unwrap_or_else(|| now().timestamp());
                let elapsed_s = i64::try_from(asked_at.elapsed().as_secs()).unwrap_or(0) + 1;
                let seller = self.store.record_account_disconnect(id, answered_s - elapsed_s, now()).await?;
                Ok(AccountRead { is_current: !seller.is_connected(), seller })
            }
            Err(error) => Err(Error::Stripe(error)),
        }
    }
}
