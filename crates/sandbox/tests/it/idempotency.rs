use crate::support::{TestSandbox, config};

const PARAMS: &[(&str, &str)] =
    &[("amount", "1000"), ("currency", "eur"), ("allowed_payment_method_types[]", "card")];

#[tokio::test(flavor = "multi_thread")]
async fn the_first_result_is_replayed() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k1");
    let first = api.post("/v1/payment_intents", PARAMS).await;
    assert_eq!((first.header("idempotency-key"), first.header("idempotent-replayed")), (Some("k1"), None));
    let second = api.post("/v1/payment_intents", PARAMS).await;
    assert_eq!(second.header("idempotent-replayed"), Some("true"));
    assert_eq!(second.header("original-request"), first.header("request-id"));
    assert_ne!(second.header("request-id"), first.header("request-id"));
    assert_eq!(second.text, first.text);
    let all = sandbox.api.get("/v1/payment_intents", &[]).await.ok();
    assert_eq!(all["data"].as_array().unwrap().len(), 1);
    let events = sandbox.api.get("/v1/events", &[]).await.ok();
    assert_eq!(events["data"][0]["request"]["idempotency_key"], "k1");
    assert_eq!(events["data"][0]["request"]["id"], first.header("request-id").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decline_is_replayed_and_charges_once() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k1");
    let first = api.pay("pm_card_visa_chargeDeclined", &[]).await;
    let second = api.pay("pm_card_visa_chargeDeclined", &[]).await;
    assert_eq!((first.status, second.status), (402, 402));
    assert_eq!(first.text, second.text);
    let charges = sandbox.api.get("/v1/charges", &[]).await.ok();
    assert_eq!(charges["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_for_one_request() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k1");
    api.post("/v1/payment_intents", PARAMS).await.ok();
    let error = api.create_intent(&[("description", "other")]).await.error(400);
    assert_eq!(error["type"], "idempotency_error");
    let error = api.post("/v1/customers", PARAMS).await.error(400);
    assert!(error["message"].as_str().unwrap().contains("same endpoint"), "{error}");
    // Another account's key is another key.
    let seller = api.create_seller("acct_1").await;
    assert_eq!(seller.post("/v1/payment_intents", PARAMS).await.header("idempotent-replayed"), None);
    let long = sandbox.api.with("idempotency-key", "k".repeat(256));
    assert_eq!(long.post("/v1/payment_intents", PARAMS).await.error(400)["type"], "idempotency_error");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_executed_is_not_saved() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k1");
    api.post("/v1/payment_intents", &[("amount", "x")]).await.error(400);
    api.without("authorization").post("/v1/payment_intents", PARAMS).await.error(401);
    assert_eq!(api.post("/v1/payment_intents", PARAMS).await.header("idempotent-replayed"), None);
    // An error of the execution is saved.
    let api = sandbox.api.with("idempotency-key", "k2");
    api.post("/v1/payment_intents/pi_x/cancel", &[]).await.error(404);
    let again = api.post("/v1/payment_intents/pi_x/cancel", &[]).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (404, Some("true")));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_do_the_work_once() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k1");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let api = api.clone();
        tasks.spawn(async move { api.post("/v1/payment_intents", PARAMS).await });
    }
    let answers = tasks.join_all().await;
    for answer in &answers {
        match answer.status {
            200 => {}
            409 => {
                assert_eq!(answer.body["error"]["code"], "idempotency_key_in_use");
                assert_eq!(answer.header("stripe-should-retry"), Some("true"));
            }
            other => panic!("{other}: {}", answer.text),
        }
    }
    assert!(answers.iter().any(|answer| answer.status == 200));
    let all = sandbox.api.get("/v1/payment_intents", &[]).await.ok();
    assert_eq!(all["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_expires_after_a_day() {
    let sandbox = TestSandbox::start(config());
    let api = sandbox.api.with("idempotency-key", "k1");
    let first = api.post("/v1/payment_intents", PARAMS).await.ok();
    let day = 24 * 60 * 60;
    sandbox.api.post("/_sandbox/clock", &[("advance_seconds", &(day - 60).to_string())]).await.ok();
    assert_eq!(api.post("/v1/payment_intents", PARAMS).await.ok()["id"], first["id"]);
    sandbox.api.post("/_sandbox/clock", &[("advance_seconds", "61")]).await.ok();
    assert_ne!(api.post("/v1/payment_intents", PARAMS).await.ok()["id"], first["id"]);
}
