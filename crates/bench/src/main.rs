//! Benchmarks the whole service over HTTP, on a database that flushes every commit to disk. It measures webhooks, status
//! lookups, and orders, and compares them with `pgbench` running the same SQL. docs/benchmarks.md explains the results.

mod database;
mod event;
mod load;
mod messages;
mod pgbench;
mod process;
mod report;
mod seed;
mod service;

use std::error::Error;
use std::ops::Range;
use std::path::PathBuf;

use clap::Parser;

use crate::database::Database;
use crate::pgbench::Pgbench;
use crate::report::{Measurement, Report};
use crate::service::Service;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The number of the load generator's connections.
const CONNECTIONS: usize = 128;
/// Every tenth event is delivered twice.
const REDELIVER_EVERY: usize = 10;
/// The events per round are a multiple of this, so that all pgbench clients apply and redeliver the same number.
const EVENTS_STEP: usize = pgbench::CLIENTS * REDELIVER_EVERY;

/// Benchmarks webhooks, status lookups, and orders over HTTP, and compares them with pgbench running the same SQL.
///
/// Creates a database on the PostgreSQL server of `TEST_DATABASE_URL`, and drops it at the end. The server must flush
/// every commit. `scripts/bench` starts such a server.
#[derive(Parser)]
#[allow(clippy::struct_excessive_bools, reason = "each is a separate command-line flag")]
struct Options {
    /// Run fewer events, to check that the benchmark works
    #[arg(long)]
    quick: bool,
    /// Measure webhooks on SQLite, without pgbench
    #[arg(long)]
    sqlite: bool,
    /// Measure webhooks only
    #[arg(long)]
    webhooks_only: bool,
    /// Measure outbound messages only, compared with graphile-worker
    #[arg(long)]
    messages: bool,
    /// The number of rounds, each with one run of the service and one of pgbench
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// The events per round, each for a different order [default: 20000; with --sqlite or --quick 4000]
    #[arg(long)]
    events: Option<usize>,
    /// The program to measure [default: `quittance` in the same directory as this program]
    #[arg(long)]
    service: Option<PathBuf>,
}

impl Options {
    fn events_per_round(&self) -> usize {
        let default = if self.quick || self.sqlite { 4_000 } else { 20_000 };
        self.events.unwrap_or(default).next_multiple_of(EVENTS_STEP)
    }

    fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds.max(1) }
    }

    fn service(&self) -> Result<PathBuf> {
        match &self.service {
            Some(path) => Ok(path.clone()),
            None => Ok(std::env::current_exe()?.with_file_name("quittance")),
        }
    }
}

// The load generator uses one thread, to leave the cores to the service and the database.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let database =
        if options.sqlite { Database::create_sqlite()? } else { Database::create_postgres().await? };
    let result = tokio::task::LocalSet::new().run_until(measure(&options, &database)).await;
    database.remove().await?;
    print!("{}", result?);
    Ok(())
}

async fn measure(options: &Options, database: &Database) -> Result<Report> {
    if options.messages {
        return messages::measure(database, &options.service()?, options.quick).await;
    }
    let mut report = Report::default();
    for (name, value) in database.settings().await? {
        report.note(name, value);
    }
    let service = Service::start(&options.service()?, database.url())?;
    let mut bench = Bench { database, service, orders: 0, report };
    bench.measure_webhooks(options).await?;
    if !options.sqlite && !options.webhooks_only {
        let requests = if options.quick { 8_000 } else { 40_000 };
        bench.measure_status_lookups(requests).await?;
        bench.measure_orders(requests / 4).await?;
    }
    Ok(bench.report)
}

/// The running service and the results so far.
struct Bench<'a> {
    database: &'a Database,
    service: Service,
    /// The number of seeded orders. They are numbered from 0.
    orders: usize,
    report: Report,
}

impl Bench<'_> {
    /// Seeds orders with an attempt each, directly in the database.
    async fn seed(&mut self, orders: usize) -> Result<Range<usize>> {
        let range = self.orders..self.orders + orders;
        self.orders = range.end;
        self.database.seed(range.clone(), true).await?;
        Ok(range)
    }

    async fn measure_webhooks(&mut self, options: &Options) -> Result<()> {
        let (events, rounds) = (options.events_per_round(), options.rounds());
        let warm_up = self.seed(events.min(20 * EVENTS_STEP)).await?;
        let mut service_orders = Vec::new();
        let mut pgbench_orders = Vec::new();
        for _ in 0..rounds {
            service_orders.push(self.seed(events).await?);
            pgbench_orders.push(self.seed(if options.sqlite { 0 } else { events }).await?);
        }
        self.database.drain_and_vacuum().await?;
        eprintln!("bench: warming up");
        self.deliver(warm_up).await?;
        let (mut service, mut pgbench) = (Measurement::default(), Measurement::default());
        let batches = self.service.batches().await?;
        let mut unpublished = 0;
        for (service_range, pgbench_range) in service_orders.into_iter().zip(pgbench_orders) {
            self.database.drain_and_vacuum().await?;
            eprintln!("bench: webhooks {} to {}", service_range.start, service_range.end);
            service.merge(self.deliver(service_range).await?);
            unpublished += self.database.unpublished_events().await?;
            if !pgbench_range.is_empty() {
                self.database.drain_and_vacuum().await?;
                eprintln!("bench: pgbench {} to {}", pgbench_range.start, pgbench_range.end);
                pgbench.merge(Pgbench::new(self.database)?.apply_events(pgbench_range).await?);
            }
        }
        let batches = self.service.batches().await?.since(batches);
        self.report.note("mean events per transaction", format!("{:.1}", batches.mean_events()));
        let unpublished = format!("{unpublished} of {}", events * rounds);
        self.report.note("unpublished at the last response", unpublished);
        self.report.add("webhooks, service", service);
        if !options.sqlite {
            self.report.add_baseline("webhooks, pgbench -c 16", pgbench);
        }
        self.database.verify_paid(self.orders).await
    }

    /// Delivers one event per order, and some twice. Redeliveries don't count.
    async fn deliver(&self, orders: Range<usize>) -> Result<Measurement> {
        let count = orders.len();
        let requests = event::deliveries(orders, self.service.address(), REDELIVER_EVERY);
        let before = self.usage()?;
        let timings = load::run(self.service.address(), requests, CONNECTIONS, "200").await?;
        Ok(Measurement::new(count, timings, self.usage()?.since(before)))
    }

    async fn measure_status_lookups(&mut self, requests: usize) -> Result<()> {
        let orders = self.orders;
        let lookups = |from: usize| {
            let numbers = (from..from + requests).map(|n| seed::scramble(n) % orders);
            numbers.map(|n| self.service.status_lookup(&seed::order_id(n))).collect::<Vec<_>>()
        };
        let (warm_up, measured) = (lookups(0), lookups(requests));
        let address = self.service.address();
        load::run(address, warm_up, CONNECTIONS, "200").await?;
        self.database.drain_and_vacuum().await?;
        eprintln!("bench: {requests} status lookups");
        let before = self.usage()?;
        let timings = load::run(address, measured, CONNECTIONS, "200").await?;
        let service = Measurement::new(requests, timings, self.usage()?.since(before));
        let pgbench = Pgbench::new(self.database)?.run_lookups(orders, requests).await?;
        self.report.add("status lookups, service", service);
        self.report.add_baseline("status lookups, pgbench -c 16", pgbench);
        Ok(())
    }

    async fn measure_orders(&mut self, requests: usize) -> Result<()> {
        let address = self.service.address();
        let placements = |requests| vec![self.service.order_placement(); requests];
        load::run(address, placements(requests / 10), CONNECTIONS, "201").await?;
        self.database.drain_and_vacuum().await?;
        eprintln!("bench: {requests} orders");
        let before = self.usage()?;
        let timings = load::run(address, placements(requests), CONNECTIONS, "201").await?;
        let service = Measurement::new(requests, timings, self.usage()?.since(before));
        self.report.add("orders placed, service", service);
        self.database.verify_placed(self.orders, requests + requests / 10).await
    }

    fn usage(&self) -> Result<process::Usage> {
        process::usage(self.service.pid(), self.database.postmaster())
    }
}
