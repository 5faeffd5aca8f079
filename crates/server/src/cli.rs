//! The command line. Every setting is a flag and an environment variable, read once.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use quittance_domain::history::{Limits, ReviewRefund};
use quittance_domain::seller::ChargeType;
use secrecy::SecretString;

/// A headless payments service for Stripe.
///
/// Without a command it serves. With nothing set it serves on 127.0.0.1:8080 with an SQLite file and a
/// built-in stand-in for Stripe.
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
    /// Serve the API (what `quittance` alone does)
    Serve(Box<ServeArgs>),
    /// Bring the database's schema up to this version, and stop
    Migrate(DatabaseArgs),
    /// Print the OpenAPI document
    Openapi,
    /// Make, list and revoke secret keys for the back office
    Keys {
        #[command(subcommand)]
        action: KeysAction,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Read events again that were kept because they could not be read or applied
    Replay {
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        limits: LimitArgs,
        #[command(flatten)]
        supported: SupportedArgs,
    },
    /// Compare every order with what Stripe says, and mend what differs
    ///
    /// Takes in events that never arrived, drives on what is half-done, asks Stripe about every order that may have
    /// moved, and derives every cached status anew. The service does the same by itself over time; this does it at
    /// once, while the service runs or not. A second run finds nothing left to do.
    Reconcile(Box<ReconcileArgs>),
    /// Run the stand-in for Stripe alone
    Sandbox {
        #[command(flatten)]
        sandbox: quittance_sandbox::Config,
        #[command(flatten)]
        log: LogArgs,
    },
}

#[derive(Args)]
pub(crate) struct ReconcileArgs {
    /// How far back: a time (2026-01-31T09:00:00Z) or a span (24h, 3days). Stripe lists events of the last 30 days
    #[arg(long, value_name = "TIME-OR-SPAN", default_value = "3days")]
    pub(crate) since: String,
    /// Change nothing, here or at Stripe; only say what would be
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) stripe: StripeArgs,
    /// Address of the service's built-in stand-in for Stripe, which is asked where STRIPE_SECRET_KEY is not set
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
    /// Make a key and print it alone on standard output; it is shown this once
    Create {
        /// What the key is called in lists
        name: String,
    },
    /// List the keys there are
    List,
    /// Revoke a key: it stops working within seconds
    Revoke {
        /// The key's id, key_…
        id: String,
    },
}

#[derive(Args, Clone)]
pub(crate) struct DatabaseArgs {
    /// Where the data is: sqlite://PATH or postgres://…
    #[arg(
        long,
        global = true,
        env = "DATABASE_URL",
        value_name = "URL",
        default_value = "sqlite://quittance.db",
        hide_env_values = true
    )]
    pub(crate) database_url: String,
    /// Connections to PostgreSQL at most
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
    /// What to log, as `tracing` filters have it: `info`, `quittance_webhook=debug,info`
    #[arg(
        long = "log",
        env = "QUITTANCE_LOG",
        value_name = "FILTER",
        default_value = "info,actix_server=warn"
    )]
    pub(crate) filter: String,
    /// How to log [default: pretty on a terminal, else json]
    #[arg(long = "log-format", env = "QUITTANCE_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) format: Option<LogFormat>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Pretty,
    /// For programs: one JSON object a line
    Json,
}

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on
    #[arg(long, env = "QUITTANCE_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// URL under which clients reach this service [default: http:// and the address it listens on]
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
    /// Address that the built-in stand-in for Stripe listens on; it runs only without STRIPE_SECRET_KEY
    /// [default: 127.0.0.1:12111]
    #[arg(long, env = "QUITTANCE_SANDBOX_LISTEN", value_name = "ADDRESS")]
    pub(crate) sandbox_listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten, next_help_heading = "Faults on purpose, of the built-in stand-in for Stripe")]
    pub(crate) sandbox_chaos: quittance_sandbox::ChaosConfig,
}

#[derive(Args, Clone)]
#[command(next_help_heading = "Stripe")]
#[allow(clippy::struct_field_names, reason = "a flag is called as its field")]
pub(crate) struct StripeArgs {
    /// Secret key: sk_test_…, sk_live_…, or a restricted rk_…
    #[arg(long, env = "STRIPE_SECRET_KEY", value_name = "KEY", hide_env_values = true)]
    pub(crate) stripe_secret_key: Option<SecretString>,
    /// Publishable key that frontends are told: pk_test_… or pk_live_…
    #[arg(long, env = "STRIPE_PUBLISHABLE_KEY", value_name = "KEY")]
    pub(crate) stripe_publishable_key: Option<String>,
    /// Signing secret of the webhook endpoint, whsec_…; several, comma-separated, while one is rolled
    #[arg(
        long,
        env = "STRIPE_WEBHOOK_SECRET",
        value_name = "SECRET",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) stripe_webhook_secret: Vec<SecretString>,
    /// Where Stripe's API is, without /v1
    #[arg(long, env = "STRIPE_API_BASE", value_name = "URL", default_value = "https://api.stripe.com")]
    pub(crate) stripe_api_base: String,
    /// Signing secret of the webhook endpoint that listens to connected accounts, whsec_…; several, comma-separated,
    /// while one is rolled. Without it events of sellers are not taken [default with the sandbox: made by itself]
    #[arg(
        long,
        env = "STRIPE_CONNECT_WEBHOOK_SECRET",
        value_name = "SECRET",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) stripe_connect_webhook_secret: Vec<SecretString>,
    /// The platform's client id of Stripe Connect, ca_…, by which owners of accounts let it in. Without it there is no
    /// OAuth [default with the sandbox: made by itself]
    #[arg(long, env = "STRIPE_CONNECT_CLIENT_ID", value_name = "ID")]
    pub(crate) stripe_connect_client_id: Option<String>,
    /// Where owners of accounts let the platform in [default: https://connect.stripe.com; where STRIPE_API_BASE is plain
    /// http, there]
    #[arg(long, env = "STRIPE_CONNECT_BASE", value_name = "URL")]
    pub(crate) stripe_connect_base: Option<String>,
}

/// Which sellers the platform takes.
#[derive(Args, Clone)]
#[command(next_help_heading = "Sellers")]
pub(crate) struct SupportedArgs {
    /// Countries of sellers, comma-separated: DE,FR. Others are not charged through [default: all]
    #[arg(long, env = "QUITTANCE_SELLER_COUNTRIES", value_name = "COUNTRIES", value_delimiter = ',')]
    pub(crate) seller_countries: Vec<String>,
    /// Default currencies of sellers' accounts, comma-separated: eur,usd. Others are not charged through [default: all]
    #[arg(long, env = "QUITTANCE_SELLER_CURRENCIES", value_name = "CURRENCIES", value_delimiter = ',')]
    pub(crate) seller_currencies: Vec<String>,
}

#[derive(Args)]
#[command(next_help_heading = "Sellers")]
pub(crate) struct SellerArgs {
    #[command(flatten)]
    pub(crate) supported: SupportedArgs,
    /// On whose account the customers of a new seller are charged: direct (the seller's) or destination (the platform's)
    #[arg(
        long,
        env = "QUITTANCE_SELLER_CHARGE_TYPE",
        value_name = "TYPE",
        default_value = "direct",
        value_parser = charge_type
    )]
    pub(crate) seller_charge_type: ChargeType,
    /// What part of each order the platform takes of a new seller, in hundredths of a per cent
    #[arg(
        long,
        env = "QUITTANCE_SELLER_FEE_BASIS_POINTS",
        value_name = "POINTS",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub(crate) seller_fee_basis_points: i64,
    /// What the platform takes of each order on top of that, in the minor unit of the order's currency
    #[arg(
        long,
        env = "QUITTANCE_SELLER_FEE_FIXED",
        value_name = "AMOUNT",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub(crate) seller_fee_fixed: i64,
    /// The least that the platform takes of an order, in the minor unit of its currency
    #[arg(
        long,
        env = "QUITTANCE_SELLER_FEE_MINIMUM",
        value_name = "AMOUNT",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub(crate) seller_fee_minimum: i64,
}

fn charge_type(word: &str) -> Result<ChargeType, &'static str> {
    ChargeType::from_word(word).ok_or("it is direct or destination")
}

#[derive(Args)]
#[command(next_help_heading = "Orders")]
pub(crate) struct OrderArgs {
    /// How long an order may stay unpaid before it is closed and its goods are for sale again: 35m, 2h, 1day
    #[arg(long, env = "QUITTANCE_ORDER_EXPIRY", value_name = "SPAN", default_value = "35m")]
    pub(crate) order_expiry: humantime::Duration,
    /// Origins to which Stripe's pages may send customers back, comma-separated [default: QUITTANCE_CORS_ORIGINS;
    /// with the sandbox, every loopback address too]
    #[arg(long, env = "QUITTANCE_RETURN_ORIGINS", value_name = "ORIGINS", value_delimiter = ',')]
    pub(crate) return_origins: Vec<String>,
    /// How often Stripe's list of events is read for what never arrived
    #[arg(long, env = "QUITTANCE_EVENT_WALK_PERIOD", value_name = "SPAN", default_value = "60s")]
    pub(crate) event_walk_period: humantime::Duration,
    /// How long the bytes of Stripe's events are kept, in days (90d) or hours (200h); at least four days
    #[arg(long, env = "QUITTANCE_INBOX_RETENTION", value_name = "TIME", default_value = "90d")]
    pub(crate) inbox_retention: String,
}

#[derive(Args)]
#[command(next_help_heading = "Access")]
pub(crate) struct AccessArgs {
    /// A first secret key for the back office: qsk_ and at least 32 characters more
    #[arg(long, env = "QUITTANCE_SECRET_KEY", value_name = "KEY", hide_env_values = true)]
    pub(crate) secret_key: Option<SecretString>,
    /// Key from which order tokens are derived, at least 32 characters; several, comma-separated, while one is
    /// rolled: the first signs [default with SQLite: made once, in a file beside the database]
    #[arg(
        long,
        env = "QUITTANCE_TOKEN_KEY",
        value_name = "KEY",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) token_key: Vec<SecretString>,
    /// Origins whose pages may call the API, comma-separated: https://shop.example
    #[arg(long, env = "QUITTANCE_CORS_ORIGINS", value_name = "ORIGINS", value_delimiter = ',')]
    pub(crate) cors_origins: Vec<String>,
    /// Public writes a second and address, with bursts of 50; 0 is no limit. Secret keys are exempt
    #[arg(long, env = "QUITTANCE_RATE_LIMIT", value_name = "PER_SECOND", default_value_t = 10)]
    pub(crate) rate_limit: u32,
    /// Networks of proxies whose X-Forwarded-For is believed, comma-separated: 10.0.0.0/8
    #[arg(long, env = "QUITTANCE_TRUSTED_PROXIES", value_name = "NETWORKS", value_delimiter = ',')]
    pub(crate) trusted_proxies: Vec<String>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Args)]
#[command(next_help_heading = "Events to the shop's own systems")]
pub(crate) struct OutboundArgs {
    /// Networks that events may be sent to though they are private, comma-separated: 10.20.0.0/16
    #[arg(long, env = "QUITTANCE_WEBHOOK_ALLOW_NETWORKS", value_name = "NETWORKS", value_delimiter = ',')]
    pub(crate) webhook_allow_networks: Vec<String>,
    /// How long messages and what came of them are kept, in days (90d) or hours (200h); at least four days
    #[arg(long, env = "QUITTANCE_MESSAGE_RETENTION", value_name = "TIME", default_value = "90d")]
    pub(crate) message_retention: String,
}

#[derive(Args, Clone, Copy)]
pub(crate) struct LimitArgs {
    /// Failed tries at paying after which an order takes no more
    #[arg(long, env = "QUITTANCE_MAX_DECLINES", value_name = "COUNT", default_value_t = 10)]
    pub(crate) max_declines: u16,
    /// Open orders that one address may hold without credentials
    #[arg(long, env = "QUITTANCE_MAX_OPEN_ORDERS", value_name = "COUNT", default_value_t = 20)]
    pub(crate) max_open_orders: u16,
    /// When money under review is given back without a person: never, late (what was asked for and only came too
    /// late), always
    #[arg(
        long,
        env = "QUITTANCE_REVIEW_REFUND",
        value_name = "POLICY",
        default_value = "never",
        value_parser = review_refund
    )]
    pub(crate) review_refund: ReviewRefund,
}

fn review_refund(word: &str) -> Result<ReviewRefund, &'static str> {
    ReviewRefund::from_word(word).ok_or("it is never, late or always")
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
