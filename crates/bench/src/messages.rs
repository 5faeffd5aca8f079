//! Messages to a local receiver: how many a second, beside graphile-worker; and how soon, beside receivers that hang
//! and fail.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::database::Database;
use crate::load::Timings;
use crate::process::usage;
use crate::report::{Measured, Report};
use crate::service::Service;
use crate::{Result, load, rows};

/// How many requests are under way at once to one receiver, for the service and for graphile-worker.
const CONCURRENCY: usize = 16;
/// Receivers beside each other: those that hang, those that answer 500, and those that do well.
const HANGING: usize = 30;
const FAILING: usize = 20;
const HEALTHY: usize = 50;
/// How often an order is placed while they are.
const PACE: Duration = Duration::from_millis(50);
/// How long to wait for messages.
const PATIENCE: Duration = Duration::from_mins(5);

/// What was received, by the path.
#[derive(Default)]
struct Arrivals {
    count: HashMap<String, usize>,
    first: HashMap<String, Instant>,
    last: HashMap<String, Instant>,
    /// When each message arrived where all is well.
    healthy: Vec<(String, Instant)>,
    body: String,
}

/// A receiver that answers at once, never, or with 500, as its path says.
#[derive(Clone)]
struct Receiver {
    address: SocketAddr,
    arrivals: Arc<Mutex<Arrivals>>,
}

impl Receiver {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let receiver = Self { address: listener.local_addr()?, arrivals: Arc::default() };
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let receiver = serving.clone();
                tokio::spawn(async move { receiver.serve(stream).await });
            }
        });
        Ok(receiver)
    }

    async fn serve(self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut bytes = Vec::with_capacity(8192);
        loop {
            let Some((path, end)) = self.take(&bytes) else {
                match stream.read_buf(&mut bytes).await {
                    Ok(count) if count > 0 => continue,
                    _ => return,
                }
            };
            bytes.drain(..end);
            let answer: &[u8] = match path.get(..3) {
                Some("/ha") => return std::future::pending().await,
                Some("/er") => b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
                _ => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            };
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }

    /// The path of a request that is whole, and where it ends.
    fn take(&self, bytes: &[u8]) -> Option<(String, usize)> {
        let head_end = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(bytes.get(..head_end)?).ok()?;
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(": ")?;
                key.eq_ignore_ascii_case(name).then_some(value)
            })
        };
        let end = head_end + header("content-length")?.parse::<usize>().ok()?;
        let body = bytes.get(head_end..end)?;
        let path = head.split(' ').nth(1)?.to_owned();
        let now = Instant::now();
        let mut arrivals = self.arrivals.lock().ok()?;
        *arrivals.count.entry(path.clone()).or_default() += 1;
        arrivals.first.entry(path.clone()).or_insert(now);
        arrivals.last.insert(path.clone(), now);
        if path.starts_with("/ok") {
            arrivals.healthy.push((header("webhook-id")?.to_owned(), now));
        }
        if arrivals.body.is_empty() {
            arrivals.body = String::from_utf8_lossy(body).into_owned();
        }
        Some((path, end))
    }

    fn look<T>(&self, look: impl FnOnce(&Arrivals) -> T) -> T {
        look(&self.arrivals.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Waits for so many at a path; how long they took from the first to the last.
    async fn wait(&self, path: &str, count: usize) -> Result<Duration> {
        let begun = Instant::now();
        while self.look(|arrivals| arrivals.count.get(path).copied().unwrap_or_default()) < count {
            if begun.elapsed() > PATIENCE {
                return Err(format!("{count} messages did not come to {path}").into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(self.look(|arrivals| arrivals.last[path] - arrivals.first[path]))
    }
}

/// Measures all of it.
pub(crate) async fn measure(database: &Database, program: &Path, quick: bool) -> Result<Report> {
    let mut report = Report::default();
    for (name, value) in database.settings().await? {
        report.note(name, value);
    }
    let home = tempfile::tempdir()?;
    let service = Service::start_with_sandbox(program, database.url(), home.path())?;
    let receiver = Receiver::start().await?;
    let (count, rounds) = if quick { (2_000, 1) } else { (10_000, 3) };
    let (mut ours, mut theirs) = (Measured::default(), Measured::default());
    let mut orders = 0;
    // Before anything is measured, each has sent something.
    for round in 0..=rounds {
        let count = if round == 0 { 1_000 } else { count };
        let path = format!("/ours-{round}");
        let endpoint = add_endpoint(&service, &receiver, &path).await?;
        let before = usage(service.pid(), database.postmaster())?;
        database.prepare(orders..orders + count, false).await?;
        orders += count;
        let elapsed = receiver.wait(&path, count).await?;
        let used = usage(service.pid(), database.postmaster())?.since(before);
        remove_endpoint(&service, &endpoint).await?;
        database.settle().await?;
        let path = format!("/theirs-{round}");
        let elapsed_beside = graphile(database, &receiver, &path, count).await?;
        database.settle().await?;
        if round > 0 {
            let timings = |elapsed| Timings { elapsed, latencies_us: Vec::new() };
            ours.add(Measured::new(count, timings(elapsed), used));
            theirs.add(Measured::new(count, timings(elapsed_beside), crate::process::Usage::default()));
        }
    }
    report.measured("messages, service", ours);
    report.beside("messages, graphile-worker", theirs);
    let placed = if quick { 40 } else { 200 };
    report.note(
        "beside 30 that hang and 20 that fail",
        beside_others(database, &service, &receiver, orders, placed).await?,
    );
    Ok(report)
}

/// graphile-worker does the same; how long it took from the first arrival to the last.
async fn graphile(database: &Database, receiver: &Receiver, path: &str, count: usize) -> Result<Duration> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("graphile/worker.mjs");
    let mut worker = Command::new("node")
        .arg(script)
        .env("DATABASE_URL", database.url())
        .env("TARGET", format!("http://{}{path}", receiver.address))
        .env("BODY", receiver.look(|arrivals| arrivals.body.clone()))
        .env("SECRET", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .env("COUNT", count.to_string())
        .env("ROUND", path)
        .env("CONCURRENCY", CONCURRENCY.to_string())
        .env("NO_LOG_SUCCESS", "1")
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let elapsed = receiver.wait(path, count).await?;
    worker.kill().await?;
    Ok(elapsed)
}

/// How soon messages come where all is well, while others hang and fail.
async fn beside_others(
    database: &Database,
    service: &Service,
    receiver: &Receiver,
    orders: usize,
    placed: usize,
) -> Result<String> {
    for (count, name) in [(HANGING, "hang"), (FAILING, "error"), (HEALTHY, "ok")] {
        for number in 0..count {
            add_endpoint(service, receiver, &format!("/{name}-{number}")).await?;
        }
    }
    let mut committed = HashMap::new();
    for number in orders..orders + placed {
        database.prepare(number..number + 1, false).await?;
        committed.insert(rows::message_id(number), Instant::now());
        tokio::time::sleep(PACE).await;
    }
    for number in 0..HEALTHY {
        receiver.wait(&format!("/ok-{number}"), placed).await?;
    }
    let mut latencies: Vec<Duration> = receiver.look(|arrivals| {
        let healthy = arrivals.healthy.iter();
        healthy.filter_map(|(id, at)| Some(at.saturating_duration_since(*committed.get(id)?))).collect()
    });
    latencies.sort_unstable();
    let at =
        |percent: usize| latencies[(latencies.len() * percent / 100).min(latencies.len() - 1)].as_millis();
    Ok(format!(
        "{} messages to {HEALTHY}: p50 {} ms, p99 {} ms, last {} ms",
        latencies.len(),
        at(50),
        at(99),
        at(100)
    ))
}

async fn add_endpoint(service: &Service, receiver: &Receiver, path: &str) -> Result<String> {
    let request = service.endpoint_creation(&format!("http://{}{path}", receiver.address));
    let answer = load::once(service.address(), &request, "201").await?;
    let id = answer.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next());
    Ok(id.ok_or_else(|| format!("no endpoint: {answer}"))?.to_owned())
}

async fn remove_endpoint(service: &Service, id: &str) -> Result<()> {
    load::once(service.address(), &service.endpoint_removal(id), "200").await?;
    Ok(())
}
