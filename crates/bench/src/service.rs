//! The service: the release build, as a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::{Result, load, rows};

/// What events are signed with.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_of_the_benchmark";
const SECRET_KEY: &str = "qsk_of_the_benchmark_000000000000000000000000";

/// A process that serves, until this is dropped.
pub(crate) struct Service {
    child: Child,
    address: SocketAddr,
}

/// How many transactions took events in, and how many events.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batches {
    transactions: f64,
    events: f64,
}

impl Batches {
    pub(crate) fn since(self, before: Self) -> Self {
        Self { transactions: self.transactions - before.transactions, events: self.events - before.events }
    }

    pub(crate) fn mean(self) -> f64 {
        self.events / self.transactions
    }
}

impl Service {
    /// Starts it on this database. Nothing that is measured asks Stripe, so there is none.
    pub(crate) fn start(program: &Path, database_url: &str) -> Result<Self> {
        let mut command = Command::new(program);
        command
            .arg("serve")
            .env_clear()
            .env("STRIPE_SECRET_KEY", "sk_test_x")
            .env("STRIPE_PUBLISHABLE_KEY", "pk_test_x")
            .env("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET)
            .env("STRIPE_API_BASE", "http://127.0.0.1:9");
        Self::spawn(program, command, database_url)
    }

    /// Starts it in sandbox mode in this directory: then it may send messages to this machine.
    pub(crate) fn start_with_sandbox(program: &Path, database_url: &str, home: &Path) -> Result<Self> {
        let mut command = Command::new(program.canonicalize()?);
        command.arg("serve").env_clear().current_dir(home).env("QUITTANCE_SANDBOX_LISTEN", "127.0.0.1:0");
        Self::spawn(program, command, database_url)
    }

    fn spawn(program: &Path, mut command: Command, database_url: &str) -> Result<Self> {
        let mut child = command
            .env("DATABASE_URL", database_url)
            .env("QUITTANCE_LISTEN", "127.0.0.1:0")
            .env("QUITTANCE_TOKEN_KEY", "of-the-benchmark-which-nobody-attacks")
            .env("QUITTANCE_SECRET_KEY", SECRET_KEY)
            .env("QUITTANCE_RATE_LIMIT", "0")
            .env("QUITTANCE_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let address = loop {
            let line = lines.next().ok_or("the service ended before it said where it listens")??;
            if let Some(address) =
                line.trim().strip_prefix("API").and_then(|url| url.trim().strip_prefix("http://"))
            {
                break address.parse()?;
            }
        };
        Ok(Self { child, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A request that asks how the payment of an order stands.
    pub(crate) fn status_lookup(&self, order_id: &str) -> Vec<u8> {
        format!(
            "GET /v1/orders/{order_id}/payment HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {SECRET_KEY}\r\n\
             Accept: application/json\r\n\r\n",
            self.address
        )
        .into_bytes()
    }

    /// A request that places an order.
    pub(crate) fn order_placement(&self) -> Vec<u8> {
        let body = format!(
            r#"{{"items":[{{"product_id":"{}","quantity":2}}],"customer":{{"email":"jenny.rosen@example.com","name":"Jenny Rosen"}}}}"#,
            rows::PRODUCT_ID
        );
        format!(
            "POST /v1/orders HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {SECRET_KEY}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len(),
        )
        .into_bytes()
    }

    /// A request that adds an endpoint of the shop's own systems.
    pub(crate) fn endpoint_creation(&self, url: &str) -> Vec<u8> {
        let body = format!(r#"{{"url":"{url}"}}"#);
        format!(
            "POST /v1/webhook_endpoints HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {SECRET_KEY}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len(),
        )
        .into_bytes()
    }

    /// A request that removes one.
    pub(crate) fn endpoint_removal(&self, id: &str) -> Vec<u8> {
        format!(
            "DELETE /v1/webhook_endpoints/{id} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {SECRET_KEY}\r\n\r\n",
            self.address
        )
        .into_bytes()
    }

    /// How events were batched so far.
    pub(crate) async fn batches(&self) -> Result<Batches> {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        let text = load::once(self.address, request.as_bytes(), "200").await?;
        let figure = |name: &str| -> Result<f64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            Ok(line.ok_or_else(|| format!("no {name} among the metrics"))?.trim().parse()?)
        };
        Ok(Batches {
            transactions: figure("quittance_webhook_batch_events_count")?,
            events: figure("quittance_webhook_batch_events_sum")?,
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Everything it said is committed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
