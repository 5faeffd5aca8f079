//! The test environment: a service, a sandbox in its own process, and a database that outlives restarts of the service.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use quittance_test_support::{Kind, TestDatabase, wait_until};
use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;
use crate::process::{Process, free_port, output, quittance};

pub(crate) const STRIPE_KEY: &str = "sk_test_e2e";
pub(crate) const WEBHOOK_SECRET: &str = "whsec_e2e";
/// The webhook secret of the endpoint for sellers' accounts.
pub(crate) const CONNECT_WEBHOOK_SECRET: &str = "whsec_e2e_connect";
/// The platform's Connect client ID.
pub(crate) const CLIENT_ID: &str = "ca_E2e";
/// The webhook secret that replaces [`WEBHOOK_SECRET`] in a rotation.
pub(crate) const NEXT_WEBHOOK_SECRET: &str = "whsec_e2e_next";
pub(crate) const SECRET_KEY: &str = "qsk_e2e0123456789abcdefghijklmnopqrstuvwxyz";
pub(crate) const TOKEN_KEY: &str = "e2e-token-key-0123456789abcdefghijklmnopqrstuvwxyz";

/// The sandbox's default account.
pub(crate) const ACCOUNT: &str = "acct_1SandboxPlatform";

/// The origin that return URLs may have.
pub(crate) const RETURN_ORIGIN: &str = "https://shop.example";

/// Settings that limit the event backfill to the start of the service.
pub(crate) const NO_BACKFILL: [(&str, &str); 1] = [("QUITTANCE_EVENT_BACKFILL_PERIOD", "1day")];

/// A time far in the past, in the format of both databases.
const LONG_AGO: &str = "'2020-01-01 00:00:00+00:00'";

/// The fate of Stripe's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Webhooks {
    /// The sandbox delivers events to the service.
    Delivered,
    /// The sandbox has no webhook endpoint, so events are lost.
    Lost,
}

/// A service, a sandbox and a database.
pub(crate) struct Environment<'a> {
    pub(crate) database: &'a TestDatabase,
    pub(crate) webhooks: Webhooks,
    /// A client of the service with the secret key.
    pub(crate) api: Client,
    /// A client of the sandbox.
    pub(crate) stripe: Client,
    service: Option<Process>,
    _sandbox: Process,
    // The logs of the processes are in here, so this field is dropped last.
    home: TempDir,
}

impl<'a> Environment<'a> {
    /// Starts a sandbox and a service.
    pub(crate) async fn start(database: &'a TestDatabase, webhooks: Webhooks) -> Self {
        Self::start_with(database, webhooks, &[]).await
    }

    /// Starts a sandbox, and a service with additional settings.
    pub(crate) async fn start_with(
        database: &'a TestDatabase,
        webhooks: Webhooks,
        settings: &[(&str, &str)],
    ) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let api = Client::new(&format!("http://127.0.0.1:{}", free_port()), Some(SECRET_KEY));
        let stripe = Client::new(&format!("http://127.0.0.1:{}", free_port()), Some(STRIPE_KEY));
        let sandbox = start_sandbox(home.path(), &stripe, &api, webhooks, ACCOUNT);
        let mut env = Self { database, webhooks, api, stripe, service: None, _sandbox: sandbox, home };
        wait_until("the sandbox answers", async || env.stripe.get("/v1/events").try_send().await)
            .await
            .expect(200);
        env.restart(settings).await;
        env
    }

    /// Starts the stopped service with additional settings, and waits until it is ready.
    pub(crate) async fn restart(&mut self, settings: &[(&str, &str)]) {
        let api = self.api.clone();
        ready(self.spawn(settings), &api).await;
    }

    /// Starts the stopped service with additional settings, without waiting.
    pub(crate) fn spawn(&mut self, settings: &[(&str, &str)]) -> &mut Process {
        let process =
            start_service(self.home.path(), "service", self.database, &self.api, &self.stripe, settings);
        self.service.insert(process)
    }

    /// Starts another sandbox for this account at a free address. Its events are lost.
    pub(crate) async fn start_other_sandbox(&self, at: &Client, account: &str) -> Process {
        let sandbox = start_sandbox(self.home.path(), at, &self.api, Webhooks::Lost, account);
        wait_until("the sandbox answers", async || at.get("/v1/events").try_send().await).await.expect(200);
        sandbox
    }

    /// Starts another service on the same database, with additional settings.
    pub(crate) async fn start_second_service(&self, settings: &[(&str, &str)]) -> (Process, Client) {
        assert_eq!(self.database.kind(), Kind::Postgres, "only one service can use an SQLite file");
        let api = Client::new(&format!("http://127.0.0.1:{}", free_port()), Some(SECRET_KEY));
        let mut process =
            start_service(self.home.path(), "second", self.database, &api, &self.stripe, settings);
        ready(&mut process, &api).await;
        (process, api)
    }

    /// Runs a command of the binary to completion, with the service's database and sandbox.
    pub(crate) fn run(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
        let mut command = quittance(self.home.path());
        set_environment(&mut command, self.database, &self.stripe);
        output(command.args(arguments).envs(settings.iter().copied()))
    }

    /// Calls the sandbox's control API.
    pub(crate) async fn control(&self, path: &str, form: &str) -> Value {
        self.stripe.control(path, form).await
    }

    /// Returns the requests that the service has sent to the sandbox. Requests of the test are excluded.
    pub(crate) fn stripe_requests(&self) -> Vec<Value> {
        self.requests_to(&self.stripe)
    }

    /// Returns the requests that the service has sent to another sandbox.
    pub(crate) fn requests_to(&self, stripe: &Client) -> Vec<Value> {
        let record = std::fs::read_to_string(record(self.home.path(), stripe)).expect("a record");
        let asked = record.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        asked.filter(|asked| asked["user_agent"] != "").collect()
    }

    /// Returns the logs of the service.
    pub(crate) fn logs(&self) -> String {
        let log = |name: &str| std::fs::read_to_string(self.home.path().join(name)).unwrap_or_default();
        [log("service.out"), log("service.err")].concat()
    }

    /// Kills the service, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.service().kill();
    }

    /// Returns the process of the service.
    pub(crate) fn service(&mut self) -> &mut Process {
        self.service.as_mut().expect("a service")
    }

    /// Expires the leases of a dead process. The worker can then resume its work, and clients can retry its requests.
    pub(crate) async fn expire_leases(&self) {
        self.make_resumes_due().await;
        let sql = format!("UPDATE idempotency_keys SET lease_until = {LONG_AGO} WHERE status IS NULL");
        self.database.execute(&sql).await;
    }

    pub(crate) async fn make_resumes_due(&self) {
        for table in ["payments", "refunds"] {
            let sql = format!("UPDATE {table} SET resume_at = {LONG_AGO} WHERE resume_at IS NOT NULL");
            self.database.execute(&sql).await;
        }
        let unfinished = "check_at IS NOT NULL AND (connection_status = 'unlinking' OR account_id IS NULL)";
        self.database.execute(&format!("UPDATE sellers SET check_at = {LONG_AGO} WHERE {unfinished}")).await;
    }

    /// Sets the age of every refund's idempotency key.
    pub(crate) async fn set_refund_key_age(&self, age: chrono::Duration) {
        let since = (chrono::Utc::now() - age).format("%Y-%m-%d %H:%M:%S+00:00");
        self.database.execute(&format!("UPDATE refunds SET key_since = '{since}'")).await;
    }

    /// Makes every scheduled order check due.
    pub(crate) async fn make_checks_due(&self) {
        let sql = format!("UPDATE orders SET check_at = {LONG_AGO} WHERE check_at IS NOT NULL");
        self.database.execute(&sql).await;
    }

    /// Returns every object of a list in the sandbox, newest first.
    pub(crate) async fn stripe_list(&self, path: &str) -> Vec<Value> {
        self.stripe.list(path).await
    }

    /// Returns the strings in the column `value` of a query.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        self.database.texts(sql).await
    }

    /// Counts the rows of a table, with an optional `WHERE` clause.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.database.scalar_i64(&format!("SELECT count(*) FROM {sql}")).await
    }
}

/// Moves an order past its lifetime, and makes its check due.
pub(crate) async fn expire_order(database: &TestDatabase, order_id: &str) {
    let set = format!("expires_at = {LONG_AGO}, check_at = {LONG_AGO}");
    database.execute(&format!("UPDATE orders SET {set} WHERE id = '{order_id}'")).await;
}

fn port(client: &Client) -> &str {
    client.base().rsplit_once(':').map(|(_, port)| port).expect("a port")
}

/// Returns the file in which a sandbox records its requests. `QUITTANCE_RECORDED_REQUESTS` collects the files of all
/// tests.
fn record(home: &Path, stripe: &Client) -> PathBuf {
    let folder = std::env::var_os("QUITTANCE_RECORDED_REQUESTS").map(PathBuf::from);
    folder.unwrap_or_else(|| home.to_owned()).join(format!("e2e-{}.jsonl", port(stripe)))
}

fn start_sandbox(home: &Path, stripe: &Client, api: &Client, webhooks: Webhooks, account: &str) -> Process {
    let mut command = quittance(home);
    let state_file = format!("sandbox-{}.db", port(stripe));
    command.args([
        "sandbox",
        "--listen",
        &format!("127.0.0.1:{}", port(stripe)),
        "--state-file",
        &state_file,
        "--account",
        account,
    ]);
    command.args(["--webhook-retry-base-ms", "20"]);
    // Longer than any test.
    command.args(["--delayed-debit-delay-ms", "3600000"]);
    command.arg("--record-requests").arg(record(home, stripe));
    if webhooks == Webhooks::Delivered {
        let target = format!("{}/webhooks/stripe,{WEBHOOK_SECRET}", api.base());
        command.args(["--webhook-endpoint", &target]);
        let target = format!("{}/webhooks/stripe/connect,{CONNECT_WEBHOOK_SECRET}", api.base());
        command.args(["--connect-webhook-endpoint", &target]);
    }
    Process::start(command, home, "sandbox")
}

fn start_service(
    home: &Path,
    name: &str,
    database: &TestDatabase,
    api: &Client,
    stripe: &Client,
    settings: &[(&str, &str)],
) -> Process {
    let mut command = quittance(home);
    set_environment(&mut command, database, stripe);
    command
        .env("QUITTANCE_LISTEN", format!("127.0.0.1:{}", port(api)))
        .env("QUITTANCE_TOKEN_KEY", TOKEN_KEY)
        .env("QUITTANCE_SECRET_KEY", SECRET_KEY)
        .env("QUITTANCE_RATE_LIMIT", "0")
        .env("QUITTANCE_MAX_OPEN_ORDERS", "60000")
        .env("QUITTANCE_RETURN_ORIGINS", RETURN_ORIGIN)
        .envs(settings.iter().copied());
    Process::start(command, home, name)
}

/// Sets the database, the Stripe keys and the API base of a command.
fn set_environment(command: &mut Command, database: &TestDatabase, stripe: &Client) {
    command
        .env("DATABASE_URL", database.url())
        .env("STRIPE_SECRET_KEY", STRIPE_KEY)
        .env("STRIPE_PUBLISHABLE_KEY", "pk_test_e2e")
        .env("STRIPE_WEBHOOK_SECRET", format!("{WEBHOOK_SECRET},{NEXT_WEBHOOK_SECRET}"))
        .env("STRIPE_CONNECT_WEBHOOK_SECRET", CONNECT_WEBHOOK_SECRET)
        .env("STRIPE_CONNECT_CLIENT_ID", CLIENT_ID)
        .env("STRIPE_API_BASE", stripe.base());
}

/// Waits until the service is ready. Panics if the process ends first.
pub(crate) async fn ready(process: &mut Process, api: &Client) {
    wait_until("the service is ready", async || {
        let is_ready = api.get("/readyz").try_send().await.is_ok_and(|answer| answer.status == 200);
        if !is_ready && let Some(status) = process.exit_status() {
            panic!("the service ended before it was ready: {status}");
        }
        is_ready
    })
    .await;
}
