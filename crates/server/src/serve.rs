//! `quittance serve`: everything wired together, and taken apart in order at the end.
//!
//! Shutdown: readiness goes off, the server answers what it has, the workers finish what they have begun, the batcher
//! commits what is queued, the sandbox stops, and the connections are closed.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::Server;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use quittance_api::{Api, ApiConfig, PublicMode, SecretKeyText};
use quittance_domain::payment::Mode;
use quittance_outbound::{News, OutboundConfig, Sender, SystemLookup, Worker as OutboundWorker};
use quittance_payments::{Payments, Waiting, Worker};
use quittance_persistence::{Cursor, Shelf, Store};
use quittance_sandbox::Sandbox;
use quittance_stripe_gateway::{Stripe, StripeConfig};
use quittance_webhook::{Receiver, ReceiverConfig, Walker, forget_payloads};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::account::{self, AccountCheck, Stored};
use crate::banner::{Banner, SandboxBanner};
use crate::cli::ServeArgs;
use crate::commands::record_of;
use crate::config::{Config, Database, Stripe as StripeChoice};
use crate::connect::{real_stripe, stripe_client};
use crate::error::Error;
use crate::lock::ServeLock;
use crate::signals::stop_signal;
use crate::{demo, logging};

/// How long requests that are being answered may take once a shutdown has begun, in seconds. The longest wait
/// of a status lookup ends early then.
const SHUTDOWN_TIMEOUT_S: u64 = 30;

/// Where frontends load Stripe.js from; Stripe wants it loaded from there only.
const STRIPE_JS_URL: &str = "https://js.stripe.com/v3/";

/// How often measurements are folded into buckets.
const METRICS_UPKEEP_PERIOD: Duration = Duration::from_secs(5);

/// Upper bounds of latencies, in seconds.
const LATENCY_BUCKETS_S: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Upper bounds of batch sizes.
const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

pub(crate) async fn serve(args: ServeArgs) -> Result<(), Error> {
    logging::start(&args.log)?;
    let config = Config::read(args)?;
    let _lock = match &config.database {
        Database::Sqlite(path) => Some(ServeLock::take(path)?),
        Database::Postgres => None,
    };
    let metrics = metrics()?;
    tokio::spawn(keep_up(metrics.clone()));
    let store = Store::open(config.store.clone()).await?;
    store.migrate().await?;
    let listener = listen(&config)?;
    let mut service = Service::start(config, store, metrics, listener).await?;
    print!("{}", service.banner);
    let refused = tokio::select! {
        result = &mut service.server => {
            result.map_err(Error::task)?.map_err(Error::Server)?;
            None
        }
        error = service.account.refused() => Some(error),
        () = stop_signal() => None,
    };
    service.stop().await?;
    refused.map_or(Ok(()), Err)
}

/// What runs, and what it takes to stop it.
struct Service {
    banner: String,
    account: AccountCheck,
    api: Api,
    server: JoinHandle<std::io::Result<()>>,
    server_handle: actix_web::dev::ServerHandle,
    receiver: Receiver,
    /// The worker, the walker of Stripe's events, and what tells the shop's own systems.
    background: JoinSet<()>,
    sandbox: Option<JoinHandle<Result<(), quittance_sandbox::Error>>>,
    stop_background: watch::Sender<bool>,
    stop_sandbox: watch::Sender<bool>,
    store: Store,
}

/// Which Stripe is asked, and what frontends are told of it.
struct Connected {
    stripe: StripeConfig,
    publishable_key: String,
    mode: Option<PublicMode>,
    webhook_secrets: Vec<SecretString>,
    connect_webhook_secrets: Vec<SecretString>,
    sandbox: Option<Sandbox>,
}

impl Service {
    async fn start(
        config: Config,
        store: Store,
        metrics: PrometheusHandle,
        listener: TcpListener,
    ) -> Result<Self, Error> {
        let address = listener.local_addr().map_err(Error::Server)?;
        let url = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let connected = connect(&config)?;
        let stripe = stripe_client(&connected.stripe)?;
        let account = check_account(&connected, &store, &stripe).await?;
        let sandbox_url = connected.sandbox.as_ref().map(Sandbox::url);
        let demo_key = match &sandbox_url {
            Some(_) => Some(prepare_sandbox(&config, &connected, &store, address).await?),
            None => None,
        };
        if let Some(key) = &config.secret_key {
            store.insert_secret_key(record_of("QUITTANCE_SECRET_KEY".to_owned(), key)).await?;
        }
        let banner = banner(&config, &store, &url, sandbox_url.as_deref(), demo_key.as_ref()).await?;

        let stripe_js_url = match &sandbox_url {
            Some(sandbox) => format!("{sandbox}/v3/"),
            None => STRIPE_JS_URL.to_owned(),
        };
        let waiting = Waiting::start(store.clone());
        let mode = connected.mode.unwrap_or_else(|| public_mode(&stripe));
        let payments = Payments::new(store.clone(), stripe.clone(), waiting.clone())
            .with_connect(config.sellers.clone());
        let news = News::default();
        let receiver = receiver(store.clone(), connected.webhook_secrets, waiting, news.clone());
        let outbound = outbound_worker(&config, store.clone(), news)?;
        let api_config = ApiConfig {
            publishable_key: connected.publishable_key,
            mode,
            stripe_js_url,
            token_keys: config.token_keys,
            cors_origins: config.cors_origins,
            return_origins: config.return_origins,
            order_lifetime: config.order_lifetime,
            rate_limit_per_second: config.rate_limit,
            trusted_proxies: config.trusted_proxies,
            webhook_guard: config.outbound.guard,
            connect_webhook_secrets: connected.connect_webhook_secrets,
            sellers_supported: config.store.sellers_supported,
        };
        let api = Api::new(api_config, store.clone(), payments.clone(), receiver.clone(), metrics);

        let (stop_background, background_stopped) = watch::channel(false);
        let mut background = JoinSet::new();
        let walker = Walker::new(store.clone(), stripe, receiver.clone());
        let walking = walker.run(config.event_walk_period, background_stopped.clone());
        background.spawn(account.hold(walking, background_stopped.clone()));
        let forgetting = forget_payloads(store.clone(), config.inbox_retention, background_stopped.clone());
        background.spawn(forgetting);
        background.spawn(outbound.run(background_stopped.clone()));
        let working = Worker::new(payments).run(background_stopped.clone());
        background.spawn(account.hold(working, background_stopped));
        let (stop_sandbox, sandbox_stopped) = watch::channel(false);
        let sandbox = connected.sandbox.map(|sandbox| tokio::spawn(sandbox.run(until(sandbox_stopped))));
        let server = http(api.clone(), listener)?;
        let server_handle = server.handle();
        let server = tokio::spawn(server);
        Ok(Self {
            banner,
            account,
            api,
            server,
            server_handle,
            receiver,
            background,
            sandbox,
            stop_background,
            stop_sandbox,
            store,
        })
    }

    async fn stop(mut self) -> Result<(), Error> {
        tracing::info!("Stopping: requests that are being answered are finished first.");
        self.api.set_ready(false);
        self.server_handle.stop(true).await;
        self.api.drained().await;
        self.account.stop();
        // The walker hands what it finds to the receiver, so it stops first.
        self.stop_background.send_replace(true);
        while let Some(ended) = self.background.join_next().await {
            ended.map_err(Error::task)?;
        }
        self.receiver.close().await;
        self.stop_sandbox.send_replace(true);
        if let Some(sandbox) = self.sandbox {
            sandbox.await.map_err(Error::task)?.map_err(Error::Sandbox)?;
        }
        self.store.close();
        tracing::info!("Stopped.");
        Ok(())
    }
}

/// Whether the API says that money is real.
fn public_mode(stripe: &Stripe) -> PublicMode {
    match stripe.mode() {
        Mode::Live => PublicMode::Live,
        Mode::Test => PublicMode::Test,
    }
}

/// What answers requests. It runs until it is told to stop.
fn http(api: Api, listener: TcpListener) -> Result<Server, Error> {
    let server = HttpServer::new(move || api.app())
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_TIMEOUT_S)
        .listen(listener)
        .map_err(Error::Server)?;
    Ok(server.run())
}

/// Compares the account of our key with the one that the database is of. The sandbox of our own answers nobody yet, and
/// is asked without HTTP.
async fn check_account(connected: &Connected, store: &Store, stripe: &Stripe) -> Result<AccountCheck, Error> {
    match &connected.sandbox {
        Some(sandbox) => {
            let compared = account::check(store, stripe.mode(), sandbox.account(), Stored::Write).await;
            AccountCheck::passed(compared)
        }
        None => AccountCheck::begin(store.clone(), stripe.clone()).await,
    }
}

fn connect(config: &Config) -> Result<Connected, Error> {
    match &config.stripe {
        StripeChoice::Real { secret_key, publishable_key, webhook_secrets, connect, api_base } => {
            if connect.client_id.is_some() && connect.webhook_secrets.is_empty() {
                tracing::warn!(
                    "STRIPE_CONNECT_CLIENT_ID is set without STRIPE_CONNECT_WEBHOOK_SECRET: what happens on sellers' \
                     accounts is learned late, by asking Stripe."
                );
            }
            Ok(Connected {
                stripe: real_stripe(secret_key.clone(), api_base.clone(), connect),
                publishable_key: publishable_key.clone(),
                mode: None,
                webhook_secrets: webhook_secrets.clone(),
                connect_webhook_secrets: connect.webhook_secrets.clone(),
                sandbox: None,
            })
        }
        StripeChoice::Sandbox { listen, webhook_secrets, connect, chaos } => {
            let sandbox = Sandbox::bind(quittance_sandbox::Config {
                listen: *listen,
                state_file: Some(config.database.sandbox_state()),
                chaos: *chaos,
                ..quittance_sandbox::Config::default()
            })
            .map_err(Error::Sandbox)?;
            let or_derived = |given: &[SecretString], purpose| match given {
                [] => vec![derived(config, "whsec_", purpose)],
                given => given.to_vec(),
            };
            Ok(Connected {
                stripe: StripeConfig::new("sk_test_sandbox".to_owned().into(), sandbox.url()),
                publishable_key: "pk_test_sandbox".to_owned(),
                mode: Some(PublicMode::Sandbox),
                webhook_secrets: or_derived(webhook_secrets, "the sandbox's webhook secret"),
                connect_webhook_secrets: or_derived(
                    &connect.webhook_secrets,
                    "the sandbox's webhook secret for connected accounts",
                ),
                sandbox: Some(sandbox),
            })
        }
    }
}

/// Receives events; when some are taken in, those who wait for news of orders and the shop's systems are told.
fn receiver(store: Store, secrets: Vec<SecretString>, waiting: Waiting, news: News) -> Receiver {
    let config = ReceiverConfig { secrets, ..ReceiverConfig::default() };
    Receiver::start(store, config, move || {
        waiting.poke();
        news.tell();
    })
}

fn outbound_worker(config: &Config, store: Store, news: News) -> Result<OutboundWorker, Error> {
    let sender = Sender::new(config.outbound.guard.clone(), SystemLookup).map_err(Error::Sender)?;
    let render = quittance_api::message_renderer(&config.store.sellers_supported);
    let config = OutboundConfig { render, retention: config.outbound.retention };
    Ok(OutboundWorker::new(store, sender, config, news))
}

/// Tells the sandbox where events go, and gives a newcomer a key and something to buy. Returns the key.
async fn prepare_sandbox(
    config: &Config,
    connected: &Connected,
    store: &Store,
    address: std::net::SocketAddr,
) -> Result<SecretKeyText, Error> {
    if let (Some(sandbox), [secret, ..], [connect_secret, ..]) = (
        &connected.sandbox,
        connected.webhook_secrets.as_slice(),
        connected.connect_webhook_secrets.as_slice(),
    ) {
        let endpoint = format!("http://{}:{}/webhooks/stripe", loopback(address), address.port());
        let handle = sandbox.handle();
        handle
            .register_connect_webhook_endpoint(format!("{endpoint}/connect"), connect_secret.expose_secret())
            .and_then(|()| handle.register_webhook_endpoint(endpoint, secret.expose_secret()))
            .map_err(Error::SandboxEndpoint)?;
    }
    let key = SecretKeyText::parse(derived(config, "qsk_", "the sandbox's secret key").expose_secret())
        .expect("what is derived has the form of a key");
    store.insert_secret_key(record_of("sandbox".to_owned(), &key)).await?;
    demo::seed(store).await?;
    Ok(key)
}

/// The address at which this machine reaches a listener, also one that listens on every address.
fn loopback(address: std::net::SocketAddr) -> String {
    match address {
        _ if !address.ip().is_unspecified() && address.is_ipv6() => format!("[{}]", address.ip()),
        _ if !address.ip().is_unspecified() => address.ip().to_string(),
        _ if address.is_ipv6() => "[::1]".to_owned(),
        _ => "127.0.0.1".to_owned(),
    }
}

/// A secret of the sandbox's, the same after a restart, without a file of its own.
fn derived(config: &Config, prefix: &str, purpose: &str) -> SecretString {
    let key = config.token_keys.first().map(ExposeSecret::expose_secret).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(purpose.as_bytes());
    format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())).into()
}

async fn banner(
    config: &Config,
    store: &Store,
    url: &str,
    sandbox_url: Option<&str>,
    demo_key: Option<&SecretKeyText>,
) -> Result<String, Error> {
    let first = Cursor { limit: 1, starting_after: None };
    let product = store.products(Shelf::Active, first).await?.data.into_iter().next();
    let database = match &config.database {
        Database::Sqlite(path) => path.display().to_string(),
        Database::Postgres => "PostgreSQL".to_owned(),
    };
    let sandbox = sandbox_url.zip(demo_key).map(|(url, key)| SandboxBanner {
        url,
        secret_key: key.expose(),
        product: product.as_ref(),
    });
    Ok(Banner { url, database: &database, sandbox }.text())
}

fn listen(config: &Config) -> Result<TcpListener, Error> {
    let failed = |source| Error::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

fn metrics() -> Result<PrometheusHandle, Error> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY_BUCKETS_S)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Suffix("_batch_events".to_owned()), &BATCH_BUCKETS)
        })
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(Error::Metrics)
}

/// Folds what was measured since the last time into buckets, whether or not anybody reads the metrics.
async fn keep_up(metrics: PrometheusHandle) {
    let mut ticks = tokio::time::interval(METRICS_UPKEEP_PERIOD);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone: then it is time to stop, too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
