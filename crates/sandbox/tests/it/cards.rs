use crate::support::{Running, config};

#[tokio::test(flavor = "multi_thread")]
async fn every_decline_has_its_code() {
    let sandbox = Running::start(config());
    for (method, code, decline_code) in [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("pm_card_visa_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded"),
        ("pm_card_radarBlock", "card_declined", "fraudulent"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ] {
        let error = sandbox.api.pay(method, &[]).await.error(402);
        assert_eq!(error["type"], "card_error", "{method}");
        assert_eq!(error["code"], code, "{method}");
        assert_eq!(error["decline_code"], decline_code, "{method}");
        assert!(error["doc_url"].as_str().unwrap().starts_with("https://stripe.com/docs/error-codes/"));
        assert!(error["message"].is_string() && error["request_log_url"].is_string());
        let intent = &error["payment_intent"];
        assert_eq!(intent["status"], "requires_payment_method");
        assert_eq!(intent["payment_method"], serde_json::Value::Null);
        assert_eq!(intent["last_payment_error"]["decline_code"], decline_code);
        assert_eq!(intent["latest_charge"], error["charge"]);
        let charge =
            sandbox.api.get(&format!("/v1/charges/{}", error["charge"].as_str().unwrap()), &[]).await.ok();
        assert_eq!((&charge["status"], &charge["failure_code"]), (&"failed".into(), &code.into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_the_testing_page_behave_like_their_names() {
    let sandbox = Running::start(config());
    let card = |number: &'static str| {
        [
            ("confirm", "true"),
            ("payment_method_data[type]", "card"),
            ("payment_method_data[card][number]", number),
            ("payment_method_data[card][exp_month]", "12"),
            ("payment_method_data[card][exp_year]", "34"),
            ("payment_method_data[card][cvc]", "123"),
            ("payment_method_data[billing_details][email]", "a@example.com"),
        ]
    };
    for (number, brand) in [
        ("4242 4242 4242 4242", "visa"),
        ("5555555555554444", "mastercard"),
        ("378282246310005", "amex"),
        ("3566002020360505", "jcb"),
    ] {
        let mut params = card(number).to_vec();
        params.push(("expand[]", "payment_method"));
        params.push(("expand[]", "latest_charge"));
        let intent = sandbox.api.create(&params).await.ok();
        assert_eq!(intent["status"], "succeeded");
        assert_eq!(intent["payment_method"]["card"]["brand"], brand);
        assert_eq!(intent["payment_method"]["billing_details"]["email"], "a@example.com");
        assert_eq!(intent["latest_charge"]["payment_method_details"]["card"]["brand"], brand);
        assert!(!intent.to_string().contains(&number.replace(' ', "")));
    }
    let error = sandbox.api.create(&card("4000000000009995")).await.error(402);
    assert_eq!(error["decline_code"], "insufficient_funds");
    let intent = sandbox.api.create(&card("4000002760003184")).await.ok();
    assert_eq!(intent["status"], "requires_action");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_test_card_is_refused_and_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let state_file = folder.path().join("state.db");
    let sandbox =
        Running::start(quittance_sandbox::Config { state_file: Some(state_file.clone()), ..config() });
    let api = sandbox.api.with("idempotency-key", "card-key");
    let create = |number: &'static str, month: &'static str, year: &'static str, cvc: &'static str| {
        let api = api.clone();
        async move {
            let params = [
                ("type", "card"),
                ("card[number]", number),
                ("card[exp_month]", month),
                ("card[exp_year]", year),
                ("card[cvc]", cvc),
            ];
            api.post("/v1/payment_methods", &params).await.error(402)
        }
    };
    // Passes the check digit, and is no test number.
    let error = create("4111111111111111", "12", "2034", "123").await;
    assert_eq!(error["code"], "card_declined");
    assert_eq!(error["decline_code"], "test_mode_live_card");
    assert!(!error.to_string().contains("4111111111111111"));
    assert_eq!(create("4242424242424241", "12", "2034", "123").await["code"], "incorrect_number");
    assert_eq!(create("4242424242424242", "13", "2034", "123").await["code"], "invalid_expiry_month");
    assert_eq!(create("4242424242424242", "12", "2020", "123").await["code"], "invalid_expiry_year");
    assert_eq!(create("4242424242424242", "12", "2034", "12").await["code"], "invalid_cvc");
    sandbox.stop().await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&content).contains("4111111111111111"));
        assert!(!String::from_utf8_lossy(&content).contains("card-key"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_keeps_a_card_for_later() {
    let sandbox = Running::start(config());
    let customer = sandbox.api.post("/v1/customers", &[("email", "c@example.com"), ("name", "C")]).await.ok();
    let customer = customer["id"].as_str().unwrap();
    let method =
        sandbox.api.post("/v1/payment_methods/pm_card_visa/attach", &[("customer", customer)]).await.ok();
    let id = method["id"].as_str().unwrap();
    assert_eq!(method["customer"], customer);
    let error = sandbox.api.pay(id, &[]).await.error(400);
    assert!(error["message"].as_str().unwrap().contains("belongs to a customer"));
    let intent = sandbox.api.pay(id, &[("customer", customer), ("off_session", "true")]).await.ok();
    assert_eq!((&intent["status"], &intent["customer"]), (&"succeeded".into(), &customer.into()));
    let path = format!("/v1/customers/{customer}/payment_methods");
    assert_eq!(sandbox.api.get(&path, &[]).await.ok()["data"][0]["id"], id);
    let failing = sandbox
        .api
        .post("/v1/payment_methods/pm_card_chargeCustomerFail/attach", &[("customer", customer)])
        .await
        .ok();
    let failing = failing["id"].as_str().unwrap();
    assert_eq!(sandbox.api.pay(failing, &[("customer", customer)]).await.error(402)["code"], "card_declined");
    sandbox.api.post(&format!("/v1/payment_methods/{id}/detach"), &[]).await.ok();
    assert_eq!(sandbox.api.pay(id, &[]).await.ok()["status"], "succeeded");
    sandbox.api.delete(&format!("/v1/customers/{customer}")).await.ok();
    assert_eq!(sandbox.api.create(&[("customer", customer)]).await.error(400)["code"], "resource_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_fail_and_risks_are_told_although_the_card_pays() {
    let sandbox = Running::start(config());
    for (name, line1, postal_code, cvc, risk) in [
        ("visa", "pass", "pass", "pass", "normal"),
        ("avsFail", "fail", "fail", "pass", "normal"),
        ("avsLine1Fail", "fail", "pass", "pass", "normal"),
        ("avsZipFail", "pass", "fail", "pass", "normal"),
        ("avsUnchecked", "unavailable", "unavailable", "pass", "normal"),
        ("cvcCheckFail", "pass", "pass", "fail", "normal"),
        ("riskLevelElevated", "pass", "pass", "pass", "elevated"),
        ("cvcCheckFailElevatedRisk", "pass", "pass", "fail", "elevated"),
        ("avsZipFailElevatedRisk", "pass", "fail", "pass", "elevated"),
    ] {
        let method = sandbox.api.get(&format!("/v1/payment_methods/pm_card_{name}"), &[]).await.ok();
        let method = method["id"].as_str().unwrap();
        let path = format!("/v1/payment_methods/{method}");
        let address = [
            ("billing_details[address][line1]", "High Street 1"),
            ("billing_details[address][postal_code]", "12345"),
        ];
        sandbox.api.post(&path, &address).await.ok();
        let intent = sandbox.api.pay(method, &[("expand[]", "latest_charge")]).await.ok();
        let charge = &intent["latest_charge"];
        let checks = &charge["payment_method_details"]["card"]["checks"];
        assert_eq!(
            (&checks["address_line1_check"], &checks["address_postal_code_check"], &checks["cvc_check"]),
            (&line1.into(), &postal_code.into(), &cvc.into()),
            "{name}"
        );
        assert_eq!(
            (&charge["outcome"]["risk_level"], &charge["paid"]),
            (&risk.into(), &true.into()),
            "{name}"
        );
    }
    let intent = sandbox.api.pay("pm_card_avsFail", &[("expand[]", "latest_charge")]).await.ok();
    let checks = &intent["latest_charge"]["payment_method_details"]["card"]["checks"];
    assert_eq!(checks["address_line1_check"], serde_json::Value::Null, "what was not given is not checked");
}
