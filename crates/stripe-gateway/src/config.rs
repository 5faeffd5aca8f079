//! The configuration for calls to Stripe, validated before the first call.

use std::net::IpAddr;
use std::time::Duration;

use quittance_domain::payment::Mode;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

/// The configuration for calls to Stripe.
#[derive(Debug, Clone)]
pub struct StripeConfig {
    /// The secret key, `sk_…` or a restricted `rk_…`, of test or live mode.
    pub secret_key: SecretString,
    /// The base URL of the API without `/v1`: `https://api.stripe.com`, or a stand-in on this machine.
    pub api_base: String,
    /// The base URL for OAuth: `https://connect.stripe.com`, or a stand-in on this machine.
    pub connect_base: String,
    /// The time limit for a connection.
    pub connect_timeout: Duration,
    /// The time limit for one attempt, from connecting to the last byte. It is shorter than `total_timeout`, so
    /// that a lost response can be requested again with the same idempotency key.
    pub attempt_timeout: Duration,
    /// The time limit for a call with all its retries.
    pub total_timeout: Duration,
    /// The maximum number of retries of a call.
    pub max_retries: u32,
    /// The maximum delay before the first retry. It doubles with each retry, and the actual delay is a random
    /// fraction.
    pub backoff: Duration,
}

impl StripeConfig {
    /// Creates a configuration with the default limits: 3 s to connect, 8 s for an attempt, 20 s in total, and
    /// 4 retries. The base URL for OAuth is `https://connect.stripe.com`. If `api_base` isn't encrypted, it is
    /// a stand-in and serves OAuth too.
    #[must_use]
    pub fn new(secret_key: SecretString, api_base: impl Into<String>) -> Self {
        let api_base = api_base.into();
        let is_stand_in = api_base.starts_with("http://");
        let connect_base = if is_stand_in { api_base.clone() } else { CONNECT_BASE.to_owned() };
        Self {
            secret_key,
            api_base,
            connect_base,
            connect_timeout: Duration::from_secs(3),
            attempt_timeout: Duration::from_secs(8),
            total_timeout: Duration::from_secs(20),
            max_retries: 4,
            backoff: Duration::from_millis(500),
        }
    }

    /// Returns the mode from the prefix of the secret key. See <https://docs.stripe.com/keys>.
    pub(crate) fn mode(&self) -> Result<Mode, ConfigError> {
        let key = self.secret_key.expose_secret();
        let rest =
            key.strip_prefix("sk_").or_else(|| key.strip_prefix("rk_")).ok_or(ConfigError::NotASecretKey)?;
        let (mode, random) = match rest.split_once('_') {
            Some(("test", random)) => (Mode::Test, random),
            Some(("live", random)) => (Mode::Live, random),
            _ => return Err(ConfigError::NotASecretKey),
        };
        let is_plain = random.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_plain && !random.is_empty() { Ok(mode) } else { Err(ConfigError::NotASecretKey) }
    }

    /// Returns the validated base URL of the API.
    pub(crate) fn base(&self) -> Result<ApiBase, ConfigError> {
        ApiBase::checked(&self.api_base, ConfigError::NotABase, ConfigError::PlainHttp)
    }

    /// Returns the validated base URL for OAuth.
    pub(crate) fn oauth_base(&self) -> Result<ApiBase, ConfigError> {
        ApiBase::checked(&self.connect_base, ConfigError::NotAConnectBase, ConfigError::PlainHttpConnect)
    }
}

/// Stripe's base URL for OAuth.
const CONNECT_BASE: &str = "https://connect.stripe.com";

/// A validated base URL of a Stripe server.
pub(crate) struct ApiBase {
    /// The URL without a trailing slash.
    pub(crate) url: String,
    /// Whether the scheme is `https`.
    pub(crate) encrypted: bool,
    /// Whether the host is this machine.
    pub(crate) is_loopback: bool,
}

impl ApiBase {
    fn checked(base: &str, not_a_base: ConfigError, plain_http: ConfigError) -> Result<Self, ConfigError> {
        let Ok(url) = Url::parse(base) else { return Err(not_a_base) };
        let is_bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let encrypted = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(not_a_base),
        };
        if !is_bare {
            return Err(not_a_base);
        }
        let is_loopback = url.host_str().is_some_and(is_loopback);
        if !encrypted && !is_loopback {
            return Err(plain_http);
        }
        Ok(Self { url: url.as_str().trim_end_matches('/').to_owned(), encrypted, is_loopback })
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The reason why the configuration is invalid. It never contains the key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The secret key isn't valid.
    #[error("the secret key must begin with sk_test_, sk_live_, rk_test_ or rk_live_")]
    NotASecretKey,
    /// The API's base URL isn't valid.
    #[error("the API base must be like https://api.stripe.com, without /v1, a user name or parameters")]
    NotABase,
    /// The secret key would be sent unencrypted.
    #[error("the API base must be https, unless it is on this machine")]
    PlainHttp,
    /// The base URL for OAuth isn't valid.
    #[error(
        "Connect's base must be like https://connect.stripe.com, without a path, a user name or parameters"
    )]
    NotAConnectBase,
    /// The secret key would be sent unencrypted.
    #[error("Connect's base must be https, unless it is on this machine")]
    PlainHttpConnect,
    /// The HTTP client couldn't be created, for example because the machine has no root certificates.
    #[error("failed to create the HTTP client for Stripe")]
    Client(#[source] reqwest::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(key: &str, base: &str) -> StripeConfig {
        StripeConfig::new(SecretString::from(key), base)
    }

    #[test]
    fn key_prefix_determines_the_mode() {
        for (key, mode) in [
            ("sk_test_51Ab", Some(Mode::Test)),
            ("rk_test_51Ab", Some(Mode::Test)),
            ("sk_live_51Ab", Some(Mode::Live)),
            ("rk_live_51Ab", Some(Mode::Live)),
            ("pk_test_51Ab", None),
            ("sk_51Ab", None),
            ("sk_test_", None),
            ("sk_test_a b", None),
            ("sk_test_a\r\nX: y", None),
            ("whsec_abc", None),
            ("", None),
        ] {
            assert_eq!(config(key, "https://api.stripe.com").mode().ok(), mode, "{key}");
        }
    }

    #[test]
    fn unencrypted_base_is_allowed_on_this_machine_only() {
        for base in [
            "https://api.stripe.com",
            "https://api.stripe.com/",
            "http://127.0.0.1:12111",
            "http://[::1]:12111",
            "http://localhost:12111",
        ] {
            assert_eq!(
                config("sk_test_1", base).base().map(|base| base.url).ok().as_deref(),
                Some(base.trim_end_matches('/'))
            );
        }
        for base in ["http://api.stripe.com", "http://localhost.example.com", "http://10.0.0.1"] {
            assert!(matches!(config("sk_test_1", base).base(), Err(ConfigError::PlainHttp)), "{base}");
        }
        for base in [
            "api.stripe.com",
            "https://api.stripe.com/v1",
            "https://api.stripe.com/?a=b",
            "http://localhost@example.com",
            "ftp://localhost",
            "",
        ] {
            assert!(matches!(config("sk_test_1", base).base(), Err(ConfigError::NotABase)), "{base}");
        }
    }

    #[test]
    fn oauth_base_defaults_to_stripe_or_the_stand_in() {
        let connect_base = |base: &str| {
            let base = config("sk_test_1", base).oauth_base();
            base.map(|base| (base.url, base.encrypted)).expect("a base")
        };
        let real = ("https://connect.stripe.com".to_owned(), true);
        assert_eq!(connect_base("https://api.stripe.com"), real);
        assert_eq!(connect_base("http://127.0.0.1:12111"), ("http://127.0.0.1:12111".to_owned(), false));
        let named = |connect_base: &str| {
            let connect_base = connect_base.to_owned();
            StripeConfig { connect_base, ..config("sk_test_1", "http://127.0.0.1:12111") }.oauth_base()
        };
        assert_eq!(named("https://connect.stripe.com/").map(|base| base.url).ok(), Some(real.0));
        assert!(matches!(named("http://connect.stripe.com"), Err(ConfigError::PlainHttpConnect)));
        assert!(matches!(named("https://connect.stripe.com/oauth"), Err(ConfigError::NotAConnectBase)));
    }

    #[test]
    fn debug_output_hides_the_secret_key() {
        let shown = format!("{:?}", config("sk_test_hush", "https://api.stripe.com"));
        assert!(!shown.contains("hush"), "{shown}");
    }
}
