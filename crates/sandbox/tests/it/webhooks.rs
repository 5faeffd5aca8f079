use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use quittance_sandbox::Config;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{Api, Receiver, TestSandbox, Webhook, assert_fields, config, id};

/// Verifies a signature as Stripe documents it, without the sandbox's code.
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

/// Starts a receiver that responds to the first `failures` webhooks with 500, and registers it.
fn register(sandbox: &TestSandbox, failures: u32, secret: &str) -> Receiver {
    let receiver = Receiver::start(failures);
    sandbox.handle.register_webhook_endpoint(&receiver.url, secret).unwrap();
    receiver
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_receives_every_event_with_its_signature() {
    let sandbox = TestSandbox::start(config());
    let mut endpoints = ["whsec_a", "whsec_b"].map(|secret| (register(&sandbox, 0, secret), secret));

    sandbox.api.pay("pm_card_visa", &[]).await.ok();

    for (receiver, secret) in &mut endpoints {
        let mut types = BTreeSet::new();
        for _ in 0..3 {
            let webhook = receiver.next().await;
            assert!(is_signed(&webhook, secret) && !is_signed(&webhook, "whsec_c"));
            types.insert(webhook.body["type"].as_str().unwrap().to_owned());
        }
        let expected = ["charge.succeeded", "payment_intent.created", "payment_intent.succeeded"];
        assert_eq!(types, expected.map(str::to_owned).into());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_contains_the_object_and_api_version() {
    let sandbox = TestSandbox::start(config());
    let mut receiver = register(&sandbox, 0, "whsec_x");

    let intent = sandbox.api.create_intent(&[]).await.ok();

    let webhook = receiver.next().await.body;
    assert_eq!(webhook["data"]["object"], intent);
    assert_eq!(webhook["api_version"], quittance_sandbox::API_VERSION);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_webhook_is_retried_with_signature() {
    let sandbox = TestSandbox::start(config());
    let mut receiver = register(&sandbox, 3, "whsec_x");

    sandbox.api.create_intent(&[]).await.ok();

    let first = receiver.next().await;
    for _ in 0..3 {
        let retry = receiver.next().await;
        assert_eq!(retry.body["id"], first.body["id"]);
        assert!(is_signed(&retry, "whsec_x"));
    }
    sandbox.api.wait_until("/v1/events", |list| list["data"][0]["pending_webhooks"] == 0).await;
}

async fn create_endpoint(api: &Api, url: &str, event_type: &str) -> Value {
    let params = [("url", url), ("enabled_events[]", event_type), ("metadata[a]", "b")];
    api.post("/v1/webhook_endpoints", &params).await.ok()
}

fn path(endpoint: &Value) -> String {
    format!("/v1/webhook_endpoints/{}", id(endpoint))
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_secret_is_returned_only_at_creation() {
    let sandbox = TestSandbox::start(config());

    let endpoint = create_endpoint(&sandbox.api, "http://127.0.0.1:1/", "*").await;

    assert!(endpoint["secret"].as_str().unwrap().starts_with("whsec_"));
    let read = sandbox.api.get(&path(&endpoint), &[]).await.ok();
    assert_eq!((read.get("secret"), &read["status"]), (None, &json!("enabled")));
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_receives_only_enabled_events() {
    let sandbox = TestSandbox::start(config());
    let mut receiver = Receiver::start(0);
    let endpoint = create_endpoint(&sandbox.api, &receiver.url, "payment_intent.succeeded").await;

    sandbox.api.pay("pm_card_visa", &[]).await.ok();

    let webhook = receiver.next().await;
    assert_eq!(webhook.body["type"], "payment_intent.succeeded");
    assert!(is_signed(&webhook, endpoint["secret"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_can_be_updated() {
    let sandbox = TestSandbox::start(config());
    let endpoint = create_endpoint(&sandbox.api, "http://127.0.0.1:1/", "payment_intent.succeeded").await;

    let params = [("enabled_events[]", "*"), ("disabled", "true"), ("description", "D")];
    let updated = sandbox.api.post(&path(&endpoint), &params).await.ok();

    assert_fields(&updated, &json!({ "status": "disabled", "enabled_events": ["*"] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_endpoint_receives_no_events() {
    let sandbox = TestSandbox::start(config());
    let mut receiver = Receiver::start(0);
    let endpoint = create_endpoint(&sandbox.api, &receiver.url, "*").await;
    sandbox.api.post(&path(&endpoint), &[("disabled", "true")]).await.ok();
    sandbox.api.create_intent(&[]).await.ok();
    sandbox.api.post(&path(&endpoint), &[("disabled", "false")]).await.ok();

    let intent = sandbox.api.create_intent(&[]).await.ok();

    assert_eq!(receiver.next_object_id().await, intent["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_endpoint_is_not_found() {
    let sandbox = TestSandbox::start(config());
    let endpoint = create_endpoint(&sandbox.api, "http://127.0.0.1:1/", "*").await;

    let deleted = sandbox.api.delete(&path(&endpoint)).await.ok();

    assert_eq!(deleted["deleted"], true);
    assert_eq!(sandbox.api.get(&path(&endpoint), &[]).await.error(404)["code"], "resource_missing");
    assert!(sandbox.api.list("/v1/webhook_endpoints").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_with_invalid_parameter_is_rejected() {
    let sandbox = TestSandbox::start(config());
    for invalid in [("url", "nowhere"), ("enabled_events[]", "Everything!"), ("nonsense", "1")] {
        let mut params = vec![("url", "http://127.0.0.1:1/"), ("enabled_events[]", "*")];
        params.retain(|(name, _)| *name != invalid.0);
        params.push(invalid);

        sandbox.api.post("/v1/webhook_endpoints", &params).await.error(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_endpoint_receives_events_of_connected_accounts() {
    let sandbox = TestSandbox::start(config());
    let mut platform = register(&sandbox, 0, "whsec_x");
    let mut connect = Receiver::start(0);
    sandbox.handle.register_connect_webhook_endpoint(&connect.url, "whsec_x").unwrap();

    sandbox.api.create_seller("acct_9").await.create_intent(&[]).await.ok();

    assert_eq!(connect.next().await.body["account"], "acct_9");
    assert!(platform.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn event_of_platform_has_no_account() {
    let sandbox = TestSandbox::start(config());
    let mut platform = register(&sandbox, 0, "whsec_x");

    sandbox.api.create_intent(&[]).await.ok();

    assert_eq!(platform.next().await.body.get("account"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_delivery_resumes_after_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { state_file: Some(folder.path().join("state.db")), ..config() };
    let sandbox = TestSandbox::start(config.clone());
    let mut receiver = register(&sandbox, u32::MAX, "whsec_x");
    sandbox.api.create_intent(&[]).await.ok();
    let event_id = receiver.next().await.body["id"].clone();
    sandbox.stop().await;
    while !receiver.is_empty() {}
    receiver.accept_all();

    let sandbox = TestSandbox::start(config);
    sandbox.handle.register_webhook_endpoint(&receiver.url, "whsec_x").unwrap();

    assert_eq!(receiver.next().await.body["id"], event_id);
    sandbox.api.wait_until("/v1/events", |list| list["data"][0]["pending_webhooks"] == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_payments_deliver_every_event() {
    let sandbox = TestSandbox::start(config());
    let mut receiver = register(&sandbox, 7, "whsec_x");

    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let api = sandbox.api.clone();
        tasks.spawn(async move { api.pay("pm_card_visa", &[]).await.ok() });
    }
    tasks.join_all().await;

    let mut event_ids = BTreeSet::new();
    while event_ids.len() < 300 {
        event_ids.insert(id(&receiver.next().await.body).to_owned());
    }
}

/// An endpoint whose secret was rolled with an overlap of an hour.
struct RolledEndpoint {
    sandbox: TestSandbox,
    receiver: Receiver,
    old_secret: String,
    new_secret: String,
}

fn roll_path(endpoint: &Value) -> String {
    format!("{}/roll_secret", path(endpoint).replace("/v1", "/_sandbox"))
}

impl RolledEndpoint {
    async fn create() -> Self {
        let sandbox = TestSandbox::start(config());
        let receiver = Receiver::start(0);
        let endpoint = create_endpoint(&sandbox.api, &receiver.url, "*").await;
        let params = [("expires_in_seconds", "3600")];
        let rolled = sandbox.api.post(&roll_path(&endpoint), &params).await.ok();
        let secret = |endpoint: &Value| endpoint["secret"].as_str().unwrap().to_owned();
        Self { sandbox, receiver, old_secret: secret(&endpoint), new_secret: secret(&rolled) }
    }

    /// Sends an event. Returns whether the old and the new secret sign it.
    async fn signatures(&mut self) -> (bool, bool) {
        self.sandbox.api.create_intent(&[]).await.ok();
        let webhook = self.receiver.next().await;
        (is_signed(&webhook, &self.old_secret), is_signed(&webhook, &self.new_secret))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_secrets_sign_during_the_overlap() {
    let mut endpoint = RolledEndpoint::create().await;

    assert_ne!(endpoint.old_secret, endpoint.new_secret);
    assert_eq!(endpoint.signatures().await, (true, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_new_secret_signs_after_the_overlap() {
    let mut endpoint = RolledEndpoint::create().await;

    endpoint.sandbox.api.advance(3_600).await;

    assert_eq!(endpoint.signatures().await, (false, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn overlap_over_a_day_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let endpoint = create_endpoint(&sandbox.api, "http://127.0.0.1:1/", "*").await;

    let response = sandbox.api.post(&roll_path(&endpoint), &[("expires_in_seconds", "86401")]).await;

    assert_eq!(response.status, 400);
}
