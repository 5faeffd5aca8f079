//! Parses the command line into a valid configuration. Every error names the variable to change.

mod access;
mod database;
mod outbound;
mod retention;
mod sellers;
mod stripe;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use quittance_api::{IpNet, ReturnOrigins, SecretKeyText};
use quittance_payments::ConnectSettings;
use quittance_persistence::StoreConfig;
use secrecy::SecretString;

pub(crate) use database::Database;
pub(crate) use sellers::sellers_supported;
pub(crate) use stripe::{StripeBackend, client_config, stripe_client};

use crate::cli::ServeArgs;
use crate::error::Error;
use outbound::Outbound;
use retention::retention;

/// The longest time that a request waits for a database connection before it fails with 503.
const DATABASE_WAIT: Duration = Duration::from_secs(5);

/// The shortest time between two event backfills.
const EVENT_BACKFILL_PERIOD_MIN: Duration = Duration::from_secs(1);

/// The longest time that an order may stay unpaid.
const ORDER_LIFETIME_MAX: Duration = Duration::from_hours(24 * 365);

/// The configuration of `quittance serve`.
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Option<String>,
    pub(crate) store: StoreConfig,
    pub(crate) database: Database,
    pub(crate) stripe: StripeBackend,
    pub(crate) token_keys: Vec<SecretString>,
    pub(crate) secret_key: Option<SecretKeyText>,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) return_origins: ReturnOrigins,
    pub(crate) order_lifetime: Duration,
    pub(crate) event_backfill_period: Duration,
    pub(crate) inbox_retention: chrono::Duration,
    pub(crate) rate_limit: u32,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) outbound: Outbound,
    pub(crate) sellers: ConnectSettings,
}

impl Config {
    pub(crate) fn from_args(args: ServeArgs) -> Result<Self, Error> {
        let database = Database::from_args(&args.database)?;
        let ServeArgs { access, orders, sellers, .. } = args;
        let cors_origins = access::cors_origins(access.cors_origins.clone())?;
        let stripe = StripeBackend::from_args(args.stripe, args.sandbox_listen, args.sandbox_chaos)?;
        let return_origins = access::return_origins(orders.return_origins, &cors_origins, &stripe)?;
        Ok(Self {
            outbound: Outbound::from_args(&args.outbound, &stripe)?,
            sellers: sellers::connect_settings(&sellers, &stripe)?,
            stripe,
            token_keys: access::token_keys(&access, &database)?,
            listen: args.listen,
            public_url: args.public_url.as_deref().map(access::public_url).transpose()?,
            store: StoreConfig {
                url: args.database.database_url,
                limits: access.limits.into(),
                sellers_supported: sellers_supported(&sellers.supported)?,
                connections: usize::from(args.database.database_connections).max(1),
                wait: DATABASE_WAIT,
            },
            database,
            secret_key: access::secret_key(&access)?,
            return_origins,
            cors_origins,
            order_lifetime: order_lifetime(*orders.order_expiry)?,
            inbox_retention: retention("QUITTANCE_INBOX_RETENTION", &orders.inbox_retention)?,
            event_backfill_period: (*orders.event_backfill_period).max(EVENT_BACKFILL_PERIOD_MIN),
            rate_limit: access.rate_limit,
            trusted_proxies: access::networks("QUITTANCE_TRUSTED_PROXIES", &access.trusted_proxies)?,
        })
    }
}

fn order_lifetime(lifetime: Duration) -> Result<Duration, Error> {
    if (Duration::from_mins(1)..=ORDER_LIFETIME_MAX).contains(&lifetime) {
        Ok(lifetime)
    } else {
        Err(Error::setting("QUITTANCE_ORDER_EXPIRY", "must be between one minute and one year"))
    }
}
