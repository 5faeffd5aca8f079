//! From settings as they were given to a configuration that can not be wrong. Every refusal names the variable.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use quittance_api::{IpNet, ReturnOrigins, SecretKeyText};
use quittance_outbound::{Guard, Schemes};
use quittance_payments::ConnectSettings;
use quittance_persistence::StoreConfig;
use quittance_sandbox::{ChaosConfig, DEFAULT_LISTEN};
use secrecy::{ExposeSecret, SecretString};

use crate::cli::{AccessArgs, DatabaseArgs, OutboundArgs, ServeArgs, StripeArgs};
use crate::connect::{Connect, SANDBOX_CLIENT_ID, connect_settings, given_secrets, sellers_supported};
use crate::error::Error;
use crate::token_key;

/// The shortest key that is long enough not to be guessed.
const KEY_CHARS_MIN: usize = 32;

/// How long a request waits for a connection to the database before it is answered 503.
const DATABASE_WAIT: Duration = Duration::from_secs(5);

/// How often Stripe's list of events may be read at most.
const EVENT_WALK_PERIOD_MIN: Duration = Duration::from_secs(1);

/// The longest time that an order may stay unpaid.
const ORDER_LIFETIME_MAX: Duration = Duration::from_hours(24 * 365);

/// Everything that serving needs to know.
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Option<String>,
    pub(crate) store: StoreConfig,
    pub(crate) database: Database,
    pub(crate) stripe: Stripe,
    pub(crate) token_keys: Vec<SecretString>,
    pub(crate) secret_key: Option<SecretKeyText>,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) return_origins: ReturnOrigins,
    pub(crate) order_lifetime: Duration,
    pub(crate) event_walk_period: Duration,
    pub(crate) inbox_retention: chrono::Duration,
    pub(crate) rate_limit: u32,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) outbound: Outbound,
    pub(crate) sellers: ConnectSettings,
}

/// How events are sent to the shop's own systems.
pub(crate) struct Outbound {
    pub(crate) guard: Guard,
    pub(crate) retention: chrono::Duration,
}

/// Where the data is, as far as files beside it are concerned.
pub(crate) enum Database {
    Sqlite(PathBuf),
    Postgres,
}

/// Which Stripe is asked.
pub(crate) enum Stripe {
    /// The built-in stand-in.
    Sandbox { listen: SocketAddr, webhook_secrets: Vec<SecretString>, connect: Connect, chaos: ChaosConfig },
    /// Stripe itself, or whatever answers at `api_base`.
    Real {
        secret_key: SecretString,
        publishable_key: String,
        webhook_secrets: Vec<SecretString>,
        connect: Connect,
        api_base: String,
    },
}

impl Config {
    pub(crate) fn read(args: ServeArgs) -> Result<Self, Error> {
        let ServeArgs {
            listen,
            public_url,
            database,
            stripe,
            access,
            orders,
            sellers,
            outbound,
            sandbox_listen,
            log: _,
            sandbox_chaos,
        } = args;
        let place = Database::read(&database)?;
        let cors_origins = cors_origins(access.cors_origins.clone())?;
        let stripe = Stripe::read(stripe, sandbox_listen, sandbox_chaos)?;
        let return_origins = return_origins(orders.return_origins, &cors_origins, &stripe)?;
        Ok(Self {
            outbound: Outbound::read(&outbound, &stripe)?,
            sellers: connect_settings(&sellers, &stripe)?,
            stripe,
            token_keys: token_keys(&access, &place)?,
            listen,
            public_url: public_url.as_deref().map(check_public_url).transpose()?,
            store: StoreConfig {
                url: database.database_url,
                limits: access.limits.into(),
                sellers_supported: sellers_supported(&sellers.supported)?,
                connections: usize::from(database.database_connections).max(1),
                wait: DATABASE_WAIT,
            },
            database: place,
            secret_key: secret_key(&access)?,
            return_origins,
            cors_origins,
            order_lifetime: order_lifetime(*orders.order_expiry)?,
            inbox_retention: retention("QUITTANCE_INBOX_RETENTION", &orders.inbox_retention)?,
            event_walk_period: (*orders.event_walk_period).max(EVENT_WALK_PERIOD_MIN),
            rate_limit: access.rate_limit,
            trusted_proxies: networks("QUITTANCE_TRUSTED_PROXIES", &access.trusted_proxies)?,
        })
    }
}

impl Database {
    fn read(args: &DatabaseArgs) -> Result<Self, Error> {
        match args.database_url.split_once("://") {
            Some(("sqlite", path)) if !path.is_empty() && path != ":memory:" => Ok(Self::Sqlite(path.into())),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres),
            _ => Err(Error::setting("DATABASE_URL", "must be sqlite://PATH or postgres://…")),
        }
    }

    /// Where the sandbox keeps its state: beside the database, or in the working directory.
    pub(crate) fn sandbox_state(&self) -> PathBuf {
        match self {
            Self::Sqlite(path) => path.with_extension("sandbox.db"),
            Self::Postgres => "quittance.sandbox.db".into(),
        }
    }
}

impl Outbound {
    fn read(args: &OutboundArgs, stripe: &Stripe) -> Result<Self, Error> {
        let allowed = networks("QUITTANCE_WEBHOOK_ALLOW_NETWORKS", &args.webhook_allow_networks)?;
        let guard = match stripe {
            Stripe::Sandbox { .. } => Guard::for_sandbox(allowed),
            Stripe::Real { .. } => Guard::new(Schemes::HttpsOnly, allowed),
        };
        Ok(Self { guard, retention: retention("QUITTANCE_MESSAGE_RETENTION", &args.message_retention)? })
    }
}

/// Longer than a message is tried, and than Stripe repeats an event by itself.
const RETENTION_MIN: chrono::Duration = chrono::Duration::days(4);

fn retention(setting: &'static str, text: &str) -> Result<chrono::Duration, Error> {
    let parsed = match (text.strip_suffix('d'), text.strip_suffix('h')) {
        (Some(days), _) => days.parse().ok().and_then(chrono::Duration::try_days),
        (_, Some(hours)) => hours.parse().ok().and_then(chrono::Duration::try_hours),
        _ => None,
    };
    // Nothing was ever kept for a hundred years.
    let longest = chrono::Duration::days(36_500);
    parsed.filter(|time| (RETENTION_MIN..=longest).contains(time)).ok_or_else(|| {
        let problem = "must be a time of at least four days, in days or hours: 90d, 200h";
        Error::setting(setting, problem)
    })
}

impl Stripe {
    pub(crate) fn read(
        args: StripeArgs,
        listen: Option<SocketAddr>,
        chaos: ChaosConfig,
    ) -> Result<Self, Error> {
        let connect = Connect::read(&args)?;
        let webhook_secrets = given_secrets(&args.stripe_webhook_secret);
        let Some(secret_key) = args.stripe_secret_key.filter(|key| !key.expose_secret().is_empty()) else {
            if args.stripe_publishable_key.is_some_and(|key| !key.is_empty()) {
                return Err(Error::setting(
                    "STRIPE_PUBLISHABLE_KEY",
                    "is set without STRIPE_SECRET_KEY: set both, or none to use the built-in sandbox",
                ));
            }
            let listen = listen.unwrap_or(DEFAULT_LISTEN);
            let client_id = connect.client_id.or_else(|| Some(SANDBOX_CLIENT_ID.to_owned()));
            return Ok(Self::Sandbox {
                listen,
                webhook_secrets,
                connect: Connect { client_id, ..connect },
                chaos,
            });
        };
        let live = check_stripe_key(secret_key.expose_secret())?;
        if webhook_secrets.is_empty() {
            return Err(Error::setting(
                "STRIPE_WEBHOOK_SECRET",
                "is not set: without it no event of Stripe's can be believed. `stripe listen` prints one for a \
                 laptop, the Dashboard shows one for each endpoint",
            ));
        }
        let of_the_sandbox = [
            ("QUITTANCE_SANDBOX_LISTEN", listen.is_some()),
            ("QUITTANCE_SANDBOX_CHAOS_API_PERCENT", chaos.api_percent > 0),
            ("QUITTANCE_SANDBOX_CHAOS_DELIVERY_PERCENT", chaos.delivery_percent > 0),
        ];
        if let Some((variable, _)) = of_the_sandbox.into_iter().find(|(_, is_set)| *is_set) {
            let problem =
                "is set together with STRIPE_SECRET_KEY: with a key of Stripe's there is no sandbox";
            return Err(Error::setting(variable, problem));
        }
        let publishable_key = check_publishable_key(args.stripe_publishable_key, live)?;
        check_base("STRIPE_API_BASE", &args.stripe_api_base)?;
        Ok(Self::Real {
            secret_key,
            publishable_key,
            webhook_secrets,
            connect,
            api_base: args.stripe_api_base,
        })
    }

    /// How the accounts of sellers are connected.
    pub(crate) fn connect(&self) -> &Connect {
        match self {
            Self::Sandbox { connect, .. } | Self::Real { connect, .. } => connect,
        }
    }
}

/// Whether the key is for real money.
fn check_stripe_key(key: &str) -> Result<bool, Error> {
    match key.split('_').collect::<Vec<_>>().as_slice() {
        ["sk" | "rk", "live", rest, ..] if !rest.is_empty() => Ok(true),
        ["sk" | "rk", "test", rest, ..] if !rest.is_empty() => Ok(false),
        _ => Err(Error::setting(
            "STRIPE_SECRET_KEY",
            "must begin with sk_test_, sk_live_, rk_test_ or rk_live_",
        )),
    }
}

fn check_publishable_key(key: Option<String>, live: bool) -> Result<String, Error> {
    let prefix = if live { "pk_live_" } else { "pk_test_" };
    key.filter(|key| key.starts_with(prefix)).ok_or_else(|| {
        let problem = format!("must be the key that belongs to STRIPE_SECRET_KEY: it begins with {prefix}");
        Error::setting("STRIPE_PUBLISHABLE_KEY", problem)
    })
}

/// A key of Stripe's never travels in the clear to another machine.
pub(crate) fn check_base(variable: &'static str, base: &str) -> Result<(), Error> {
    let problem = "must be an https URL without a path; http is for a loopback address only";
    let refused = || Err(Error::setting(variable, problem));
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

fn check_public_url(url: &str) -> Result<String, Error> {
    if url.starts_with("https://") || url.starts_with("http://") {
        Ok(url.trim_end_matches('/').to_owned())
    } else {
        Err(Error::setting("QUITTANCE_PUBLIC_URL", "must be an http or https URL"))
    }
}

fn secret_key(access: &AccessArgs) -> Result<Option<SecretKeyText>, Error> {
    let Some(key) = access.secret_key.as_ref().filter(|key| !key.expose_secret().is_empty()) else {
        return Ok(None);
    };
    SecretKeyText::parse(key.expose_secret()).map(Some).map_err(|error| {
        let problem = format!("is not a key: {error}; `quittance keys create NAME` makes one");
        Error::setting("QUITTANCE_SECRET_KEY", problem)
    })
}

/// Origins as browsers write them: scheme, host and port, without a path.
fn cors_origins(origins: Vec<String>) -> Result<Vec<String>, Error> {
    let origins: Vec<_> = origins.into_iter().filter(|origin| !origin.is_empty()).collect();
    for origin in &origins {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['/', '*', ' '])) {
            let problem =
                format!("holds {origin:?}, which is no origin; one looks like https://shop.example");
            return Err(Error::setting("QUITTANCE_CORS_ORIGINS", problem));
        }
    }
    Ok(origins)
}

/// Where Stripe's pages may send customers back to: whoever may call us, if nothing else is said.
fn return_origins(given: Vec<String>, cors: &[String], stripe: &Stripe) -> Result<ReturnOrigins, Error> {
    let given: Vec<_> = given.into_iter().filter(|origin| !origin.is_empty()).collect();
    let (variable, texts) = match given.as_slice() {
        [] => ("QUITTANCE_CORS_ORIGINS", cors),
        given => ("QUITTANCE_RETURN_ORIGINS", given),
    };
    let origins = ReturnOrigins::new(texts)
        .map_err(|error| Error::setting(variable, format!("is refused: {error}")))?;
    Ok(match stripe {
        Stripe::Sandbox { .. } => origins.and_loopback(),
        Stripe::Real { .. } => origins,
    })
}

fn order_lifetime(span: Duration) -> Result<Duration, Error> {
    if (Duration::from_mins(1)..=ORDER_LIFETIME_MAX).contains(&span) {
        Ok(span)
    } else {
        Err(Error::setting("QUITTANCE_ORDER_EXPIRY", "must be at least a minute and at most a year"))
    }
}

fn networks(variable: &'static str, texts: &[String]) -> Result<Vec<IpNet>, Error> {
    let parse = |text: &String| {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| {
            let problem = format!("holds {text:?}, which is no network; one looks like 10.0.0.0/8");
            Error::setting(variable, problem)
        })
    };
    texts.iter().filter(|text| !text.is_empty()).map(parse).collect()
}

fn token_keys(access: &AccessArgs, place: &Database) -> Result<Vec<SecretString>, Error> {
    let keys = &access.token_key;
    if keys.iter().any(|key| key.expose_secret().len() < KEY_CHARS_MIN) {
        let problem = format!("must have at least {KEY_CHARS_MIN} characters that nobody can guess");
        return Err(Error::setting("QUITTANCE_TOKEN_KEY", problem));
    }
    match (keys.is_empty(), place) {
        (false, _) => Ok(keys.clone()),
        (true, Database::Sqlite(path)) => Ok(vec![token_key::beside(path)?]),
        (true, Database::Postgres) => Err(Error::setting(
            "QUITTANCE_TOKEN_KEY",
            "is not set: with PostgreSQL the replicas share it. `openssl rand -base64 48` makes one",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use crate::connect::real_stripe;
    use clap::Parser;
    use quittance_domain::seller::{ChargeType, FeeTerms, Supported};

    fn read(flags: &[&str]) -> Result<Config, String> {
        let directory = tempfile::tempdir().unwrap();
        let database = format!("--database-url=sqlite://{}/q.db", directory.path().display());
        let mut all = vec!["quittance"];
        if !flags.iter().any(|flag| flag.starts_with("--database-url")) {
            all.push(&database);
        }
        all.extend(flags);
        Config::read(*Cli::try_parse_from(all).unwrap().serve).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_wrong_is_refused_by_the_name_of_its_variable() {
        let real = ["--stripe-secret-key=sk_test_1", "--stripe-publishable-key=pk_test_1"];
        let with = |more: &[&'static str]| [&real[..], &["--stripe-webhook-secret=whsec_1"], more].concat();
        let cases: &[(Vec<&str>, &str)] = &[
            (real.to_vec(), "STRIPE_WEBHOOK_SECRET"),
            (vec!["--stripe-secret-key=sk_live_1"], "STRIPE_WEBHOOK_SECRET"),
            (vec!["--stripe-secret-key=pk_test_1"], "STRIPE_SECRET_KEY"),
            (vec!["--stripe-publishable-key=pk_test_1"], "STRIPE_PUBLISHABLE_KEY"),
            (
                vec![
                    "--stripe-secret-key=sk_live_1",
                    "--stripe-webhook-secret=w",
                    "--stripe-publishable-key=pk_test_1",
                ],
                "STRIPE_PUBLISHABLE_KEY",
            ),
            (with(&["--sandbox-listen=127.0.0.1:1"]), "QUITTANCE_SANDBOX_LISTEN"),
            (with(&["--chaos-api-percent=1"]), "QUITTANCE_SANDBOX_CHAOS_API_PERCENT"),
            (with(&["--chaos-delivery-percent=1"]), "QUITTANCE_SANDBOX_CHAOS_DELIVERY_PERCENT"),
            (with(&["--stripe-api-base=http://stripe.example"]), "STRIPE_API_BASE"),
            (with(&["--stripe-api-base=https://api.stripe.com/v1"]), "STRIPE_API_BASE"),
            (with(&["--stripe-api-base=http://127.0.0.1.example:80"]), "STRIPE_API_BASE"),
            (with(&["--stripe-connect-base=http://stripe.example"]), "STRIPE_CONNECT_BASE"),
            (with(&["--stripe-connect-base=connect.stripe.com"]), "STRIPE_CONNECT_BASE"),
            (with(&["--stripe-connect-client-id=acct_1"]), "STRIPE_CONNECT_CLIENT_ID"),
            (vec!["--stripe-connect-client-id=ca_"], "STRIPE_CONNECT_CLIENT_ID"),
            (vec!["--stripe-connect-client-id=ca_a b"], "STRIPE_CONNECT_CLIENT_ID"),
            (vec!["--seller-countries=DE,de"], "QUITTANCE_SELLER_COUNTRIES"),
            (vec!["--seller-countries=DEU"], "QUITTANCE_SELLER_COUNTRIES"),
            (vec!["--seller-currencies=EUR"], "QUITTANCE_SELLER_CURRENCIES"),
            (vec!["--seller-currencies=eur,xxx"], "QUITTANCE_SELLER_CURRENCIES"),
            (vec!["--seller-fee-basis-points=10001"], "QUITTANCE_SELLER_FEE_BASIS_POINTS"),
            (vec!["--seller-fee-basis-points=-1"], "QUITTANCE_SELLER_FEE_BASIS_POINTS"),
            (vec!["--seller-fee-basis-points=65546"], "QUITTANCE_SELLER_FEE_BASIS_POINTS"),
            (vec!["--seller-fee-fixed=-1"], "QUITTANCE_SELLER_FEE_FIXED"),
            (vec!["--seller-fee-minimum=-1"], "QUITTANCE_SELLER_FEE_MINIMUM"),
            (vec!["--database-url=mysql://x"], "DATABASE_URL"),
            (vec!["--database-url=sqlite://:memory:"], "DATABASE_URL"),
            (vec!["--database-url=postgres://x"], "QUITTANCE_TOKEN_KEY"),
            (vec!["--token-key=short"], "QUITTANCE_TOKEN_KEY"),
            (vec!["--secret-key=qsk_short"], "QUITTANCE_SECRET_KEY"),
            (vec!["--public-url=shop.example"], "QUITTANCE_PUBLIC_URL"),
            (vec!["--cors-origins=https://shop.example/"], "QUITTANCE_CORS_ORIGINS"),
            (vec!["--cors-origins=*"], "QUITTANCE_CORS_ORIGINS"),
            (vec!["--trusted-proxies=proxy"], "QUITTANCE_TRUSTED_PROXIES"),
            (vec!["--return-origins=shop.example"], "QUITTANCE_RETURN_ORIGINS"),
            (vec!["--order-expiry=10s"], "QUITTANCE_ORDER_EXPIRY"),
            (vec!["--webhook-allow-networks=10.0.0.0/33"], "QUITTANCE_WEBHOOK_ALLOW_NETWORKS"),
            (vec!["--inbox-retention=90"], "QUITTANCE_INBOX_RETENTION"),
            (vec!["--message-retention=90"], "QUITTANCE_MESSAGE_RETENTION"),
            (vec!["--message-retention=3d"], "QUITTANCE_MESSAGE_RETENTION"),
            (vec!["--message-retention=99999999999999d"], "QUITTANCE_MESSAGE_RETENTION"),
        ];
        for (flags, variable) in cases {
            let message = read(flags).err().unwrap_or_default();
            assert!(message.starts_with(variable), "{flags:?}: {message}");
        }
    }

    #[test]
    fn nothing_set_is_the_sandbox_and_a_key_is_stripe() {
        let calm = ChaosConfig::default();
        assert!(matches!(read(&[]).unwrap().stripe, Stripe::Sandbox { chaos, .. } if chaos == calm));
        let faults = ["--chaos-seed=7", "--chaos-api-percent=20", "--chaos-delivery-percent=30"];
        let expected = ChaosConfig { seed: 7, api_percent: 20, delivery_percent: 30 };
        assert!(matches!(read(&faults).unwrap().stripe, Stripe::Sandbox { chaos, .. } if chaos == expected));
        let flags = [
            "--stripe-secret-key=sk_test_1",
            "--stripe-publishable-key=pk_test_1",
            "--stripe-webhook-secret=whsec_1,whsec_2",
            "--stripe-api-base=http://[::1]:12111",
        ];
        let Stripe::Real { webhook_secrets, .. } = read(&flags).unwrap().stripe else {
            panic!("a key means Stripe");
        };
        assert_eq!(webhook_secrets.len(), 2);
    }

    #[test]
    fn sellers_are_connected_as_is_said() {
        let sandbox = read(&[]).unwrap();
        assert_eq!(sandbox.sellers.client_id.as_deref(), Some(SANDBOX_CLIENT_ID));
        assert_eq!(sandbox.sellers.charge_type, ChargeType::Direct);
        assert_eq!(sandbox.sellers.fee, FeeTerms::default());
        assert_eq!(sandbox.store.sellers_supported, Supported::default());
        let real = [
            "--stripe-secret-key=sk_test_1",
            "--stripe-publishable-key=pk_test_1",
            "--stripe-webhook-secret=whsec_1",
        ];
        let without = read(&real).unwrap();
        assert_eq!(without.sellers.client_id, None);
        assert!(without.stripe.connect().webhook_secrets.is_empty());
        let more = [
            "--stripe-connect-client-id=ca_Test1",
            "--stripe-connect-base=http://localhost:12111",
            "--stripe-connect-webhook-secret=whsec_1,,whsec_2",
            "--seller-countries=DE,FR",
            "--seller-currencies=eur",
            "--seller-charge-type=destination",
            "--seller-fee-basis-points=250",
            "--seller-fee-fixed=30",
            "--seller-fee-minimum=100",
        ];
        let with = read(&[&real[..], &more].concat()).unwrap();
        assert_eq!(with.sellers.client_id.as_deref(), Some("ca_Test1"));
        assert_eq!(with.sellers.charge_type, ChargeType::Destination);
        assert_eq!(with.sellers.fee, FeeTerms::new(250, 30, 100).unwrap());
        assert_eq!(with.stripe.connect().webhook_secrets.len(), 2);
        let Stripe::Real { secret_key, api_base, connect, .. } = with.stripe else {
            panic!("a key means Stripe");
        };
        assert_eq!(real_stripe(secret_key, api_base, &connect).connect_base, "http://localhost:12111");
        let supported = with.store.sellers_supported;
        assert_eq!(supported.countries, ["DE", "FR"].map(str::to_owned).into());
        assert_eq!(supported.currencies, ["eur".to_owned()].into());
    }

    #[test]
    fn messages_reach_this_machine_in_the_sandbox_only() {
        let sandbox = read(&["--message-retention=200h"]).unwrap().outbound;
        assert_eq!(sandbox.retention, chrono::Duration::hours(200));
        assert!(sandbox.guard.check_url("http://127.0.0.1:9/hooks").is_ok());
        let flags = [
            "--stripe-secret-key=sk_test_1",
            "--stripe-publishable-key=pk_test_1",
            "--stripe-webhook-secret=whsec_1",
            "--webhook-allow-networks=10.20.0.0/16",
        ];
        let real = read(&flags).unwrap().outbound;
        assert_eq!(real.retention, chrono::Duration::days(90));
        for (url, may) in [
            ("https://shop.example/hooks", true),
            ("http://shop.example/hooks", false),
            ("https://127.0.0.1/hooks", false),
            ("https://10.20.0.1/hooks", true),
            ("https://10.21.0.1/hooks", false),
        ] {
            assert_eq!(real.guard.check_url(url).is_ok(), may, "{url}");
        }
    }

    #[test]
    fn the_token_key_is_made_once_and_kept_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("q.db");
        let first = token_key::beside(&database).unwrap();
        let again = token_key::beside(&database).unwrap();
        assert_eq!(first.expose_secret(), again.expose_secret());
        let mode = std::fs::metadata(directory.path().join("q.db.token-key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
