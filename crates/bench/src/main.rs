//! Measures the service as a whole, over HTTP, on a database that flushes every commit to disk: webhooks, status
//! lookups and orders, and beside them `pgbench` running the same SQL. docs/benchmarks.md says how to read it.

mod database;
mod event;
mod load;
mod messages;
mod pgbench;
mod process;
mod report;
mod rows;
mod service;

use std::error::Error;
use std::ops::Range;
use std::path::PathBuf;

use clap::Parser;

use crate::database::Database;
use crate::pgbench::Pgbench;
use crate::report::{Measured, Report};
use crate::service::Service;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How many connections the load comes over.
const CONNECTIONS: usize = 128;
/// Of how many events, one is delivered a second time.
const REDELIVERED_ONE_OF: usize = 10;
/// What the number of events of a round must be a multiple of, so that each client of pgbench gets as many, and
/// redelivers as many.
const EVENTS_STEP: usize = pgbench::CLIENTS * REDELIVERED_ONE_OF;

/// Measures webhooks, status lookups and orders over HTTP, beside pgbench running the same SQL.
///
/// Makes a database of its own on the PostgreSQL server of `TEST_DATABASE_URL`, which must flush every commit, and
/// removes it. `scripts/bench` starts such a server.
#[derive(Parser)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct Options {
    /// Fewer events: to see that it works
    #[arg(long)]
    quick: bool,
    /// Webhooks on SQLite, without pgbench
    #[arg(long)]
    sqlite: bool,
    /// Webhooks only
    #[arg(long)]
    webhooks_only: bool,
    /// Messages to a receiver only, beside graphile-worker
    #[arg(long)]
    messages: bool,
    /// How often the service and pgbench take turns
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Events of a round, each for another order [default: 20000; on SQLite and with --quick 4000]
    #[arg(long)]
    events: Option<usize>,
    /// The program to measure [default: `quittance` beside this program]
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

// The load comes from one thread: the service and the database need the cores.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let database = if options.sqlite { Database::file()? } else { Database::on_server().await? };
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
    bench.webhooks(options).await?;
    if !options.sqlite && !options.webhooks_only {
        let requests = if options.quick { 8_000 } else { 40_000 };
        bench.status_lookups(requests).await?;
        bench.orders(requests / 4).await?;
    }
    Ok(bench.report)
}

/// The service at work, and what was measured of it.
struct Bench<'a> {
    database: &'a Database,
    service: Service,
    /// How many orders there are: they are numbered from 0.
    orders: usize,
    report: Report,
}

impl Bench<'_> {
    /// Places orders with an attempt each, past the service.
    async fn prepare(&mut self, orders: usize) -> Result<Range<usize>> {
        let range = self.orders..self.orders + orders;
        self.orders = range.end;
        self.database.prepare(range.clone(), true).await?;
        Ok(range)
    }

    async fn webhooks(&mut self, options: &Options) -> Result<()> {
        let (events, rounds) = (options.events_per_round(), options.rounds());
        let warm_up = self.prepare(events.min(20 * EVENTS_STEP)).await?;
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..rounds {
            ours.push(self.prepare(events).await?);
            theirs.push(self.prepare(if options.sqlite { 0 } else { events }).await?);
        }
        self.database.settle().await?;
        eprintln!("bench: warming up");
        self.deliver(warm_up).await?;
        let (mut service, mut pgbench) = (Measured::default(), Measured::default());
        let batches = self.service.batches().await?;
        let mut untold = 0;
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            self.database.settle().await?;
            eprintln!("bench: webhooks {} to {}", ours.start, ours.end);
            service.add(self.deliver(ours).await?);
            untold += self.database.untold().await?;
            if !theirs.is_empty() {
                self.database.settle().await?;
                eprintln!("bench: pgbench {} to {}", theirs.start, theirs.end);
                pgbench.add(Pgbench::of(self.database)?.apply_events(theirs).await?);
            }
        }
        let batches = self.service.batches().await?.since(batches);
        self.report.note("events in a transaction, on average", format!("{:.1}", batches.mean()));
        let left = format!("{untold} of {}", events * rounds);
        self.report.note("no messages yet at the last answer", left);
        self.report.measured("webhooks, service", service);
        if !options.sqlite {
            self.report.beside("webhooks, pgbench -c 16", pgbench);
        }
        self.database.verify_paid(self.orders).await
    }

    /// Delivers a success for each of these orders, and some twice. Only what is new counts.
    async fn deliver(&self, orders: Range<usize>) -> Result<Measured> {
        let count = orders.len();
        let requests = event::deliveries(orders, self.service.address(), REDELIVERED_ONE_OF);
        let before = self.usage()?;
        let timings = load::run(self.service.address(), requests, CONNECTIONS, "200").await?;
        Ok(Measured::new(count, timings, self.usage()?.since(before)))
    }

    async fn status_lookups(&mut self, requests: usize) -> Result<()> {
        let orders = self.orders;
        let lookups = |from: usize| {
            let numbers = (from..from + requests).map(|n| rows::scramble(n) % orders);
            numbers.map(|n| self.service.status_lookup(&rows::order_id(n))).collect::<Vec<_>>()
        };
        let (warm_up, measured) = (lookups(0), lookups(requests));
        let address = self.service.address();
        load::run(address, warm_up, CONNECTIONS, "200").await?;
        self.database.settle().await?;
        eprintln!("bench: {requests} status lookups");
        let before = self.usage()?;
        let timings = load::run(address, measured, CONNECTIONS, "200").await?;
        let service = Measured::new(requests, timings, self.usage()?.since(before));
        let pgbench = Pgbench::of(self.database)?.look_up(orders, requests).await?;
        self.report.measured("status lookups, service", service);
        self.report.beside("status lookups, pgbench -c 16", pgbench);
        Ok(())
    }

    async fn orders(&mut self, requests: usize) -> Result<()> {
        let address = self.service.address();
        let placements = |requests| vec![self.service.order_placement(); requests];
        load::run(address, placements(requests / 10), CONNECTIONS, "201").await?;
        self.database.settle().await?;
        eprintln!("bench: {requests} orders");
        let before = self.usage()?;
        let timings = load::run(address, placements(requests), CONNECTIONS, "201").await?;
        let service = Measured::new(requests, timings, self.usage()?.since(before));
        self.report.measured("orders placed, service", service);
        self.database.verify_placed(self.orders, requests + requests / 10).await
    }

    fn usage(&self) -> Result<process::Usage> {
        process::usage(self.service.pid(), self.database.postmaster())
    }
}
