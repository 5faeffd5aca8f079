//! Connects existing Stripe accounts by OAuth.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::Duration;
use quittance_crash_points::CrashPoint;
use quittance_domain::id::SellerId;
use quittance_domain::payment::Account;
use quittance_domain::seller::Seller;
use quittance_persistence::{ConnectSeller, ConsumeStateOutcome};
use quittance_stripe_gateway::Error as StripeError;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Authorization, OAuthCallback};
use crate::error::{Error, OAuthStateError};
use crate::service::Payments;
use crate::time_limits::now;

/// The time that the owner of an account has on Stripe's page.
const STATE_LIFETIME: Duration = Duration::minutes(10);

/// The random bytes in a state.
const STATE_BYTES: usize = 32;

impl Payments {
    /// Starts to connect an existing account. Redirect its owner to the returned URL, and pass the callback's parameters
    /// to [`Payments::finish_oauth`] with the same binding. Only hashes of the state and the binding are stored.
    pub async fn begin_oauth(
        &self,
        binding: String,
        redirect_uri: Option<String>,
    ) -> Result<Authorization, Error> {
        let client_id = self.connect.client_id.as_deref().ok_or(Error::OAuthNotConfigured)?;
        let state = random_state();
        let expires_at = now() + STATE_LIFETIME;
        let (state_hash, binding_hash) = (hash(state.expose_secret()), hash(&binding));
        self.store.begin_oauth(state_hash, binding_hash, now(), expires_at).await?;
        let url = self.stripe.authorize_url(client_id, state.expose_secret(), redirect_uri.as_deref());
        Ok(Authorization { url: url.into(), expires_at })
    }

    /// Connects an account after its owner authorized the platform. The state is consumed first. If a later step fails,
    /// the owner must start again.
    pub async fn finish_oauth(&self, callback: OAuthCallback) -> Result<Seller, Error> {
        self.detached(async move |payments: Self| {
            if payments.connect.client_id.is_none() {
                return Err(Error::OAuthNotConfigured);
            }
            let (state, binding) = (hash(callback.state.expose_secret()), hash(&callback.binding));
            match payments.store.consume_oauth_state(state, binding, now()).await? {
                ConsumeStateOutcome::Consumed => {}
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
            payments.connect_account(&callback.code).await
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
        // The account is connected at Stripe. If it can't be read now, the worker reads it.
        let (began_s, state) = match self.stripe.retrieve_account(&account.account_id).await {
            Ok(account) => (account.began_s, Some(account.state)),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to read a newly connected account; the worker retries it"
                );
                (now().timestamp(), None)
            }
        };
        self.store.schedule_unreachable_refresh(Account::connected(&account.account_id), now()).await?;
        let connected = self
            .store
            .connect_seller(ConnectSeller {
                new_id: SellerId::from_uuid(Uuid::now_v7()),
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
}

/// Returns an unguessable state. Only the owner who is redirected to Stripe's page knows it.
fn random_state() -> SecretString {
    let bytes: [u8; STATE_BYTES] = rand::random();
    BASE64_URL_SAFE_NO_PAD.encode(bytes).into()
}

/// Returns the hash under which a state or a binding is stored.
fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
