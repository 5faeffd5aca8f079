//! `quittance serve`: starts the service, and stops it in order.
//!
//! Shutdown: `/readyz` turns to 503, and the server finishes requests in progress. Then background workers finish
//! started work, and the batcher commits queued events. Finally, the sandbox stops and database connections close.

mod connection;
mod derived_secret;
mod metrics;
mod sandbox;

use std::net::TcpListener;

use actix_web::HttpServer;
use actix_web::dev::{Server, ServerHandle};
use metrics_exporter_prometheus::PrometheusHandle;
use quittance_api::{Api, ApiConfig, SecretKeyText};
use quittance_outbound::{OutboundConfig, Sender, SystemResolver, Wakeup, Worker as OutboundWorker};
use quittance_payments::{OutcomeWaiters, Payments, Worker};
use quittance_persistence::{Cursor, ProductVisibility, Store};
use quittance_stripe_gateway::Stripe;
use quittance_webhook::{EventBackfiller, Receiver, ReceiverConfig, clear_event_payloads};
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::account::{self, AccountCheck, AccountRecord};
use crate::banner::{Banner, SandboxBanner};
use crate::cli::ServeArgs;
use crate::commands::secret_key_record;
use crate::config::{Config, Database};
use crate::error::Error;
use crate::lock::ServeLock;
use crate::logging;
use crate::signals::stop_signal;
use connection::Connection;

/// The longest time, in seconds, that requests in progress may take after a shutdown begins. Status lookups with
/// `?wait=` end early.
const SHUTDOWN_TIMEOUT_S: u64 = 30;

pub(crate) async fn serve(args: ServeArgs) -> Result<(), Error> {
    logging::init(&args.log)?;
    let config = Config::from_args(args)?;
    let _lock = match &config.database {
        Database::Sqlite(path) => Some(ServeLock::acquire(path)?),
        Database::Postgres => None,
    };
    let metrics = metrics::install()?;
    let store = Store::open(config.store.clone()).await?;
    store.migrate().await?;
    let listener = listen(&config)?;
    let mut service = Service::start(config, store, metrics, listener).await?;
    print!("{}", service.banner);
    let mismatch = tokio::select! {
        result = &mut service.server => {
            result.map_err(Error::task)?.map_err(Error::Server)?;
            None
        }
        error = service.account.mismatch() => Some(error),
        () = stop_signal() => None,
    };
    service.stop().await?;
    mismatch.map_or(Ok(()), Err)
}

/// The running service, and the handles that stop it.
struct Service {
    banner: String,
    account: AccountCheck,
    api: Api,
    server: JoinHandle<std::io::Result<()>>,
    server_handle: ServerHandle,
    receiver: Receiver,
    background: Background,
    sandbox: Option<JoinHandle<Result<(), quittance_sandbox::Error>>>,
    stop_sandbox: watch::Sender<bool>,
    store: Store,
}

impl Service {
    async fn start(
        config: Config,
        store: Store,
        metrics: PrometheusHandle,
        listener: TcpListener,
    ) -> Result<Self, Error> {
        let address = listener.local_addr().map_err(Error::Server)?;
        let connection = Connection::open(&config)?;
        let account = check_account(&connection, &store).await?;
        let demo_key = match &connection.sandbox {
            Some(sandbox) => Some(sandbox::prepare(&config, &connection, sandbox, &store, address).await?),
            None => None,
        };
        if let Some(key) = &config.secret_key {
            store.insert_secret_key(secret_key_record("QUITTANCE_SECRET_KEY".to_owned(), key)).await?;
        }
        let url = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let banner = banner(&config, &store, &url, &connection, demo_key.as_ref()).await?;

        let waiters = OutcomeWaiters::start(store.clone());
        let payments = Payments::new(store.clone(), connection.stripe.clone(), waiters.clone())
            .with_connect(config.sellers.clone());
        let wakeup = Wakeup::default();
        let receiver = receiver(store.clone(), connection.webhook_secrets.clone(), waiters, wakeup.clone());
        let jobs = Jobs {
            backfill: EventBackfiller::new(store.clone(), connection.stripe.clone(), receiver.clone()),
            payments: Worker::new(payments.clone()),
            outbound: outbound_worker(&config, store.clone(), wakeup)?,
        };
        let background = Background::start(jobs, &config, &store, &account);
        let api_config = api_config(config, &connection);
        let api = Api::new(api_config, store.clone(), payments, receiver.clone(), metrics);
        let (stop_sandbox, sandbox_stopped) = watch::channel(false);
        let sandbox = connection.sandbox.map(|sandbox| tokio::spawn(sandbox.run(stopped(sandbox_stopped))));
        let server = http_server(api.clone(), listener)?;
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
            stop_sandbox,
            store,
        })
    }

    async fn stop(self) -> Result<(), Error> {
        tracing::info!("stopping after requests in progress are finished");
        self.api.set_ready(false);
        self.server_handle.stop(true).await;
        self.api.drained().await;
        self.account.stop();
        // The event backfill sends events to the receiver, so it stops first.
        self.background.stop().await?;
        self.receiver.close().await;
        self.stop_sandbox.send_replace(true);
        if let Some(sandbox) = self.sandbox {
            sandbox.await.map_err(Error::task)?.map_err(Error::Sandbox)?;
        }
        self.store.close();
        tracing::info!("stopped");
        Ok(())
    }
}

/// The workers that [`Background`] runs.
struct Jobs {
    backfill: EventBackfiller,
    payments: Worker,
    outbound: OutboundWorker,
}

/// The running background workers.
struct Background {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Background {
    /// Starts the workers. Workers that call Stripe wait until `account` confirms that the key is the right one.
    fn start(jobs: Jobs, config: &Config, store: &Store, account: &AccountCheck) -> Self {
        let (stop, is_stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let backfill = jobs.backfill.run(config.event_backfill_period, is_stopped.clone());
        tasks.spawn(account.delay(backfill, is_stopped.clone()));
        tasks.spawn(clear_event_payloads(store.clone(), config.inbox_retention, is_stopped.clone()));
        tasks.spawn(jobs.outbound.run(is_stopped.clone()));
        let payments = jobs.payments.run(is_stopped.clone());
        tasks.spawn(account.delay(payments, is_stopped));
        Self { tasks, stop }
    }

    /// Waits until every worker has finished its started work.
    async fn stop(mut self) -> Result<(), Error> {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(Error::task)?;
        }
        Ok(())
    }
}

fn api_config(config: Config, connection: &Connection) -> ApiConfig {
    ApiConfig {
        publishable_key: connection.publishable_key.clone(),
        mode: connection.mode,
        stripe_js_url: connection.stripe_js_url(),
        token_keys: config.token_keys,
        cors_origins: config.cors_origins,
        return_origins: config.return_origins,
        order_lifetime: config.order_lifetime,
        rate_limit_per_second: config.rate_limit,
        trusted_proxies: config.trusted_proxies,
        webhook_guard: config.outbound.guard,
        connect_webhook_secrets: connection.connect_webhook_secrets.clone(),
        sellers_supported: config.store.sellers_supported,
    }
}

fn http_server(api: Api, listener: TcpListener) -> Result<Server, Error> {
    let server = HttpServer::new(move || api.app())
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_TIMEOUT_S)
        .listen(listener)
        .map_err(Error::Server)?;
    Ok(server.run())
}

/// Compares the key's account with the database's account. The sandbox doesn't serve HTTP yet, so its account is read
/// directly.
async fn check_account(connection: &Connection, store: &Store) -> Result<AccountCheck, Error> {
    let stripe: &Stripe = &connection.stripe;
    match &connection.sandbox {
        Some(sandbox) => {
            let record = AccountRecord::ReadOrInsert;
            AccountCheck::completed(account::check(store, stripe.mode(), sandbox.account(), record).await)
        }
        None => AccountCheck::start(store.clone(), stripe.clone()).await,
    }
}

/// Starts the event receiver. After each commit, it wakes waiting clients and the outbound worker.
fn receiver(store: Store, secrets: Vec<SecretString>, waiters: OutcomeWaiters, wakeup: Wakeup) -> Receiver {
    let config = ReceiverConfig { secrets, ..ReceiverConfig::default() };
    Receiver::start(store, config, move || {
        waiters.notify();
        wakeup.notify();
    })
}

fn outbound_worker(config: &Config, store: Store, wakeup: Wakeup) -> Result<OutboundWorker, Error> {
    let sender = Sender::new(config.outbound.guard.clone(), SystemResolver).map_err(Error::Sender)?;
    let render = quittance_api::message_renderer(&config.store.sellers_supported);
    let config = OutboundConfig { render, retention: config.outbound.retention };
    Ok(OutboundWorker::new(store, sender, config, wakeup))
}

async fn banner(
    config: &Config,
    store: &Store,
    url: &str,
    connection: &Connection,
    demo_key: Option<&SecretKeyText>,
) -> Result<String, Error> {
    let first = Cursor { limit: 1, starting_after: None };
    let product = store.products(ProductVisibility::Active, first).await?.data.into_iter().next();
    let database = match &config.database {
        Database::Sqlite(path) => path.display().to_string(),
        Database::Postgres => "PostgreSQL".to_owned(),
    };
    let sandbox_url = connection.sandbox.as_ref().map(quittance_sandbox::Sandbox::url);
    let sandbox = sandbox_url.as_deref().zip(demo_key).map(|(url, key)| SandboxBanner {
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

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender was dropped, which stops the sandbox, too.
    let _ = stop.wait_for(|is_stopped| *is_stopped).await;
}
