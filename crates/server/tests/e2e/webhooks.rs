//! Stripe's events over HTTP. Duplicates and the order of arrival change nothing, and forged or foreign events change
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use quittance_test_support::{Kind, TestDatabase, wait_until};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::environment::{Environment, NEXT_WEBHOOK_SECRET, NO_BACKFILL, WEBHOOK_SECRET, Webhooks};
use crate::event::{Event, Source, delivery, sign};
use crate::process::text;
use crate::seed::{exhaustive, rng, seed};
use crate::storefront::Storefront;

quittance_test_support::on_both_databases! {
    event_delivered_concurrently_is_applied_once,
    events_in_any_order_pay_order_once,
    wrong_amount_or_currency_requires_review,
    events_for_other_objects_are_ignored,
    event_is_acknowledged_after_commit_only,
    event_unacknowledged_in_crash_is_applied_when_resent,
    event_with_invalid_signature_is_rejected,
    unreadable_event_is_stored_as_failed,
    event_of_unhandled_type_is_stored_as_unhandled,
    body_that_is_not_an_event_is_rejected,
    old_payloads_are_purged,
    failed_events_are_applied_by_replay,
}

async fn source(shop: &Storefront, name: &str) -> Source {
    Source::new(shop, shop.intent_order(name).await).await
}

async fn paid_rows(env: &Environment<'_>, order_id: &str) -> i64 {
    env.count(&format!("outbox WHERE kind = 'order.paid' AND order_id = '{order_id}'")).await
}

async fn event_delivered_concurrently_is_applied_once(database: &TestDatabase) {
    let env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;

    let source = source(&shop, "hundred").await;
    let succeeded = source.succeeded();
    let mut deliveries = JoinSet::new();
    for _ in 0..100 {
        let call = succeeded.delivery(&env.api);
        deliveries.spawn(async move { call.send_with_retries().await });
    }
    for answer in deliveries.join_all().await {
        assert_eq!(answer.expect(200).body, json!({ "received": true }));
    }
    let order_id = &source.payable.order_id;

    assert_eq!(shop.order(order_id).await["status"], "paid");
    assert_eq!(paid_rows(&env, order_id).await, 1);
    assert_eq!(env.count(&format!("inbox WHERE event_id = '{}'", succeeded.id())).await, 1);
    assert_eq!(database.payload(succeeded.id()).await, Some(succeeded.bytes()));
}

/// Returns sequences of four events, each delivered twice. The two deliveries of an event are interchangeable.
fn sequences() -> Vec<Vec<usize>> {
    if exhaustive() {
        let mut all = Vec::new();
        extend(&mut Vec::new(), [2; 4], &mut all);
        return all;
    }
    let seed = seed();
    let mut all = Vec::new();
    extend(&mut Vec::new(), [1; 4], &mut all);
    all.iter().enumerate().map(|(part, first)| with_repetitions(first, &mut rng(seed, part))).collect()
}

/// Collects every sequence with the remaining count of each number.
fn extend(begun: &mut Vec<usize>, left: [usize; 4], all: &mut Vec<Vec<usize>>) {
    if left == [0; 4] {
        return all.push(begun.clone());
    }
    for number in (0..4).filter(|number| left[*number] > 0) {
        let mut left = left;
        left[number] -= 1;
        begun.push(number);
        extend(begun, left, all);
        begun.pop();
    }
}

/// Inserts each second delivery at a random place after the first one.
fn with_repetitions(first: &[usize], rng: &mut StdRng) -> Vec<usize> {
    let mut sequence = first.to_vec();
    let mut numbers = first.to_vec();
    numbers.shuffle(rng);
    for number in numbers {
        let earliest = sequence.iter().position(|found| *found == number).expect("it is there") + 1;
        sequence.insert(rng.random_range(earliest..=sequence.len()), number);
    }
    sequence
}

async fn events_in_any_order_pay_order_once(database: &TestDatabase) {
    const TASKS: usize = 8;
    let env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;

    let sequences = Arc::new(sequences());
    println!("{} sequences", sequences.len());
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (shop, sequences) = (shop.clone(), Arc::clone(&sequences));
        tasks.spawn(async move {
            for (number, sequence) in sequences.iter().enumerate().skip(task).step_by(TASKS) {
                deliver_in_order(&shop, number, sequence).await;
            }
        });
    }
    while let Some(joined) = tasks.join_next().await {
        joined.expect("a task without failures");
    }
    let placed = i64::try_from(sequences.len()).expect("a few");

    assert_eq!(env.count("orders WHERE status = 'paid'").await, placed);
    assert_eq!(env.count("outbox WHERE kind = 'order.paid'").await, placed);
    assert_eq!(env.count("inbox").await, 4 * placed);
}

/// Delivers the events of a new order in this sequence. The order is paid from the success on.
async fn deliver_in_order(shop: &Storefront, number: usize, sequence: &[usize]) {
    const SUCCEEDED: usize = 3;
    let source = source(shop, &format!("sequence-{number}")).await;
    let events = [source.created(), source.processing(), source.failed(), source.succeeded()];
    let mut paid = false;
    for index in sequence {
        events[*index].delivery(&shop.api).send_with_retries().await.expect(200);
        paid |= *index == SUCCEEDED;
        let order = shop.order(&source.payable.order_id).await;
        assert_eq!(order["status"] == "paid", paid, "{sequence:?}: {order}");
        assert_eq!(order["amount_paid"], if paid { order["amount_total"].clone() } else { json!(0) });
    }
}

async fn wrong_amount_or_currency_requires_review(database: &TestDatabase) {
    let env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;

    let cases: [(&str, Value); 4] = [
        ("wrong_amount", json!({ "amount": 2_499, "amount_received": 2_499 })),
        ("wrong_amount", json!({ "amount": 2_501, "amount_received": 2_501 })),
        ("wrong_amount", json!({ "amount_received": 1 })),
        ("wrong_currency", json!({ "currency": "usd" })),
    ];
    for (number, (reason, changes)) in cases.iter().enumerate() {
        let source = source(&shop, &format!("review-{number}")).await;
        let mut event = source.succeeded();
        for (name, value) in changes.as_object().into_iter().flatten() {
            event.object()[name] = value.clone();
        }
        event.deliver(&env.api).await.expect(200);
        let order_id = &source.payable.order_id;
        let order = shop.order(order_id).await;
        assert_eq!(
            (&order["status"], &order["review_reason"]),
            (&json!("review"), &json!(reason)),
            "{order}"
        );
        assert_eq!(order["amount_paid"], 0);
        // A later failure doesn't end the review, and the shop gets no `order.paid`.
        source.failed().deliver(&env.api).await.expect(200);
        assert_eq!(shop.order(order_id).await["status"], "review");
        assert_eq!(paid_rows(&env, order_id).await, 0);
        let reviews = format!("outbox WHERE kind = 'order.review_required' AND order_id = '{order_id}'");
        assert_eq!(env.count(&reviews).await, 1);
        let pay_again =
            shop.api.post(format!("/v1/orders/{order_id}/payment_intent")).send().await.expect(409);
        assert_eq!(pay_again.problem(), "order_in_review");
    }
}

async fn events_for_other_objects_are_ignored(database: &TestDatabase) {
    let env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;

    let source = source(&shop, "not-ours").await;
    let other = self::source(&shop, "other").await;
    let succeeded = || source.succeeded();
    let mut cases: Vec<(&str, Event)> = Vec::new();
    let mut event = succeeded();
    event.0["livemode"] = json!(true);
    event.object()["livemode"] = json!(true);
    cases.push(("wrong_mode", event));
    let mut event = succeeded();
    event.0["account"] = json!("acct_another");
    cases.push(("wrong_account", event));
    let mut event = succeeded();
    event.object()["id"] = json!("pi_another");
    cases.push(("other_payment_intent", event));
    let mut event = succeeded();
    event.object()["id"] = json!("pi_unknown");
    event.object()["metadata"]["payment_id"] = json!(unknown_payment_id(&event));
    cases.push(("unknown_attempt", event));
    let mut event = succeeded();
    event.object()["id"] = json!("pi_foreign");
    event.object()["metadata"] = json!({});
    cases.push(("unknown_attempt", event));

    let before = shop.order(&source.payable.order_id).await;
    for (reason, event) in cases {
        event.deliver(&env.api).await.expect(200);
        event.deliver(&env.api).await.expect(200);
        let sql =
            format!("SELECT outcome || ' ' || reason AS value FROM inbox WHERE event_id = '{}'", event.id());
        assert_eq!(env.texts(&sql).await, [format!("ignored {reason}")]);
        assert_eq!(database.payload(event.id()).await, Some(event.bytes()));
        assert_eq!(shop.order(&source.payable.order_id).await, before, "{reason}");
        assert_eq!(shop.order(&other.payable.order_id).await["status"], "pending", "{reason}");
    }

    // The genuine event still counts.
    succeeded().deliver(&env.api).await.expect(200);

    assert_eq!(shop.order(&source.payable.order_id).await["status"], "paid");
}

/// Returns a well-formed payment ID that doesn't exist.
fn unknown_payment_id(event: &Event) -> String {
    let known = event.0["data"]["object"]["metadata"]["payment_id"].as_str().expect("an id");
    let (rest, last) = known.split_at(known.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

/// Longer than a response takes when nothing blocks it.
const NO_ANSWER_FOR: Duration = Duration::from_millis(700);

async fn event_unacknowledged_in_crash_is_applied_when_resent(database: &TestDatabase) {
    let mut env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;

    let source = source(&shop, "held-up").await;
    let succeeded = source.succeeded();
    let order_id = &source.payable.order_id;

    let held = database.hold_writes().await;
    let call = succeeded.delivery(&env.api);
    let mut waiting = tokio::spawn(async move { call.try_send().await });
    let answer = tokio::time::timeout(NO_ANSWER_FOR, &mut waiting).await;
    assert!(answer.is_err(), "the service responded before it could commit: {answer:?}");

    // The process dies before it acknowledges the event, so Stripe sends it again.
    env.kill();
    assert!(waiting.await.expect("a task").is_err());
    held.release().await;
    assert_eq!(env.count("inbox").await, 0);
    env.restart(&[]).await;
    succeeded.deliver(&env.api).await.expect(200);

    assert_eq!(shop.order(order_id).await["status"], "paid");
    assert_eq!(env.count("inbox").await, 1);
    assert_eq!(paid_rows(&env, order_id).await, 1);
}

async fn event_is_acknowledged_after_commit_only(database: &TestDatabase) {
    let env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;

    let source = source(&shop, "held-up").await;
    let held = database.hold_writes().await;
    let call = source.processing().delivery(&env.api);

    let mut waiting = tokio::spawn(async move { call.send().await });

    assert!(tokio::time::timeout(NO_ANSWER_FOR, &mut waiting).await.is_err());

    held.release().await;
    waiting.await.expect("an answer").expect(200);

    assert_eq!(env.count("inbox").await, 1);
}

async fn event_with_invalid_signature_is_rejected(database: &TestDatabase) {
    let env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;

    let source = source(&shop, "signed").await;
    let bytes = source.succeeded().bytes();
    let signed = sign(&bytes, WEBHOOK_SECRET, 0);
    let mut flipped = bytes.clone();
    let at = String::from_utf8_lossy(&bytes).find("\"succeeded\"").expect("its status") + 1;
    flipped[at] ^= 1;

    // Tests with a fixed clock cover the exact limits of a signature's age.
    let refused = [
        (flipped, signed.clone()),
        (bytes.clone(), sign(&bytes, WEBHOOK_SECRET, 301)),
        (bytes.clone(), sign(&bytes, WEBHOOK_SECRET, -400)),
        (bytes.clone(), sign(&bytes, "whsec_wrong", 0)),
        (bytes.clone(), signed.replace("v1=", "v0=")),
        (bytes.clone(), "nonsense".to_owned()),
        (bytes.clone(), String::new()),
    ];
    for (body, signature) in &refused {
        let answer = delivery(&env.api, body, signature).send().await.expect(400);
        assert_eq!(answer.problem(), "invalid_signature", "{signature}");
    }
    let unsigned = env.api.with(None).post("/webhooks/stripe").raw(bytes.clone()).send().await.expect(400);

    assert_eq!(unsigned.problem(), "invalid_signature");
    assert_eq!(env.count("inbox").await, 0);
    assert_eq!(shop.order(&source.payable.order_id).await["status"], "pending");

    for (secret, age_s) in [(WEBHOOK_SECRET, 200), (NEXT_WEBHOOK_SECRET, 0)] {
        let bytes = source.processing().bytes();
        delivery(&env.api, &bytes, &sign(&bytes, secret, age_s)).send().await.expect(200);
    }

    // Stripe signs with both secrets during a rotation.
    let both = format!("{},v1=00", sign(&bytes, "whsec_wrong", 0));
    let ours = sign(&bytes, NEXT_WEBHOOK_SECRET, 0);
    let both = format!("{ours},{}", both.split_once(',').expect("a list").1);
    delivery(&env.api, &bytes, &both).send().await.expect(200);

    assert_eq!(shop.order(&source.payable.order_id).await["status"], "paid");
    assert_eq!(env.count("inbox").await, 3);
}

async fn failed_events_are_applied_by_replay(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Lost, &NO_BACKFILL).await;
    let shop = Storefront::open(&env).await;

    let (paid, processing) = (source(&shop, "paid").await, source(&shop, "processing").await);
    let unreadable_source = source(&shop, "unreadable_source").await;
    let events = [paid.succeeded(), processing.processing(), unreadable_source.succeeded()];
    for event in &events {
        let mut unreadable = event.clone();
        unreadable.object()["status"] = json!(7);
        unreadable.deliver(&env.api).await.expect(200);
    }

    assert_eq!(env.count("inbox WHERE outcome = 'failed'").await, 3);

    // A later version can read two of the events.
    for event in &events[..2] {
        let quoted = event.0.to_string().replace('\'', "''");
        let payload = match database.kind() {
            Kind::Sqlite => format!("CAST('{quoted}' AS BLOB)"),
            Kind::Postgres => format!("convert_to('{quoted}', 'UTF8')"),
        };
        let sql = format!("UPDATE inbox SET payload = {payload} WHERE event_id = '{}'", event.id());
        database.execute(&sql).await;
    }
    let replay = || {
        let ended = env.run(&["replay"], &[]);
        assert!(ended.status.success(), "{}", text(&ended.stderr));
        let said = text(&ended.stdout);
        said.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    for said in [&["applied", "2", "failed", "1"][..], &["failed", "1"]] {
        assert_eq!(replay(), said);
        for (source, status) in
            [(&paid, "paid"), (&processing, "processing"), (&unreadable_source, "pending")]
        {
            assert_eq!(shop.order(&source.payable.order_id).await["status"], status);
        }
        assert_eq!(paid_rows(&env, &paid.payable.order_id).await, 1);
        let outcome =
            |event: &Event| format!("inbox WHERE event_id = '{}' AND outcome = 'failed'", event.id());
        let mut failed = Vec::new();
        for event in &events {
            failed.push(env.count(&outcome(event)).await);
        }
        assert_eq!(failed, [0, 0, 1]);
    }
    let remaining = format!("DELETE FROM inbox WHERE event_id = '{}'", events[2].id());
    database.execute(&remaining).await;

    assert_eq!(replay().join(" "), "No failed events.");
}

async fn unreadable_event_is_stored_as_failed(database: &TestDatabase) {
    let env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;

    let source = source(&shop, "unreadable").await;
    let mut no_object = source.succeeded();
    no_object.0["data"] = json!({});
    let mut no_status = source.succeeded();
    no_status.object()["status"] = json!(7);
    let mut unlikely = source.succeeded();
    unlikely.object()["status"] = json!("processing");
    let mut too_much = source.succeeded();
    too_much.object()["amount_received"] = json!(u64::MAX);
    for event in [no_object, no_status, unlikely, too_much] {
        event.deliver(&env.api).await.expect(200);
        let sql = format!("SELECT outcome AS value FROM inbox WHERE event_id = '{}'", event.id());
        assert_eq!(env.texts(&sql).await, ["failed"], "{}", event.0);
        assert_eq!(database.payload(event.id()).await, Some(event.bytes()));
    }

    assert_eq!(shop.order(&source.payable.order_id).await["status"], "pending");

    // The metrics count failed events.
    let counted = "outcome=\"failed\"";
    wait_until("the metrics count the failed events", async || {
        env.api.get("/metrics").send().await.expect(200).text.contains(counted)
    })
    .await;
}

async fn event_of_unhandled_type_is_stored_as_unhandled(database: &TestDatabase) {
    let env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;

    let source = source(&shop, "unhandled").await;
    let mut unhandled = source.succeeded();
    unhandled.0["type"] = json!("invoice.paid");
    unhandled.deliver(&env.api).await.expect(200);
    let sql = format!("SELECT outcome AS value FROM inbox WHERE event_id = '{}'", unhandled.id());

    assert_eq!(env.texts(&sql).await, ["unhandled"]);
    assert_eq!(shop.order(&source.payable.order_id).await["status"], "pending");
}

async fn body_that_is_not_an_event_is_rejected(database: &TestDatabase) {
    let env = Environment::start(database, Webhooks::Lost).await;

    for no_event in ["{}", "[]", "null", "{\"id\":\"evt_1\"}", "{\"type\":\"a.b\"}", "no json", ""] {
        let signature = sign(no_event.as_bytes(), WEBHOOK_SECRET, 0);
        let answer = delivery(&env.api, no_event.as_bytes(), &signature).send().await.expect(400);
        assert_eq!(answer.problem(), "not_an_event", "{no_event}");
    }
    let huge = vec![b' '; 1024 * 1024 + 1];
    let too_large = delivery(&env.api, &huge, &sign(&huge, WEBHOOK_SECRET, 0)).send().await.expect(413);

    assert_eq!(too_large.problem(), "body_too_large");
    assert_eq!(env.count("inbox").await, 0);
}

async fn old_payloads_are_purged(database: &TestDatabase) {
    let mut env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;

    let (old, young) = (source(&shop, "old").await.succeeded(), source(&shop, "young").await.succeeded());
    for event in [&old, &young] {
        event.deliver(&env.api).await.expect(200);
    }
    let long_ago = "UPDATE inbox SET received_at = '2020-01-01 00:00:00+00:00'";
    database.execute(&format!("{long_ago} WHERE event_id = '{}'", old.id())).await;
    env.kill();
    env.restart(&[]).await;
    wait_until("the payload is purged", async || database.payload(old.id()).await == Some(Vec::new())).await;

    assert_eq!(database.payload(young.id()).await, Some(young.bytes()));
}
