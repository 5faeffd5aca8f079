//! Tests of webhook endpoints, resending, and deleting messages.

use quittance_domain::id::WebhookEndpointId;
use quittance_domain::outbound::{AttemptOutcome, DeliveryState, DisabledReason};
use quittance_persistence::{
    Cursor, MessageFilter, ResendOutcome, SecretRoll, Store, WebhookEndpoint, WebhookEndpointChange,
};
use quittance_test_support::{TestDatabase, id, later, now, on_both_databases, place};

use crate::outbound::{
    claim, claim_at, ended, endpoint, message, new_endpoint, publish, record, renderer, write,
};
use crate::{apply, rows};

on_both_databases! {
    endpoint_can_be_read_changed_and_removed,
    rolled_secret_stays_valid_until_its_expiry,
    disabled_endpoint_receives_nothing_until_enabled,
    endpoint_failing_for_days_is_disabled_and_reported,
    endpoint_answering_gone_is_disabled_immediately,
    success_resets_endpoint_failure_state,
    deliveries_to_removed_endpoint_are_canceled,
    ping_reaches_only_its_endpoint,
    message_can_be_resent,
    missed_messages_are_recovered,
    messages_are_filtered,
    deleted_messages_are_not_published_again,
}

async fn get(store: &Store, id: &WebhookEndpointId) -> WebhookEndpoint {
    store.webhook_endpoint(id.clone()).await.expect("a read").expect("an endpoint")
}

async fn change(
    store: &Store,
    id: &WebhookEndpointId,
    change: WebhookEndpointChange,
) -> Option<WebhookEndpoint> {
    store.change_webhook_endpoint(id.clone(), change, later(7)).await.expect("a commit")
}

fn enabled(enabled: bool) -> WebhookEndpointChange {
    WebhookEndpointChange { enabled: Some(enabled), ..WebhookEndpointChange::default() }
}

async fn endpoint_can_be_read_changed_and_removed(database: &TestDatabase) {
    let store = database.store().await;
    let made = store.insert_webhook_endpoint(new_endpoint(&["order.*"]), None).await.expect("a commit");
    assert_eq!(get(&store, &made.id).await, made);
    let changed = WebhookEndpointChange {
        url: Some("https://shop.example/new".to_owned()),
        description: Some(Some("stock".to_owned())),
        event_types: Some(vec!["order.paid".parse().expect("a pattern")]),
        enabled: Some(false),
    };
    let changed = change(&store, &made.id, changed).await.expect("an endpoint");
    assert_eq!((changed.enabled, changed.disabled_reason), (false, Some(DisabledReason::Requested)));
    assert_eq!(
        (changed.url.as_str(), changed.description.as_deref()),
        ("https://shop.example/new", Some("stock"))
    );
    assert_eq!(changed.updated_at, later(7));
    assert_eq!(get(&store, &made.id).await, changed);
    let enabled = change(&store, &made.id, enabled(true)).await.expect("an endpoint");
    assert_eq!((enabled.enabled, enabled.disabled_reason), (true, None));
    assert!(
        change(&store, &id(WebhookEndpointId::from_uuid), WebhookEndpointChange::default()).await.is_none()
    );

    let second = endpoint(&store, &["*"]).await;
    let page = |starting_after| store.webhook_endpoints(Cursor { limit: 1, starting_after });
    let newest = page(None).await.expect("a read");
    assert_eq!((newest.data[0].id.clone(), newest.has_more), (second.clone(), true));
    assert_eq!(page(Some(second.clone())).await.expect("a read").data[0].id, made.id);

    assert!(store.remove_webhook_endpoint(second.clone(), now()).await.expect("a commit"));
    assert!(!store.remove_webhook_endpoint(second.clone(), now()).await.expect("a commit"));
    assert!(store.webhook_endpoint(second).await.expect("a read").is_none());
    assert_eq!(page(None).await.expect("a read").data[0].id, made.id);
    let kept = "SELECT count(*) FROM webhook_endpoints WHERE removed_at IS NOT NULL AND CAST(secrets AS text) = '[]'";
    assert_eq!(database.scalar_i64(kept).await, 1, "its secrets are gone");
}

async fn rolled_secret_stays_valid_until_its_expiry(database: &TestDatabase) {
    let store = database.store().await;
    let to = endpoint(&store, &["*"]).await;
    let roll = |secret: &str, now_s, until_s| SecretRoll {
        id: to.clone(),
        secret: secret.to_owned(),
        old_secrets_until: later(until_s),
        now: later(now_s),
    };
    store.roll_webhook_secret(roll("whsec_two", 0, 100), None).await.expect("a commit").expect("it");
    let three = store.roll_webhook_secret(roll("whsec_three", 10, 500), None).await.expect("a commit");
    let three = three.expect("it");
    assert_eq!(get(&store, &to).await, three);
    let signing =
        |seconds| -> Vec<&str> { three.signing(later(seconds)).map(|secret| secret.text.as_str()).collect() };
    assert_eq!(signing(11), ["whsec_three", "whsec_two", "whsec_one"]);
    assert_eq!(signing(100), ["whsec_three", "whsec_two"], "a second roll gives the first no more time");
    assert_eq!(signing(500), ["whsec_three"]);
    assert_eq!(three.secrets.iter().map(|secret| secret.number).collect::<Vec<_>>(), [3, 2, 1]);
    let at_once = store.roll_webhook_secret(roll("whsec_four", 20, 20), None).await.expect("a commit");
    assert_eq!(at_once.expect("it").secrets.len(), 1, "without an overlap the others are gone");
    let nobody = SecretRoll { id: id(WebhookEndpointId::from_uuid), ..roll("whsec_x", 0, 0) };
    assert!(store.roll_webhook_secret(nobody, None).await.expect("a commit").is_none());
}

async fn disabled_endpoint_receives_nothing_until_enabled(database: &TestDatabase) {
    let store = database.store().await;
    let to = endpoint(&store, &["*"]).await;
    place(&store).await;
    publish(&store).await;
    change(&store, &to, enabled(false)).await;
    place(&store).await;
    publish(&store).await;
    assert_eq!(store.outbound_work(now()).await.expect("a read").due, []);
    assert!(claim(&store, &to).await.is_empty());
    assert_eq!(store.outbound_backlog().await.expect("a read").pending, 0);
    change(&store, &to, enabled(true)).await;
    assert_eq!(claim(&store, &to).await.len(), 1, "it gets earlier messages, but none from meanwhile");
}

async fn endpoint_failing_for_days_is_disabled_and_reported(database: &TestDatabase) {
    let store = database.store().await;
    let (bad, other) = (endpoint(&store, &["order.*"]).await, endpoint(&store, &["*"]).await);
    let deaf = endpoint(&store, &["order.*"]).await;
    place(&store).await;
    publish(&store).await;
    let first = claim(&store, &bad).await;
    assert_eq!(record(&store, vec![ended(&first[0], AttemptOutcome::Refused)]).await.disabled, []);
    let failing = get(&store, &bad).await;
    assert_eq!((failing.enabled, failing.failing_since), (true, Some(later(1))));

    let almost = "UPDATE webhook_endpoints SET failing_since = created_at WHERE failing_since IS NOT NULL";
    database.execute(almost).await;
    let second = claim_at(&store, &bad, later(5), 9).await;
    let days = later(5 * 24 * 60 * 60);
    let attempts = vec![ended(&second[0], AttemptOutcome::TimedOut)];
    let recorded = store.record_attempts(attempts, renderer(), days).await.expect("a commit");
    assert_eq!(recorded.disabled, [(bad.clone(), DisabledReason::Failing)]);
    let disabled = get(&store, &bad).await;
    assert_eq!((disabled.enabled, disabled.disabled_reason), (false, Some(DisabledReason::Failing)));
    let resent = store.resend(second[0].message_id.clone(), Some(bad.clone()), days, None).await;
    assert!(matches!(resent, Ok(ResendOutcome::Disabled)));
    assert_eq!(store.outbound_work(days).await.expect("a read").due, [other.clone(), deaf.clone()]);
    let heard = claim(&store, &deaf).await;
    assert_eq!(heard.len(), 1, "it doesn't subscribe to endpoint events");
    let heard = claim_at(&store, &other, days, 9).await;
    let news = heard.iter().find(|delivery| delivery.kind == "webhook_endpoint.disabled").expect("news");
    assert!(news.payload.ends_with(bad.as_str()), "{}", news.payload);
}

async fn endpoint_answering_gone_is_disabled_immediately(database: &TestDatabase) {
    let store = database.store().await;
    let gone = endpoint(&store, &["*"]).await;
    place(&store).await;
    publish(&store).await;
    let first = claim(&store, &gone).await;
    let recorded = record(&store, vec![ended(&first[0], AttemptOutcome::Gone)]).await;
    assert_eq!(recorded.disabled, [(gone.clone(), DisabledReason::Gone)]);
    let told = message(&store, first[0].message_id.as_str()).await;
    assert_eq!(told.deliveries[0].state, DeliveryState::Failed);
    assert_eq!(rows(database, "messages WHERE kind = 'webhook_endpoint.disabled'").await, 1);
    assert_eq!(rows(database, "deliveries").await, 1, "it gets no message about itself");
}

async fn success_resets_endpoint_failure_state(database: &TestDatabase) {
    let store = database.store().await;
    let to = endpoint(&store, &["*"]).await;
    place(&store).await;
    place(&store).await;
    publish(&store).await;
    let both = claim(&store, &to).await;
    record(&store, vec![ended(&both[0], AttemptOutcome::Unreachable)]).await;
    assert!(get(&store, &to).await.failing_since.is_some());
    record(&store, vec![ended(&both[1], AttemptOutcome::Delivered)]).await;
    assert_eq!(get(&store, &to).await.failing_since, None);
}

async fn deliveries_to_removed_endpoint_are_canceled(database: &TestDatabase) {
    let store = database.store().await;
    let to = endpoint(&store, &["*"]).await;
    let order = place(&store).await;
    publish(&store).await;
    store.remove_webhook_endpoint(to.clone(), now()).await.expect("a commit");
    write(database, &order.id, "order.paid", 2).await;
    publish(&store).await;
    assert_eq!(store.outbound_work(now()).await.expect("a read").due, []);
    assert_eq!(rows(database, "deliveries WHERE state = 'pending'").await, 1);
    assert_eq!(store.delete_messages(later(-1), 10).await.expect("a commit"), 1);
    assert_eq!(rows(database, "deliveries WHERE state = 'failed' AND due_at IS NULL").await, 1);
    assert_eq!(rows(database, "messages").await, 2);
    assert_eq!(store.delete_messages(later(-1), 10).await.expect("a commit"), 0);
}

async fn ping_reaches_only_its_endpoint(database: &TestDatabase) {
    let store = database.store().await;
    let (to, other) = (endpoint(&store, &["order.paid"]).await, endpoint(&store, &["*"]).await);
    let ping = async |id: &WebhookEndpointId| {
        store.ping_webhook_endpoint(id.clone(), renderer(), now(), None).await.expect("a commit")
    };
    let ResendOutcome::Done(made) = ping(&to).await else { panic!() };
    assert_eq!(
        (made.kind.as_str(), made.sequence, made.deliveries.len()),
        ("webhook_endpoint.ping", None, 1)
    );
    let got = claim(&store, &to).await;
    assert_eq!((got[0].message_id.clone(), &got[0].payload), (made.id, &made.payload));
    assert!(claim(&store, &other).await.is_empty());
    change(&store, &to, enabled(false)).await;
    assert!(matches!(ping(&to).await, ResendOutcome::Disabled));
    assert!(matches!(ping(&id(WebhookEndpointId::from_uuid)).await, ResendOutcome::NotFound));
}

async fn message_can_be_resent(database: &TestDatabase) {
    let store = database.store().await;
    let (first, second) = (endpoint(&store, &["*"]).await, endpoint(&store, &["*"]).await);
    place(&store).await;
    publish(&store).await;
    let third = endpoint(&store, &["refund.*"]).await;
    let mut sent = Vec::new();
    for to in [&first, &second] {
        let claimed = claim(&store, to).await;
        record(&store, vec![ended(&claimed[0], AttemptOutcome::Delivered)]).await;
        sent.push(claimed[0].clone());
    }
    let resend = async |endpoint: Option<&WebhookEndpointId>| {
        let id = sent[0].message_id.clone();
        store.resend(id, endpoint.cloned(), later(9), None).await.expect("a commit")
    };
    let ResendOutcome::Done(again) = resend(Some(&first)).await else { panic!() };
    let states: Vec<_> = again.deliveries.iter().map(|delivery| delivery.state).collect();
    assert_eq!(states, [DeliveryState::Pending, DeliveryState::Delivered]);
    let claimed = claim_at(&store, &first, later(9), 9).await;
    assert_eq!(
        (&claimed[0].payload, claimed[0].attempts_since_resend),
        (&sent[0].payload, 0),
        "the same bytes, with a reset count"
    );
    record(&store, vec![ended(&claimed[0], AttemptOutcome::Delivered)]).await;
    assert_eq!(message(&store, sent[0].message_id.as_str()).await.deliveries[0].attempts, 2);

    let ResendOutcome::Done(all) = resend(None).await else { panic!() };
    assert_eq!(all.deliveries.len(), 2, "to those it was for");
    let ResendOutcome::Done(more) = resend(Some(&third)).await else { panic!() };
    assert_eq!(more.deliveries.len(), 3, "also to one that it was not for, if asked by name");
    change(&store, &third, enabled(false)).await;
    assert!(matches!(resend(Some(&third)).await, ResendOutcome::Disabled));
    assert!(matches!(resend(Some(&id(WebhookEndpointId::from_uuid))).await, ResendOutcome::NotFound));
    let nothing = id(quittance_domain::id::MessageId::from_uuid);
    assert!(matches!(store.resend(nothing, None, now(), None).await, Ok(ResendOutcome::NotFound)));
}

async fn missed_messages_are_recovered(database: &TestDatabase) {
    let store = database.store().await;
    let witness = endpoint(&store, &["*"]).await;
    let old = place(&store).await;
    publish(&store).await;
    database.execute("UPDATE messages SET created_at = '2020-01-01 00:00:00+00:00'").await;
    let order = place(&store).await;
    let paid = write(database, &order.id, "order.paid", 2).await;
    write(database, &order.id, "refund.failed", 3).await;
    publish(&store).await;
    let late = endpoint(&store, &["order.*"]).await;
    let recover = async |id: &WebhookEndpointId| {
        store.recover(id.clone(), later(-3600), later(1), None).await.expect("a commit")
    };
    assert!(matches!(recover(&late).await, ResendOutcome::Done(2)));
    let first = claim_at(&store, &late, later(1), 9).await;
    assert!(first.len() == 1 && first[0].payload.contains(order.id.as_str()), "in order");
    record(&store, vec![ended(&first[0], AttemptOutcome::Delivered)]).await;
    let second = claim_at(&store, &late, later(1), 9).await;
    assert_eq!(second[0].message_id.as_str(), paid);
    assert!(matches!(recover(&late).await, ResendOutcome::Done(0)), "one is delivered, one is about to be");
    record(&store, vec![ended(&second[0], AttemptOutcome::Gone)]).await;
    assert!(matches!(recover(&late).await, ResendOutcome::Disabled));
    change(&store, &late, enabled(true)).await;
    assert!(matches!(recover(&late).await, ResendOutcome::Done(1)), "what failed");
    let all = store.recover(witness.clone(), later(-1), now(), None).await.expect("a commit");
    assert!(matches!(all, ResendOutcome::Done(0)), "everything waits already");
    assert!(matches!(recover(&id(WebhookEndpointId::from_uuid)).await, ResendOutcome::NotFound));
    drop(old);
}

async fn messages_are_filtered(database: &TestDatabase) {
    let store = database.store().await;
    let to = endpoint(&store, &["*"]).await;
    let picky = endpoint(&store, &["order.paid"]).await;
    let (order, other) = (place(&store).await, place(&store).await);
    let paid = write(database, &order.id, "order.paid", 2).await;
    publish(&store).await;
    let claimed = claim(&store, &picky).await;
    record(&store, vec![ended(&claimed[0], AttemptOutcome::Delivered)]).await;
    let count = async |filter: MessageFilter| {
        let page = store.messages(filter, Cursor { limit: 10, starting_after: None }).await.expect("a read");
        page.data.len()
    };
    let filter = MessageFilter::default;
    assert_eq!(count(filter()).await, 3);
    assert_eq!(count(MessageFilter { kind: Some("order.created".into()), ..filter() }).await, 2);
    assert_eq!(count(MessageFilter { order_id: Some(order.id), ..filter() }).await, 2);
    assert_eq!(count(MessageFilter { order_id: Some(other.id), ..filter() }).await, 1);
    assert_eq!(count(MessageFilter { endpoint_id: Some(picky.clone()), ..filter() }).await, 1);
    assert_eq!(count(MessageFilter { state: Some(DeliveryState::Delivered), ..filter() }).await, 1);
    assert_eq!(count(MessageFilter { state: Some(DeliveryState::Pending), ..filter() }).await, 3);
    let both = MessageFilter { endpoint_id: Some(to), state: Some(DeliveryState::Delivered), ..filter() };
    assert_eq!(count(both).await, 0);
    let first = store.messages(filter(), Cursor { limit: 1, starting_after: None }).await.expect("a read");
    assert_eq!((first.data[0].id.as_str(), first.has_more), (paid.as_str(), true));
    assert_eq!(first.data[0].deliveries.len(), 2);
    let rest = Cursor { limit: 9, starting_after: Some(first.data[0].id.clone()) };
    assert_eq!(store.messages(filter(), rest).await.expect("a read").data.len(), 2);
}

async fn deleted_messages_are_not_published_again(database: &TestDatabase) {
    let store = database.store().await;
    let to = endpoint(&store, &["*"]).await;
    let payment = quittance_test_support::Payment::begin(&store).await;
    publish(&store).await;
    let claimed = claim(&store, &to).await;
    record(&store, vec![ended(&claimed[0], AttemptOutcome::Delivered)]).await;
    assert_eq!(store.delete_messages(now(), 10).await.expect("a commit"), 0);
    assert_eq!(store.delete_messages(later(1), 10).await.expect("a commit"), 1);
    for table in ["messages", "deliveries", "delivery_attempts"] {
        assert_eq!(rows(database, table).await, 0, "{table}");
    }
    assert_eq!(publish(&store).await, 0, "it was published");
    // Later events are still published.
    apply(&store, &[payment.succeeded()]).await;
    assert_eq!(publish(&store).await, 1);
}
