//! The connection to Stripe, or to a sandbox in the same process.

use quittance_api::PublicMode;
use quittance_domain::payment::Mode;
use quittance_sandbox::Sandbox;
use quittance_stripe_gateway::{Stripe, StripeConfig};
use secrecy::SecretString;

use super::derived_secret::secrets_or_derived;
use crate::config::{Config, StripeBackend, client_config, stripe_client};
use crate::error::Error;

/// The URL of Stripe.js. Stripe allows no other source.
const STRIPE_JS_URL: &str = "https://js.stripe.com/v3/";

/// The client for Stripe or the sandbox, and the settings that belong to it.
pub(super) struct Connection {
    pub(super) stripe: Stripe,
    pub(super) publishable_key: String,
    pub(super) mode: PublicMode,
    pub(super) webhook_secrets: Vec<SecretString>,
    pub(super) connect_webhook_secrets: Vec<SecretString>,
    /// The sandbox, bound to its address but not running yet.
    pub(super) sandbox: Option<Sandbox>,
}

impl Connection {
    pub(super) fn open(config: &Config) -> Result<Self, Error> {
        match &config.stripe {
            StripeBackend::Stripe { secret_key, publishable_key, webhook_secrets, connect, api_base } => {
                if connect.client_id.is_some() && connect.webhook_secrets.is_empty() {
                    tracing::warn!(
                        "STRIPE_CONNECT_CLIENT_ID is set without STRIPE_CONNECT_WEBHOOK_SECRET; Quittance rejects \
                         sellers' events and sees changes late, when it refreshes sellers from Stripe"
                    );
                }
                let stripe = stripe_client(&client_config(secret_key.clone(), api_base.clone(), connect))?;
                Ok(Self {
                    publishable_key: publishable_key.clone(),
                    mode: public_mode(stripe.mode()),
                    stripe,
                    webhook_secrets: webhook_secrets.clone(),
                    connect_webhook_secrets: connect.webhook_secrets.clone(),
                    sandbox: None,
                })
            }
            StripeBackend::Sandbox { listen, webhook_secrets, connect, chaos } => {
                let sandbox = Sandbox::bind(quittance_sandbox::Config {
                    listen: *listen,
                    state_file: Some(config.database.sandbox_state()),
                    chaos: *chaos,
                    ..quittance_sandbox::Config::default()
                })
                .map_err(Error::Sandbox)?;
                let secret_key = "sk_test_sandbox".to_owned().into();
                Ok(Self {
                    stripe: stripe_client(&StripeConfig::new(secret_key, sandbox.url()))?,
                    publishable_key: "pk_test_sandbox".to_owned(),
                    mode: PublicMode::Sandbox,
                    webhook_secrets: secrets_or_derived(
                        config,
                        webhook_secrets,
                        "the sandbox's webhook secret",
                    ),
                    connect_webhook_secrets: secrets_or_derived(
                        config,
                        &connect.webhook_secrets,
                        "the sandbox's webhook secret for connected accounts",
                    ),
                    sandbox: Some(sandbox),
                })
            }
        }
    }

    /// Returns the URL from which frontends load Stripe.js.
    pub(super) fn stripe_js_url(&self) -> String {
        match &self.sandbox {
            Some(sandbox) => format!("{}/v3/", sandbox.url()),
            None => STRIPE_JS_URL.to_owned(),
        }
    }
}

fn public_mode(mode: Mode) -> PublicMode {
    match mode {
        Mode::Live => PublicMode::Live,
        Mode::Test => PublicMode::Test,
    }
}
