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
use crate::server::recorder::RequestRecorder;
use crate::server::serve::AppState;
use crate::state::{Settings, Store};
use crate::storage::file::{Storage, StorageError};

mod access;
mod caller;
mod expand;
mod faults;
mod idempotency;
mod recorder;
mod serve;

/// The maximum size of a request body, far above the size of Stripe requests.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The number of worker threads. Requests are short and run under one lock.
const WORKERS: usize = 2;

const SHUTDOWN_TIMEOUT_SECONDS: u64 = 2;

/// The reason why the sandbox can't start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can't be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// The state file can't be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The request log can't be opened.
    #[error("cannot record requests in {path}")]
    Record {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// The HTTP client for webhooks can't be created.
    #[error("cannot create the HTTP client for webhooks")]
    Client(#[source] reqwest::Error),
    /// The HTTP server failed.
    #[error("the HTTP server failed")]
    Server(#[source] std::io::Error),
}

/// A sandbox that is bound to its address and ready to run.
pub struct Sandbox {
    listener: TcpListener,
    local_addr: SocketAddr,
    store: Arc<Store>,
    worker: Arc<Worker>,
    recorder: Option<Arc<RequestRecorder>>,
}

/// A handle to a sandbox that remains usable while the sandbox runs. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    store: Arc<Store>,
}

impl Sandbox {
    /// Binds the address and reads the state file, if any. Requests wait until you call [`run`](Self::run).
    pub fn bind(config: Config) -> Result<Self, Error> {
        let listen_error = |source| Error::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).map_err(listen_error)?;
        listener.set_nonblocking(true).map_err(listen_error)?;
        let local_addr = listener.local_addr().map_err(listen_error)?;
        if !local_addr.ip().is_loopback() {
            tracing::warn!(
                address = %local_addr,
                "the sandbox listens on a non-loopback address and accepts any test key; don't use real data"
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
        let chaos = Chaos::new(ChaosPlan::from_config(config.chaos), routes);
        let (storage, rows) = match &config.state_file {
            Some(path) => Storage::open(path)?,
            None => (Storage::memory(), Vec::new()),
        };
        let store = Arc::new(Store::load(settings, chaos, storage, rows)?);
        let retries =
            RetryPolicy { base: config.webhook_retry_base, max_attempts: config.webhook_max_attempts };
        let client = delivery::client().map_err(Error::Client)?;
        let worker = Arc::new(Worker { store: Arc::clone(&store), client, retries });
        let recorder = config.record_requests.map(|path| match RequestRecorder::open(&path) {
            Ok(recorder) => Ok(Arc::new(recorder)),
            Err(source) => Err(Error::Record { path, source }),
        });
        let sandbox = Self { listener, local_addr, store, worker, recorder: recorder.transpose()? };
        let handle = sandbox.handle();
        for target in config.webhook_endpoints {
            handle.register(&target, false);
        }
        for target in config.connect_webhook_endpoints {
            handle.register(&target, true);
        }
        Ok(sandbox)
    }

    /// Returns the listen address with the actual port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Returns the API's base URL, without `/v1` and without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.local_addr)
    }

    /// Returns the platform account's ID, as in `GET /v1/account`.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.store.settings.platform_id
    }

    /// Returns a handle that remains usable while the sandbox runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { store: Arc::clone(&self.store) }
    }

    /// Answers requests and delivers webhooks until `shutdown` completes. Then it finishes running work, writes all
    /// changes to the state file, and closes it. Requires a tokio runtime.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let app = web::Data::new(AppState {
            store: Arc::clone(&self.store),
            in_flight: Arc::default(),
            recorder: self.recorder,
        });
        let store = web::Data::from(Arc::clone(&self.store));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(app.clone())
                .app_data(store.clone())
                .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
                .wrap(Cors::permissive())
                .configure(configure)
                .default_service(web::route().to(not_found))
        })
        .workers(WORKERS)
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_TIMEOUT_SECONDS)
        .listen(self.listener)
        .map_err(Error::Server)?
        .run();
        let server_handle = server.handle();
        let (stop, stopped) = watch::channel(false);
        let worker = tokio::spawn(self.worker.run(wait_for_stop(stopped)));
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
            tracing::error!(%error, "the sandbox's background worker panicked; webhooks and timers have stopped");
        }
        let store = self.store;
        if let Err(error) = tokio::task::spawn_blocking(move || store.close()).await {
            tracing::error!(%error, "failed to close the sandbox's state file; recent changes may be lost");
        }
        result.map_err(Error::Server)
    }
}

impl Handle {
    /// Registers an endpoint for all events of the platform's account. If the URL is registered already, its secret
    /// is replaced. The registration ends with the process. Pending deliveries for the URL resume when you register
    /// it again.
    pub fn register_webhook_endpoint(
        &self,
        url: impl Into<String>,
        secret: impl Into<String>,
    ) -> Result<(), InvalidWebhookTarget> {
        self.register(&WebhookTarget::new(url, secret)?, false);
        Ok(())
    }

    /// Registers an endpoint for all events of connected accounts. See
    /// [`register_webhook_endpoint`](Self::register_webhook_endpoint).
    pub fn register_connect_webhook_endpoint(
        &self,
        url: impl Into<String>,
        secret: impl Into<String>,
    ) -> Result<(), InvalidWebhookTarget> {
        self.register(&WebhookTarget::new(url, secret)?, true);
        Ok(())
    }

    fn register(&self, target: &WebhookTarget, connect: bool) {
        self.store.run_in_memory(|tx| {
            let endpoint = WebhookEndpoint::configured(target, connect, tx.now.seconds());
            webhook_endpoints::register(tx, endpoint);
        });
        self.store.wake();
    }
}

async fn wait_for_stop(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which also means stop.
    let _ = stopped.wait_for(|is_stopped| *is_stopped).await;
}

/// Adds every route. Methods of the same path become one actix resource.
fn configure(config: &mut web::ServiceConfig) {
    let mut paths: Vec<(&'static str, Vec<&'static Route>)> = Vec::new();
    for route in endpoints::routes() {
        match paths.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, routes)) => routes.push(route),
            None => paths.push((route.path, vec![route])),
        }
    }
    for (path, routes) in paths {
        let mut resource = web::resource(path).default_service(web::route().to(not_found));
        for route in routes {
            resource = resource.route(web::method(route.method.clone()).to(
                move |app: web::Data<AppState>,
                      request: HttpRequest,
                      body: Result<web::Bytes, actix_web::Error>| async move {
                    serve::serve(route, &app, &request, body).await
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

async fn not_found(
    app: web::Data<AppState>,
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
) -> actix_web::HttpResponse {
    if let Some(recorder) = &app.recorder {
        recorder.write(&request, &body.unwrap_or_default());
    }
    serve::not_found(&request, app.store.clock.now().seconds())
}
