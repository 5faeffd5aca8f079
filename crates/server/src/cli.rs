//! The command line. Every setting is a flag and an environment variable, read once at startup.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use quittance_domain::history::{Limits, ReviewRefund};
use quittance_domain::seller::ChargeType;
use secrecy::SecretString;

/// A headless payments API for Stripe.
///
/// Without a command, `quittance` serves the API. Without settings, it listens on 127.0.0.1:8080, stores data in an
/// SQLite file, and uses the built-in sandbox instead of Stripe.
#[derive(Parser)]
#[command(name = "quittance", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: Box<ServeArgs>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve the API. This is the default command
    Serve(Box<ServeArgs>),
    /// Migrate the database schema to this version
    Migrate(DatabaseArgs),
    /// Print the OpenAPI document
    Openapi,
    /// Create, list and revoke secret keys for your servers
    Keys {
        #[command(subcommand)]
        action: KeysAction,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Reprocess stored Stripe events that failed to be read or applied
    Replay {
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        limits: LimitArgs,
        #[command(flatten)]
        supported: SupportedArgs,
    },
    /// Compare orders with Stripe and repair any differences
    ///
    /// Applies events that never arrived, resumes interrupted payments and refunds, refreshes every order that may have
    /// changed at Stripe, and recomputes every cached status. The service does the same work continuously; this command
    /// does it at once. You can run it while the service runs. A second run changes nothing.
    Reconcile(Box<ReconcileArgs>),
    /// Run only the sandbox, a stand-in for Stripe
    Sandbox {
        #[command(flatten)]
        sandbox: quittance_sandbox::Config,
        #[command(flatten)]
        log: LogArgs,
    },
}

#[derive(Args)]
pub(crate) struct ReconcileArgs {
    /// Start of the period: a time (2026-01-31T09:00:00Z) or a duration (24h, 3days). Stripe lists events for 30 days
    #[arg(long, value_name = "TIME-OR-DURATION", default_value = "3days")]
    pub(crate) since: String,
    /// Print the pending changes without making them, neither here nor at Stripe
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) stripe: StripeArgs,
    /// Address of the sandbox to use if STRIPE_SECRET_KEY isn't set
    #[arg(long, env = "QUITTANCE_SANDBOX_LISTEN", value_name = "ADDRESS")]
    pub(crate) sandbox_listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) supported: SupportedArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

#[derive(Subcommand)]
pub(crate) enum KeysAction {
    /// Create a key and print it to standard output. It can't be shown again
    Create {
        /// Name that identifies the key in lists
        name: String,
    },
    /// List all keys, including revoked ones
    List,
    /// Revoke a key. It stops working within three seconds
    Revoke {
        /// The key's ID, key_…
        id: String,
    },
}

#[derive(Args, Clone)]
pub(crate) struct DatabaseArgs {
    /// Database to store data in: sqlite://PATH or postgres://…
    #[arg(
        long,
        global = true,
        env = "DATABASE_URL",
        value_name = "URL",
        default_value = "sqlite://quittance.db",
        hide_env_values = true
    )]
    pub(crate) database_url: String,
    /// Maximum number of PostgreSQL connections
    #[arg(
        long,
        global = true,
        env = "QUITTANCE_DATABASE_CONNECTIONS",
        value_name = "COUNT",
        default_value_t = 16
    )]
    pub(crate) database_connections: u16,
}

#[derive(Args, Clone)]
pub(crate) struct LogArgs {
    /// Log filter in the syntax of `tracing`: `info`, `quittance_webhook=debug,info`
    #[arg(
        long = "log",
        env = "QUITTANCE_LOG",
        value_name = "FILTER",
        default_value = "info,actix_server=warn"
    )]
    pub(crate) filter: String,
    /// Log format [default: pretty on a terminal, otherwise json]
    #[arg(long = "log-format", env = "QUITTANCE_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) format: Option<LogFormat>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Readable text
    Pretty,
    /// One JSON object per line
    Json,
}

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on
    #[arg(long, env = "QUITTANCE_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// URL under which clients reach this service [default: http:// and the listen address]
    #[arg(long, env = "QUITTANCE_PUBLIC_URL", value_name = "URL")]
    pub(crate) public_url: Option<String>,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) stripe: StripeArgs,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    #[command(flatten)]
    pub(crate) orders: OrderArgs,
    #[command(flatten)]
    pub(crate) sellers: SellerArgs,
    #[command(flatten)]
    pub(crate) outbound: OutboundArgs,
    /// Address that the sandbox listens on. It runs only if STRIPE_SECRET_KEY isn't set [default: 127.0.0.1:12111]
    #[arg(long, env = "QUITTANCE_SANDBOX_LISTEN", value_name = "ADDRESS")]
    pub(crate) sandbox_listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten, next_help_heading = "Injected faults in the sandbox")]
    pub(crate) sandbox_chaos: quittance_sandbox::ChaosConfig,
}

#[derive(Args, Clone)]
#[command(next_help_heading = "Stripe")]
#[allow(clippy::struct_field_names, reason = "clap names flags after fields")]
pub(crate) struct StripeArgs {
    /// Secret key: sk_test_…, sk_live_…, or a restricted rk_…
    #[arg(long, env = "STRIPE_SECRET_KEY", value_name = "KEY", hide_env_values = true)]
    pub(crate) stripe_secret_key: Option<SecretString>,
    /// Publishable key for frontends: pk_test_… or pk_live_…
    #[arg(long, env = "STRIPE_PUBLISHABLE_KEY", value_name = "KEY")]
    pub(crate) stripe_publishable_key: Option<String>,
    /// Signing secret of the webhook endpoint, whsec_…. While you roll it, set both, separated by a comma
    #[arg(
        long,
        env = "STRIPE_WEBHOOK_SECRET",
        value_name = "SECRET",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) stripe_webhook_secret: Vec<SecretString>,
    /// Base URL of Stripe's API, without /v1
    #[arg(long, env = "STRIPE_API_BASE", value_name = "URL", default_value = "https://api.stripe.com")]
    pub(crate) stripe_api_base: String,
    /// Signing secret of the webhook endpoint for connected accounts, whsec_…. While you roll it, set both, separated by
    /// a comma. Without it, Quittance rejects sellers' events [default with the sandbox: generated]
    #[arg(
        long,
        env = "STRIPE_CONNECT_WEBHOOK_SECRET",
        value_name = "SECRET",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) stripe_connect_webhook_secret: Vec<SecretString>,
    /// Client ID of your Connect platform, ca_…. Sellers can't connect by OAuth without it
    /// [default with the sandbox: ca_Sandbox]
    #[arg(long, env = "STRIPE_CONNECT_CLIENT_ID", value_name = "ID")]
    pub(crate) stripe_connect_client_id: Option<String>,
    /// Base URL of Stripe's OAuth pages [default: https://connect.stripe.com, or STRIPE_API_BASE if that is plain http]
    #[arg(long, env = "STRIPE_CONNECT_BASE", value_name = "URL")]
    pub(crate) stripe_connect_base: Option<String>,
}

/// Restrictions on sellers' accounts.
#[derive(Args, Clone)]
#[command(next_help_heading = "Sellers")]
pub(crate) struct SupportedArgs {
    /// Countries of sellers you accept, comma-separated: DE,FR. Other sellers can't be paid [default: all]
    #[arg(long, env = "QUITTANCE_SELLER_COUNTRIES", value_name = "COUNTRIES", value_delimiter = ',')]
    pub(crate) seller_countries: Vec<String>,
    /// Default account currencies of sellers you accept, comma-separated: eur,usd. Other sellers can't be paid
    /// [default: all]
    #[arg(long, env = "QUITTANCE_SELLER_CURRENCIES", value_name = "CURRENCIES", value_delimiter = ',')]
    pub(crate) seller_currencies: Vec<String>,
}

#[derive(Args)]
#[command(next_help_heading = "Sellers")]
pub(crate) struct SellerArgs {
    #[command(flatten)]
    pub(crate) supported: SupportedArgs,
    /// Charge type of new sellers: direct (charges the seller's account) or destination (charges the platform's account)
    #[arg(
        long,
        env = "QUITTANCE_SELLER_CHARGE_TYPE",
        value_name = "TYPE",
        default_value = "direct",
        value_parser = charge_type
    )]
    pub(crate) seller_charge_type: ChargeType,
    /// Platform fee of new sellers, as a share of each order in basis points (hundredths of a percent)
    #[arg(
        long,
        env = "QUITTANCE_SELLER_FEE_BASIS_POINTS",
        value_name = "POINTS",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub(crate) seller_fee_basis_points: i64,
    /// Fixed platform fee of new sellers, added to each order's share, in the minor unit of the order's currency
    #[arg(
        long,
        env = "QUITTANCE_SELLER_FEE_FIXED",
        value_name = "AMOUNT",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub(crate) seller_fee_fixed: i64,
    /// Minimum platform fee of new sellers for each order, in the minor unit of the order's currency
    #[arg(
        long,
        env = "QUITTANCE_SELLER_FEE_MINIMUM",
        value_name = "AMOUNT",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub(crate) seller_fee_minimum: i64,
}

fn charge_type(value: &str) -> Result<ChargeType, &'static str> {
    value.parse().map_err(|_| "must be direct or destination")
}

#[derive(Args)]
#[command(next_help_heading = "Orders")]
pub(crate) struct OrderArgs {
    /// Time until an unpaid order expires and its stock is released: 35m, 2h, 1day
    #[arg(long, env = "QUITTANCE_ORDER_EXPIRY", value_name = "DURATION", default_value = "35m")]
    pub(crate) order_expiry: humantime::Duration,
    /// Origins to which Stripe's pages may redirect customers, comma-separated. With the sandbox, loopback addresses are
    /// always allowed [default: QUITTANCE_CORS_ORIGINS]
    #[arg(long, env = "QUITTANCE_RETURN_ORIGINS", value_name = "ORIGINS", value_delimiter = ',')]
    pub(crate) return_origins: Vec<String>,
    /// Time between event backfills, which read Stripe's event list for events that never arrived
    #[arg(
        long = "event-backfill-period",
        env = "QUITTANCE_EVENT_BACKFILL_PERIOD",
        value_name = "DURATION",
        default_value = "60s"
    )]
    pub(crate) event_backfill_period: humantime::Duration,
    /// Time to keep the payloads of Stripe's events, in days (90d) or hours (200h); at least four days
    #[arg(long, env = "QUITTANCE_INBOX_RETENTION", value_name = "TIME", default_value = "90d")]
    pub(crate) inbox_retention: String,
}

#[derive(Args)]
#[command(next_help_heading = "Access")]
pub(crate) struct AccessArgs {
    /// First secret key for your servers: qsk_ followed by 32 to 200 letters, digits, - or _
    #[arg(long, env = "QUITTANCE_SECRET_KEY", value_name = "KEY", hide_env_values = true)]
    pub(crate) secret_key: Option<SecretString>,
    /// Key that signs order tokens, at least 32 characters. While you roll it, set both, separated by a comma. The first
    /// one signs [default with SQLite: generated once, in a file next to the database]
    #[arg(
        long,
        env = "QUITTANCE_TOKEN_KEY",
        value_name = "KEY",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) token_key: Vec<SecretString>,
    /// Web origins that may call the API from a browser, comma-separated: https://shop.example
    #[arg(long, env = "QUITTANCE_CORS_ORIGINS", value_name = "ORIGINS", value_delimiter = ',')]
    pub(crate) cors_origins: Vec<String>,
    /// Writes per second and IP address without a secret key, with bursts of five times as many; 0 disables the limit
    #[arg(long, env = "QUITTANCE_RATE_LIMIT", value_name = "PER_SECOND", default_value_t = 10)]
    pub(crate) rate_limit: u32,
    /// Networks of proxies whose X-Forwarded-For header is trusted, comma-separated: 10.0.0.0/8
    #[arg(long, env = "QUITTANCE_TRUSTED_PROXIES", value_name = "NETWORKS", value_delimiter = ',')]
    pub(crate) trusted_proxies: Vec<String>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Args)]
#[command(next_help_heading = "Outbound webhooks")]
pub(crate) struct OutboundArgs {
    /// Private networks that webhook messages may be sent to, comma-separated: 10.20.0.0/16
    #[arg(long, env = "QUITTANCE_WEBHOOK_ALLOW_NETWORKS", value_name = "NETWORKS", value_delimiter = ',')]
    pub(crate) webhook_allow_networks: Vec<String>,
    /// Time to keep messages and their delivery attempts, in days (90d) or hours (200h); at least four days
    #[arg(long, env = "QUITTANCE_MESSAGE_RETENTION", value_name = "TIME", default_value = "90d")]
    pub(crate) message_retention: String,
}

#[derive(Args, Clone, Copy)]
pub(crate) struct LimitArgs {
    /// Declined payment attempts after which an order accepts no more
    #[arg(long, env = "QUITTANCE_MAX_DECLINES", value_name = "COUNT", default_value_t = 10)]
    pub(crate) max_declines: u16,
    /// Unpaid orders that one IP address may place without a secret key
    #[arg(long, env = "QUITTANCE_MAX_OPEN_ORDERS", value_name = "COUNT", default_value_t = 20)]
    pub(crate) max_open_orders: u16,
    /// When payments in review are refunded automatically: never, late (correct amount, but it arrived too late), always
    #[arg(
        long,
        env = "QUITTANCE_REVIEW_REFUND",
        value_name = "POLICY",
        default_value = "never",
        value_parser = review_refund
    )]
    pub(crate) review_refund: ReviewRefund,
}

fn review_refund(value: &str) -> Result<ReviewRefund, &'static str> {
    value.parse().map_err(|_| "must be never, late or always")
}

impl From<LimitArgs> for Limits {
    fn from(args: LimitArgs) -> Self {
        Self {
            max_declines: usize::from(args.max_declines),
            max_open_orders: i64::from(args.max_open_orders),
            review_refund: args.review_refund,
        }
    }
}
