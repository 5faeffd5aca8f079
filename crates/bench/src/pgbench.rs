//! Runs pgbench, PostgreSQL's load generator, with the service's SQL and one transaction per event. This is the upper
//! bound for a handler without batches, because pgbench has no HTTP, JSON, or signatures to process.

use std::ops::Range;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::database::Database;
use crate::load::Timings;
use crate::report::Measurement;
use crate::{REDELIVER_EVERY, Result, event, process, seed};

/// The number of pgbench's connections.
pub(crate) const CLIENTS: usize = 16;

/// Applies a `payment_intent.succeeded` event, as the service does: stores it, locks the order, and writes the changes.
/// A redelivered event stops at the unique event ID.
const EVENT_SCRIPT: &str = include_str!("pgbench/event.sql");
/// Reads an order with its payment, as a status lookup does.
const LOOKUP_SCRIPT: &str = include_str!("pgbench/lookup.sql");

/// Runs pgbench on a database.
pub(crate) struct Pgbench<'a> {
    database: &'a Database,
    config: &'a Config,
    directory: TempDir,
}

impl<'a> Pgbench<'a> {
    pub(crate) fn new(database: &'a Database) -> Result<Self> {
        let config = database.config().ok_or("pgbench requires PostgreSQL")?;
        Ok(Self { database, config, directory: tempfile::tempdir()? })
    }

    /// Applies one event per order, and redelivers some.
    pub(crate) async fn apply_events(&self, orders: Range<usize>) -> Result<Measurement> {
        let each = orders.len() / CLIENTS;
        let variables = [
            ("first", orders.start.to_string()),
            ("each", each.to_string()),
            ("round", (REDELIVER_EVERY + 1).to_string()),
            ("i", "0".to_owned()),
            ("n", "-1".to_owned()),
            ("payload", event::payload(orders.start)),
            ("facts", seed::FACTS_PAID.to_owned()),
        ];
        let transactions = each + each / REDELIVER_EVERY;
        self.run(EVENT_SCRIPT, &variables, transactions, orders.len()).await
    }

    /// Looks up random orders.
    pub(crate) async fn run_lookups(&self, orders: usize, lookups: usize) -> Result<Measurement> {
        let last = [("last", (orders - 1).to_string())];
        // Warm up first, as for the service.
        self.run(LOOKUP_SCRIPT, &last, lookups / CLIENTS, lookups).await?;
        self.run(LOOKUP_SCRIPT, &last, lookups / CLIENTS, lookups).await
    }

    async fn run(
        &self,
        script: &str,
        variables: &[(&str, String)],
        transactions_each: usize,
        count: usize,
    ) -> Result<Measurement> {
        let postmaster = self.database.postmaster();
        let before = process::usage(std::process::id(), postmaster)?;
        let timings = self.start(script, variables, transactions_each).await?;
        let mut usage = process::usage(std::process::id(), postmaster)?.since(before);
        // The service doesn't take part in this run.
        (usage.service_us, usage.service_rss_kib) = (0, 0);
        Ok(Measurement::new(count, timings, usage))
    }

    async fn start(
        &self,
        script: &str,
        variables: &[(&str, String)],
        transactions_each: usize,
    ) -> Result<Timings> {
        let directory = self.directory.path();
        let file = directory.join("script.sql");
        std::fs::write(&file, script)?;
        let mut command = Command::new("pgbench");
        let (clients, transactions) = (CLIENTS.to_string(), transactions_each.to_string());
        command.args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--log", "--client", &clients]);
        command.args(["--transactions", &transactions, "--file"]).arg(&file).current_dir(directory);
        for (name, value) in variables {
            command.arg(format!("--define={name}={value}"));
        }
        self.connection(&mut command)?;
        let output =
            command.stderr(Stdio::piped()).output().await.map_err(|error| format!("pgbench: {error}"))?;
        let (stdout, stderr) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        // pgbench exits with 0 even if clients aborted.
        if !output.status.success() || stderr.contains("error:") || stderr.contains("aborted") {
            return Err(format!("pgbench: {stdout}{stderr}").into());
        }
        let tps: f64 = stdout
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
            .ok_or_else(|| format!("pgbench did not print a tps value: {stdout}"))?;
        let latencies_us = latencies_us(directory)?;
        #[allow(clippy::cast_precision_loss, reason = "there are only thousands of transactions")]
        let elapsed = Duration::from_secs_f64(latencies_us.len() as f64 / tps);
        Ok(Timings { elapsed, latencies_us })
    }

    fn connection(&self, command: &mut Command) -> Result<()> {
        let config = self.config;
        match config.get_hosts().first() {
            Some(Host::Tcp(host)) => command.env("PGHOST", host),
            Some(Host::Unix(path)) => command.env("PGHOST", path),
            None => command.env("PGHOST", "localhost"),
        };
        command.env("PGPORT", config.get_ports().first().unwrap_or(&5432).to_string());
        command.env("PGUSER", config.get_user().unwrap_or("postgres"));
        command.env("PGDATABASE", config.get_dbname().ok_or("the URL names no database")?);
        if let Some(password) = config.get_password() {
            command.env("PGPASSWORD", std::str::from_utf8(password)?);
        }
        Ok(())
    }
}

/// Reads the latency of each transaction from pgbench's logs, and removes the logs.
fn latencies_us(directory: &Path) -> Result<Vec<u64>> {
    let mut latencies_us = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("pgbench_log"))
        {
            for line in std::fs::read_to_string(&path)?.lines() {
                latencies_us
                    .push(line.split(' ').nth(2).ok_or("a pgbench log line has no latency")?.parse()?);
            }
            std::fs::remove_file(&path)?;
        }
    }
    Ok(latencies_us)
}
