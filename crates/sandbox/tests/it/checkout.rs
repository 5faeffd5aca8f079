use serde_json::{Value, json};

use crate::support::{Api, Response, TestSandbox, assert_fields, config, id, intent_path};

/// The parameters of a Checkout Session with two products, 24.98 EUR in total.
const CART: &[(&str, &str)] = &[
    ("mode", "payment"),
    ("success_url", "https://shop.example/done?session={CHECKOUT_SESSION_ID}"),
    ("cancel_url", "https://shop.example/cart"),
    ("line_items[0][price_data][currency]", "eur"),
    ("line_items[0][price_data][unit_amount]", "999"),
    ("line_items[0][price_data][product_data][name]", "Mug <b>"),
    ("line_items[0][price_data][product_data][description]", "Blue & round"),
    ("line_items[0][quantity]", "2"),
    ("line_items[1][price_data][currency]", "EUR"),
    ("line_items[1][price_data][unit_amount]", "500"),
    ("line_items[1][price_data][product_data][name]", "Spoon"),
    ("line_items[1][price_data][product_data][images][0]", "https://shop.example/spoon.png"),
    ("line_items[1][quantity]", "1"),
];

/// Creates a Session with the cart. `params` replace or extend the cart's parameters.
pub(crate) async fn create(api: &Api, params: &[(&str, &str)]) -> Response {
    let is_given = |name: &str| params.iter().any(|(given, _)| *given == name);
    let mut all: Vec<(&str, &str)> = CART.iter().filter(|(name, _)| !is_given(name)).copied().collect();
    all.extend_from_slice(params);
    api.post("/v1/checkout/sessions", &all).await
}

pub(crate) fn path(session: &Value) -> String {
    format!("/v1/checkout/sessions/{}", id(session))
}

pub(crate) fn page_path(session: &Value) -> String {
    format!("/c/pay/{}", id(session))
}

fn success_url(session: &Value) -> String {
    format!("https://shop.example/done?session={}", id(session))
}

/// Reads a Session with its PaymentIntent.
async fn read(api: &Api, session: &Value) -> Value {
    api.get(&path(session), &[("expand[]", "payment_intent")]).await.ok()
}

/// Pays a Session with the sandbox's control API.
async fn pay(api: &Api, session: &Value, method: &str) -> Response {
    let path = format!("/_sandbox/checkout/sessions/{}/pay", id(session));
    api.post(&path, &[("payment_method", method), ("email", "ada@example.com")]).await
}

/// Pays a Session like the script of its page.
pub(crate) async fn submit(api: &Api, session: &Value, method: &str) -> Response {
    let params = [("payment_method", method), ("email", "ada@example.com")];
    api.without("authorization").post(&page_path(session), &params).await
}

pub(crate) async fn expire(api: &Api, session: &Value) -> Response {
    api.post(&format!("{}/expire", path(session)), &[]).await
}

pub(crate) async fn open_page(api: &Api, session: &Value) -> String {
    api.without("authorization").get(&page_path(session), &[]).await.text
}

/// Returns the types of Session events without their prefix, oldest first.
async fn session_events(api: &Api) -> Vec<String> {
    let types = api.event_types().await;
    types.iter().filter_map(|kind| kind.strip_prefix("checkout.session.")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn created_session_is_open_without_payment() {
    let sandbox = TestSandbox::start(config());

    let params = [
        ("client_reference_id", "cart-7"),
        ("adaptive_pricing[enabled]", "false"),
        ("locale", "de"),
        ("submit_type", "pay"),
    ];
    let session = create(&sandbox.api, &params).await.ok();

    assert!(id(&session).starts_with("cs_test_"));
    assert_fields(
        &session,
        &json!({
            "status": "open",
            "payment_status": "unpaid",
            "amount_total": 2498,
            "currency": "eur",
            "payment_intent": null,
            "customer_details": null,
            "url": format!("{}{}", sandbox.api.base, page_path(&session)),
        }),
    );
    assert_eq!(session["expires_at"].as_i64().unwrap() - session["created"].as_i64().unwrap(), 86_400);
    assert_eq!(session.get("line_items"), None);
    assert!(sandbox.api.event_types().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn session_line_items_can_be_listed_and_expanded() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[]).await.ok();

    let items = sandbox.api.get(&format!("{}/line_items", path(&session)), &[]).await.ok();

    assert_fields(
        &items["data"][0],
        &json!({ "description": "Mug <b>", "amount_total": 1998, "price": { "unit_amount": 999 } }),
    );
    let expanded = sandbox.api.get(&path(&session), &[("expand[]", "line_items")]).await.ok();
    assert_eq!(expanded["line_items"], items);
}

#[tokio::test(flavor = "multi_thread")]
async fn paid_session_is_complete() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[]).await.ok();

    let response = pay(&sandbox.api, &session, "pm_card_visa").await.ok();

    assert_eq!(response["sandbox_next_url"], success_url(&session));
    assert_fields(
        &read(&sandbox.api, &session).await,
        &json!({
            "status": "complete",
            "payment_status": "paid",
            "url": null,
            "customer_details": { "email": "ada@example.com" },
            "payment_intent": { "status": "succeeded", "amount": 2498 },
        }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn session_intent_has_its_own_metadata_and_description() {
    let sandbox = TestSandbox::start(config());
    let params = [
        ("metadata[order_id]", "session"),
        ("payment_intent_data[metadata][order_id]", "payment"),
        ("payment_intent_data[description]", "Two things"),
    ];
    let session = create(&sandbox.api, &params).await.ok();

    pay(&sandbox.api, &session, "pm_card_visa").await.ok();

    let intent = &read(&sandbox.api, &session).await["payment_intent"];
    assert_eq!(intent["metadata"], json!({ "order_id": "payment" }));
    assert_eq!(intent["description"], "Two things");
}

#[tokio::test(flavor = "multi_thread")]
async fn paid_session_sends_payment_and_session_events() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[]).await.ok();

    pay(&sandbox.api, &session, "pm_card_visa").await.ok();

    assert_eq!(
        sandbox.api.event_types().await,
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "checkout.session.completed"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn paid_session_is_not_charged_again() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[]).await.ok();
    pay(&sandbox.api, &session, "pm_card_visa").await.ok();

    let repeated = pay(&sandbox.api, &session, "pm_card_visa").await.ok();

    assert_eq!(repeated["sandbox_next_url"], success_url(&session));
    assert_eq!(sandbox.api.list("/v1/charges").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_session_stays_open() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[]).await.ok();

    let method = "pm_card_visa_chargeDeclinedInsufficientFunds";
    let error = submit(&sandbox.api, &session, method).await.error(402);

    assert_fields(&error, &json!({ "code": "card_declined", "decline_code": "insufficient_funds" }));
    assert_eq!(error.get("payment_intent"), None, "the browser must not receive the PaymentIntent");
    assert_fields(
        &read(&sandbox.api, &session).await,
        &json!({ "status": "open", "payment_intent": { "status": "requires_payment_method" } }),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn page_shows_the_last_decline() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[]).await.ok();
    submit(&sandbox.api, &session, "pm_card_visa_chargeDeclinedInsufficientFunds").await.error(402);

    let page = open_page(&sandbox.api, &session).await;

    assert!(page.contains("Your card has insufficient funds."), "{page}");
}

/// Creates a Session with a declined payment. Returns the Session and its PaymentIntent.
async fn declined_session(api: &Api) -> (Value, Value) {
    let session = create(api, &[]).await.ok();
    submit(api, &session, "pm_card_chargeDeclined").await.error(402);
    let intent = read(api, &session).await["payment_intent"].clone();
    (session, intent)
}

#[tokio::test(flavor = "multi_thread")]
async fn session_intent_cannot_be_changed_directly() {
    let sandbox = TestSandbox::start(config());
    let (_, intent) = declined_session(&sandbox.api).await;
    let path = intent_path(&intent);
    for (path, params) in [
        (format!("{path}/cancel"), &[][..]),
        (format!("{path}/confirm"), &[("payment_method", "pm_card_visa")]),
        (path.clone(), &[("amount", "5000")]),
    ] {
        let error = sandbox.api.post(&path, params).await.error(400);

        assert_eq!(error["code"], "payment_intent_unexpected_state");
        assert!(error["message"].as_str().unwrap().contains("created by Checkout"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_intent_metadata_can_be_changed() {
    let sandbox = TestSandbox::start(config());
    let (_, intent) = declined_session(&sandbox.api).await;

    sandbox.api.post(&intent_path(&intent), &[("metadata[note]", "fine")]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_card_pays_declined_session_with_same_intent() {
    let sandbox = TestSandbox::start(config());
    let (session, intent) = declined_session(&sandbox.api).await;

    let response = submit(&sandbox.api, &session, "pm_card_visa").await.ok();

    assert_eq!(response, json!({ "url": success_url(&session) }));
    assert_fields(
        &read(&sandbox.api, &session).await,
        &json!({ "payment_intent": { "id": intent["id"] }, "payment_status": "paid" }),
    );
    assert_eq!(session_events(&sandbox.api).await, ["completed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_session_cancels_its_intent() {
    let sandbox = TestSandbox::start(config());
    let (session, _) = declined_session(&sandbox.api).await;

    let expired = expire(&sandbox.api, &session).await.ok();

    assert_fields(&expired, &json!({ "status": "expired", "url": null }));
    assert_fields(
        &read(&sandbox.api, &session).await["payment_intent"],
        &json!({ "status": "canceled", "cancellation_reason": "automatic" }),
    );
    assert_eq!(session_events(&sandbox.api).await, ["expired"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_session_cannot_be_expired_again() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[]).await.ok();
    expire(&sandbox.api, &session).await.ok();

    let error = expire(&sandbox.api, &session).await.error(400);

    assert_eq!(
        error["message"],
        "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of \
         `expired`."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_session_cannot_be_paid() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[]).await.ok();
    expire(&sandbox.api, &session).await.ok();

    submit(&sandbox.api, &session, "pm_card_visa").await.error(400);
}

pub(crate) async fn clock_now(api: &Api) -> i64 {
    api.get("/_sandbox/clock", &[]).await.ok()["now"].as_i64().unwrap()
}

/// Decides on the bank's 3D Secure page. Returns the status and the redirect's URL.
async fn authenticate(api: &Api, url: &Value, outcome: &str) -> (u16, String) {
    let request = api.http.post(url.as_str().unwrap());
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(format!("outcome={outcome}")).send().await.unwrap();
    let location = response.headers().get("location").map(|url| url.to_str().unwrap().to_owned());
    (response.status().as_u16(), location.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn session_expires_by_clock_during_authentication() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let expires_at = (clock_now(api).await + 1_810).to_string();
    let session = create(api, &[("expires_at", &expires_at)]).await.ok();
    let response = pay(api, &session, "pm_card_authenticationRequired").await.ok();

    api.advance(1_811).await;

    assert_fields(
        &read(api, &session).await,
        &json!({ "status": "expired", "payment_intent": { "status": "canceled" } }),
    );
    assert_eq!(authenticate(api, &response["sandbox_next_url"], "complete").await.0, 404);
    assert_eq!(session_events(api).await, ["expired"]);
}

/// Follows the redirect from the bank's page to the Session's return URL. Returns the next redirect's URL.
async fn follow(api: &Api, url: &str) -> String {
    let response = api.http.get(url).send().await.unwrap();
    response.headers()["location"].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_authentication_returns_to_page_with_error() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let session = create(api, &[]).await.ok();
    let response = submit(api, &session, "pm_card_authenticationRequired").await.ok();

    let (status, redirect) = authenticate(api, &response["url"], "fail").await;

    assert_eq!(status, 303);
    assert_eq!(follow(api, &redirect).await, session["url"].as_str().unwrap());
    assert!(open_page(api, &session).await.contains("unable to authenticate your payment method"));
}

#[tokio::test(flavor = "multi_thread")]
async fn completed_authentication_returns_to_success_url() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let session = create(api, &[]).await.ok();
    let response = submit(api, &session, "pm_card_authenticationRequired").await.ok();

    let (_, redirect) = authenticate(api, &response["url"], "complete").await;

    assert_eq!(follow(api, &redirect).await, success_url(&session));
    assert_eq!(read(api, &session).await["payment_status"], "paid");
    assert_eq!(session_events(api).await, ["completed"]);
}

/// Pays a Session by delayed debit. Returns the Session and the path of its PaymentIntent.
async fn session_with_debit(api: &Api) -> (Value, String) {
    let session = create(api, &[]).await.ok();
    let paid = pay(api, &session, "pm_sepaDebit_successDelayed_de").await.ok();
    assert_fields(&paid, &json!({ "status": "complete", "payment_status": "unpaid" }));
    (session, paid["payment_intent"].as_str().unwrap().to_owned())
}

async fn settle(api: &Api, intent_id: &str, outcome: &str) {
    let path = format!("/_sandbox/payment_intents/{intent_id}/settle");
    api.post(&path, &[("outcome", outcome)]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn settled_debit_pays_complete_session() {
    let sandbox = TestSandbox::start(config());
    let (session, intent_id) = session_with_debit(&sandbox.api).await;

    settle(&sandbox.api, &intent_id, "succeeded").await;

    assert_fields(
        &read(&sandbox.api, &session).await,
        &json!({ "status": "complete", "payment_status": "paid", "payment_intent": { "status": "succeeded" } }),
    );
    assert_eq!(session_events(&sandbox.api).await, ["completed", "async_payment_succeeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_debit_leaves_complete_session_unpaid() {
    let sandbox = TestSandbox::start(config());
    let (session, intent_id) = session_with_debit(&sandbox.api).await;

    settle(&sandbox.api, &intent_id, "failed").await;

    assert_fields(
        &read(&sandbox.api, &session).await,
        &json!({
            "status": "complete",
            "payment_status": "unpaid",
            "payment_intent": { "status": "requires_payment_method" },
        }),
    );
    assert_eq!(session_events(&sandbox.api).await, ["completed", "async_payment_failed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn intent_of_failed_debit_can_be_canceled() {
    let sandbox = TestSandbox::start(config());
    let (_, intent_id) = session_with_debit(&sandbox.api).await;
    settle(&sandbox.api, &intent_id, "failed").await;

    let canceled = sandbox.api.post(&format!("/v1/payment_intents/{intent_id}/cancel"), &[]).await.ok();

    assert_eq!(canceled["status"], "canceled");
}

#[tokio::test(flavor = "multi_thread")]
async fn session_with_manual_capture_is_paid_after_capture() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[("payment_intent_data[capture_method]", "manual")]).await.ok();
    let authorized = pay(&sandbox.api, &session, "pm_card_visa").await.ok();
    assert_fields(&authorized, &json!({ "status": "complete", "payment_status": "unpaid" }));

    let intent_id = authorized["payment_intent"].as_str().unwrap();
    sandbox.api.post(&format!("/v1/payment_intents/{intent_id}/capture"), &[]).await.ok();

    assert_eq!(read(&sandbox.api, &session).await["payment_status"], "paid");
    assert_eq!(session_events(&sandbox.api).await, ["completed"]);
}

pub(crate) const FREE: [(&str, &str); 2] =
    [("line_items[0][price_data][unit_amount]", "0"), ("line_items[1][price_data][unit_amount]", "0")];

#[tokio::test(flavor = "multi_thread")]
async fn free_session_completes_without_payment() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &FREE).await.ok();

    let response = sandbox.api.post(&page_path(&session), &[("email", "a@b.co")]).await.ok();

    assert_eq!(response["url"], success_url(&session));
    assert_fields(
        &read(&sandbox.api, &session).await,
        &json!({ "payment_status": "no_payment_required", "payment_intent": null }),
    );
    assert_eq!(sandbox.api.event_types().await, ["checkout.session.completed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_api_pays_expired_session() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[]).await.ok();
    expire(&sandbox.api, &session).await.ok();

    let path = format!("/_sandbox/checkout/sessions/{}/succeed", id(&session));
    let paid = sandbox.api.post(&path, &[]).await.ok();

    assert_fields(&paid, &json!({ "status": "complete", "payment_status": "paid" }));
    sandbox.api.post(&path, &[]).await.error(400);
    assert_eq!(session_events(&sandbox.api).await, ["expired", "completed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_submissions_charge_once() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[]).await.ok();

    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (api, session) = (sandbox.api.clone(), session.clone());
        tasks.spawn(async move { submit(&api, &session, "pm_card_visa").await.ok() });
    }

    for response in tasks.join_all().await {
        assert_eq!(response["url"], success_url(&session));
    }
    assert_eq!(sandbox.api.list("/v1/charges").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_payment_method_creates_no_intent() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[("allowed_payment_method_types[0]", "card")]).await.ok();
    for method in ["pm_nothing", "pm_sepaDebit_success_de"] {
        submit(&sandbox.api, &session, method).await.error(400);

        assert_eq!(read(&sandbox.api, &session).await["payment_intent"], Value::Null, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_list_can_be_filtered() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let customer = api.post("/v1/customers", &[]).await.ok();
    let open = create(api, &[("customer", id(&customer))]).await.ok();
    let complete = create(api, &[]).await.ok();
    let paid = pay(api, &complete, "pm_card_visa").await.ok();
    let intent_id = paid["payment_intent"].as_str().unwrap();
    for (params, expected) in [
        (&[][..], vec![id(&complete), id(&open)]),
        (&[("status", "open")], vec![id(&open)]),
        (&[("status", "complete")], vec![id(&complete)]),
        (&[("payment_intent", intent_id)], vec![id(&complete)]),
        (&[("customer", id(&customer))], vec![id(&open)]),
        (&[("customer_details[email]", "ada@example.com")], vec![id(&complete)]),
        (&[("limit", "1"), ("starting_after", id(&complete))], vec![id(&open)]),
        (&[("created[gt]", "9999999999")], vec![]),
    ] {
        let list = api.get("/v1/checkout/sessions", params).await.ok();

        let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(id).collect();
        assert_eq!(ids, expected, "{params:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_metadata_can_be_updated() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[]).await.ok();

    let updated = sandbox.api.post(&path(&session), &[("metadata[a]", "b")]).await.ok();

    assert_eq!(updated["metadata"]["a"], "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn platform_session_is_not_found_by_connected_account() {
    let sandbox = TestSandbox::start(config());
    let session = create(&sandbox.api, &[]).await.ok();
    let seller = sandbox.api.create_seller("acct_1").await;

    seller.get(&path(&session), &[]).await.error(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_session_is_not_found() {
    let sandbox = TestSandbox::start(config());

    let error = sandbox.api.get("/v1/checkout/sessions/cs_x", &[]).await.error(404);

    assert_eq!(error["code"], "resource_missing");
}
