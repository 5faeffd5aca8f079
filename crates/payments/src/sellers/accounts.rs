//! Creates connected accounts, and links to Stripe's onboarding page.

use quittance_crash_points::CrashPoint;
use quittance_domain::id::SellerId;
use quittance_domain::seller::{Origin, Seller};
use quittance_persistence::{Completion, NewSeller};
use quittance_stripe_gateway::{AccountLink, Error as StripeError, FrozenRequest, NewAccount, Stripe};
use uuid::Uuid;

use super::{AccountLinkRequest, SellerRequest};
use crate::error::{Error, RefusalError};
use crate::service::Payments;
use crate::time_limits::{CLOCK_SKEW_MAX, KEY_AGE_MAX, REQUEST_GRACE, now};

impl Payments {
    /// Creates an account for a seller. A recorded account will be created, so if Stripe doesn't respond, this returns
    /// the seller without an account. If Stripe refuses the account, this fails.
    pub async fn create_seller(
        &self,
        request: SellerRequest,
        completion: Option<Completion<Seller>>,
    ) -> Result<Seller, Error> {
        self.detached(async move |payments: Self| {
            let id = SellerId::from_uuid(Uuid::now_v7());
            let frozen = Stripe::freeze_account(&NewAccount {
                seller_id: id.clone(),
                kind: request.kind,
                country: request.country,
                email: request.email,
                business_type: request.business_type,
            });
            let new = NewSeller {
                id: id.clone(),
                mode: payments.stripe.mode(),
                request: serde_json::to_string(&frozen)
                    .map_err(|_| Error::Stripe(StripeError::Unsendable("an account's request")))?,
                charge_type: request.charge_type.unwrap_or(payments.connect.charge_type),
                fee: request.fee.unwrap_or(payments.connect.fee),
                reference: request.reference,
                metadata: request.metadata,
                now: now(),
                resume_at: now() + REQUEST_GRACE,
            };
            let request = new.request.clone();
            let recorded = payments.store.insert_seller(new, completion).await?;
            CrashPoint::SellerRecorded.reach();
            match payments.create_account(&recorded, &request).await {
                Err(Error::Stripe(error)) => {
                    tracing::warn!(
                        seller.id = %id,
                        error = &error as &dyn std::error::Error,
                        "failed to create account at Stripe; the worker retries it with the same key"
                    );
                    Ok(recorded)
                }
                result => result,
            }
        })
        .await
    }

    /// Creates a recorded seller's account, or finds the existing one.
    pub(super) async fn create_account(&self, seller: &Seller, request: &str) -> Result<Seller, Error> {
        let id = &seller.id;
        let created = if now() - seller.created_at >= KEY_AGE_MAX {
            self.stripe.find_account(id, seller.created_at - CLOCK_SKEW_MAX).await?
        } else {
            let request: FrozenRequest = serde_json::from_str(request)
                .map_err(|_| Error::Stripe(StripeError::Unsendable("an account's recorded request")))?;
            match self.stripe.create_account(&request).await {
                Ok(account) => Some(account),
                Err(StripeError::Unavailable { replayed: true, .. }) => {
                    self.stripe.find_account(id, seller.created_at - CLOCK_SKEW_MAX).await?
                }
                Err(StripeError::Refused(refusal)) if !refusal.is_key_error() => {
                    self.store.refuse_seller(id.clone()).await?;
                    return Err(Error::StripeRefusal(RefusalError(refusal)));
                }
                Err(error) => return Err(Error::Stripe(error)),
            }
        };
        let Some(account) = created else {
            // No account exists, and this key can't create one anymore. The caller must create another seller.
            self.store.refuse_seller(id.clone()).await?;
            return Err(Error::SellerNotFound);
        };
        CrashPoint::AccountCreated.reach();
        Ok(self
            .store
            .record_created_account(id.clone(), account.account_id, account.began_s, account.state, now())
            .await?)
    }

    /// Creates a link to Stripe's onboarding page, on which a seller completes an account created by the platform.
    pub async fn account_link(
        &self,
        id: SellerId,
        request: AccountLinkRequest,
    ) -> Result<AccountLink, Error> {
        let seller = self.store.seller(id).await?.ok_or(Error::SellerNotFound)?;
        if seller.origin != Origin::Created {
            return Err(Error::AccountLinkNotAllowed);
        }
        let account_id = seller
            .account_id
            .as_deref()
            .filter(|_| seller.is_connected())
            .ok_or(Error::SellerNotConnected)?;
        let AccountLinkRequest { return_url, refresh_url, collection } = request;
        let link = self.stripe.create_account_link(account_id, &refresh_url, &return_url, collection).await;
        link.map_err(|error| match error {
            StripeError::Refused(refusal)
                if refusal.is_account_unreachable() || refusal.param.as_deref() == Some("account") =>
            {
                Error::AccountUnreachable
            }
            StripeError::Refused(refusal) if !refusal.is_key_error() => {
                Error::StripeRefusal(RefusalError(refusal))
            }
            error => Error::Stripe(error),
        })
    }
}
