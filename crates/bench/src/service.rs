//! Runs the service's release build as a process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::{Result, load, seed};

/// The secret that signs Stripe's events.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_benchmark";
const SECRET_KEY: &str = "qsk_benchmark_00000000000000000000000000000000";

/// A running service. Dropping it kills the process.
pub(crate) struct Service {
    child: Child,
    address: SocketAddr,
}

/// The number of webhook transactions, and of events in them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batches {
    transactions: f64,
    events: f64,
}

impl Batches {
    pub(crate) fn since(self, before: Self) -> Self {
        Self { transactions: self.transactions - before.transactions, events: self.events - before.events }
    }

    pub(crate) fn mean_events(self) -> f64 {
        self.events / self.transactions
    }
}

impl Service {
    /// Starts the service. No measured request calls Stripe, so the Stripe URL leads nowhere.
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

    /// Starts the service in sandbox mode, in which it can send messages to loopback addresses.
    pub(crate) fn start_with_sandbox(program: &Path, database_url: &str, home: &Path) -> Result<Self> {
        let mut command = Command::new(program.canonicalize()?);
        command.arg("serve").env_clear().current_dir(home).env("QUITTANCE_SANDBOX_LISTEN", "127.0.0.1:0");
        Self::spawn(program, command, database_url)
    }

    fn spawn(program: &Path, mut command: Command, database_url: &str) -> Result<Self> {
        let mut child = command
            .env("DATABASE_URL", database_url)
            .env("QUITTANCE_LISTEN", "127.0.0.1:0")
            .env("QUITTANCE_TOKEN_KEY", "token-key-for-benchmarks-only-000000")
            .env("QUITTANCE_SECRET_KEY", SECRET_KEY)
            .env("QUITTANCE_RATE_LIMIT", "0")
            .env("QUITTANCE_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let mut lines = BufReader::new(stdout).lines();
        let address = loop {
            let line = lines.next().ok_or("the service exited before it printed its address")??;
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

    /// Returns a request for an order's payment status.
    pub(crate) fn status_lookup(&self, order_id: &str) -> Vec<u8> {
        format!(
            "GET /v1/orders/{order_id}/payment HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {SECRET_KEY}\r\n\
             Accept: application/json\r\n\r\n",
            self.address
        )
        .into_bytes()
    }

    /// Returns a request that places an order.
    pub(crate) fn order_placement(&self) -> Vec<u8> {
        let body = format!(
            r#"{{"items":[{{"product_id":"{}","quantity":2}}],"customer":{{"email":"jenny.rosen@example.com","name":"Jenny Rosen"}}}}"#,
            seed::PRODUCT_ID
        );
        format!(
            "POST /v1/orders HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {SECRET_KEY}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len(),
        )
        .into_bytes()
    }

    /// Returns a request that creates a webhook endpoint.
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

    /// Returns a request that deletes a webhook endpoint.
    pub(crate) fn endpoint_deletion(&self, id: &str) -> Vec<u8> {
        format!(
            "DELETE /v1/webhook_endpoints/{id} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {SECRET_KEY}\r\n\r\n",
            self.address
        )
        .into_bytes()
    }

    /// Reads from the metrics how the service has batched events.
    pub(crate) async fn batches(&self) -> Result<Batches> {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        let text = load::send_once(self.address, request.as_bytes(), "200").await?;
        let metric = |name: &str| -> Result<f64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            Ok(line.ok_or_else(|| format!("the metrics lack {name}"))?.trim().parse()?)
        };
        Ok(Batches {
            transactions: metric("quittance_webhook_batch_events_count")?,
            events: metric("quittance_webhook_batch_events_sum")?,
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Every acknowledged request is committed, so the process can be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
