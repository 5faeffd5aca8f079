//! Settings that choose between Stripe and the built-in sandbox, and how to reach either.

use std::net::{IpAddr, SocketAddr};

use quittance_domain::payment::Mode;
use quittance_sandbox::{ChaosConfig, DEFAULT_LISTEN};
use quittance_stripe_gateway::{ConfigError, Stripe, StripeConfig};
use secrecy::{ExposeSecret, SecretString};

use crate::cli::StripeArgs;
use crate::error::Error;

/// The client ID that the sandbox uses by default. The sandbox accepts any.
pub(crate) const SANDBOX_CLIENT_ID: &str = "ca_Sandbox";

/// The API that Quittance sends its Stripe requests to.
pub(crate) enum StripeBackend {
    /// The sandbox, in the same process.
    Sandbox { listen: SocketAddr, webhook_secrets: Vec<SecretString>, connect: Connect, chaos: ChaosConfig },
    /// Stripe, or another server at `api_base`.
    Stripe {
        secret_key: SecretString,
        publishable_key: String,
        webhook_secrets: Vec<SecretString>,
        connect: Connect,
        api_base: String,
    },
}

impl StripeBackend {
    pub(crate) fn from_args(
        args: StripeArgs,
        listen: Option<SocketAddr>,
        chaos: ChaosConfig,
    ) -> Result<Self, Error> {
        let connect = Connect::from_args(&args)?;
        let webhook_secrets = non_empty_secrets(&args.stripe_webhook_secret);
        let Some(secret_key) = args.stripe_secret_key.filter(|key| !key.expose_secret().is_empty()) else {
            return Self::sandbox(
                args.stripe_publishable_key.as_deref(),
                listen,
                webhook_secrets,
                connect,
                chaos,
            );
        };
        let mode = key_mode(secret_key.expose_secret())?;
        if webhook_secrets.is_empty() {
            return Err(Error::setting(
                "STRIPE_WEBHOOK_SECRET",
                "isn't set. Quittance needs it to verify Stripe's events. `stripe listen` prints a secret for local \
                 use; the Dashboard shows one for each endpoint",
            ));
        }
        refuse_sandbox_settings(listen, chaos)?;
        let publishable_key = check_publishable_key(args.stripe_publishable_key, mode)?;
        check_base_url("STRIPE_API_BASE", &args.stripe_api_base)?;
        Ok(Self::Stripe {
            secret_key,
            publishable_key,
            webhook_secrets,
            connect,
            api_base: args.stripe_api_base,
        })
    }

    fn sandbox(
        publishable_key: Option<&str>,
        listen: Option<SocketAddr>,
        webhook_secrets: Vec<SecretString>,
        connect: Connect,
        chaos: ChaosConfig,
    ) -> Result<Self, Error> {
        if publishable_key.is_some_and(|key| !key.is_empty()) {
            return Err(Error::setting(
                "STRIPE_PUBLISHABLE_KEY",
                "is set without STRIPE_SECRET_KEY. Set both to use Stripe, or neither to use the sandbox",
            ));
        }
        let client_id = connect.client_id.or_else(|| Some(SANDBOX_CLIENT_ID.to_owned()));
        Ok(Self::Sandbox {
            listen: listen.unwrap_or(DEFAULT_LISTEN),
            webhook_secrets,
            connect: Connect { client_id, ..connect },
            chaos,
        })
    }

    /// Returns the Stripe Connect settings.
    pub(crate) fn connect(&self) -> &Connect {
        match self {
            Self::Sandbox { connect, .. } | Self::Stripe { connect, .. } => connect,
        }
    }
}

/// The settings of Stripe Connect.
#[derive(Default)]
pub(crate) struct Connect {
    pub(crate) webhook_secrets: Vec<SecretString>,
    pub(crate) client_id: Option<String>,
    pub(crate) base: Option<String>,
}

impl Connect {
    fn from_args(args: &StripeArgs) -> Result<Self, Error> {
        let non_empty = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let client_id = non_empty(&args.stripe_connect_client_id);
        if client_id.as_deref().is_some_and(|id| !is_client_id(id)) {
            return Err(Error::setting(
                "STRIPE_CONNECT_CLIENT_ID",
                "isn't a Connect client ID: ca_ followed by letters and digits. Copy it from the Connect settings in \
                 the Dashboard",
            ));
        }
        let base = non_empty(&args.stripe_connect_base);
        if let Some(base) = &base {
            check_base_url("STRIPE_CONNECT_BASE", base)?;
        }
        Ok(Self { webhook_secrets: non_empty_secrets(&args.stripe_connect_webhook_secret), client_id, base })
    }
}

/// Returns the client configuration for Stripe, or for another server at `api_base`.
pub(crate) fn client_config(secret_key: SecretString, api_base: String, connect: &Connect) -> StripeConfig {
    let mut config = StripeConfig::new(secret_key, api_base);
    if let Some(base) = &connect.base {
        config.connect_base.clone_from(base);
    }
    config
}

/// Creates the Stripe client. An error names the setting to change.
pub(crate) fn stripe_client(config: &StripeConfig) -> Result<Stripe, Error> {
    Stripe::new(config).map_err(|error| {
        let variable = match error {
            ConfigError::NotABase | ConfigError::PlainHttp => "STRIPE_API_BASE",
            ConfigError::NotAConnectBase | ConfigError::PlainHttpConnect => "STRIPE_CONNECT_BASE",
            _ => "STRIPE_SECRET_KEY",
        };
        Error::setting(variable, format!("can't be used: {error}"))
    })
}

/// Returns the mode of a secret key.
fn key_mode(key: &str) -> Result<Mode, Error> {
    match key.split('_').collect::<Vec<_>>().as_slice() {
        ["sk" | "rk", "live", rest, ..] if !rest.is_empty() => Ok(Mode::Live),
        ["sk" | "rk", "test", rest, ..] if !rest.is_empty() => Ok(Mode::Test),
        _ => Err(Error::setting(
            "STRIPE_SECRET_KEY",
            "must begin with sk_test_, sk_live_, rk_test_ or rk_live_",
        )),
    }
}

fn check_publishable_key(key: Option<String>, mode: Mode) -> Result<String, Error> {
    let prefix = match mode {
        Mode::Live => "pk_live_",
        Mode::Test => "pk_test_",
    };
    key.filter(|key| key.starts_with(prefix)).ok_or_else(|| {
        let problem = format!("must begin with {prefix}, because it belongs to STRIPE_SECRET_KEY");
        Error::setting("STRIPE_PUBLISHABLE_KEY", problem)
    })
}

/// Refuses settings of the sandbox if Quittance uses Stripe.
fn refuse_sandbox_settings(listen: Option<SocketAddr>, chaos: ChaosConfig) -> Result<(), Error> {
    let settings = [
        ("QUITTANCE_SANDBOX_LISTEN", listen.is_some()),
        ("QUITTANCE_SANDBOX_CHAOS_API_PERCENT", chaos.api_percent > 0),
        ("QUITTANCE_SANDBOX_CHAOS_DELIVERY_PERCENT", chaos.delivery_percent > 0),
    ];
    match settings.into_iter().find(|(_, is_set)| *is_set) {
        Some((variable, _)) => {
            let problem =
                "is set together with STRIPE_SECRET_KEY. The sandbox runs only without a Stripe key";
            Err(Error::setting(variable, problem))
        }
        None => Ok(()),
    }
}

/// Checks a base URL of Stripe. A key may travel over plain http to a loopback address only.
fn check_base_url(variable: &'static str, base: &str) -> Result<(), Error> {
    let refused = || {
        let problem =
            "must be an https URL without a path. Plain http is allowed for loopback addresses only";
        Err(Error::setting(variable, problem))
    };
    if base.trim_end_matches('/').ends_with("/v1") {
        return refused();
    }
    match base.split_once("://") {
        Some(("https", host)) if !host.is_empty() => Ok(()),
        Some(("http", rest)) => {
            let authority = rest.split('/').next().unwrap_or_default();
            let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
            let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
            if host == "localhost" || address.is_ok_and(|ip| ip.is_loopback()) { Ok(()) } else { refused() }
        }
        _ => refused(),
    }
}

fn is_client_id(text: &str) -> bool {
    let rest = text.strip_prefix("ca_").unwrap_or_default();
    !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Returns the secrets that aren't blank.
fn non_empty_secrets(secrets: &[SecretString]) -> Vec<SecretString> {
    secrets.iter().filter(|secret| !secret.expose_secret().trim().is_empty()).cloned().collect()
}
