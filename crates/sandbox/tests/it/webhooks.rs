use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{Receiver, TestSandbox, Webhook, config};

/// Checks a signature by Stripe's recipe, on its own.
fn is_signed(webhook: &Webhook, secret: &str) -> bool {
    let (time, signatures) = webhook.signature.split_once(',').unwrap();
    let time = time.strip_prefix("t=").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{time}.{}", webhook.raw).as_bytes());
    signatures.split(',').any(|signature| {
        let signature = hex::decode(signature.strip_prefix("v1=").unwrap()).unwrap();
        mac.clone().verify_slice(&signature).is_ok()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_gets_every_event_signed() {
    let sandbox = TestSandbox::start(config());
    let mut receivers = [Receiver::start(0), Receiver::start(0)];
    for (receiver, secret) in receivers.iter().zip(["whsec_a", "whsec_b"]) {
        sandbox.handle.register_webhook_endpoint(&receiver.url, secret).unwrap();
    }
    let intent = sandbox.api.pay("pm_card_visa", &[]).await.ok();
    for (receiver, secret) in receivers.iter_mut().zip(["whsec_a", "whsec_b"]) {
        let mut types = BTreeSet::new();
        for _ in 0..3 {
            let webhook = receiver.next().await;
            assert!(is_signed(&webhook, secret) && !is_signed(&webhook, "whsec_c"));
            assert_eq!(webhook.body["api_version"], quittance_sandbox::API_VERSION);
            types.insert(webhook.body["type"].as_str().unwrap().to_owned());
            if webhook.body["type"] == "payment_intent.succeeded" {
                assert_eq!(webhook.body["data"]["object"], intent);
            }
        }
        let expected = ["charge.succeeded", "payment_intent.created", "payment_intent.succeeded"];
        assert_eq!(types, expected.map(str::to_owned).into());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_webhook_is_sent_again() {
    let sandbox = TestSandbox::start(config());
    let mut receiver = Receiver::start(3);
    sandbox.handle.register_webhook_endpoint(&receiver.url, "whsec_x").unwrap();
    sandbox.api.create_intent(&[]).await.ok();
    let first = receiver.next().await;
    for _ in 0..3 {
        let again = receiver.next().await;
        assert_eq!(again.body["id"], first.body["id"]);
        assert!(is_signed(&again, "whsec_x"));
    }
    sandbox.api.wait_until("/v1/events", |list| list["data"][0]["pending_webhooks"] == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_managed_as_at_stripe() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let mut receiver = Receiver::start(0);
    let created = api
        .post(
            "/v1/webhook_endpoints",
            &[("url", &receiver.url), ("enabled_events[]", "payment_intent.succeeded"), ("metadata[a]", "b")],
        )
        .await
        .ok();
    let secret = created["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    let path = format!("/v1/webhook_endpoints/{}", created["id"].as_str().unwrap());
    let read = api.get(&path, &[]).await.ok();
    assert_eq!((read.get("secret"), &read["status"]), (None, &"enabled".into()));
    api.pay("pm_card_visa", &[]).await.ok();
    let webhook = receiver.next().await;
    assert_eq!(webhook.body["type"], "payment_intent.succeeded");
    assert!(is_signed(&webhook, secret));

    let all = [("enabled_events[]", "*"), ("disabled", "true"), ("description", "D")];
    let updated = api.post(&path, &all).await.ok();
    assert_eq!((&updated["status"], &updated["enabled_events"]), (&"disabled".into(), &json!(["*"])));
    api.create_intent(&[]).await.ok();
    api.post(&path, &[("disabled", "false")]).await.ok();
    let seen = api.create_intent(&[]).await.ok();
    assert_eq!(receiver.next().await.body["data"]["object"]["id"], seen["id"], "nothing while disabled");

    let deleted = api.delete(&path).await.ok();
    assert_eq!(deleted["deleted"], true);
    assert_eq!(api.get(&path, &[]).await.error(404)["code"], "resource_missing");
    assert_eq!(api.get("/v1/webhook_endpoints", &[]).await.ok()["data"], json!([]));
    for bad in [("url", "nowhere"), ("enabled_events[]", "Everything!"), ("nonsense", "1")] {
        let mut params = vec![("url", "http://127.0.0.1:1/"), ("enabled_events[]", "*")];
        params.retain(|(name, _)| *name != bad.0);
        params.push(bad);
        api.post("/v1/webhook_endpoints", &params).await.error(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_endpoints_get_the_events_of_connected_accounts() {
    let sandbox = TestSandbox::start(config());
    let (mut own, mut connect) = (Receiver::start(0), Receiver::start(0));
    sandbox.handle.register_webhook_endpoint(&own.url, "whsec_x").unwrap();
    sandbox.handle.register_connect_webhook_endpoint(&connect.url, "whsec_x").unwrap();
    sandbox.api.create_seller("acct_9").await.create_intent(&[]).await.ok();
    assert_eq!(connect.next().await.body["account"], "acct_9");
    let mine = sandbox.api.create_intent(&[]).await.ok();
    let webhook = own.next().await;
    assert_eq!((&webhook.body["data"]["object"]["id"], webhook.body.get("account")), (&mine["id"], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_deliveries_are_resumed_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = quittance_sandbox::Config { state_file: Some(folder.path().join("state.db")), ..config() };
    let mut receiver = Receiver::start(u32::MAX);
    let sandbox = TestSandbox::start(config.clone());
    sandbox.handle.register_webhook_endpoint(&receiver.url, "whsec_x").unwrap();
    sandbox.api.create_intent(&[]).await.ok();
    let id: Value = receiver.next().await.body["id"].clone();
    sandbox.stop().await;
    while receiver.received.try_recv().is_ok() {}
    receiver.accept_all();

    let sandbox = TestSandbox::start(config);
    sandbox.handle.register_webhook_endpoint(&receiver.url, "whsec_x").unwrap();
    assert_eq!(receiver.next().await.body["id"], id);
    sandbox.api.wait_until("/v1/events", |list| list["data"][0]["pending_webhooks"] == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_payments_deliver_three_hundred_events() {
    let sandbox = TestSandbox::start(config());
    let mut receiver = Receiver::start(7);
    sandbox.handle.register_webhook_endpoint(&receiver.url, "whsec_x").unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let api = sandbox.api.clone();
        tasks.spawn(async move { api.pay("pm_card_visa", &[]).await.ok() });
    }
    tasks.join_all().await;
    let mut ids = BTreeSet::new();
    while ids.len() < 300 {
        ids.insert(receiver.next().await.body["id"].as_str().unwrap().to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_secret_is_rolled_both_sign() {
    let sandbox = TestSandbox::start(config());
    let mut receiver = Receiver::start(0);
    let params = [("url", receiver.url.as_str()), ("enabled_events[]", "*")];
    let endpoint = sandbox.api.post("/v1/webhook_endpoints", &params).await.ok();
    let old = endpoint["secret"].as_str().unwrap();
    let path = format!("/_sandbox/webhook_endpoints/{}/roll_secret", endpoint["id"].as_str().unwrap());
    let rolled = sandbox.api.post(&path, &[("expires_in_seconds", "3600")]).await.ok();
    let new = rolled["secret"].as_str().unwrap();
    assert_ne!(old, new);
    sandbox.api.create_intent(&[]).await.ok();
    let webhook = receiver.next().await;
    assert!(is_signed(&webhook, old) && is_signed(&webhook, new));
    sandbox.api.post("/_sandbox/clock", &[("advance_seconds", "3600")]).await.ok();
    sandbox.api.create_intent(&[]).await.ok();
    let webhook = receiver.next().await;
    assert!(!is_signed(&webhook, old) && is_signed(&webhook, new));
    assert_eq!(sandbox.api.post(&path, &[("expires_in_seconds", "86401")]).await.status, 400);
}
