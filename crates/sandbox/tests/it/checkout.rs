use serde_json::{Value, json};

use crate::support::{Answer, Api, Running, config};

/// The parameters of a Session over two products, 24.98 EUR together.
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

async fn create(api: &Api, params: &[(&str, &str)]) -> Answer {
    let mut all: Vec<(&str, &str)> =
        CART.iter().filter(|(name, _)| !params.iter().any(|(given, _)| given == name)).copied().collect();
    all.extend_from_slice(params);
    api.post("/v1/checkout/sessions", &all).await
}

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

fn path(session: &Value) -> String {
    format!("/v1/checkout/sessions/{}", id(session))
}

async fn read(api: &Api, session: &Value) -> Value {
    api.get(&path(session), &[("expand[]", "payment_intent")]).await.ok()
}

async fn pay(api: &Api, session: &Value, method: &str) -> Answer {
    let path = format!("/_sandbox/checkout/sessions/{}/pay", id(session));
    api.post(&path, &[("payment_method", method), ("email", "ada@example.com")]).await
}

/// What the page's script sends.
async fn submit(api: &Api, session: &Value, method: &str) -> Answer {
    let page = api.without("authorization");
    let path = format!("/c/pay/{}", id(session));
    page.post(&path, &[("payment_method", method), ("email", "ada@example.com")]).await
}

fn session_events(types: &[String]) -> Vec<&str> {
    types.iter().filter_map(|type_| type_.strip_prefix("checkout.session.")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_sells_its_line_items_and_makes_its_payment_when_it_is_paid() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let session = create(
        api,
        &[
            ("metadata[order_id]", "of the session"),
            ("client_reference_id", "cart-7"),
            ("payment_intent_data[metadata][order_id]", "of the payment"),
            ("payment_intent_data[description]", "Two things"),
            ("adaptive_pricing[enabled]", "false"),
            ("locale", "de"),
            ("submit_type", "pay"),
        ],
    )
    .await
    .ok();
    assert!(id(&session).starts_with("cs_test_"));
    assert_eq!((&session["status"], &session["payment_status"]), (&"open".into(), &"unpaid".into()));
    assert_eq!((&session["amount_total"], &session["currency"]), (&2498.into(), &"eur".into()));
    assert_eq!((&session["payment_intent"], &session["customer_details"]), (&Value::Null, &Value::Null));
    assert_eq!(session["expires_at"].as_i64().unwrap() - session["created"].as_i64().unwrap(), 86_400);
    assert_eq!(session["url"], format!("{}/c/pay/{}", api.base, id(&session)));
    assert_eq!(session.get("line_items"), None);
    assert!(api.event_types().await.is_empty());
    let expanded = api.get(&path(&session), &[("expand[]", "line_items")]).await.ok();
    let items = api.get(&format!("{}/line_items", path(&session)), &[]).await.ok();
    assert_eq!(expanded["line_items"], items);
    assert_eq!(
        (&items["data"][0]["description"], &items["data"][0]["amount_total"]),
        (&"Mug <b>".into(), &1998.into())
    );
    assert_eq!(items["data"][0]["price"]["unit_amount"], 999);

    let paid = pay(api, &session, "pm_card_visa").await.ok();
    assert_eq!(paid["sandbox_next_url"], format!("https://shop.example/done?session={}", id(&session)));
    let paid = read(api, &session).await;
    assert_eq!(
        (&paid["status"], &paid["payment_status"], &paid["url"]),
        (&"complete".into(), &"paid".into(), &Value::Null)
    );
    assert_eq!(paid["customer_details"]["email"], "ada@example.com");
    let intent = &paid["payment_intent"];
    assert_eq!((&intent["status"], &intent["amount"]), (&"succeeded".into(), &2498.into()));
    assert_eq!(intent["metadata"], json!({ "order_id": "of the payment" }));
    assert_eq!(intent["description"], "Two things");
    assert_eq!(
        api.event_types().await,
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "checkout.session.completed"
        ]
    );
    assert_eq!(pay(api, &session, "pm_card_visa").await.ok()["sandbox_next_url"], paid_url(&session));
    assert_eq!(api.get("/v1/charges", &[]).await.ok()["data"].as_array().unwrap().len(), 1, "paid once");
}

fn paid_url(session: &Value) -> String {
    format!("https://shop.example/done?session={}", id(session))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_try_leaves_the_session_open_and_its_payment_to_the_page() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let session = create(api, &[]).await.ok();
    let error = submit(api, &session, "pm_card_visa_chargeDeclinedInsufficientFunds").await.error(402);
    assert_eq!(
        (&error["code"], &error["decline_code"]),
        (&"card_declined".into(), &"insufficient_funds".into())
    );
    assert_eq!(error.get("payment_intent"), None, "the browser is told what it shows, not the PaymentIntent");
    let open = read(api, &session).await;
    assert_eq!(open["status"], "open");
    let intent = &open["payment_intent"];
    assert_eq!(intent["status"], "requires_payment_method");
    let page = api.without("authorization").get(&format!("/c/pay/{}", id(&session)), &[]).await;
    assert!(page.text.contains("Your card has insufficient funds."), "who comes back sees why");
    let one = format!("/v1/payment_intents/{}", id(intent));
    for (path, params) in [
        (format!("{one}/cancel"), &[][..]),
        (format!("{one}/confirm"), &[("payment_method", "pm_card_visa")]),
        (one.clone(), &[("amount", "5000")]),
    ] {
        let error = api.post(&path, params).await.error(400);
        assert_eq!(error["code"], "payment_intent_unexpected_state");
        assert!(error["message"].as_str().unwrap().contains("created by Checkout"), "{error}");
    }
    api.post(&one, &[("metadata[note]", "fine")]).await.ok();
    let answer = submit(api, &session, "pm_card_visa").await.ok();
    assert_eq!(answer, json!({ "url": paid_url(&session) }));
    let paid = read(api, &session).await;
    assert_eq!((&paid["payment_intent"]["id"], &paid["payment_status"]), (&intent["id"], &"paid".into()));
    assert_eq!(session_events(&api.event_types().await), ["completed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_session_takes_no_money() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let session = create(api, &[]).await.ok();
    submit(api, &session, "pm_card_chargeDeclined").await.error(402);
    let expired = api.post(&format!("{}/expire", path(&session)), &[]).await.ok();
    assert_eq!((&expired["status"], &expired["url"]), (&"expired".into(), &Value::Null));
    let intent = &read(api, &session).await["payment_intent"];
    assert_eq!(
        (&intent["status"], &intent["cancellation_reason"]),
        (&"canceled".into(), &"automatic".into())
    );
    let error = api.post(&format!("{}/expire", path(&session)), &[]).await.error(400);
    assert_eq!(
        error["message"],
        "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of \
         `expired`."
    );
    submit(api, &session, "pm_card_visa").await.error(400);
    assert_eq!(session_events(&api.event_types().await), ["expired"]);

    // By the clock, also while the card's bank asks.
    let now = api.get("/_sandbox/clock", &[]).await.ok()["now"].as_i64().unwrap();
    let session = create(api, &[("expires_at", &(now + 1_810).to_string())]).await.ok();
    let asked = pay(api, &session, "pm_card_authenticationRequired").await.ok();
    api.advance(1_811).await;
    let over = read(api, &session).await;
    assert_eq!((&over["status"], &over["payment_intent"]["status"]), (&"expired".into(), &"canceled".into()));
    assert_eq!(decide(api, asked["sandbox_next_url"].as_str().unwrap(), "complete").await.0, 404);
    assert_eq!(session_events(&api.event_types().await), ["expired", "expired"]);
}

/// Answers the bank's page; returns its status and where it leads to.
async fn decide(api: &Api, url: &str, outcome: &str) -> (u16, String) {
    let request = api.http.post(url).header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(format!("outcome={outcome}")).send().await.unwrap();
    let location = answer.headers().get("location").map(|url| url.to_str().unwrap().to_owned());
    (answer.status().as_u16(), location.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_d_secure_leads_back_to_the_page_or_on_to_the_shop() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let session = create(api, &[]).await.ok();
    let asked = submit(api, &session, "pm_card_authenticationRequired").await.ok();
    let (status, back) = decide(api, asked["url"].as_str().unwrap(), "fail").await;
    assert_eq!(status, 303);
    let returned = api.http.get(&back).send().await.unwrap();
    assert_eq!(returned.headers()["location"], session["url"].as_str().unwrap());
    let page = api.http.get(session["url"].as_str().unwrap()).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("unable to authenticate your payment method"));
    let asked = submit(api, &session, "pm_card_authenticationRequired").await.ok();
    let (_, back) = decide(api, asked["url"].as_str().unwrap(), "complete").await;
    let returned = api.http.get(&back).send().await.unwrap();
    assert_eq!(returned.headers()["location"], paid_url(&session));
    assert_eq!(read(api, &session).await["payment_status"], "paid");
    assert_eq!(session_events(&api.event_types().await), ["completed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn delayed_payments_complete_first_and_are_decided_later() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    for (outcome, payment_status, intent_status, event) in [
        ("succeeded", "paid", "succeeded", "async_payment_succeeded"),
        ("failed", "unpaid", "requires_payment_method", "async_payment_failed"),
    ] {
        let session = create(api, &[]).await.ok();
        let done = pay(api, &session, "pm_sepaDebit_successDelayed_de").await.ok();
        assert_eq!((&done["status"], &done["payment_status"]), (&"complete".into(), &"unpaid".into()));
        let intent = done["payment_intent"].as_str().unwrap();
        api.post(&format!("/_sandbox/payment_intents/{intent}/settle"), &[("outcome", outcome)]).await.ok();
        let after = read(api, &session).await;
        assert_eq!(
            (&after["status"], &after["payment_status"]),
            (&"complete".into(), &payment_status.into())
        );
        assert_eq!(after["payment_intent"]["status"], intent_status);
        let types = api.event_types().await;
        assert_eq!(session_events(&types).last(), Some(&event));
        if outcome == "failed" {
            let canceled = api.post(&format!("/v1/payment_intents/{intent}/cancel"), &[]).await.ok();
            assert_eq!(canceled["status"], "canceled", "it is the shop's again");
        }
    }
    assert_eq!(
        session_events(&api.event_types().await),
        ["completed", "async_payment_succeeded", "completed", "async_payment_failed"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_is_held_pays_the_session_when_it_is_taken() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let session = create(api, &[("payment_intent_data[capture_method]", "manual")]).await.ok();
    let done = pay(api, &session, "pm_card_visa").await.ok();
    assert_eq!((&done["status"], &done["payment_status"]), (&"complete".into(), &"unpaid".into()));
    let capture = format!("/v1/payment_intents/{}/capture", done["payment_intent"].as_str().unwrap());
    api.post(&capture, &[]).await.ok();
    assert_eq!(read(api, &session).await["payment_status"], "paid");
    assert_eq!(session_events(&api.event_types().await), ["completed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_costs_nothing_needs_no_payment() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let free =
        [("line_items[0][price_data][unit_amount]", "0"), ("line_items[1][price_data][unit_amount]", "0")];
    let session = create(api, &free).await.ok();
    let page = api.get(&format!("/c/pay/{}", id(&session)), &[]).await.text;
    assert!(page.contains("Complete order") && !page.contains("id=\"payment\""));
    let answer = api.post(&format!("/c/pay/{}", id(&session)), &[("email", "a@b.co")]).await.ok();
    assert_eq!(answer["url"], paid_url(&session));
    let done = read(api, &session).await;
    assert_eq!(
        (&done["payment_status"], &done["payment_intent"]),
        (&"no_payment_required".into(), &Value::Null)
    );
    assert_eq!(api.event_types().await, ["checkout.session.completed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_success_can_be_forced_on_an_expired_session() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let session = create(api, &[]).await.ok();
    api.post(&format!("{}/expire", path(&session)), &[]).await.ok();
    let succeed = format!("/_sandbox/checkout/sessions/{}/succeed", id(&session));
    let late = api.post(&succeed, &[]).await.ok();
    assert_eq!((&late["status"], &late["payment_status"]), (&"complete".into(), &"paid".into()));
    api.post(&succeed, &[]).await.error(400);
    assert_eq!(session_events(&api.event_types().await), ["expired", "completed"]);
}

/// Twenty clicks at once make one charge.
#[tokio::test(flavor = "multi_thread")]
async fn a_double_click_pays_once() {
    let sandbox = Running::start(config());
    let session = create(&sandbox.api, &[]).await.ok();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (api, session) = (sandbox.api.clone(), session.clone());
        tasks.spawn(async move { submit(&api, &session, "pm_card_visa").await.ok() });
    }
    for answer in tasks.join_all().await {
        assert_eq!(answer["url"], paid_url(&session));
    }
    assert_eq!(sandbox.api.get("/v1/charges", &[]).await.ok()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_is_sold_and_says_when_it_is_over() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let session = create(api, &[("customer_email", "ada@example.com")]).await.ok();
    let address = format!("/c/pay/{}", id(&session));
    let page = api.without("authorization").get(&address, &[]).await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"));
    for part in [
        "Mug &lt;b&gt;",
        "Blue &amp; round",
        "€24.98",
        "€19.98",
        "€9.99 each",
        "https://shop.example/spoon.png",
        "href=\"https://shop.example/cart\"",
        "autocomplete=\"email\"",
        "value=\"ada@example.com\" readonly",
        ">Pay</button>",
        "data-types=\"card sepa_debit\"",
    ] {
        assert!(page.text.contains(part), "{part} is missing in {}", page.text);
    }
    assert!(!page.text.contains("<b>Mug <b>"), "what a shop wrote is text");
    let donate = create(api, &[("submit_type", "donate")]).await.ok();
    assert!(api.get(&format!("/c/pay/{}", id(&donate)), &[]).await.text.contains(">Donate</button>"));
    for (path, kind) in [("/c/checkout.js", "text/javascript"), ("/c/checkout.css", "text/css")] {
        assert!(api.get(path, &[]).await.header("content-type").unwrap().starts_with(kind));
    }
    submit(api, &session, "pm_card_visa").await.ok();
    assert!(api.get(&address, &[]).await.text.contains("This payment is complete"));
    api.post(&format!("{}/expire", path(&donate)), &[]).await.ok();
    let over = api.get(&format!("/c/pay/{}", id(&donate)), &[]).await.text;
    assert!(over.contains("This checkout has expired") && over.contains("https://shop.example/cart"));
    assert_eq!(api.get("/c/pay/cs_test_x", &[]).await.status, 404);
    assert_eq!(api.get("/c/pay/cs_test_x/return", &[]).await.status, 404);
    assert_eq!(api.post("/c/pay/cs_test_x", &[("email", "a@b.co")]).await.status, 404);
    // What is refused before it is tried leaves nothing behind.
    let cards = create(api, &[("allowed_payment_method_types[0]", "card")]).await.ok();
    for method in ["pm_nothing", "pm_sepaDebit_success_de"] {
        submit(api, &cards, method).await.error(400);
        assert_eq!(read(api, &cards).await["payment_intent"], Value::Null, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_updated_and_belong_to_their_account() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let customer = api.post("/v1/customers", &[]).await.ok();
    let (one, two) = (create(api, &[("customer", id(&customer))]).await.ok(), create(api, &[]).await.ok());
    let paid = pay(api, &two, "pm_card_visa").await.ok();
    let intent = paid["payment_intent"].as_str().unwrap();
    let ids = |list: Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|session| id(session).to_owned()).collect()
    };
    for (params, expected) in [
        (&[][..], vec![id(&two), id(&one)]),
        (&[("status", "open")], vec![id(&one)]),
        (&[("status", "complete")], vec![id(&two)]),
        (&[("payment_intent", intent)], vec![id(&two)]),
        (&[("customer", id(&customer))], vec![id(&one)]),
        (&[("customer_details[email]", "ada@example.com")], vec![id(&two)]),
        (&[("limit", "1"), ("starting_after", id(&two))], vec![id(&one)]),
        (&[("created[gt]", "9999999999")], vec![]),
    ] {
        assert_eq!(ids(api.get("/v1/checkout/sessions", params).await.ok()), expected, "{params:?}");
    }
    assert_eq!(api.post(&path(&one), &[("metadata[a]", "b")]).await.ok()["metadata"]["a"], "b");
    let connected = api.seller("acct_1").await;
    connected.get(&path(&one), &[]).await.error(404);
    let theirs = create(&connected, &[]).await.ok();
    let page = api.get(&format!("/c/pay/{}", id(&theirs)), &[]).await.text;
    assert!(page.contains("data-account=\"acct_1\""));
    submit(api, &theirs, "pm_card_visa").await.ok();
    assert_eq!(connected.get(&path(&theirs), &[]).await.ok()["payment_status"], "paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_sessions_are_named() {
    let sandbox = Running::start(config());
    let api = &sandbox.api;
    let now = api.get("/_sandbox/clock", &[]).await.ok()["now"].as_i64().unwrap();
    let (soon, late) = ((now + 1_700).to_string(), (now + 86_500).to_string());
    for (name, value, code) in [
        ("mode", "subscription", None),
        ("mode", "gift", None),
        ("ui_mode", "embedded_page", None),
        ("success_url", "shop", Some("url_invalid")),
        ("cancel_url", "javascript:alert(1)", Some("url_invalid")),
        ("expires_at", &soon, None),
        ("expires_at", &late, None),
        ("customer", "cus_x", Some("resource_missing")),
        ("customer_email", "nobody", Some("email_invalid")),
        ("locale", "xx", None),
        ("submit_type", "beg", None),
        ("payment_method_types[]", "card", Some("parameter_unknown")),
        ("allowed_payment_method_types", "card", None),
        ("shipping_options", "x", Some("parameter_unknown")),
        ("colour", "red", Some("parameter_unknown")),
        ("adaptive_pricing[colour]", "red", Some("parameter_unknown")),
        ("payment_intent_data[amount]", "5", Some("parameter_unknown")),
        ("payment_intent_data[application_fee_amount]", "2499", None),
        ("line_items[0][quantity]", "0", Some("parameter_invalid_integer")),
        ("line_items[0][price]", "price_x", Some("parameter_unknown")),
        ("line_items[0][price_data][currency]", "xxx", None),
        ("line_items[0][price_data][unit_amount]", "-1", Some("parameter_invalid_integer")),
        ("line_items[0][price_data][tax_behavior]", "inclusive", Some("parameter_unknown")),
        ("line_items[0][price_data][product_data][name]", "", Some("parameter_invalid_empty")),
        ("line_items[1][price_data][product_data][images][0]", "spoon", Some("url_invalid")),
    ] {
        let error = create(api, &[(name, value)]).await.error(400);
        assert_eq!(error["code"].as_str(), code, "{name}: {error}");
        let param = error["param"].as_str().unwrap();
        assert!(name.starts_with(param), "{name}: {error}");
    }
    let both = [("line_items[0][price_data][currency]", "usd")];
    assert!(create(api, &both).await.error(400)["message"].as_str().unwrap().contains("same currency"));
    let cheap =
        [("line_items[0][price_data][unit_amount]", "10"), ("line_items[1][price_data][unit_amount]", "10")];
    let error = create(api, &cheap).await.error(400);
    assert_eq!(error["code"], "amount_too_small");
    assert!(error["message"].as_str().unwrap().ends_with("must add up to at least €0.50 eur"));
    let dear = [
        ("line_items[0][price_data][unit_amount]", "999999999999"),
        ("line_items[0][quantity]", "999999999"),
    ];
    assert_eq!(create(api, &dear).await.error(400)["code"], "amount_too_large");
    assert_eq!(
        api.post("/v1/checkout/sessions", &[("mode", "payment")]).await.error(400)["param"],
        "line_items"
    );
    let bare = [("mode", "payment"), ("line_items", "x")];
    api.post("/v1/checkout/sessions", &bare).await.error(400);
    assert_eq!(api.get("/v1/checkout/sessions/cs_x", &[]).await.error(404)["code"], "resource_missing");
    assert!(api.get("/v1/checkout/sessions", &[]).await.ok()["data"].as_array().unwrap().is_empty());
}
