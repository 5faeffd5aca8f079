//! The running sandbox: address, HTTP server, timers and shutdown.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use actix_cors::Cors;
use actix_web::{App, HttpRequest, HttpServer, web};
use tokio::sync::watch;

use crate::chaos::{Chaos, ChaosPlan};
use crate::config::{Config, InvalidWebhookTarget, WebhookTarget};
use crate::delivery::{self, RetryPolicy, Worker};
use crate::endpoints;
use crate::endpoints::route::Route;
use crate::objects::webhook_endpoint::WebhookEndpoint;
use crate::operations::webhook_endpoints;
use crate::pages::{checkout, oauth, onboarding, stripe_js, three_d_secure};
use crate::server::record::Record;
use crate::server::serve::Shared;
use crate::state::{Settings, Store};
use crate::storage::file::{Storage, StorageError};

mod access;
mod caller;
mod expand;
mod faults;
mod idempotency;
mod record;
mod serve;

/// The longest request body, in bytes. Stripe's own requests stay far below.
const MAX_BODY_BYTES: usize = 1 << 20;

/// Threads that answer requests. The work is short and under one lock.
const WORKERS: usize = 2;

const SHUTDOWN_TIMEOUT_SECONDS: u64 = 2;

/// Why the sandbox can not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can not be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The state file can not be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The file that requests are recorded in can not be written to.
    #[error("cannot record requests in {path}")]
    Record {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The client that delivers webhooks can not be set up.
    #[error("cannot set up the client that delivers webhooks")]
    Client(#[source] reqwest::Error),
    /// The HTTP server stopped by itself.
    #[error("the HTTP server failed")]
    Server(#[source] std::io::Error),
}

/// A sandbox that has its address and its state, and can be run.
pub struct Sandbox {
    listener: TcpListener,
    local_addr: SocketAddr,
    store: Arc<Store>,
    worker: Arc<Worker>,
    record: Option<Arc<Record>>,
}

/// A handle on a sandbox that stays usable while it runs. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    store: Arc<Store>,
}

impl Sandbox {
    /// Listens, and reads the state file if there is one. Requests wait until [`run`](Self::run).
    pub fn bind(config: Config) -> Result<Self, Error> {
        let in_listening = |source| Error::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).map_err(in_listening)?;
        listener.set_nonblocking(true).map_err(in_listening)?;
        let local_addr = listener.local_addr().map_err(in_listening)?;
        if !local_addr.ip().is_loopback() {
            tracing::warn!(
                address = %local_addr,
                "The sandbox can be reached by others, and takes any test key: it is no place for real data"
            );
        }
        let settings = Settings {
            public_url: match &config.public_url {
                Some(url) => url.trim_end_matches('/').to_owned(),
                None => format!("http://{local_addr}"),
            },
            platform_id: config.account,
            debit_delay: config.debit_delay,
            delayed_debit_delay: config.delayed_debit_delay,
            refund_delay: config.refund_delay,
            dispute_delay: config.dispute_delay,
        };
        let routes = endpoints::routes().map(|route| format!("{} {}", route.method, route.path)).collect();
        let chaos = Chaos::new(ChaosPlan::of(config.chaos), routes);
        let (storage, rows) = match &config.state_file {
            Some(path) => Storage::open(path)?,
            None => (Storage::memory(), Vec::new()),
        };
        let store = Arc::new(Store::load(settings, chaos, storage, rows)?);
        let retries =
            RetryPolicy { base: config.webhook_retry_base, max_attempts: config.webhook_max_attempts };
        let client = delivery::client().map_err(Error::Client)?;
        let worker = Arc::new(Worker { store: Arc::clone(&store), client, retries });
        let record = config.record_requests.map(|path| match Record::open(&path) {
            Ok(record) => Ok(Arc::new(record)),
            Err(source) => Err(Error::Record { path, source }),
        });
        let sandbox = Self { listener, local_addr, store, worker, record: record.transpose()? };
        let handle = sandbox.handle();
        for target in config.webhook_endpoints {
            handle.register(&target, false);
        }
        for target in config.connect_webhook_endpoints {
            handle.register(&target, true);
        }
        Ok(sandbox)
    }

    /// The address it listens on, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The base URL of its API, without `/v1` and without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.local_addr)
    }

    /// The id of the platform's own account, which `GET /v1/account` tells.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.store.settings.platform_id
    }

    /// A handle that stays usable while the sandbox runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { store: Arc::clone(&self.store) }
    }

    /// Answers requests and delivers webhooks until `shutdown` is done; then finishes what is under way, writes
    /// everything to the state file, and closes it. Runs inside a tokio runtime.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let shared = web::Data::new(Shared {
            store: Arc::clone(&self.store),
            in_flight: Arc::default(),
            record: self.record,
        });
        let store = web::Data::from(Arc::clone(&self.store));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(store.clone())
                .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
                .wrap(Cors::permissive())
                .configure(configure)
                .default_service(web::route().to(unknown))
        })
        .workers(WORKERS)
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_TIMEOUT_SECONDS)
        .listen(self.listener)
        .map_err(Error::Server)?
        .run();
        let server_handle = server.handle();
        let (stop, stopped) = watch::channel(false);
        let worker = tokio::spawn(self.worker.run(until(stopped)));
        tokio::pin!(server);
        let result = tokio::select! {
            result = &mut server => result,
            () = shutdown => {
                let (result, ()) = tokio::join!(&mut server, server_handle.stop(true));
                result
            }
        };
        stop.send_replace(true);
        if let Err(error) = worker.await {
            tracing::error!(%error, "The sandbox's timers have ended by themselves");
        }
        let store = self.store;
        if let Err(error) = tokio::task::spawn_blocking(move || store.close()).await {
            tracing::error!(%error, "The sandbox's state file could not be closed");
        }
        result.map_err(Error::Server)
    }
}

impl Handle {
    /// Registers an endpoint that gets every event of the platform's own account. Registering a URL again
    /// replaces its secret. Such endpoints are not kept over a restart, but deliveries that are pending for a
    /// URL go on once it is registered again.
    pub fn register_webhook_endpoint(
        &self,
        url: impl Into<String>,
        secret: impl Into<String>,
    ) -> Result<(), InvalidWebhookTarget> {
        self.register(&WebhookTarget::new(url, secret)?, false);
        Ok(())
    }

    /// As [`register_webhook_endpoint`](Self::register_webhook_endpoint), for the events of connected accounts.
    pub fn register_connect_webhook_endpoint(
        &self,
        url: impl Into<String>,
        secret: impl Into<String>,
    ) -> Result<(), InvalidWebhookTarget> {
        self.register(&WebhookTarget::new(url, secret)?, true);
        Ok(())
    }

    fn register(&self, target: &WebhookTarget, connect: bool) {
        self.store.peek(|tx| {
            let endpoint = WebhookEndpoint::configured(target, connect, tx.now.seconds());
            webhook_endpoints::register(tx, endpoint);
        });
        self.store.wake();
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    let _ = stopped.wait_for(|is_stopped| *is_stopped).await;
}

/// Adds every endpoint, several methods of one path as one resource.
fn configure(config: &mut web::ServiceConfig) {
    let mut paths: Vec<(&'static str, Vec<&'static Route>)> = Vec::new();
    for route in endpoints::routes() {
        match paths.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, routes)) => routes.push(route),
            None => paths.push((route.path, vec![route])),
        }
    }
    for (path, routes) in paths {
        let mut resource = web::resource(path).default_service(web::route().to(unknown));
        for route in routes {
            resource = resource.route(web::method(route.method.clone()).to(
                move |shared: web::Data<Shared>,
                      request: HttpRequest,
                      body: Result<web::Bytes, actix_web::Error>| async move {
                    serve::serve(route, &shared, &request, body).await
                },
            ));
        }
        config.service(resource);
    }
    checkout::configure(config);
    three_d_secure::configure(config);
    oauth::configure(config);
    onboarding::configure(config);
    stripe_js::configure(config);
}

async fn unknown(
    shared: web::Data<Shared>,
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
) -> actix_web::HttpResponse {
    if let Some(record) = &shared.record {
        record.write(&request, &body.unwrap_or_default());
    }
    serve::unknown(&request, shared.store.clock.now().seconds())
}
