//! A receiver of the shop's webhooks, and a service in sandbox mode that sends them.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use actix_web::web::{self, Bytes};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use quittance_test_support::TestDatabase;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::environment::{RETURN_ORIGIN, SECRET_KEY, STRIPE_KEY, TOKEN_KEY, ready};
use crate::process::{Process, free_port, quittance};

/// A request that the receiver got.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedRequest {
    pub(crate) at: Instant,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl ReceivedRequest {
    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// A receiver with several endpoints. Paths with `/ok…` succeed, `/error…` returns 500, and `/hang…` never responds.
#[derive(Clone)]
pub(crate) struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Vec<ReceivedRequest>>>,
    /// The message IDs by path.
    heard: Arc<Mutex<HashMap<String, HashSet<String>>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let got: Arc<Mutex<Vec<ReceivedRequest>>> = Arc::default();
        let heard: Arc<Mutex<HashMap<String, HashSet<String>>>> = Arc::default();
        let (kept, known) = (Arc::clone(&got), Arc::clone(&heard));
        let take = move |request: HttpRequest, body: Bytes| {
            let headers = request.headers().iter();
            let headers = headers.map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
            let path = request.path().to_owned();
            let taken =
                ReceivedRequest { at: Instant::now(), path: path.clone(), headers, body: text(&body) };
            let mut known = known.lock().expect("the list");
            known.entry(path.clone()).or_default().insert(taken.id().to_owned());
            kept.lock().expect("the list").push(taken);
            async move {
                match path.get(..3) {
                    Some("/ok") => {}
                    Some("/er") => return Ok(HttpResponse::InternalServerError().body("out of order")),
                    _ => std::future::pending().await,
                }
                Ok::<_, Infallible>(HttpResponse::Ok().finish())
            }
        };
        let server = HttpServer::new(move || App::new().default_service(web::to(take.clone())))
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .expect("a port");
        let address = server.addrs()[0];
        tokio::spawn(server.run());
        Self { address, got, heard }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<ReceivedRequest> {
        self.got.lock().expect("the list").clone()
    }

    /// Returns the number of distinct messages at this path.
    pub(crate) fn message_count(&self, path: &str) -> usize {
        self.heard.lock().expect("the list").get(path).map_or(0, HashSet::len)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("a text")
}

/// A service with its own sandbox, and a product to order.
pub(crate) struct SandboxService<'a> {
    pub(crate) database: &'a TestDatabase,
    pub(crate) api: Client,
    service: Process,
    sandbox: u16,
    product_id: String,
    // The log of the process is in here, so this field is dropped last.
    home: TempDir,
}

impl<'a> SandboxService<'a> {
    pub(crate) async fn start(database: &'a TestDatabase) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let api = Client::new(&format!("http://127.0.0.1:{}", free_port()), Some(SECRET_KEY));
        let sandbox = free_port();
        let mut service = start(home.path(), database, &api, sandbox, &[]);
        ready(&mut service, &api).await;
        let product = json!({ "name": "Kettle", "unit_amount": 2_500, "currency": "eur" });
        let product_id = api.post("/v1/products").json(&product).send().await.expect(201).text_of("id");
        Self { database, api, service, sandbox, product_id, home }
    }

    pub(crate) async fn endpoint(&self, url: &str) -> Value {
        let body = json!({ "url": url });
        self.api.post("/v1/webhook_endpoints").json(&body).send().await.expect(201).body
    }

    /// Returns a client of its sandbox.
    pub(crate) fn stripe(&self) -> Client {
        Client::new(&format!("http://127.0.0.1:{}", self.sandbox), Some(STRIPE_KEY))
    }

    /// Places an order. Returns the order ID.
    pub(crate) async fn place(&self) -> String {
        let body = json!({ "items": [{ "product_id": self.product_id, "quantity": 1 }] });
        self.api.post("/v1/orders").json(&body).send().await.expect(201).text_of("id")
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.service
    }

    /// Starts the stopped service with additional settings. Expires the delivery leases of the previous process.
    pub(crate) async fn restart(&mut self, settings: &[(&str, &str)]) {
        let leases = "UPDATE deliveries SET lease_until = created_at WHERE lease_until IS NOT NULL";
        self.database.execute(leases).await;
        self.service = start(self.home.path(), self.database, &self.api, self.sandbox, settings);
        ready(&mut self.service, &self.api).await;
    }

    /// Kills the service, as `kill -9` does, and starts it again.
    pub(crate) async fn kill_and_restart(&mut self, settings: &[(&str, &str)]) {
        self.service.kill();
        self.restart(settings).await;
    }
}

fn start(
    home: &std::path::Path,
    database: &TestDatabase,
    api: &Client,
    sandbox: u16,
    settings: &[(&str, &str)],
) -> Process {
    let mut command = quittance(home);
    command
        .env("QUITTANCE_LISTEN", api.base().trim_start_matches("http://"))
        .env("QUITTANCE_SANDBOX_LISTEN", format!("127.0.0.1:{sandbox}"))
        .env("DATABASE_URL", database.url())
        .env("QUITTANCE_TOKEN_KEY", TOKEN_KEY)
        .env("QUITTANCE_SECRET_KEY", SECRET_KEY)
        .env("QUITTANCE_RATE_LIMIT", "0")
        .env("QUITTANCE_RETURN_ORIGINS", RETURN_ORIGIN)
        .env("QUITTANCE_MAX_OPEN_ORDERS", "60000")
        .envs(settings.iter().copied());
    Process::start(command, home, "service")
}
