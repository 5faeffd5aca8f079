use std::time::Duration;

use quittance_sandbox::Config;
use serde_json::{Value, json};

use crate::support::{Api, TestSandbox, config};

/// Settings under which nothing ends by itself unless the clock is moved.
fn patient() -> Config {
    let later = Duration::from_mins(1);
    Config { debit_delay: later, refund_delay: later, dispute_delay: later, ..config() }
}

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

async fn charge_of(api: &Api, intent: &Value) -> Value {
    let path = format!("/v1/charges/{}", intent["latest_charge"].as_str().unwrap());
    api.get(&path, &[("expand[]", "refunds"), ("expand[]", "balance_transaction")]).await.ok()
}

async fn refund(api: &Api, intent: &Value, params: &[(&str, &str)]) -> crate::support::Response {
    let mut all = vec![("payment_intent", id(intent))];
    all.extend_from_slice(params);
    api.post("/v1/refunds", &all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_is_refunded_in_parts_and_no_further() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let paid = api.pay("pm_card_visa", &[]).await.ok();
    let params = [("amount", "300"), ("reason", "requested_by_customer"), ("metadata[a]", "b")];
    let first = refund(api, &paid, &params).await.ok();
    assert_eq!((&first["object"], &first["status"]), (&"refund".into(), &"succeeded".into()));
    assert_eq!((&first["amount"], &first["currency"]), (&300.into(), &"eur".into()));
    assert_eq!((&first["charge"], &first["payment_intent"]), (&paid["latest_charge"], &paid["id"]));
    assert_eq!((&first["reason"], &first["metadata"]["a"]), (&"requested_by_customer".into(), &"b".into()));
    let charge = charge_of(api, &paid).await;
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&300.into(), &false.into()));
    assert_eq!(charge["refunds"]["data"][0]["id"], first["id"]);
    let error = refund(api, &paid, &[("amount", "701")]).await.error(400);
    assert_eq!(error["message"], "Refund amount (€7.01) is greater than unrefunded amount on charge (€7.00)");
    assert_eq!((&error["param"], &error["code"]), (&"amount".into(), &Value::Null));
    let charge = charge["id"].as_str().unwrap();
    let rest = api.post("/v1/refunds", &[("charge", charge)]).await.ok();
    assert_eq!(rest["amount"], 700);
    let error = refund(api, &paid, &[("amount", "1")]).await.error(400);
    assert_eq!(error["code"], "charge_already_refunded");
    assert_eq!(error["message"], format!("Charge {charge} has already been refunded."));
    let charge = charge_of(api, &paid).await;
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&1000.into(), &true.into()));
    assert_eq!(
        api.event_types().await[3..],
        ["refund.created", "charge.refunded", "refund.created", "charge.refunded"]
    );
    let again = api.get(&format!("/v1/payment_intents/{}", id(&paid)), &[]).await.ok();
    assert_eq!((&again["status"], &again["amount_received"]), (&"succeeded".into(), &1000.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_money_that_was_taken_is_refunded() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let held = api.pay("pm_card_visa", &[("capture_method", "manual")]).await.ok();
    let open = api.create_intent(&[]).await.ok();
    let declined = api.pay("pm_card_chargeDeclined", &[]).await.error(402)["payment_intent"].clone();
    for intent in [&held, &open, &declined] {
        let error = refund(api, intent, &[]).await.error(400);
        let text =
            format!("This PaymentIntent ({}) does not have a successful charge to refund.", id(intent));
        assert_eq!(error["message"], text);
    }
    let error =
        api.post("/v1/refunds", &[("charge", held["latest_charge"].as_str().unwrap())]).await.error(400);
    assert!(error["message"].as_str().unwrap().contains("does not have a successful charge"));
    // Of a partial capture, the rest was never taken.
    let path = format!("/v1/payment_intents/{}/capture", id(&held));
    api.post(&path, &[("amount_to_capture", "600")]).await.ok();
    let error = refund(api, &held, &[("amount", "601")]).await.error(400);
    assert!(error["message"].as_str().unwrap().contains("(€6.00)"));
    assert_eq!(refund(api, &held, &[]).await.ok()["amount"], 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_refunds_are_named() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let paid = api.pay("pm_card_visa", &[]).await.ok();
    let charge = paid["latest_charge"].as_str().unwrap();
    for (params, status, code, param) in [
        (&[][..], 400, Some("parameter_missing"), None),
        (&[("charge", "ch_x")], 404, Some("resource_missing"), Some("charge")),
        (&[("payment_intent", "pi_x")], 404, Some("resource_missing"), Some("payment_intent")),
        (&[("charge", charge), ("payment_intent", id(&paid))], 400, None, Some("charge")),
        (&[("charge", charge), ("amount", "0")], 400, Some("parameter_invalid_integer"), Some("amount")),
        (&[("charge", charge), ("amount", "-1")], 400, Some("parameter_invalid_integer"), Some("amount")),
        (&[("charge", charge), ("amount", "1.5")], 400, Some("parameter_invalid_integer"), Some("amount")),
        (&[("charge", charge), ("reason", "bored")], 400, None, Some("reason")),
        (&[("charge", charge), ("reverse_transfer", "true")], 400, None, Some("reverse_transfer")),
        (&[("charge", charge), ("currency", "eur")], 400, Some("parameter_unknown"), Some("currency")),
        (&[("charge", charge), ("colour", "red")], 400, Some("parameter_unknown"), Some("colour")),
    ] {
        let error = api.post("/v1/refunds", params).await.error(status);
        assert_eq!((error["code"].as_str(), error["param"].as_str()), (code, param), "{params:?}: {error}");
    }
    assert_eq!(charge_of(api, &paid).await["amount_refunded"], 0, "nothing was refunded");
    assert_eq!(api.get("/v1/refunds/re_x", &[]).await.error(404)["code"], "resource_missing");
    let params = [("charge", charge), ("reverse_transfer", "false"), ("refund_application_fee", "false")];
    let done = api.post("/v1/refunds", &params).await.ok();
    let error = api.post(&format!("/v1/refunds/{}/cancel", id(&done)), &[]).await.error(400);
    assert!(error["message"].as_str().unwrap().contains("requires_action"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_pends_succeeds_by_the_clock() {
    let sandbox = TestSandbox::start(patient());
    let api = &sandbox.api;
    let paid = api.pay("pm_card_pendingRefund", &[]).await.ok();
    let pending = refund(api, &paid, &[]).await.ok();
    assert_eq!(pending["status"], "pending");
    assert_eq!(charge_of(api, &paid).await["amount_refunded"], 1000, "it counts already");
    api.advance(30).await;
    let path = format!("/v1/refunds/{}", id(&pending));
    assert_eq!(api.get(&path, &[]).await.ok()["status"], "pending");
    api.advance(30).await;
    let done = api.get(&path, &[]).await.ok();
    assert_eq!(done["status"], "succeeded");
    let types = api.event_types().await;
    assert_eq!(types[3..], ["refund.created", "charge.refunded", "refund.updated", "charge.refund.updated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_fails_later_gives_its_amount_back() {
    let sandbox = TestSandbox::start(patient());
    let api = &sandbox.api;
    let paid = api.pay("pm_card_refundFail", &[]).await.ok();
    let first = refund(api, &paid, &[("amount", "400")]).await.ok();
    assert_eq!(first["status"], "succeeded");
    api.advance(60).await;
    let path = format!("/v1/refunds/{}", id(&first));
    let failed = api.get(&path, &[("expand[]", "failure_balance_transaction")]).await.ok();
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["failure_reason"], "expired_or_canceled_card");
    assert_eq!(failed["failure_balance_transaction"]["amount"], 400);
    let charge = charge_of(api, &paid).await;
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&0.into(), &false.into()));
    let types = api.event_types().await;
    assert_eq!(types[5..], ["refund.updated", "charge.refund.updated", "refund.failed"]);
    assert_eq!(refund(api, &paid, &[]).await.ok()["amount"], 1000, "all of it can be refunded again");
}

#[tokio::test(flavor = "multi_thread")]
async fn banks_take_their_time_and_vouchers_need_the_customer() {
    let sandbox = TestSandbox::start(patient());
    let api = &sandbox.api;
    let sepa = api.pay("pm_success_de", &[("allowed_payment_method_types[]", "sepa_debit")]).await.ok();
    assert!(
        refund(api, &sepa, &[]).await.error(400)["message"].as_str().unwrap().contains("successful charge")
    );
    let settle = format!("/_sandbox/payment_intents/{}/settle", id(&sepa));
    api.post(&settle, &[]).await.ok();
    let pending = refund(api, &sepa, &[]).await.ok();
    assert_eq!(pending["status"], "pending");
    let settle = format!("/_sandbox/refunds/{}/settle", id(&pending));
    let params = [("outcome", "failed"), ("failure_reason", "declined")];
    let failed = api.post(&settle, &params).await.ok();
    assert_eq!((&failed["status"], &failed["failure_reason"]), (&"failed".into(), &"declined".into()));
    api.post(&settle, &[("outcome", "succeeded")]).await.error(400);
    assert_eq!(charge_of(api, &sepa).await["amount_refunded"], 0);

    let voucher = api
        .create_intent(&[
            ("confirm", "true"),
            ("allowed_payment_method_types[]", "multibanco"),
            ("payment_method_data[type]", "multibanco"),
            ("payment_method_data[billing_details][email]", "ana@example.com"),
        ])
        .await
        .ok();
    api.post(&format!("/_sandbox/payment_intents/{}/settle", id(&voucher)), &[("outcome", "succeeded")])
        .await
        .ok();
    let waiting = refund(api, &voucher, &[]).await.ok();
    assert_eq!(waiting["status"], "requires_action");
    assert_eq!(waiting["next_action"]["display_details"]["email_sent"]["email_sent_to"], "ana@example.com");
    let canceled = api.post(&format!("/v1/refunds/{}/cancel", id(&waiting)), &[]).await.ok();
    assert_eq!(canceled["status"], "canceled");
    let intent = api.get(&format!("/v1/payment_intents/{}", id(&voucher)), &[]).await.ok();
    assert_eq!(charge_of(api, &intent).await["amount_refunded"], 0);
    let again = refund(api, &voucher, &[]).await.ok();
    let settle = format!("/_sandbox/refunds/{}/settle", id(&again));
    assert_eq!(api.post(&settle, &[("outcome", "succeeded")]).await.ok()["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_are_listed_updated_and_replayed() {
    let sandbox = TestSandbox::start(config());
    let api = &sandbox.api;
    let (one, other) = (api.pay("pm_card_visa", &[]).await.ok(), api.pay("pm_card_visa", &[]).await.ok());
    let keyed = api.with("idempotency-key", "refund-1");
    let first = refund(&keyed, &one, &[("amount", "100")]).await;
    let replayed = refund(&keyed, &one, &[("amount", "100")]).await;
    assert_eq!((replayed.header("idempotent-replayed"), &replayed.text), (Some("true"), &first.text));
    let second = refund(api, &one, &[("amount", "200")]).await.ok();
    let third = refund(api, &other, &[]).await.ok();
    let list = |params: Vec<(&'static str, String)>| async move {
        let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let list = api.get("/v1/refunds", &params).await.ok();
        list["data"].as_array().unwrap().iter().map(|refund| refund["id"].clone()).collect::<Vec<_>>()
    };
    let (first, charge) = (first.ok(), one["latest_charge"].as_str().unwrap());
    let ids = |refunds: &[&Value]| refunds.iter().map(|refund| refund["id"].clone()).collect::<Vec<_>>();
    assert_eq!(list(vec![]).await, ids(&[&third, &second, &first]));
    assert_eq!(list(vec![("payment_intent", id(&one).into())]).await, ids(&[&second, &first]));
    assert_eq!(list(vec![("charge", charge.into())]).await, ids(&[&second, &first]));
    assert_eq!(
        list(vec![("limit", "1".into()), ("starting_after", id(&third).into())]).await,
        ids(&[&second])
    );
    assert_eq!(list(vec![("created[gt]", "9999999999".into())]).await, ids(&[]));
    let of_charge = charge_of(api, &one).await["refunds"].clone();
    assert_eq!(api.get(of_charge["url"].as_str().unwrap(), &[]).await.ok(), of_charge);
    api.get("/v1/charges/ch_x/refunds", &[]).await.error(404);
    let path = format!("/v1/refunds/{}", id(&first));
    let updated = api.post(&path, &[("metadata[order_id]", "7")]).await.ok();
    assert_eq!(updated["metadata"], json!({ "order_id": "7" }));
    assert_eq!(
        api.get(&path, &[("expand[]", "charge"), ("expand[]", "payment_intent")]).await.ok()["charge"]["id"],
        charge
    );
    assert_eq!(api.event_types().await.last().unwrap(), "charge.refund.updated");
    api.post(&path, &[("amount", "5")]).await.error(400);
}

/// A hundred refunds at once take no more than was paid.
#[tokio::test(flavor = "multi_thread")]
async fn refunds_at_once_take_no_more_than_was_paid() {
    let sandbox = TestSandbox::start(config());
    let paid = sandbox.api.pay("pm_card_visa", &[]).await.ok();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (api, paid) = (sandbox.api.clone(), paid.clone());
        tasks.spawn(async move { refund(&api, &paid, &[("amount", "30")]).await.status });
    }
    let done = tasks.join_all().await.into_iter().filter(|status| *status == 200).count();
    assert_eq!(done, 33);
    assert_eq!(charge_of(&sandbox.api, &paid).await["amount_refunded"], 990);
}
