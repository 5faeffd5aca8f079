//! How sellers come: by OAuth, with an account that they have, or by an account that the platform makes for them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::Duration;
use quittance_crash_points::CrashPoint;
use quittance_domain::id::SellerId;
use quittance_domain::payment::Account;
use quittance_domain::seller::{Origin, Seller};
use quittance_persistence::{Completion, ConnectSeller, ConsumeStateOutcome, NewSeller};
use quittance_stripe_gateway::{AccountLink, Error as StripeError, FrozenRequest, NewAccount, Stripe};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{AccountLinkRequest, Authorization, OAuthCallback, SellerRequest};
use crate::error::RefusalError;
use crate::pay::GRACE;
use crate::resume::{CLOCK_SKEW_MAX, KEY_AGE_MAX};
use crate::{Error, OAuthStateError, Payments, now};

/// How long the owner of an account has on Stripe's page.
const STATE_LIFE: Duration = Duration::minutes(10);

/// How many random bytes a state has.
const STATE_BYTES: usize = 32;

impl Payments {
    /// Begins to connect an account that somebody has: they are to be sent to the URL, and what comes back goes to
    /// [`Payments::finish_oauth`] with the same binding. What is kept of it are hashes.
    pub async fn begin_oauth(
        &self,
        binding: String,
        redirect_uri: Option<String>,
    ) -> Result<Authorization, Error> {
        let client_id = self.connect.client_id.as_deref().ok_or(Error::OAuthNotConfigured)?;
        let state = random_state();
        let expires_at = now() + STATE_LIFE;
        let (state_hash, binding_hash) = (hash(state.expose_secret()), hash(&binding));
        self.store.begin_oauth(state_hash, binding_hash, now(), expires_at).await?;
        let url = self.stripe.authorize_url(client_id, state.expose_secret(), redirect_uri.as_deref());
        Ok(Authorization { url: url.into(), expires_at })
    }

    /// Connects the account whose owner let the platform in. The state is taken first, and for good: whatever goes
    /// wrong after that, they have to begin anew.
    pub async fn finish_oauth(&self, answer: OAuthCallback) -> Result<Seller, Error> {
        self.detached(async move |payments: Self| {
            if payments.connect.client_id.is_none() {
                return Err(Error::OAuthNotConfigured);
            }
            let (state, binding) = (hash(answer.state.expose_secret()), hash(&answer.binding));
            match payments.store.consume_oauth_state(state, binding, now()).await? {
                ConsumeStateOutcome::Taken => {}
                ConsumeStateOutcome::Unknown => {
                    return Err(Error::InvalidOAuthState(OAuthStateError::Unknown));
                }
                ConsumeStateOutcome::Used => return Err(Error::InvalidOAuthState(OAuthStateError::Used)),
                ConsumeStateOutcome::Expired => {
                    return Err(Error::InvalidOAuthState(OAuthStateError::Expired));
                }
                ConsumeStateOutcome::OtherBinding => {
                    return Err(Error::InvalidOAuthState(OAuthStateError::OtherBinding));
                }
            }
            payments.connect_account(&answer.code).await
        })
        .await
    }

    async fn connect_account(&self, code: &SecretString) -> Result<Seller, Error> {
        let account = self.stripe.exchange_code(code).await.map_err(|error| match error {
            StripeError::Refused(refusal) if refusal.is_code_invalid() => Error::InvalidOAuthCode,
            error => Error::Stripe(error),
        })?;
        CrashPoint::CodeExchanged.reach();
        if account.mode != self.stripe.mode() {
            return Err(Error::SellerModeMismatch);
        }
        // The account is connected at Stripe now, whether or not it can be read: then the worker reads it.
        let (began_s, state) = match self.stripe.retrieve_account(&account.account_id).await {
            Ok(answer) => (answer.began_s, Some(answer.state)),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "An account that was just connected could not be read; the worker reads it."
                );
                (now().timestamp(), None)
            }
        };
        self.store.schedule_unreachable_refresh(Account::connected(&account.account_id), now()).await?;
        let connected = self
            .store
            .connect_seller(ConnectSeller {
                fresh_id: SellerId::from_uuid(Uuid::now_v7()),
                account_id: account.account_id,
                mode: account.mode,
                began_s,
                state,
                charge_type: self.connect.charge_type,
                fee: self.connect.fee,
                now: now(),
            })
            .await?;
        Ok(connected)
    }

    /// Makes an account for a seller. Once it is recorded it will be made, and this returns the seller as it stands,
    /// also if Stripe gave no answer yet. It fails if Stripe refuses the account.
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
                    .map_err(|_| Error::Stripe(StripeError::Unsendable("the request of an account")))?,
                charge_type: request.charge_type.unwrap_or(payments.connect.charge_type),
                fee: request.fee.unwrap_or(payments.connect.fee),
                reference: request.reference,
                metadata: request.metadata,
                now: now(),
                resume_at: now() + GRACE,
            };
            let request = new.request.clone();
            let recorded = payments.store.insert_seller(new, completion).await?;
            CrashPoint::SellerRecorded.reach();
            match payments.make_account(&recorded, &request).await {
                Err(Error::Stripe(error)) => {
                    tracing::warn!(
                        seller.id = %id,
                        error = &error as &dyn std::error::Error,
                        "Stripe did not answer when asked for an account; the worker asks again under the same key."
                    );
                    Ok(recorded)
                }
                made => made,
            }
        })
        .await
    }

    /// Makes the account of a seller that was recorded, or finds the one that was made.
    pub(super) async fn make_account(&self, seller: &Seller, request: &str) -> Result<Seller, Error> {
        let id = &seller.id;
        let created = if now() - seller.created_at >= KEY_AGE_MAX {
            self.stripe.find_account(id, seller.created_at - CLOCK_SKEW_MAX).await?
        } else {
            let request: FrozenRequest = serde_json::from_str(request)
                .map_err(|_| Error::Stripe(StripeError::Unsendable("the recorded request of an account")))?;
            match self.stripe.create_account(&request).await {
                Ok(answer) => Some(answer),
                Err(StripeError::Unavailable { replayed: true, .. }) => {
                    self.stripe.find_account(id, seller.created_at - CLOCK_SKEW_MAX).await?
                }
                Err(StripeError::Refused(refusal)) if !refusal.is_about_the_key() => {
                    self.store.refuse_seller(id.clone()).await?;
                    return Err(Error::StripeRefusal(RefusalError(refusal)));
                }
                Err(error) => return Err(Error::Stripe(error)),
            }
        };
        let Some(answer) = created else {
            // Nothing was made, and nothing can be under this key: whoever wants the seller asks anew.
            self.store.refuse_seller(id.clone()).await?;
            return Err(Error::SellerNotFound);
        };
        CrashPoint::AccountCreated.reach();
        Ok(self
            .store
            .record_created_account(id.clone(), answer.account_id, answer.began_s, answer.state, now())
            .await?)
    }

    /// A page of Stripe's on which the owner of an account that the platform made tells Stripe what it asks for.
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
            StripeError::Refused(refusal) if !refusal.is_about_the_key() => {
                Error::StripeRefusal(RefusalError(refusal))
            }
            error => Error::Stripe(error),
        })
    }
}

/// Nobody can guess it, and nobody has it but who is sent to Stripe's page.
fn random_state() -> SecretString {
    let bytes: [u8; STATE_BYTES] = rand::random();
    BASE64_URL_SAFE_NO_PAD.encode(bytes).into()
}

/// What is kept of a state or a binding: enough to know it again.
fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
