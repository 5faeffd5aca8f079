//! Webhooks to the shop's systems: endpoints don't delay each other, and reference libraries verify the signatures.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use quittance_test_support::{TestDatabase, wait_until};
use serde_json::{Value, json};

use crate::process::text;
use crate::receiver::{ReceivedRequest, Receiver, SandboxService};

quittance_test_support::on_both_databases! {
    slow_and_failing_endpoints_do_not_delay_others,
    signed_messages_pass_reference_verifiers,
    failed_delivery_is_shown_and_resent,
    shutdown_records_finished_deliveries,
}

const HANGING: usize = 30;
const FAILING: usize = 20;
const HEALTHY: usize = 50;
const ORDERS: usize = 20;

async fn slow_and_failing_endpoints_do_not_delay_others(database: &TestDatabase) {
    let service = SandboxService::start(database).await;
    let receiver = Receiver::start();

    for (count, name) in [(HANGING, "hang"), (FAILING, "error"), (HEALTHY, "ok")] {
        for number in 0..count {
            service.endpoint(&receiver.url(&format!("{name}-{number}"))).await;
        }
    }
    let mut placed: HashMap<String, Instant> = HashMap::new();
    for _ in 0..ORDERS {
        let begun = Instant::now();
        placed.insert(service.place().await, begun);
    }

    // Nothing here waits for the hanging endpoints, which never respond.
    let healthy: Vec<String> = (0..HEALTHY).map(|number| format!("/ok-{number}")).collect();
    wait_until("every healthy endpoint has every order", async || {
        healthy.iter().all(|path| receiver.message_count(path) == ORDERS)
    })
    .await;

    // A delivery to a hanging endpoint ends with a timeout.
    let given_up = "SELECT count(*) FROM delivery_attempts WHERE outcome = 'timed_out'";
    assert_eq!(database.scalar_i64(given_up).await, 0, "a healthy endpoint waited for a hanging endpoint");
    let got = receiver.requests();
    let hanging = got.iter().filter(|got| got.path.starts_with("/hang")).count();
    assert!(hanging >= HANGING, "every hanging endpoint must be tried");
    assert!(got.iter().filter(|got| got.path.starts_with("/error")).count() >= FAILING);
    let mut latencies: Vec<_> = got
        .iter()
        .filter(|got| got.path.starts_with("/ok"))
        .map(|got| got.at - placed[got.json()["data"]["id"].as_str().expect("an id")])
        .collect();
    latencies.sort_unstable();

    assert_eq!(latencies.len(), HEALTHY * ORDERS, "no message may be sent twice");
    let (p50, p99) = (latencies[latencies.len() / 2], latencies[latencies.len() * 99 / 100]);
    println!(
        "{} deliveries to {HEALTHY} healthy endpoints with {HANGING} that hang and {FAILING} that fail: \
         p50 {p50:?}, p99 {p99:?}",
        latencies.len(),
    );
    let undelivered = "SELECT count(*) FROM deliveries WHERE state = 'pending'";
    wait_until("the deliveries are recorded", async || {
        let pending = database.scalar_i64(undelivered).await;
        pending == i64::try_from(ORDERS * (HANGING + FAILING)).expect("a number")
    })
    .await;
}

async fn signed_messages_pass_reference_verifiers(database: &TestDatabase) {
    let service = SandboxService::start(database).await;
    let receiver = Receiver::start();

    let made = service.endpoint(&receiver.url("ok")).await;
    let path = format!("/v1/webhook_endpoints/{}/roll_secret", made["id"].as_str().expect("an id"));
    let rolled = service.api.post(path).json(&json!({})).send().await.expect(200).body;
    service.place().await;
    let ping = format!("/v1/webhook_endpoints/{}/ping", made["id"].as_str().expect("an id"));
    service.api.post(ping).send().await.expect(200);
    let got =
        wait_until("both messages arrive", async || Some(receiver.requests()).filter(|got| got.len() >= 2))
            .await;
    let signatures = got[0].headers["webhook-signature"].split(' ').count();

    assert_eq!(signatures, 2, "both secrets must sign during a rotation");

    let secrets =
        format!("{},{}", rolled["secret"].as_str().expect("it"), made["secret"].as_str().expect("it"));
    if std::env::var_os("QUITTANCE_SDK_TESTS").is_none() {
        eprintln!("verify.mjs and verify.py did not run: QUITTANCE_SDK_TESTS is not set");
        return;
    }
    for (program, script) in [("node", "verify.mjs"), ("python3", "verify.py")] {
        let said = verify(program, script, &secrets, &got);
        assert!(said.contains("2 verified"), "{program}: {said}");
    }
    let others = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    for (program, script) in [("node", "verify.mjs"), ("python3", "verify.py")] {
        let said = verify(program, script, others, &got);
        assert!(!said.contains("verified"), "{program}: another secret accepts it");
    }
}

/// Returns the output of a reference library that verifies these requests.
fn verify(program: &str, script: &str, secrets: &str, got: &[ReceivedRequest]) -> String {
    let lines = got.iter().map(|got| format!("{}\n", json!({ "headers": got.headers, "body": got.body })));
    let requests = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(requests.path(), lines.collect::<String>()).expect("a file");
    let ended = Command::new(program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verifiers").join(script))
        .env("SECRETS", secrets)
        .stdin(Stdio::from(std::fs::File::open(requests.path()).expect("a file")))
        .output()
        .expect("a program");
    format!("{}\n{}", text(&ended.stdout), text(&ended.stderr))
}

async fn failed_delivery_is_shown_and_resent(database: &TestDatabase) {
    let service = SandboxService::start(database).await;
    let receiver = Receiver::start();

    let made = service.endpoint(&receiver.url("error")).await;
    let endpoint = format!("/v1/webhook_endpoints/{}", made["id"].as_str().expect("an id"));
    let order_id = service.place().await;
    let list = format!("/v1/messages?order_id={order_id}");
    let message = async || {
        let page = service.api.get(&list).send().await.expect(200).body;
        Some(page["data"][0].clone()).filter(|message| message["deliveries"][0]["attempt_count"] != 0)
    };
    let message: Value =
        wait_until("a first attempt is recorded", async || message().await.filter(Value::is_object)).await;
    let path = format!("/v1/messages/{}", message["id"].as_str().expect("an id"));
    let shown = service.api.get(&path).send().await.expect(200).body;
    let delivery = &shown["deliveries"][0];
    assert_eq!(delivery["state"], "pending");
    assert!(delivery["next_attempt_at"].is_string());
    let attempt = &delivery["attempts"][0];
    assert_eq!((&attempt["outcome"], &attempt["status"]), (&json!("refused"), &json!(500)));
    assert_eq!(attempt["answer"], "out of order");
    let failing = service.api.get(&endpoint).send().await.expect(200).body;
    assert!(failing["failing_since"].is_string());
    let metrics = service.api.get("/metrics").send().await.expect(200).text;
    assert!(metrics.contains("quittance_outbound_attempts_total{outcome=\"refused\"} "), "{metrics}");

    // The shop fixes the endpoint, and resends the message.
    let body = json!({ "url": receiver.url("ok") });
    service.api.patch(&endpoint).json(&body).send().await.expect(200);
    service.api.post(format!("{path}/resend")).send().await.expect(200);
    wait_until("the message arrives", async || receiver.message_count("/ok") == 1).await;
    let delivered = async || {
        let shown = service.api.get(&path).send().await.expect(200).body;
        shown["deliveries"][0]["state"] == "delivered"
    };
    wait_until("the delivery is recorded", delivered).await;
    let well = service.api.get(&endpoint).send().await.expect(200).body;

    assert!(well["failing_since"].is_null());
}

async fn shutdown_records_finished_deliveries(database: &TestDatabase) {
    let mut service = SandboxService::start(database).await;
    let receiver = Receiver::start();

    service.endpoint(&receiver.url("hang")).await;
    service.endpoint(&receiver.url("ok")).await;
    service.place().await;
    wait_until("both endpoints are tried", async || receiver.requests().len() == 2).await;
    service.process().terminate();

    assert!(service.process().wait_for_exit().await.success(), "the service must stop gracefully");

    let state = "SELECT count(*) FROM deliveries WHERE state = 'delivered'";

    assert_eq!(database.scalar_i64(state).await, 1, "finished deliveries must be recorded");
}
