//! The sandbox's settings, from a command line, the environment, or code.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::http::url::is_http_url;
use crate::storage::ids::is_account_id;

/// The default listen address. The port is the one that Stripe's own mock server uses.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 12_111);

/// The platform account's default ID, the same for every sandbox and every start.
pub const DEFAULT_ACCOUNT: &str = "acct_1SandboxPlatform";

/// The settings of a sandbox. Flatten it into your own command: it implements `clap::Args`.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Address to listen on. Keep it on loopback unless others may use the sandbox: it accepts any test key.
    #[arg(long, env = "QUITTANCE_SANDBOX_LISTEN", default_value_t = DEFAULT_LISTEN, value_name = "ADDRESS")]
    pub listen: SocketAddr,

    /// Base URL for browsers, used by the Checkout, 3D Secure and Connect pages [default: the listen address]
    #[arg(long, env = "QUITTANCE_SANDBOX_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// The platform account's ID
    #[arg(
        long,
        env = "QUITTANCE_SANDBOX_ACCOUNT",
        default_value = DEFAULT_ACCOUNT,
        value_name = "ACCT",
        value_parser = account_id
    )]
    pub account: String,

    /// SQLite file that stores the state [default: none; the state is in memory]
    #[arg(long, env = "QUITTANCE_SANDBOX_STATE", value_name = "FILE")]
    pub state_file: Option<PathBuf>,

    /// Endpoint that receives all events of the platform's account, with its signing secret; can be repeated
    #[arg(
        long = "webhook-endpoint",
        env = "QUITTANCE_SANDBOX_WEBHOOK_ENDPOINTS",
        value_name = "URL,SECRET",
        value_delimiter = ' ',
        hide_env_values = true
    )]
    pub webhook_endpoints: Vec<WebhookTarget>,

    /// Endpoint that receives all events of connected accounts, with its signing secret; can be repeated
    #[arg(
        long = "connect-webhook-endpoint",
        env = "QUITTANCE_SANDBOX_CONNECT_WEBHOOK_ENDPOINTS",
        value_name = "URL,SECRET",
        value_delimiter = ' ',
        hide_env_values = true
    )]
    pub connect_webhook_endpoints: Vec<WebhookTarget>,

    /// Time for which a bank debit is `processing`, in milliseconds
    #[arg(long = "debit-delay-ms", default_value = "2000", value_name = "MS", value_parser = milliseconds)]
    pub debit_delay: Duration,

    /// Time for which a bank debit of a delayed test account is `processing`, in milliseconds
    #[arg(
        long = "delayed-debit-delay-ms",
        default_value = "180000",
        value_name = "MS",
        value_parser = milliseconds
    )]
    pub delayed_debit_delay: Duration,

    /// Time until a pending refund succeeds or fails, in milliseconds
    #[arg(long = "refund-delay-ms", default_value = "2000", value_name = "MS", value_parser = milliseconds)]
    pub refund_delay: Duration,

    /// Delay from a payment to its test dispute, and from evidence to the decision, in milliseconds
    #[arg(long = "dispute-delay-ms", default_value = "2000", value_name = "MS", value_parser = milliseconds)]
    pub dispute_delay: Duration,

    /// Delay before the first retry of a webhook delivery, in milliseconds; doubles with each retry
    #[arg(
        long = "webhook-retry-base-ms",
        default_value = "500",
        value_name = "MS",
        value_parser = milliseconds
    )]
    pub webhook_retry_base: Duration,

    /// Number of attempts before a webhook delivery fails
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    pub webhook_max_attempts: u32,

    /// The faults to inject from the start.
    #[command(flatten)]
    pub chaos: ChaosConfig,

    /// File that every request is appended to, as one JSON object per line
    #[arg(long, env = "QUITTANCE_SANDBOX_RECORD_REQUESTS", value_name = "FILE")]
    pub record_requests: Option<PathBuf>,
}

/// The faults that a sandbox injects from the start. By default, it injects no faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct ChaosConfig {
    /// Seed of injected faults: with the same seed, the nth call of a route always gets the same fault
    #[arg(
        long = "chaos-seed",
        env = "QUITTANCE_SANDBOX_CHAOS_SEED",
        default_value_t = 0,
        value_name = "NUMBER"
    )]
    pub seed: u64,

    /// Percentage of API calls that get an injected fault
    #[arg(
        long = "chaos-api-percent",
        env = "QUITTANCE_SANDBOX_CHAOS_API_PERCENT",
        default_value_t = 0,
        value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(..=100)
    )]
    pub api_percent: u8,

    /// Percentage of webhooks that are dropped, duplicated or delayed
    #[arg(
        long = "chaos-delivery-percent",
        env = "QUITTANCE_SANDBOX_CHAOS_DELIVERY_PERCENT",
        default_value_t = 0,
        value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(..=100)
    )]
    pub delivery_percent: u8,
}

impl Default for Config {
    /// Returns the settings of a sandbox that was started without flags. Ignores environment variables.
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            public_url: None,
            account: DEFAULT_ACCOUNT.to_owned(),
            state_file: None,
            webhook_endpoints: Vec::new(),
            connect_webhook_endpoints: Vec::new(),
            debit_delay: Duration::from_secs(2),
            delayed_debit_delay: Duration::from_mins(3),
            refund_delay: Duration::from_secs(2),
            dispute_delay: Duration::from_secs(2),
            webhook_retry_base: Duration::from_millis(500),
            webhook_max_attempts: 20,
            chaos: ChaosConfig::default(),
            record_requests: None,
        }
    }
}

/// A webhook endpoint from the configuration, as opposed to one created through the API.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookTarget {
    /// The URL that receives deliveries: an absolute `http` or `https` URL.
    pub url: String,
    /// The signing secret, `whsec_…`.
    pub secret: String,
}

impl WebhookTarget {
    /// Creates a target. Fails if `url` isn't an absolute HTTP(S) URL or if either part is empty.
    pub fn new(url: impl Into<String>, secret: impl Into<String>) -> Result<Self, InvalidWebhookTarget> {
        let (url, secret) = (url.into(), secret.into());
        if !is_http_url(&url) {
            return Err(InvalidWebhookTarget::Url(url));
        }
        if secret.is_empty() {
            return Err(InvalidWebhookTarget::Secret);
        }
        Ok(Self { url, secret })
    }
}

impl std::fmt::Debug for WebhookTarget {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WebhookTarget").field("url", &self.url).finish_non_exhaustive()
    }
}

impl FromStr for WebhookTarget {
    type Err = InvalidWebhookTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (url, secret) = text.rsplit_once(',').ok_or(InvalidWebhookTarget::Secret)?;
        Self::new(url, secret)
    }
}

/// The reason why a webhook endpoint is invalid.
#[derive(Debug, thiserror::Error)]
pub enum InvalidWebhookTarget {
    /// The URL isn't an absolute `http` or `https` URL.
    #[error("`{0}` is not an absolute http or https URL")]
    Url(String),
    /// The signing secret is missing.
    #[error("the secret is missing: write the webhook endpoint as URL,SECRET")]
    Secret,
}

fn account_id(text: &str) -> Result<String, &'static str> {
    if is_account_id(text) {
        Ok(text.to_owned())
    } else {
        Err("an account ID is acct_ followed by letters and digits")
    }
}

fn milliseconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_millis)
}
