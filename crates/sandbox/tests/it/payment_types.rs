//! Which types of payment method a payment takes, in this version of Stripe's API and before it.

use serde_json::{Value, json};
use stripe_shared::{CheckoutSession, PaymentIntent};

use crate::objects::parse;
use crate::support::{Api, TestSandbox, config};

const LIST: (&str, &str) = ("payment_method_types[]", "card");

async fn create(api: &Api, params: &[(&str, &str)]) -> crate::support::Response {
    let mut all = vec![("amount", "1000"), ("currency", "eur")];
    all.extend_from_slice(params);
    api.post("/v1/payment_intents", &all).await
}

fn path_of(intent: &Value, tail: &str) -> String {
    format!("/v1/payment_intents/{}{tail}", intent["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn this_version_has_no_list_of_types() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let open = create(api, &[]).await.ok();
    for refused in [
        create(api, &[LIST]).await,
        create(&api.with("stripe-version", "2026-09-30.endive"), &[LIST]).await,
        api.post(&path_of(&open, ""), &[LIST]).await,
        api.post(&path_of(&open, "/confirm"), &[LIST, ("payment_method", "pm_card_visa")]).await,
    ] {
        let error = refused.error(400);
        assert_eq!(error["code"], "payment_method_types_no_longer_supported");
        assert_eq!(error["param"], "payment_method_types");
    }
    assert_eq!(api.create_session(&[LIST]).await.error(400)["code"], "parameter_unknown");
    // Callers that speak an earlier version still list them.
    let before = api.with("stripe-version", "2026-08-26.dahlia");
    let listed = create(&before, &[LIST]).await.ok();
    assert_eq!(listed["payment_method_types"], json!(["card"]));
    assert_eq!(listed["automatic_payment_methods"], Value::Null);
    let debit = [("payment_method_types[]", "sepa_debit")];
    let changed = before.post(&path_of(&listed, ""), &debit).await.ok();
    assert_eq!(changed["payment_method_types"], json!(["sepa_debit"]));
    assert_eq!(before.create_session(&[LIST]).await.ok()["payment_method_types"], json!(["card"]));
    let both = [LIST, ("automatic_payment_methods[enabled]", "true")];
    assert_eq!(create(&before, &both).await.error(400)["param"], "payment_method_types");
    create(&before, &[("payment_method_types[]", "klarna")]).await.error(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_allowed_is_what_fits() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let card = ("allowed_payment_method_types[]", "card");
    let [klarna, debit] =
        ["klarna", "us_bank_account"].map(|type_| ("allowed_payment_method_types[]", type_));
    let made = create(api, &[klarna, card, debit]).await.ok();
    parse::<PaymentIntent>(&made);
    assert_eq!(made["payment_method_types"], json!(["card"]), "the others do not fit, and are left out");
    assert_eq!(made["allowed_payment_method_types"], json!(["klarna", "card", "us_bank_account"]));
    let dollars = api.post(&path_of(&made, ""), &[("currency", "usd")]).await.ok();
    assert_eq!(dollars["payment_method_types"], json!(["card", "us_bank_account"]));
    let wider =
        api.post(&path_of(&made, ""), &[("allowed_payment_method_types[]", "us_bank_account")]).await.ok();
    assert_eq!(wider["payment_method_types"], json!(["us_bank_account"]));
    let visa = ("payment_method", "pm_card_visa");
    let error = api.post(&path_of(&made, "/confirm"), &[visa]).await.error(400);
    assert_eq!(error["code"], "payment_intent_incompatible_payment_method");
    let paid = api.post(&path_of(&made, "/confirm"), &[visa, card]).await.ok();
    assert_eq!((&paid["status"], &paid["payment_method_types"]), (&"succeeded".into(), &json!(["card"])));
    let error = create(api, &[klarna]).await.error(400);
    assert!(error["message"].as_str().unwrap().starts_with("No valid payment method types"));
    for other in [
        ("excluded_payment_method_types[]", "card"),
        ("payment_method_types[]", "card"),
        ("automatic_payment_methods[enabled]", "true"),
    ] {
        create(api, &[card, other]).await.error(400);
    }
    let session = api.create_session(&[card, klarna]).await.ok();
    parse::<CheckoutSession>(&session);
    assert_eq!(session["payment_method_types"], json!(["card"]));
    assert_eq!(session["allowed_payment_method_types"], json!(["card", "klarna"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_excluded_is_left_out() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let no_vouchers = ("excluded_payment_method_types[]", "multibanco");
    let made = create(api, &[no_vouchers, ("excluded_payment_method_types[]", "klarna")]).await.ok();
    parse::<PaymentIntent>(&made);
    assert_eq!(made["payment_method_types"], json!(["card", "sepa_debit"]));
    assert_eq!(made["excluded_payment_method_types"], json!(["multibanco", "klarna"]));
    assert_eq!(made["automatic_payment_methods"]["enabled"], true);
    let all = api.post(&path_of(&made, ""), &[("excluded_payment_method_types", "")]).await.ok();
    assert_eq!(all["payment_method_types"], json!(["card", "sepa_debit", "multibanco"]));
    assert_eq!(all["excluded_payment_method_types"], Value::Null);
    let never = [no_vouchers, ("automatic_payment_methods[enabled]", "true")];
    assert_eq!(create(api, &never).await.ok()["payment_method_types"], json!(["card", "sepa_debit"]));
    assert_eq!(
        api.create_session(&[no_vouchers]).await.ok()["payment_method_types"],
        json!(["card", "sepa_debit"])
    );
    let error = create(api, &[("excluded_payment_method_types[]", "gold")]).await.error(400);
    assert_eq!(error["param"], "excluded_payment_method_types");
    let in_data = ("payment_intent_data[excluded_payment_method_types][]", "card");
    assert_eq!(api.create_session(&[in_data]).await.error(400)["code"], "parameter_unknown");
}
