use serde_json::{Value, json};

use crate::support::{Response, TestSandbox, config};

fn path_of(intent: &Value, action: &str) -> String {
    format!("/v1/payment_intents/{}{action}", intent["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_in_three_steps() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let created = api
        .create_intent(&[
            ("metadata[order_id]", "ord_1"),
            ("receipt_email", "a@example.com"),
            ("shipping[name]", "A"),
            ("shipping[address][line1]", "Street 1"),
            ("description", "An order"),
        ])
        .await
        .ok();
    assert_eq!(created["status"], "requires_payment_method");
    let secret = created["client_secret"].as_str().unwrap();
    assert!(secret.starts_with(&format!("{}_secret_", created["id"].as_str().unwrap())));
    assert_eq!(created["shipping"]["address"]["line1"], "Street 1");

    let error = api.post(&path_of(&created, "/confirm"), &[]).await.error(400);
    assert_eq!(error["code"], "payment_intent_unexpected_state");
    assert_eq!(error["payment_intent"]["id"], created["id"]);

    let updated = api
        .post(
            &path_of(&created, ""),
            &[
                ("payment_method", "pm_card_visa"),
                ("amount", "2500"),
                ("metadata[order_id]", ""),
                ("metadata[a]", "b"),
            ],
        )
        .await
        .ok();
    assert_eq!(updated["status"], "requires_confirmation");
    assert_eq!(updated["metadata"], json!({ "a": "b" }));

    let paid = api.post(&path_of(&created, "/confirm"), &[("expand[]", "latest_charge")]).await.ok();
    assert_eq!((&paid["status"], &paid["amount_received"]), (&"succeeded".into(), &2500.into()));
    let charge = &paid["latest_charge"];
    assert_eq!(
        (&charge["paid"], &charge["captured"], &charge["amount"]),
        (&true.into(), &true.into(), &2500.into())
    );
    assert_eq!(charge["payment_intent"], created["id"]);

    assert_eq!(api.get(&path_of(&created, ""), &[]).await.ok()["status"], "succeeded");
    let expected = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"];
    assert_eq!(api.event_types().await, expected);

    let refused = |answer: Response| answer.error(400)["code"].clone();
    assert_eq!(
        refused(api.post(&path_of(&created, "/confirm"), &[]).await),
        "payment_intent_unexpected_state"
    );
    assert_eq!(
        refused(api.post(&path_of(&created, "/cancel"), &[]).await),
        "payment_intent_unexpected_state"
    );
    assert_eq!(
        refused(api.post(&path_of(&created, "/capture"), &[]).await),
        "payment_intent_unexpected_state"
    );
    assert_eq!(
        refused(api.post(&path_of(&created, ""), &[("amount", "1")]).await),
        "payment_intent_unexpected_state"
    );
    assert_eq!(api.post(&path_of(&created, ""), &[("metadata[x]", "y")]).await.ok()["metadata"]["x"], "y");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_payment_can_be_paid_again() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let created = api.create_intent(&[]).await.ok();
    let confirm = path_of(&created, "/confirm");
    api.post(&confirm, &[("payment_method", "pm_card_visa_chargeDeclined")]).await.error(402);
    let open = api.get(&path_of(&created, ""), &[]).await.ok();
    assert_eq!(open["status"], "requires_payment_method");
    assert_eq!(open["last_payment_error"]["code"], "card_declined");
    let paid = api.post(&confirm, &[("payment_method", "pm_card_mastercard")]).await.ok();
    assert_eq!((&paid["status"], &paid["last_payment_error"]), (&"succeeded".into(), &Value::Null));
    let charges = api.get("/v1/charges", &[("payment_intent", created["id"].as_str().unwrap())]).await.ok();
    assert_eq!(charges["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        api.event_types().await,
        [
            "payment_intent.created",
            "charge.failed",
            "payment_intent.payment_failed",
            "charge.succeeded",
            "payment_intent.succeeded"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn manual_capture_holds_takes_and_releases() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let held = api.pay("pm_card_visa", &[("capture_method", "manual")]).await.ok();
    assert_eq!((&held["status"], &held["amount_capturable"]), (&"requires_capture".into(), &1000.into()));
    assert_eq!(held["amount_received"], 0);
    let capture = path_of(&held, "/capture");
    let error = api.post(&capture, &[("amount_to_capture", "1001")]).await.error(400);
    assert_eq!(error["code"], "amount_too_large");
    let taken = api.post(&capture, &[("amount_to_capture", "600"), ("expand[]", "latest_charge")]).await.ok();
    assert_eq!((&taken["status"], &taken["amount_received"]), (&"succeeded".into(), &600.into()));
    assert_eq!(taken["amount_capturable"], 0);
    assert_eq!(taken["latest_charge"]["amount_captured"], 600);
    assert_eq!(taken["latest_charge"]["amount_refunded"], 400);
    assert_eq!(
        api.event_types().await,
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.amount_capturable_updated",
            "charge.captured",
            "payment_intent.succeeded"
        ]
    );

    let held = api.pay("pm_card_visa", &[("capture_method", "manual")]).await.ok();
    let canceled =
        api.post(&path_of(&held, "/cancel"), &[("cancellation_reason", "requested_by_customer")]).await.ok();
    assert_eq!((&canceled["status"], &canceled["amount_capturable"]), (&"canceled".into(), &0.into()));
    assert_eq!(canceled["cancellation_reason"], "requested_by_customer");
    assert!(canceled["canceled_at"].is_i64());
    let charge = api.get(&format!("/v1/charges/{}", held["latest_charge"].as_str().unwrap()), &[]).await.ok();
    assert_eq!((&charge["refunded"], &charge["amount_refunded"]), (&true.into(), &1000.into()));
    let error = api.post(&path_of(&held, "/cancel"), &[]).await.error(400);
    assert!(error["message"].as_str().unwrap().contains("status of canceled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn automatic_methods_need_somewhere_to_return_to() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let open = api.post("/v1/payment_intents", &[("amount", "1000"), ("currency", "EUR")]).await.ok();
    assert_eq!(open["automatic_payment_methods"], json!({ "allow_redirects": "always", "enabled": true }));
    assert_eq!(open["payment_method_types"], json!(["card", "sepa_debit", "multibanco"]));
    let confirm = path_of(&open, "/confirm");
    let error = api.post(&confirm, &[("payment_method", "pm_card_visa")]).await.error(400);
    assert!(error["message"].as_str().unwrap().contains("return_url"));
    let params = [("payment_method", "pm_card_visa"), ("return_url", "https://example.com/done")];
    assert_eq!(api.post(&confirm, &params).await.ok()["status"], "succeeded");
    let never = [
        ("automatic_payment_methods[enabled]", "true"),
        ("automatic_payment_methods[allow_redirects]", "never"),
    ];
    assert_eq!(api.pay("pm_card_visa", &never).await.ok()["status"], "succeeded");
    let both = [("automatic_payment_methods[enabled]", "true"), ("allowed_payment_method_types[]", "card")];
    api.create_intent(&both).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publishable_key_needs_the_client_secret_and_sees_less() {
    let sandbox = TestSandbox::start(config());
    let created = sandbox.api.create_intent(&[("metadata[internal]", "x")]).await.ok();
    let secret = created["client_secret"].as_str().unwrap();
    let browser = sandbox.api.publishable();
    assert_eq!(browser.create_intent(&[]).await.error(401)["code"], "secret_key_required");
    assert_eq!(browser.get(&path_of(&created, ""), &[]).await.error(400)["code"], "parameter_missing");
    let wrong = [("client_secret", "pi_x_secret_y")];
    assert_eq!(browser.get(&path_of(&created, ""), &wrong).await.error(404)["code"], "resource_missing");
    let seen = browser.get(&path_of(&created, ""), &[("client_secret", secret)]).await.ok();
    assert_eq!((&seen["id"], seen.get("metadata")), (&created["id"], None));
    let decline = [("client_secret", secret), ("payment_method", "pm_card_visa_chargeDeclined")];
    let error = browser.post(&path_of(&created, "/confirm"), &decline).await.error(402);
    assert_eq!(error["payment_intent"].get("metadata"), None);
    // Stripe.js sends its key in the body.
    let params = [
        ("key", "pk_test_x"),
        ("client_secret", secret),
        ("payment_method_data[type]", "card"),
        ("payment_method_data[card][token]", "tok_visa"),
        ("use_stripe_sdk", "true"),
        ("return_url", "https://example.com/"),
    ];
    let paid = browser.without("authorization").post(&path_of(&created, "/confirm"), &params).await.ok();
    assert_eq!(paid["status"], "succeeded");
    assert_eq!(
        browser.post(&path_of(&created, "/cancel"), &[]).await.error(401)["code"],
        "secret_key_required"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_do_not_see_each_other() {
    let sandbox = TestSandbox::start(config());
    let seller = sandbox.api.create_seller("acct_123").await;
    let answer = seller.pay("pm_card_visa", &[("application_fee_amount", "100")]).await;
    assert_eq!(answer.header("stripe-account"), Some("acct_123"));
    let intent = answer.ok();
    assert_eq!(sandbox.api.get(&path_of(&intent, ""), &[]).await.error(404)["code"], "resource_missing");
    assert_eq!(seller.get(&path_of(&intent, ""), &[]).await.ok()["application_fee_amount"], 100);
    assert_eq!(sandbox.api.event_types().await, ["application_fee.created"], "the platform's own fee");
    let events = seller.get("/v1/events", &[]).await.ok();
    assert_eq!(events["data"][0].get("account"), None, "who asks as the account is not told whose it is");
    let bad = sandbox.api.with("stripe-account", "nonsense");
    assert_eq!(bad.get("/v1/events", &[]).await.error(403)["code"], "account_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_canceled_may_be_paid_after_all() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let intent = api.create_intent(&[]).await.ok();
    let path = format!("/v1/payment_intents/{}", intent["id"].as_str().unwrap());
    let succeed = format!("/_sandbox/payment_intents/{}/succeed", intent["id"].as_str().unwrap());
    api.post(&format!("{path}/cancel"), &[]).await.ok();
    api.post(&succeed, &[]).await.ok();
    let paid = api.get(&path, &[("expand[]", "latest_charge")]).await.ok();
    assert_eq!((&paid["status"], &paid["amount_received"]), (&"succeeded".into(), &1000.into()));
    assert_eq!((&paid["canceled_at"], &paid["latest_charge"]["captured"]), (&Value::Null, &true.into()));
    let types = api.event_types().await;
    let last = "payment_intent.succeeded".to_owned();
    assert!(types.contains(&"payment_intent.canceled".to_owned()) && types.last() == Some(&last));
    api.post(&succeed, &[]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_expires_by_the_clock_or_the_bank() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    for by_clock in [true, false] {
        let held = api.pay("pm_card_visa", &[("capture_method", "manual")]).await.ok();
        if by_clock {
            api.advance(7 * 24 * 3600 - 60).await;
            assert_eq!(api.get(&path_of(&held, ""), &[]).await.ok()["status"], "requires_capture");
            api.advance(61).await;
        } else {
            let expire = format!("/_sandbox{}", path_of(&held, "/expire").trim_start_matches("/v1"));
            api.post(&expire, &[]).await.ok();
            api.post(&expire, &[]).await.error(400);
        }
        let expired = api.get(&path_of(&held, ""), &[("expand[]", "latest_charge")]).await.ok();
        assert_eq!(
            (&expired["status"], &expired["cancellation_reason"]),
            (&"canceled".into(), &"automatic".into())
        );
        assert_eq!(
            (&expired["amount_capturable"], &expired["latest_charge"]["captured"]),
            (&0.into(), &false.into())
        );
        assert_eq!(expired["latest_charge"]["refunded"], true);
        let types = api.event_types().await;
        assert_eq!(types[types.len() - 2..], ["charge.expired", "payment_intent.canceled"]);
        api.post(&path_of(&held, "/capture"), &[]).await.error(400);
    }
    let open = api.create_intent(&[]).await.ok();
    let reason = [("cancellation_reason", "automatic")];
    assert_eq!(
        api.post(&path_of(&open, "/cancel"), &reason).await.error(400)["param"],
        "cancellation_reason"
    );
}
