use crate::support::{Api, Response, TestSandbox, config, id};

const PARAMS: &[(&str, &str)] =
    &[("amount", "1000"), ("currency", "eur"), ("allowed_payment_method_types[]", "card")];

const DAY_S: u32 = 24 * 60 * 60;

/// Creates a PaymentIntent.
async fn create(api: &Api) -> Response {
    api.post("/v1/payment_intents", PARAMS).await
}

fn is_replayed(response: &Response) -> bool {
    response.header("idempotent-replayed") == Some("true")
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_request_replays_the_first_response() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k1");
    let first = create(&api).await;
    assert_eq!(first.header("idempotency-key"), Some("k1"));
    assert_eq!(first.header("idempotent-replayed"), None);

    let second = create(&api).await;

    assert!(is_replayed(&second));
    assert_eq!(second.header("original-request"), first.header("request-id"));
    assert_ne!(second.header("request-id"), first.header("request-id"));
    assert_eq!(second.text, first.text);
    sandbox.api.single("/v1/payment_intents").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn event_contains_request_id_and_idempotency_key() {
    let sandbox = TestSandbox::start(config());

    let response = create(&sandbox.api.with("idempotency-key", "k1")).await;

    let event = sandbox.api.single("/v1/events").await;
    assert_eq!(event["request"]["idempotency_key"], "k1");
    assert_eq!(event["request"]["id"], response.header("request-id").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_decline_is_replayed_and_charges_once() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k1");
    let first = api.pay("pm_card_visa_chargeDeclined", &[]).await;

    let second = api.pay("pm_card_visa_chargeDeclined", &[]).await;

    assert_eq!((first.status, second.status), (402, 402));
    assert_eq!(first.text, second.text);
    sandbox.api.single("/v1/charges").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_with_other_parameters_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k1");
    create(&api).await.ok();

    let error = api.create_intent(&[("description", "other")]).await.error(400);

    assert_eq!(error["type"], "idempotency_error");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_with_other_endpoint_is_rejected() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k1");
    create(&api).await.ok();

    let error = api.post("/v1/customers", PARAMS).await.error(400);

    assert!(error["message"].as_str().unwrap().contains("same endpoint"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_of_other_account_is_independent() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k1");
    create(&api).await.ok();

    let response = create(&api.create_seller("acct_1").await).await;

    assert!(!is_replayed(&response));
}

#[tokio::test(flavor = "multi_thread")]
async fn key_over_255_characters_is_rejected() {
    let sandbox = TestSandbox::start(config());

    let error = create(&sandbox.api.with("idempotency-key", "k".repeat(256))).await.error(400);

    assert_eq!(error["type"], "idempotency_error");
}

#[tokio::test(flavor = "multi_thread")]
async fn request_that_fails_validation_does_not_use_the_key() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k1");
    api.post("/v1/payment_intents", &[("amount", "x")]).await.error(400);

    let response = create(&api).await;

    assert!(!is_replayed(&response));
}

#[tokio::test(flavor = "multi_thread")]
async fn unauthorized_request_does_not_use_the_key() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k1");
    create(&api.without("authorization")).await.error(401);

    let response = create(&api).await;

    assert!(!is_replayed(&response));
}

#[tokio::test(flavor = "multi_thread")]
async fn error_of_executed_request_is_replayed() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k2");
    api.post("/v1/payment_intents/pi_x/cancel", &[]).await.error(404);

    let repeated = api.post("/v1/payment_intents/pi_x/cancel", &[]).await;

    assert_eq!((repeated.status, is_replayed(&repeated)), (404, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_with_one_key_execute_once() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k1");

    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let api = api.clone();
        tasks.spawn(async move { create(&api).await });
    }
    let responses = tasks.join_all().await;

    for response in &responses {
        match response.status {
            200 => {}
            409 => {
                assert_eq!(response.body["error"]["code"], "idempotency_key_in_use");
                assert_eq!(response.header("stripe-should-retry"), Some("true"));
            }
            other => panic!("{other}: {}", response.text),
        }
    }
    assert!(responses.iter().any(|response| response.status == 200));
    sandbox.api.single("/v1/payment_intents").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_is_valid_for_a_day() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k1");
    let first = create(&api).await.ok();

    sandbox.api.advance(DAY_S - 60).await;

    assert_eq!(id(&create(&api).await.ok()), id(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn key_expires_after_a_day() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k1");
    let first = create(&api).await.ok();

    sandbox.api.advance(DAY_S + 1).await;

    assert_ne!(id(&create(&api).await.ok()), id(&first));
}
