//! Tests of publishing and delivering: each event once, each delivery by one worker, in message order.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use quittance_domain::dispute::DisputeStatus;
use quittance_domain::id::{MessageId, OrderId, WebhookEndpointId};
use quittance_domain::outbound::{AttemptOutcome, DeliveryState};
use quittance_domain::refund::RefundStatus;
use quittance_persistence::{
    ClaimedDelivery, Cursor, DeliveryClaim, DeliveryResult, Message, MessageDraft, MessageFilter,
    RecordAttemptsOutcome, Renderer, SigningSecret, Snapshot, Store, WebhookEndpoint,
};
use quittance_test_support::{Payment, TestDatabase, id, later, now, on_both_databases, place};

use crate::{apply, apply_one, rows};

on_both_databases! {
    each_event_is_published_once,
    concurrent_publishers_publish_each_event_once,
    message_contains_object_snapshot,
    refund_and_dispute_messages_contain_their_object,
    full_batch_includes_all_events_of_its_orders,
    first_attempts_keep_message_order,
    retries_do_not_block_later_messages,
    due_delivery_is_claimed_by_one_worker,
    result_after_lost_lease_is_ignored,
    released_delivery_is_claimable_immediately,
    claim_is_limited_to_wanted_endpoints,
    attempts_are_recorded_with_their_outcomes,
    backlog_counts_pending_deliveries,
}

pub(crate) fn renderer() -> Renderer {
    Renderer(Arc::new(|message: &MessageDraft| {
        let about = match &message.snapshot {
            Snapshot::Order(order) => format!("{} {}", order.id, order.version),
            Snapshot::Product(product) => product.id.to_string(),
            Snapshot::Refund(stored) => stored.refund.id.to_string(),
            Snapshot::Dispute(stored) => stored.dispute.id.to_string(),
            Snapshot::Seller(seller) => format!("{} {}", seller.id, seller.version),
            Snapshot::WebhookEndpoint(endpoint) => endpoint.id.to_string(),
        };
        format!("{} {} {:?} {about}", message.id, message.kind, message.sequence)
    }))
}

pub(crate) fn new_endpoint(patterns: &[&str]) -> WebhookEndpoint {
    WebhookEndpoint {
        id: id(WebhookEndpointId::from_uuid),
        url: "https://shop.example/hooks".to_owned(),
        description: None,
        event_types: patterns.iter().map(|pattern| pattern.parse().expect("a pattern")).collect(),
        secrets: vec![SigningSecret { number: 1, text: "whsec_one".to_owned(), expires_at: None }],
        enabled: true,
        disabled_reason: None,
        failing_since: None,
        created_at: now(),
        updated_at: now(),
    }
}

pub(crate) async fn endpoint(store: &Store, patterns: &[&str]) -> WebhookEndpointId {
    store.insert_webhook_endpoint(new_endpoint(patterns), None).await.expect("a commit").id
}

/// Inserts an outbox row, as a change of an order does.
pub(crate) async fn write(database: &TestDatabase, order_id: &OrderId, kind: &str, sequence: i64) -> String {
    let message_id = id(MessageId::from_uuid).to_string();
    write_as(database, &message_id, order_id, kind, sequence).await;
    message_id
}

async fn write_as(database: &TestDatabase, message_id: &str, order_id: &OrderId, kind: &str, sequence: i64) {
    let sql = format!(
        "INSERT INTO outbox (id, order_id, kind, subject, sequence, created_at) SELECT '{message_id}', id, '{kind}', \
         '{message_id}', {sequence}, created_at FROM orders WHERE id = '{order_id}'"
    );
    database.execute(&sql).await;
}

pub(crate) async fn publish(store: &Store) -> usize {
    store.publish(100, renderer(), now()).await.expect("a commit")
}

/// Places an order whose `order.created` event is already published.
async fn known_order(store: &Store) -> OrderId {
    let order = place(store).await;
    publish(store).await;
    order.id
}

pub(crate) async fn claim_at(
    store: &Store,
    endpoint_id: &WebhookEndpointId,
    at: DateTime<Utc>,
    limit: u16,
) -> Vec<ClaimedDelivery> {
    let wanted = vec![(endpoint_id.clone(), limit)];
    let claim = DeliveryClaim { wanted, now: at, lease_until: at + chrono::Duration::seconds(60) };
    let claimed = store.claim_deliveries(claim).await.expect("a commit");
    claimed.into_iter().flat_map(|claimed| claimed.deliveries).collect()
}

pub(crate) async fn claim(store: &Store, endpoint_id: &WebhookEndpointId) -> Vec<ClaimedDelivery> {
    claim_at(store, endpoint_id, now(), 100).await
}

fn ids(claimed: &[ClaimedDelivery]) -> Vec<&str> {
    claimed.iter().map(|delivery| delivery.message_id.as_str()).collect()
}

pub(crate) fn ended(delivery: &ClaimedDelivery, outcome: AttemptOutcome) -> DeliveryResult {
    let (state, due_at) = match outcome {
        AttemptOutcome::Delivered => (DeliveryState::Delivered, None),
        AttemptOutcome::Gone => (DeliveryState::Failed, None),
        _ => (DeliveryState::Pending, Some(later(5))),
    };
    DeliveryResult {
        claim: delivery.claim.clone(),
        outcome,
        status: Some(if state == DeliveryState::Delivered { 204 } else { 500 }),
        answer: Some("an answer".to_owned()),
        duration_ms: 12,
        at: now(),
        state,
        due_at,
    }
}

pub(crate) async fn record(store: &Store, attempts: Vec<DeliveryResult>) -> RecordAttemptsOutcome {
    store.record_attempts(attempts, renderer(), later(1)).await.expect("a commit")
}

pub(crate) async fn message(store: &Store, id: &str) -> Message {
    store.message(id.parse().expect("an id")).await.expect("a read").expect("a message")
}

async fn each_event_is_published_once(database: &TestDatabase) {
    let store = database.store().await;
    let all = endpoint(&store, &["*"]).await;
    let paid = endpoint(&store, &["order.paid", "refund.*"]).await;
    let order = place(&store).await;
    let second = write(database, &order.id, "order.paid", 2).await;
    assert!(store.outbound_work(now()).await.expect("a read").unpublished);
    assert_eq!(publish(&store).await, 2);
    assert_eq!(publish(&store).await, 0);
    let work = store.outbound_work(now()).await.expect("a read");
    assert!(!work.unpublished);
    assert_eq!(work.due, [all.clone(), paid.clone()]);
    let told = message(&store, &second).await;
    let to: Vec<_> = told.deliveries.iter().map(|delivery| delivery.endpoint_id.clone()).collect();
    assert_eq!((told.sequence, to), (Some(2), vec![all, paid]));
    assert_eq!((rows(database, "messages").await, rows(database, "deliveries").await), (2, 3));
    // A later endpoint doesn't get the message.
    let late = endpoint(&store, &["*"]).await;
    assert_eq!(publish(&store).await, 0);
    assert!(claim(&store, &late).await.is_empty());
}

async fn concurrent_publishers_publish_each_event_once(database: &TestDatabase) {
    let stores = [database.store().await, database.store().await, database.store().await];
    let to = endpoint(&stores[0], &["*"]).await;
    for _ in 0..40 {
        place(&stores[0]).await;
    }
    let announcing = (0..24).map(|number| {
        let store = stores[number % stores.len()].clone();
        tokio::spawn(async move { store.publish(7, renderer(), now()).await.expect("a commit") })
    });
    let together: usize = join_all(announcing).await.into_iter().map(|made| made.expect("a task")).sum();
    // Publishers that found the lock taken did nothing, so some events may be left.
    let mut left = 0;
    while store_has_more(&stores[1]).await {
        left += publish(&stores[1]).await;
    }
    assert_eq!(together + left, 40);
    assert_eq!((rows(database, "messages").await, rows(database, "deliveries").await), (40, 40));
    assert_eq!(claim(&stores[2], &to).await.len(), 40);
}

async fn store_has_more(store: &Store) -> bool {
    store.outbound_work(now()).await.expect("a read").unpublished
}

async fn message_contains_object_snapshot(database: &TestDatabase) {
    let store = database.store().await;
    let order = place(&store).await;
    let product = order.lines[0].product_id.clone();
    let paid = write(database, &order.id, "order.paid", 1).await;
    let sold_out = id(MessageId::from_uuid).to_string();
    write_as(database, &sold_out, &order.id, "product.out_of_stock", 1).await;
    database.execute(&format!("UPDATE outbox SET subject = '{product}' WHERE id = '{sold_out}'")).await;
    publish(&store).await;
    let told = message(&store, &paid).await;
    assert_eq!(told.payload, format!("{paid} order.paid Some(1) {} 1", order.id));
    assert_eq!(told.order_id, Some(order.id));
    assert_eq!(
        message(&store, &sold_out).await.payload,
        format!("{sold_out} product.out_of_stock Some(1) {product}")
    );
}

async fn refund_and_dispute_messages_contain_their_object(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply(&store, &[payment.succeeded()]).await;
    apply_one(&store, payment.refund("re_1", None, 700, (RefundStatus::Succeeded, 1))).await;
    let seen = [DisputeStatus::WarningClosed, DisputeStatus::NeedsResponse, DisputeStatus::Lost];
    for (status, second) in seen.into_iter().zip(2..) {
        apply_one(&store, payment.dispute("du_1", (status, second))).await;
    }
    publish(&store).await;
    let refund = store.refunds(payment.order.id.clone()).await.expect("a read").remove(0).refund.id;
    let dispute = store.disputes(payment.order.id.clone()).await.expect("a read").remove(0).dispute.id;
    for (kind, about, times) in [
        ("refund.succeeded", refund.as_str(), 1),
        ("dispute.opened", dispute.as_str(), 2),
        ("dispute.closed", dispute.as_str(), 2),
    ] {
        let filter = MessageFilter { kind: Some(kind.to_owned()), ..MessageFilter::default() };
        let newest = Cursor { limit: 10, starting_after: None };
        let told = store.messages(filter, newest).await.expect("a read").data;
        assert_eq!(told.len(), times, "{kind}");
        for message in told {
            assert!(message.payload.ends_with(about), "{kind}: {}", message.payload);
        }
    }
}

async fn full_batch_includes_all_events_of_its_orders(database: &TestDatabase) {
    let store = database.store().await;
    let to = endpoint(&store, &["*"]).await;
    let order = known_order(&store).await;
    claim(&store, &to).await;
    // A process with a slow clock wrote the second event.
    let (early_id, late_id) = (id(MessageId::from_uuid).to_string(), id(MessageId::from_uuid).to_string());
    write_as(database, &late_id, &order, "order.processing", 2).await;
    write_as(database, &early_id, &order, "order.paid", 3).await;
    assert_eq!(store.publish(1, renderer(), now()).await.expect("a commit"), 2);
    record(&store, Vec::new()).await;
    database.execute("UPDATE deliveries SET ordering_key = NULL WHERE sequence = 1").await;
    assert_eq!(ids(&claim(&store, &to).await), [late_id.as_str()]);
}

async fn first_attempts_keep_message_order(database: &TestDatabase) {
    let store = database.store().await;
    let (to, other) = (endpoint(&store, &["*"]).await, endpoint(&store, &["*"]).await);
    let order = place(&store).await;
    let stranger = place(&store).await;
    let second = write(database, &order.id, "order.processing", 2).await;
    let third = write(database, &order.id, "order.paid", 3).await;
    publish(&store).await;
    let first = claim(&store, &to).await;
    assert_eq!(first.len(), 2, "the first of each order");
    assert!(claim(&store, &to).await.is_empty(), "the others wait");
    let of_order = first.iter().find(|delivery| delivery.payload.contains(order.id.as_str())).expect("it");
    assert!(first.iter().any(|delivery| delivery.payload.contains(stranger.id.as_str())));
    record(&store, vec![ended(of_order, AttemptOutcome::Refused)]).await;
    // The first attempt failed and will be retried. The next message doesn't wait for that.
    let next = claim(&store, &to).await;
    assert_eq!(ids(&next), [second.as_str()]);
    record(&store, vec![ended(&next[0], AttemptOutcome::Delivered)]).await;
    assert_eq!(ids(&claim(&store, &to).await), [third.as_str()]);
    assert_eq!(claim(&store, &other).await.len(), 2, "another endpoint is at its own first");
}

async fn retries_do_not_block_later_messages(database: &TestDatabase) {
    let store = database.store().await;
    let to = endpoint(&store, &["*"]).await;
    let order = place(&store).await;
    publish(&store).await;
    let first = claim(&store, &to).await;
    record(&store, vec![ended(&first[0], AttemptOutcome::TimedOut)]).await;
    let second = write(database, &order.id, "order.paid", 2).await;
    publish(&store).await;
    assert_eq!(claim_at(&store, &to, later(5), 1).await.len(), 1);
    let rest = claim_at(&store, &to, later(5), 9).await;
    assert_eq!(rest.len(), 1);
    assert!(claim_at(&store, &to, later(6), 9).await.is_empty());
    assert!(message(&store, &second).await.deliveries[0].state == DeliveryState::Pending);
}

async fn due_delivery_is_claimed_by_one_worker(database: &TestDatabase) {
    let stores = [database.store().await, database.store().await];
    let to = endpoint(&stores[0], &["*"]).await;
    for _ in 0..60 {
        place(&stores[0]).await;
    }
    publish(&stores[0]).await;
    let claims = (0..20).map(|number| {
        let (store, to) = (stores[number % 2].clone(), to.clone());
        tokio::spawn(async move { claim_at(&store, &to, now(), 5).await })
    });
    let mut taken = HashSet::new();
    let first: Vec<_> =
        join_all(claims).await.into_iter().flat_map(|claimed| claimed.expect("a task")).collect();
    // A claim skips rows that another worker has locked, so some may be left.
    for delivery in first.into_iter().chain(claim(&stores[1], &to).await) {
        assert!(taken.insert(delivery.message_id.clone()), "{} was taken twice", delivery.message_id);
    }
    assert_eq!(taken.len(), 60);
}

async fn result_after_lost_lease_is_ignored(database: &TestDatabase) {
    let store = database.store().await;
    let to = endpoint(&store, &["*"]).await;
    place(&store).await;
    publish(&store).await;
    let slow = claim(&store, &to).await;
    assert!(claim_at(&store, &to, later(59), 9).await.is_empty(), "it is being worked on");
    assert_eq!(store.outbound_work(later(59)).await.expect("a read").due, []);
    let next = claim_at(&store, &to, later(60), 9).await;
    assert_eq!(ids(&next), ids(&slow), "the lease has expired");
    let id = slow[0].message_id.to_string();
    assert_eq!(
        record(&store, vec![ended(&slow[0], AttemptOutcome::Gone)]).await,
        RecordAttemptsOutcome::default()
    );
    let told = message(&store, &id).await;
    assert_eq!((told.deliveries[0].state, told.deliveries[0].attempts), (DeliveryState::Pending, 0));
    assert!(told.deliveries[0].history.is_empty());
    assert!(store.webhook_endpoint(to.clone()).await.expect("a read").expect("it").enabled);
    assert_eq!(record(&store, vec![ended(&next[0], AttemptOutcome::Delivered)]).await.kept, 1);
    assert_eq!(record(&store, vec![ended(&next[0], AttemptOutcome::Refused)]).await.kept, 0, "said once");
    assert_eq!(message(&store, &id).await.deliveries[0].state, DeliveryState::Delivered);
}

async fn released_delivery_is_claimable_immediately(database: &TestDatabase) {
    let store = database.store().await;
    let to = endpoint(&store, &["*"]).await;
    place(&store).await;
    publish(&store).await;
    let first = claim(&store, &to).await;
    let release = async |claimed: &[ClaimedDelivery]| {
        let claims = claimed.iter().map(|delivery| delivery.claim.clone()).collect();
        store.release_deliveries(claims).await.expect("a commit");
    };
    release(&first).await;
    let second = claim(&store, &to).await;
    assert_eq!(ids(&second), ids(&first));
    release(&first).await;
    assert!(claim(&store, &to).await.is_empty(), "only the claim's owner may release it");
}

async fn claim_is_limited_to_wanted_endpoints(database: &TestDatabase) {
    let store = database.store().await;
    let (first, second) = (endpoint(&store, &["*"]).await, endpoint(&store, &["*"]).await);
    for _ in 0..5 {
        place(&store).await;
    }
    publish(&store).await;
    let wanted = vec![(first.clone(), 2), (second.clone(), 4)];
    let claim = DeliveryClaim { wanted, now: now(), lease_until: later(60) };
    let claimed = store.claim_deliveries(claim).await.expect("a commit");
    let counts: Vec<_> =
        claimed.iter().map(|claimed| (claimed.endpoint.id.clone(), claimed.deliveries.len())).collect();
    assert_eq!(counts, [(first.clone(), 2), (second, 4)]);
    assert_eq!(claimed[0].endpoint.secrets[0].text, "whsec_one");
    assert_eq!(store.outbound_work(now()).await.expect("a read").due.len(), 2);
}

async fn attempts_are_recorded_with_their_outcomes(database: &TestDatabase) {
    let store = database.store().await;
    let to = endpoint(&store, &["*"]).await;
    place(&store).await;
    publish(&store).await;
    let first = claim(&store, &to).await;
    record(&store, vec![ended(&first[0], AttemptOutcome::Refused)]).await;
    assert!(claim_at(&store, &to, later(4), 9).await.is_empty());
    let second = claim_at(&store, &to, later(5), 9).await;
    assert_eq!((second[0].attempts_since_resend, &second[0].payload), (1, &first[0].payload));
    record(&store, vec![ended(&second[0], AttemptOutcome::Delivered)]).await;
    let told = message(&store, first[0].message_id.as_str()).await;
    let delivery = &told.deliveries[0];
    assert_eq!((delivery.state, delivery.attempts, delivery.due_at), (DeliveryState::Delivered, 2, None));
    let seen: Vec<_> =
        delivery.history.iter().map(|tried| (tried.number, tried.outcome, tried.status)).collect();
    assert_eq!(seen, [(1, AttemptOutcome::Refused, Some(500)), (2, AttemptOutcome::Delivered, Some(204))]);
    assert_eq!(delivery.history[0].answer.as_deref(), Some("an answer"));
    assert_eq!((delivery.history[0].duration_ms, delivery.history[0].at), (12, now()));
}

async fn backlog_counts_pending_deliveries(database: &TestDatabase) {
    let store = database.store().await;
    let backlog = async || store.outbound_backlog().await.expect("a read");
    assert_eq!((backlog().await.pending, backlog().await.oldest), (0, None));
    let to = endpoint(&store, &["*"]).await;
    place(&store).await;
    assert_eq!((backlog().await.pending, backlog().await.oldest), (0, Some(now())));
    publish(&store).await;
    assert_eq!((backlog().await.pending, backlog().await.oldest), (1, Some(now())));
    let claimed = claim(&store, &to).await;
    record(&store, vec![ended(&claimed[0], AttemptOutcome::Delivered)]).await;
    assert_eq!((backlog().await.pending, backlog().await.oldest), (0, None));
}
