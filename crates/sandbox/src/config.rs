//! The sandbox's settings, from a command line, the environment, or code.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::http::url::is_http_url;
use crate::storage::ids::is_account_id;

/// Where the sandbox listens when nothing else is said. The port is the one Stripe's own mock uses.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 12_111);

/// The id of the platform's own account when nothing else is said: the same for every sandbox and at every start.
pub const DEFAULT_ACCOUNT: &str = "acct_1SandboxPlatform";

/// The settings of a sandbox. As `clap::Args` it can be flattened into a command.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Address to listen on. Anything but loopback is reachable by others: the sandbox accepts any test key.
    #[arg(long, env = "QUITTANCE_SANDBOX_LISTEN", default_value_t = DEFAULT_LISTEN, value_name = "ADDRESS")]
    pub listen: SocketAddr,

    /// URL under which browsers reach the sandbox, for the pages of Checkout, 3D Secure and Connect [default: the address it listens on]
    #[arg(long, env = "QUITTANCE_SANDBOX_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// Id of the platform's own account
    #[arg(
        long,
        env = "QUITTANCE_SANDBOX_ACCOUNT",
        default_value = DEFAULT_ACCOUNT,
        value_name = "ACCT",
        value_parser = account_id
    )]
    pub account: String,

    /// SQLite file that keeps the state over a restart [default: none, the state is in memory]
    #[arg(long, env = "QUITTANCE_SANDBOX_STATE", value_name = "FILE")]
    pub state_file: Option<PathBuf>,

    /// Endpoint that gets every event of the platform's own account, and its signing secret; may be repeated
    #[arg(
        long = "webhook-endpoint",
        env = "QUITTANCE_SANDBOX_WEBHOOK_ENDPOINTS",
        value_name = "URL,SECRET",
        value_delimiter = ' ',
        hide_env_values = true
    )]
    pub webhook_endpoints: Vec<WebhookTarget>,

    /// Endpoint that gets every event of connected accounts, and its signing secret; may be repeated
    #[arg(
        long = "connect-webhook-endpoint",
        env = "QUITTANCE_SANDBOX_CONNECT_WEBHOOK_ENDPOINTS",
        value_name = "URL,SECRET",
        value_delimiter = ' ',
        hide_env_values = true
    )]
    pub connect_webhook_endpoints: Vec<WebhookTarget>,

    /// How long a bank debit stays in `processing`, in milliseconds
    #[arg(long = "debit-delay-ms", default_value = "2000", value_name = "MS", value_parser = milliseconds)]
    pub debit_delay: Duration,

    /// How long a bank debit with one of the delayed test accounts stays in `processing`, in milliseconds
    #[arg(
        long = "delayed-debit-delay-ms",
        default_value = "180000",
        value_name = "MS",
        value_parser = milliseconds
    )]
    pub delayed_debit_delay: Duration,

    /// How long refunds that are not done at once take to succeed or fail, in milliseconds
    #[arg(long = "refund-delay-ms", default_value = "2000", value_name = "MS", value_parser = milliseconds)]
    pub refund_delay: Duration,

    /// How long after the payment a test card is disputed, and after the evidence a dispute decided, in milliseconds
    #[arg(long = "dispute-delay-ms", default_value = "2000", value_name = "MS", value_parser = milliseconds)]
    pub dispute_delay: Duration,

    /// Wait before the first retry of a webhook delivery, in milliseconds; doubles with every further one
    #[arg(
        long = "webhook-retry-base-ms",
        default_value = "500",
        value_name = "MS",
        value_parser = milliseconds
    )]
    pub webhook_retry_base: Duration,

    /// How often a webhook delivery is tried before it counts as failed
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    pub webhook_max_attempts: u32,

    /// What goes wrong on purpose from the start.
    #[command(flatten)]
    pub chaos: ChaosConfig,

    /// File that every request is appended to, one JSON object a line, to check what a program sends
    #[arg(long, env = "QUITTANCE_SANDBOX_RECORD_REQUESTS", value_name = "FILE")]
    pub record_requests: Option<PathBuf>,
}

/// Faults on purpose that a sandbox begins with. None by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct ChaosConfig {
    /// Seed of faults on purpose: the nth call of a route gets the same fault in every run of a seed
    #[arg(
        long = "chaos-seed",
        env = "QUITTANCE_SANDBOX_CHAOS_SEED",
        default_value_t = 0,
        value_name = "NUMBER"
    )]
    pub seed: u64,

    /// How many of a hundred API calls go wrong on purpose
    #[arg(
        long = "chaos-api-percent",
        env = "QUITTANCE_SANDBOX_CHAOS_API_PERCENT",
        default_value_t = 0,
        value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(..=100)
    )]
    pub api_percent: u8,

    /// How many of a hundred webhooks are dropped, doubled or late on purpose
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
    /// The settings of a sandbox started without any flag, whatever the environment holds.
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

/// A webhook endpoint that is configured rather than made through the API.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookTarget {
    /// Where deliveries are posted: an absolute `http` or `https` URL.
    pub url: String,
    /// The signing secret, `whsec_…`.
    pub secret: String,
}

impl WebhookTarget {
    /// Checks that `url` is an absolute http(s) URL and that neither part is empty.
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

/// Why a text is no webhook endpoint.
#[derive(Debug, thiserror::Error)]
pub enum InvalidWebhookTarget {
    /// The URL is not absolute, or neither http nor https.
    #[error("`{0}` is not an absolute http or https URL")]
    Url(String),
    /// There is no secret after the URL.
    #[error("a webhook endpoint is written URL,SECRET, and the secret is missing")]
    Secret,
}

fn account_id(text: &str) -> Result<String, &'static str> {
    if is_account_id(text) {
        Ok(text.to_owned())
    } else {
        Err("an account's id is acct_ and letters and digits")
    }
}

fn milliseconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_millis)
}
