//! The worker: announces what was written, takes deliveries on, sends them, and records what came of it.
//!
//! Four loops run side by side: one makes messages, one takes deliveries on as there is room for them, one records
//! attempts many at a time, and one looks after what is kept and counted. Each attempt is a task of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use quittance_crash_points::CrashPoint;
use quittance_domain::id::WebhookEndpointId;
use quittance_domain::outbound::{AttemptOutcome, DisabledReason, after_attempt};
use quittance_persistence::{
    ClaimedDelivery, DeliveryBatch, DeliveryClaim, DeliveryResult, DeliveryToken, Error as StoreError,
    Renderer, Store, WebhookEndpoint,
};
use rand::seq::SliceRandom;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;

use crate::lanes::Lanes;
use crate::sender::{DeliveryResponse, Sender, TIMEOUT};

/// How often the worker looks for work that nobody told it of.
const PERIOD: Duration = Duration::from_millis(250);

/// How long a delivery is this worker's alone; after that, it or another tries again.
const LEASE: chrono::Duration = chrono::Duration::seconds(60);

/// How long before the end of its lease an attempt must have begun: it takes up to 15 s, and is then recorded.
const LEASE_NEEDED: chrono::Duration = chrono::Duration::seconds(25);

/// How many rows of the outbox are published in one transaction.
const ANNOUNCED_AT_ONCE: u16 = 500;

/// How long is waited after what was published was less than that. What comes meanwhile is published together: while
/// much is being written, every transaction of this takes from those that write.
const ANNOUNCE_PAUSE: Duration = Duration::from_millis(25);

/// How many attempts are recorded in one transaction at most.
const RECORDED_AT_ONCE: usize = 256;

/// How often recording is tried while the database is away, and how long is waited between.
const RECORD_TRIES: usize = 20;
const RECORD_PAUSE: Duration = Duration::from_millis(500);

/// How many messages are sent at once, over all endpoints that answer.
const SENDING_MAX: usize = 256;

/// After how long an endpoint that has not answered counts as slow, and takes no room from the others any more.
const SLOW_AFTER: Duration = Duration::from_secs(1);

/// How long attempts that are under way are waited for when the worker is to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// How often the backlog is counted.
const COUNT_PERIOD: Duration = Duration::from_secs(15);

/// How often old messages are thrown away, and how many in one transaction.
const SWEEP_PERIOD: Duration = Duration::from_hours(1);
const FORGOTTEN_AT_ONCE: u16 = 500;

/// How the worker works.
#[derive(Debug, Clone)]
pub struct OutboundConfig {
    /// Makes the payload of a message.
    pub render: Renderer,
    /// How long messages are kept.
    pub retention: chrono::Duration,
}

/// Tells the worker that something was written which it would find only a moment later.
#[derive(Debug, Clone, Default)]
pub struct Wakeup(Arc<Notify>);

impl Wakeup {
    /// There is something new.
    pub fn notify(&self) {
        self.0.notify_one();
    }
}

/// Delivers messages to the shop's own systems. Any number of processes may each run one.
pub struct Worker {
    shared: Arc<Shared>,
    ended: mpsc::UnboundedReceiver<FinishedDelivery>,
}

struct Shared {
    store: Store,
    sender: Sender,
    config: OutboundConfig,
    news: Wakeup,
    unpublished: Notify,
    lanes: Lanes,
    sending: Semaphore,
    ended: mpsc::UnboundedSender<FinishedDelivery>,
    stop: watch::Sender<bool>,
}

/// A delivery that is not under way any more.
enum FinishedDelivery {
    Attempted(WebhookEndpointId, Box<DeliveryResult>),
    /// It was not begun in time.
    LetGo(WebhookEndpointId, DeliveryToken),
}

impl Worker {
    /// A worker on this store, which sends by this sender. `news` is told by whoever writes to the outbox.
    #[must_use]
    pub fn new(store: Store, sender: Sender, config: OutboundConfig, news: Wakeup) -> Self {
        describe();
        let (tell, ended) = mpsc::unbounded_channel();
        let shared = Shared {
            store,
            sender,
            config,
            news,
            unpublished: Notify::new(),
            lanes: Lanes::default(),
            sending: Semaphore::new(SENDING_MAX),
            ended: tell,
            stop: watch::Sender::new(false),
        };
        Self { shared: Arc::new(shared), ended }
    }

    /// Works until told to stop. Attempts that are under way then have a few seconds to end; what is cut off is
    /// tried again by another worker, or the next one.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let Self { shared, ended } = self;
        let announcing = tokio::spawn(publish(Arc::clone(&shared)));
        let keeping = tokio::spawn(run_housekeeping(Arc::clone(&shared)));
        let (no_more, ended_all) = watch::channel(false);
        let recording = tokio::spawn(record(Arc::clone(&shared), ended, ended_all));
        let dispatching = tokio::spawn(dispatch(Arc::clone(&shared)));
        // An error means that the sender is gone: then it is time to stop, too.
        let _ = stop.wait_for(|stop| *stop).await;
        shared.stop.send_replace(true);
        for task in [announcing, keeping, dispatching] {
            let _ = task.await;
        }
        no_more.send_replace(true);
        let _ = recording.await;
    }
}

impl Shared {
    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits until it is an attempt's turn at its endpoint, and there is room for it. `None` when the worker is to
    /// stop first.
    async fn turn<'a>(&'a self, turn: &'a Semaphore) -> Option<(SemaphorePermit<'a>, SemaphorePermit<'a>)> {
        let mut stop = self.stop.subscribe();
        let both = async { Some((turn.acquire().await.ok()?, self.sending.acquire().await.ok()?)) };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => None,
            both = both => both,
        }
    }

    /// Waits for this to be told, for a while at most; less when the worker is to stop.
    async fn wait(&self, told: impl Future<Output = ()>, at_most: Duration) {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            () = told => {}
            () = tokio::time::sleep(at_most) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

/// Makes messages of what was written, whenever the dispatcher has seen something.
async fn publish(shared: Arc<Shared>) {
    while !shared.is_stopping() {
        shared.wait(shared.unpublished.notified(), Duration::MAX).await;
        while !shared.is_stopping() {
            match shared.store.publish(ANNOUNCED_AT_ONCE, shared.config.render.clone(), Utc::now()).await {
                Ok(0) => break,
                Ok(count) => {
                    CrashPoint::MessagesCreated.reach();
                    shared.news.notify();
                    if count < usize::from(ANNOUNCED_AT_ONCE) {
                        shared.wait(std::future::pending(), ANNOUNCE_PAUSE).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "Events could not be published to the shop's systems; it is tried again."
                    );
                    break;
                }
            }
        }
    }
}

/// Takes deliveries on while there is room for them, and sends them.
async fn dispatch(shared: Arc<Shared>) {
    let mut attempts = JoinSet::new();
    while !shared.is_stopping() {
        match claim(&shared).await {
            Ok(taken) => {
                for claimed in taken {
                    begin(&shared, claimed, &mut attempts);
                }
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "The worker can not read what is to be delivered; it tries again."
            ),
        }
        while attempts.try_join_next().is_some() {}
        shared.wait(shared.news.0.notified(), PERIOD).await;
    }
    let _ =
        tokio::time::timeout(STOP_PATIENCE, async { while attempts.join_next().await.is_some() {} }).await;
    attempts.shutdown().await;
}

async fn claim(shared: &Shared) -> Result<Vec<DeliveryBatch>, StoreError> {
    let now = Utc::now();
    let mut work = shared.store.outbound_work(now).await?;
    if work.unpublished {
        shared.unpublished.notify_one();
    }
    // No endpoint is always the last one for which there is room.
    work.due.shuffle(&mut rand::rng());
    let wanted = shared.lanes.room(work.due);
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let claimed =
        shared.store.claim_deliveries(DeliveryClaim { wanted, now, lease_until: now + LEASE }).await?;
    if !claimed.is_empty() {
        CrashPoint::DeliveriesClaimed.reach();
    }
    Ok(claimed)
}

fn begin(shared: &Arc<Shared>, claimed: DeliveryBatch, attempts: &mut JoinSet<()>) {
    let lease_until = Utc::now() + LEASE;
    let endpoint = Arc::new(claimed.endpoint);
    let turn = shared.lanes.claim(&endpoint.id, claimed.deliveries.len());
    for delivery in claimed.deliveries {
        let (shared, endpoint, turn) = (Arc::clone(shared), Arc::clone(&endpoint), Arc::clone(&turn));
        attempts.spawn(async move { attempt(&shared, &endpoint, delivery, &turn, lease_until).await });
    }
}

/// One attempt, as soon as it is its turn.
async fn attempt(
    shared: &Shared,
    endpoint: &WebhookEndpoint,
    delivery: ClaimedDelivery,
    turn: &Semaphore,
    lease_until: DateTime<Utc>,
) {
    let Some((_turn, room)) = shared.turn(turn).await.filter(|_| Utc::now() + LEASE_NEEDED <= lease_until)
    else {
        let _ = shared.ended.send(FinishedDelivery::LetGo(endpoint.id.clone(), delivery.claim));
        return;
    };
    let at = Utc::now();
    let secrets = endpoint.signing(at).map(|secret| secret.text.as_str());
    let answered = {
        let message_id = delivery.message_id.as_str();
        let sending = shared.sender.send(&endpoint.url, secrets, message_id, &delivery.payload);
        tokio::pin!(sending);
        tokio::select! {
            answered = &mut sending => answered,
            () = tokio::time::sleep(SLOW_AFTER) => {
                drop(room);
                sending.await
            }
        }
    };
    CrashPoint::MessageSent.reach();
    shared.lanes.note(&endpoint.id, answered.outcome == AttemptOutcome::Delivered);
    report(endpoint, &delivery, &answered);
    let ended = ended_attempt(delivery, answered, at);
    let _ = shared.ended.send(FinishedDelivery::Attempted(endpoint.id.clone(), Box::new(ended)));
}

fn ended_attempt(delivery: ClaimedDelivery, answered: DeliveryResponse, at: DateTime<Utc>) -> DeliveryResult {
    let tries = delivery.tries + 1;
    let chance = rand::random_range(0..=1000);
    let (state, due_at) = after_attempt(answered.outcome, tries, chance, answered.retry_after, Utc::now());
    DeliveryResult {
        claim: delivery.claim,
        outcome: answered.outcome,
        status: answered.status,
        answer: answered.answer,
        duration_ms: i64::try_from(answered.duration.as_millis()).unwrap_or(i64::MAX),
        at,
        state,
        due_at,
    }
}

/// Counts an attempt, and says so where it failed. The URL stays out of the log: it may hold a secret of the shop's.
fn report(endpoint: &WebhookEndpoint, delivery: &ClaimedDelivery, answered: &DeliveryResponse) {
    let outcome = answered.outcome.as_str();
    metrics::counter!("quittance_outbound_attempts_total", "outcome" => outcome).increment(1);
    metrics::histogram!("quittance_outbound_attempt_seconds").record(answered.duration);
    if answered.outcome != AttemptOutcome::Delivered {
        tracing::info!(
            message.id = %delivery.message_id,
            message.kind = delivery.kind,
            endpoint.id = %endpoint.id,
            outcome,
            http.status = answered.status,
            tries = delivery.tries + 1,
            "A message could not be delivered to one of the shop's systems."
        );
    }
}

/// Records how attempts ended, as many at a time as have ended while the last ones were being recorded.
async fn record(
    shared: Arc<Shared>,
    mut ended: mpsc::UnboundedReceiver<FinishedDelivery>,
    mut ended_all: watch::Receiver<bool>,
) {
    loop {
        let mut batch = Vec::with_capacity(RECORDED_AT_ONCE);
        tokio::select! {
            biased;
            _ = ended.recv_many(&mut batch, RECORDED_AT_ONCE) => {}
            _ = ended_all.wait_for(|all| *all) => return,
        }
        let (mut attempts, mut release, mut endpoints) = (Vec::new(), Vec::new(), Vec::new());
        for one in batch {
            match one {
                FinishedDelivery::Attempted(endpoint_id, attempt) => {
                    endpoints.push(endpoint_id);
                    attempts.push(*attempt);
                }
                FinishedDelivery::LetGo(endpoint_id, claim) => {
                    endpoints.push(endpoint_id);
                    release.push(claim);
                }
            }
        }
        if !release.is_empty()
            && let Err(error) = shared.store.let_deliveries_go(release).await
        {
            tracing::debug!(error = &error as &dyn std::error::Error, "Their leases end by themselves.");
        }
        if !attempts.is_empty() {
            record_attempts(&shared, attempts).await;
            CrashPoint::AttemptsRecorded.reach();
        }
        for endpoint_id in endpoints {
            shared.lanes.release(&endpoint_id);
        }
        shared.news.notify();
    }
}

async fn record_attempts(shared: &Shared, attempts: Vec<DeliveryResult>) {
    for _ in 0..RECORD_TRIES {
        let count = attempts.len();
        let render = shared.config.render.clone();
        match shared.store.record_attempts(attempts.clone(), render, Utc::now()).await {
            Ok(recorded) => {
                let lost = u64::try_from(count - recorded.kept).unwrap_or_default();
                metrics::counter!("quittance_outbound_leases_lost_total").increment(lost);
                recorded.disabled.iter().for_each(report_disabled);
                return;
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                attempts = count,
                "What came of attempts could not be recorded; it is tried again."
            ),
        }
        tokio::time::sleep(RECORD_PAUSE).await;
    }
    tracing::error!(
        attempts = attempts.len(),
        "What came of attempts could not be recorded: once their leases have ended, the messages are sent again."
    );
}

fn report_disabled((endpoint_id, reason): &(WebhookEndpointId, DisabledReason)) {
    metrics::counter!("quittance_outbound_endpoints_disabled_total", "reason" => reason.as_str())
        .increment(1);
    tracing::error!(
        endpoint.id = %endpoint_id,
        reason = reason.as_str(),
        "An endpoint of the shop's systems was disabled. When it is mended, enable it and ask for what it missed: \
         POST /v1/webhook_endpoints/{{id}}/recover."
    );
}

/// Counts what waits, and throws away what is old.
async fn run_housekeeping(shared: Arc<Shared>) {
    let mut swept_at: Option<Instant> = None;
    while !shared.is_stopping() {
        if swept_at.is_none_or(|at| at.elapsed() >= SWEEP_PERIOD) {
            sweep(&shared).await;
            swept_at = Some(Instant::now());
        }
        if let Ok(backlog) = shared.store.outbound_backlog().await {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a floating-point number")]
            let gauge = |number: i64| number as f64;
            let age = backlog.oldest.map_or(0, |oldest| (Utc::now() - oldest).num_milliseconds().max(0));
            metrics::gauge!("quittance_outbound_backlog").set(gauge(backlog.pending));
            metrics::gauge!("quittance_outbound_oldest_undelivered_seconds").set(gauge(age) / 1000.0);
        }
        shared.wait(std::future::pending(), COUNT_PERIOD).await;
    }
}

async fn sweep(shared: &Shared) {
    while !shared.is_stopping() {
        let before = Utc::now() - shared.config.retention;
        match shared.store.forget_messages(before, FORGOTTEN_AT_ONCE).await {
            Ok(count) if count < usize::from(FORGOTTEN_AT_ONCE) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "Old messages could not be removed; it is tried again in an hour."
                );
                return;
            }
        }
    }
}

/// Says what the metrics are.
fn describe() {
    metrics::describe_counter!(
        "quittance_outbound_attempts_total",
        "Attempts to deliver messages to the shop's systems, by outcome."
    );
    metrics::describe_histogram!(
        "quittance_outbound_attempt_seconds",
        metrics::Unit::Seconds,
        "How long the shop's systems took to take a message, or to fail."
    );
    metrics::describe_gauge!(
        "quittance_outbound_backlog",
        "Deliveries to enabled endpoints that are not made yet."
    );
    metrics::describe_gauge!(
        "quittance_outbound_oldest_undelivered_seconds",
        metrics::Unit::Seconds,
        "Age of the oldest delivery that is not made yet."
    );
    metrics::describe_counter!(
        "quittance_outbound_leases_lost_total",
        "Attempts that ended after their lease: the message was sent again."
    );
    metrics::describe_counter!(
        "quittance_outbound_endpoints_disabled_total",
        "Endpoints that were disabled because they failed for days or answered 410, by reason."
    );
}

// An attempt that begins in time is recorded within its lease.
const _: () = assert!(LEASE_NEEDED.num_seconds().cast_unsigned() > TIMEOUT.as_secs() + 5);
