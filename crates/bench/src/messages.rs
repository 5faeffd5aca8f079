//! Benchmarks outbound messages to a local receiver. It compares the throughput with graphile-worker. It also measures
//! the delivery latency while other receivers hang or fail.

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
use crate::process::{Usage, usage};
use crate::report::{Measurement, Report};
use crate::service::Service;
use crate::{Result, load, seed};

/// The number of concurrent requests to one receiver, for the service and for graphile-worker.
const CONCURRENCY: usize = 16;
/// The number of endpoints in the latency benchmark: some never respond, some respond with 500, and some work.
const HANGING: usize = 30;
const FAILING: usize = 20;
const HEALTHY: usize = 50;
/// The interval between two orders in the latency benchmark.
const ORDER_INTERVAL: Duration = Duration::from_millis(50);
const MESSAGE_TIMEOUT: Duration = Duration::from_mins(5);

/// The received messages, by path.
#[derive(Default)]
struct ReceivedMessages {
    count: HashMap<String, usize>,
    first: HashMap<String, Instant>,
    last: HashMap<String, Instant>,
    /// The ID and arrival time of each message to a healthy endpoint.
    healthy: Vec<(String, Instant)>,
    /// The body of the first message.
    body: String,
}

/// A receiver that responds immediately, never, or with 500, depending on the path.
#[derive(Clone)]
struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<ReceivedMessages>>,
}

impl Receiver {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let receiver = Self { address: listener.local_addr()?, received: Arc::default() };
        let server = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let receiver = server.clone();
                tokio::spawn(async move { receiver.serve(stream).await });
            }
        });
        Ok(receiver)
    }

    async fn serve(self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut bytes = Vec::with_capacity(8192);
        loop {
            let Some((path, end)) = self.record_request(&bytes) else {
                match stream.read_buf(&mut bytes).await {
                    Ok(count) if count > 0 => continue,
                    _ => return,
                }
            };
            bytes.drain(..end);
            let response: &[u8] = match path.get(..3) {
                Some("/ha") => return std::future::pending().await,
                Some("/er") => b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
                _ => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            };
            if stream.write_all(response).await.is_err() {
                return;
            }
        }
    }

    /// Records a complete request. Returns its path and length, or `None` while the request is incomplete.
    fn record_request(&self, bytes: &[u8]) -> Option<(String, usize)> {
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
        let mut received = self.received.lock().ok()?;
        *received.count.entry(path.clone()).or_default() += 1;
        received.first.entry(path.clone()).or_insert(now);
        received.last.insert(path.clone(), now);
        if path.starts_with("/ok") {
            received.healthy.push((header("webhook-id")?.to_owned(), now));
        }
        if received.body.is_empty() {
            received.body = String::from_utf8_lossy(body).into_owned();
        }
        Some((path, end))
    }

    fn with_received<T>(&self, read: impl FnOnce(&ReceivedMessages) -> T) -> T {
        read(&self.received.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Waits for `count` messages to a path. Returns the time from the first to the last.
    async fn wait_for_messages(&self, path: &str, count: usize) -> Result<Duration> {
        let started = Instant::now();
        while self.with_received(|received| received.count.get(path).copied().unwrap_or_default()) < count {
            if started.elapsed() > MESSAGE_TIMEOUT {
                return Err(format!("{path} did not receive {count} messages in time").into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(self.with_received(|received| received.last[path] - received.first[path]))
    }
}

/// Runs both message benchmarks.
pub(crate) async fn measure(database: &Database, program: &Path, quick: bool) -> Result<Report> {
    let mut report = Report::default();
    for (name, value) in database.settings().await? {
        report.note(name, value);
    }
    let home = tempfile::tempdir()?;
    let service = Service::start_with_sandbox(program, database.url(), home.path())?;
    let receiver = Receiver::start().await?;
    let mut bench = MessageBench { database, service, receiver, orders: 0 };
    bench.measure_throughput(&mut report, quick).await?;
    let latency = bench.measure_delivery_latency(if quick { 40 } else { 200 }).await?;
    report.note("latency with 30 hanging, 20 failing", latency);
    Ok(report)
}

struct MessageBench<'a> {
    database: &'a Database,
    service: Service,
    receiver: Receiver,
    /// The number of seeded orders.
    orders: usize,
}

impl MessageBench<'_> {
    async fn measure_throughput(&mut self, report: &mut Report, quick: bool) -> Result<()> {
        let (count, rounds) = if quick { (2_000, 1) } else { (10_000, 3) };
        let (mut service, mut graphile) = (Measurement::default(), Measurement::default());
        // Round 0 is the warm-up.
        for round in 0..=rounds {
            let count = if round == 0 { 1_000 } else { count };
            let service_run = self.send_with_service(&format!("/service-{round}"), count).await?;
            let graphile_run = self.send_with_graphile(&format!("/graphile-{round}"), count).await?;
            if round > 0 {
                service.merge(service_run);
                graphile.merge(graphile_run);
            }
        }
        report.add("messages, service", service);
        report.add_baseline("messages, graphile-worker", graphile);
        Ok(())
    }

    /// Seeds orders, and measures how fast the service delivers their messages.
    async fn send_with_service(&mut self, path: &str, count: usize) -> Result<Measurement> {
        let endpoint = self.add_endpoint(path).await?;
        let before = usage(self.service.pid(), self.database.postmaster())?;
        self.database.seed(self.orders..self.orders + count, false).await?;
        self.orders += count;
        let elapsed = self.receiver.wait_for_messages(path, count).await?;
        let used = usage(self.service.pid(), self.database.postmaster())?.since(before);
        load::send_once(self.service.address(), &self.service.endpoint_deletion(&endpoint), "200").await?;
        self.database.drain_and_vacuum().await?;
        Ok(Measurement::new(count, Timings { elapsed, latencies_us: Vec::new() }, used))
    }

    /// Measures how fast graphile-worker posts the same number of messages.
    async fn send_with_graphile(&self, path: &str, count: usize) -> Result<Measurement> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("graphile/worker.mjs");
        let mut worker = Command::new("node")
            .arg(script)
            .env("DATABASE_URL", self.database.url())
            .env("TARGET", format!("http://{}{path}", self.receiver.address))
            .env("BODY", self.receiver.with_received(|received| received.body.clone()))
            .env("SECRET", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .env("COUNT", count.to_string())
            .env("ROUND", path)
            .env("CONCURRENCY", CONCURRENCY.to_string())
            .env("NO_LOG_SUCCESS", "1")
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let elapsed = self.receiver.wait_for_messages(path, count).await?;
        worker.kill().await?;
        self.database.drain_and_vacuum().await?;
        Ok(Measurement::new(count, Timings { elapsed, latencies_us: Vec::new() }, Usage::default()))
    }

    /// Measures the delivery latency at healthy endpoints while others hang and fail.
    async fn measure_delivery_latency(&mut self, count: usize) -> Result<String> {
        for (endpoints, name) in [(HANGING, "hang"), (FAILING, "error"), (HEALTHY, "ok")] {
            for number in 0..endpoints {
                self.add_endpoint(&format!("/{name}-{number}")).await?;
            }
        }
        let mut committed_at = HashMap::new();
        for number in self.orders..self.orders + count {
            self.database.seed(number..number + 1, false).await?;
            committed_at.insert(seed::message_id(number), Instant::now());
            tokio::time::sleep(ORDER_INTERVAL).await;
        }
        self.orders += count;
        for number in 0..HEALTHY {
            self.receiver.wait_for_messages(&format!("/ok-{number}"), count).await?;
        }
        let mut latencies: Vec<Duration> = self.receiver.with_received(|received| {
            let healthy = received.healthy.iter();
            let latency =
                |(id, at): &(String, Instant)| Some(at.saturating_duration_since(*committed_at.get(id)?));
            healthy.filter_map(latency).collect()
        });
        latencies.sort_unstable();
        let percentile_ms = |percent: usize| {
            latencies[(latencies.len() * percent / 100).min(latencies.len() - 1)].as_millis()
        };
        Ok(format!(
            "{} messages to {HEALTHY} endpoints: p50 {} ms, p99 {} ms, max {} ms",
            latencies.len(),
            percentile_ms(50),
            percentile_ms(99),
            percentile_ms(100)
        ))
    }

    async fn add_endpoint(&self, path: &str) -> Result<String> {
        let url = format!("http://{}{path}", self.receiver.address);
        let request = self.service.endpoint_creation(&url);
        let response = load::send_once(self.service.address(), &request, "201").await?;
        let id = response.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next());
        Ok(id.ok_or_else(|| format!("no endpoint ID in the response: {response}"))?.to_owned())
    }
}
