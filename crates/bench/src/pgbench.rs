//! PostgreSQL's own load generator, running the SQL that the service runs, one transaction for each event: what a
//! handler without batches could reach at best, if it did nothing else and had no HTTP.

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
use crate::report::Measured;
use crate::{REDELIVERED_ONE_OF, Result, event, process, rows};

/// How many connections it comes over.
pub(crate) const CLIENTS: usize = 16;

/// A success taken in, with the payload as the service would store it: look up and lock, write what follows, and
/// keep the event. A redelivered one ends where its id is found to be taken.
const EVENT: &str = include_str!("pgbench/event.sql");
/// An order with its payment, as a status lookup reads it.
const LOOKUP: &str = include_str!("pgbench/lookup.sql");

/// A program that can be run on a database.
pub(crate) struct Pgbench<'a> {
    database: &'a Database,
    config: &'a Config,
    directory: TempDir,
}

impl<'a> Pgbench<'a> {
    pub(crate) fn of(database: &'a Database) -> Result<Self> {
        let config = database.config().ok_or("pgbench is for PostgreSQL")?;
        Ok(Self { database, config, directory: tempfile::tempdir()? })
    }

    /// Takes in a success for each of these orders, and redelivers some.
    pub(crate) async fn apply_events(&self, orders: Range<usize>) -> Result<Measured> {
        let each = orders.len() / CLIENTS;
        let variables = [
            ("first", orders.start.to_string()),
            ("each", each.to_string()),
            ("round", (REDELIVERED_ONE_OF + 1).to_string()),
            ("i", "0".to_owned()),
            ("n", "-1".to_owned()),
            ("payload", event::payload(orders.start)),
            ("facts", rows::FACTS_PAID.to_owned()),
        ];
        let transactions = each + each / REDELIVERED_ONE_OF;
        self.run(EVENT, &variables, transactions, orders.len()).await
    }

    /// Reads orders at random.
    pub(crate) async fn look_up(&self, orders: usize, lookups: usize) -> Result<Measured> {
        let last = [("last", (orders - 1).to_string())];
        // As the service had, it has a warm-up.
        self.run(LOOKUP, &last, lookups / CLIENTS, lookups).await?;
        self.run(LOOKUP, &last, lookups / CLIENTS, lookups).await
    }

    async fn run(
        &self,
        script: &str,
        variables: &[(&str, String)],
        transactions_each: usize,
        count: usize,
    ) -> Result<Measured> {
        let postmaster = self.database.postmaster();
        let before = process::usage(std::process::id(), postmaster)?;
        let timings = self.start(script, variables, transactions_each).await?;
        let mut usage = process::usage(std::process::id(), postmaster)?.since(before);
        // There is no service here.
        (usage.service_us, usage.service_rss_kib) = (0, 0);
        Ok(Measured::new(count, timings, usage))
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
        let (said, complained) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        // pgbench ends well although clients gave up.
        if !output.status.success() || complained.contains("error:") || complained.contains("aborted") {
            return Err(format!("pgbench: {said}{complained}").into());
        }
        let tps: f64 = said
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
            .ok_or_else(|| format!("pgbench printed no tps: {said}"))?;
        let latencies_us = latencies_us(directory)?;
        #[allow(clippy::cast_precision_loss, reason = "transactions are some thousands")]
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
        command.env("PGDATABASE", config.get_dbname().ok_or("no database")?);
        if let Some(password) = config.get_password() {
            command.env("PGPASSWORD", std::str::from_utf8(password)?);
        }
        Ok(())
    }
}

/// How long each transaction took, from the logs, which are removed.
fn latencies_us(directory: &Path) -> Result<Vec<u64>> {
    let mut latencies_us = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("pgbench_log"))
        {
            for line in std::fs::read_to_string(&path)?.lines() {
                latencies_us.push(line.split(' ').nth(2).ok_or("a log without times")?.parse()?);
            }
            std::fs::remove_file(&path)?;
        }
    }
    Ok(latencies_us)
}
