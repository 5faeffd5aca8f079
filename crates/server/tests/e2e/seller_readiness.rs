//! The service refuses payments for sellers that aren't ready, without a request to Stripe. It soon learns about
//! changes of a seller.

use chrono::Utc;
use quittance_test_support::{TestDatabase, id, wait_until};
use serde_json::{Value, json};

use crate::environment::{Environment, NO_BACKFILL, Webhooks};
use crate::event::{CONNECT, Event};
use crate::invariants::wait_until_delivered;
use crate::receiver::{Receiver, SandboxService};
use crate::sellers::{ChargeRoute, Platform, Seller, path};
use crate::storefront::{AMOUNT, Storefront};

quittance_test_support::on_both_databases! {
    payment_through_unready_seller_is_refused,
    seller_without_events_is_refreshed,
    events_for_other_mode_or_unknown_seller_are_ignored,
    seller_changes_are_published_in_order,
}

const NOT_ONBOARDED: &str = "details_submitted=false&charges_enabled=false&payouts_enabled=false";
const ONBOARDED: &str = "details_submitted=true&charges_enabled=true&payouts_enabled=true";

/// Returns the service's requests to Stripe, except for reads of accounts and events.
fn asked(env: &Environment<'_>) -> Vec<Value> {
    let is_look = |asked: &Value| {
        let path = asked["path"].as_str().expect("a path");
        asked["method"] == "GET" && (path.starts_with("/v1/accounts/") || path == "/v1/events")
    };
    env.stripe_requests().into_iter().filter(|asked| !is_look(asked)).collect()
}

/// Asserts that both payment flows are refused with the seller's blockers, without a request to Stripe.
async fn assert_refused(env: &Environment<'_>, shop: &Storefront, order_id: &str) {
    let seller = shop.seller.as_ref().expect("a seller");
    let blockers = Platform::new(env).seller(seller).await["blockers"].clone();
    let before = asked(env);
    for call in
        [shop.api.post(format!("/v1/orders/{order_id}/payment_intent")), shop.session_request(order_id)]
    {
        let refused = call.send().await.expect(409);
        assert_eq!(refused.problem(), "seller_not_ready");
        let errors = refused.body["errors"].as_array().expect("a list");
        let codes: Vec<Value> = errors.iter().map(|error| error["code"].clone()).collect();
        assert_eq!(Value::from(codes), blockers, "{}", refused.text);
    }
    assert_eq!(asked(env), before, "the service sent a request to Stripe");
}

async fn payment_through_unready_seller_is_refused(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let platform = Platform::new(&env);

    let seller = platform.connect(&platform.create_account(NOT_ONBOARDED).await).await;
    let shop = Storefront::open_for_seller(&env, &seller).await;
    let first = shop.place("first").await;
    let shown = platform.seller(&seller).await;
    let all = json!(["details_not_submitted", "charges_not_enabled", "payouts_not_enabled"]);
    assert_eq!((&shown["blockers"], &shown["next_action"]), (&all, &json!("complete_onboarding")));
    assert_refused(&env, &shop, &first).await;
    let of_payments = |asked: &Value| asked["path"].as_str().is_some_and(|path| path.contains("payment"));
    assert!(!env.stripe_requests().iter().any(of_payments));

    // An event reports that the seller is ready.
    platform.change_account(&seller, ONBOARDED).await;
    platform.wait_for_field(&seller, "ready", &json!(true)).await;
    let payable = shop.intent_order("second").await;
    assert!(!asked(&env).is_empty());
    let first_intent = shop.intent_request(&first).send_with_retries().await.expect(200);
    assert_eq!(first_intent.body["stripe_account"], json!(seller.account_id));
    shop.confirm(&first_intent.text_of("payment_intent_id")).await;
    shop.wait_until_paid(&first).await;

    // The seller is restricted later. An existing PaymentIntent isn't returned anymore.
    platform
        .change_account(&seller, "charges_enabled=false&requirements[disabled_reason]=requirements.past_due")
        .await;
    let restricted = platform.wait_for_field(&seller, "ready", &json!(false)).await;
    assert_eq!(restricted["blockers"], json!(["charges_not_enabled"]));
    assert_refused(&env, &shop, &shop.place("third").await).await;
    assert_refused(&env, &shop, &payable.order_id).await;
    let paid = shop.order(&first).await;
    assert_eq!((&paid["status"], &paid["amount_paid"]), (&json!("paid"), &json!(AMOUNT)));
    platform.change_account(&seller, "charges_enabled=true&requirements=").await;
    platform.wait_for_field(&seller, "ready", &json!(true)).await;
    let again = shop.intent_request(&payable.order_id).send_with_retries().await.expect(200);

    assert_eq!(again.body["payment_intent_id"], json!(payable.payment_intent_id));
}

async fn seller_without_events_is_refreshed(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Lost, &NO_BACKFILL).await;
    let platform = Platform::new(&env);

    let seller = platform.ready_seller(ChargeRoute::Direct).await;
    let shop = Storefront::open_for_seller(&env, &seller).await;
    platform.change_account(&seller, "payouts_enabled=false").await;

    // Weeks later, the worker refreshes the seller.
    let due = format!("UPDATE sellers SET check_at = created_at WHERE id = '{}'", seller.id);
    env.database.execute(&due).await;
    platform.wait_for_field(&seller, "ready", &json!(false)).await;

    assert_refused(&env, &shop, &shop.place("restricted").await).await;

    // The refresh endpoint updates the seller immediately.
    platform.change_account(&seller, "payouts_enabled=true").await;
    let refreshed = env.api.post(format!("{}/refresh", path(&seller))).send().await.expect(200);

    assert_eq!(refreshed.body["ready"], true, "{}", refreshed.text);

    shop.intent_order("ready").await;
}

/// Builds an event about an account: its current state with these changes.
async fn event_of(env: &Environment<'_>, seller: &Seller, created: i64, changes: &Value) -> Event {
    let path = format!("/v1/accounts/{}", seller.account_id);
    let mut object = env.stripe.get(path).send().await.expect(200).body;
    for (name, value) in changes.as_object().into_iter().flatten() {
        object[name] = value.clone();
    }
    Event(json!({
        "id": format!("evt_{}", id(|uuid| uuid).simple()), "object": "event", "account": seller.account_id,
        "api_version": "2026-09-30.endive", "created": created, "livemode": false, "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null }, "type": "account.updated",
        "data": { "object": object },
    }))
}

async fn outcome(env: &Environment<'_>, event: &Event) -> String {
    let columns = "outcome || ' ' || coalesce(reason, '')";
    let sql = format!("SELECT {columns} AS value FROM inbox WHERE event_id = '{}'", event.id());
    env.texts(&sql).await.join(",").trim_end().to_owned()
}

async fn events_for_other_mode_or_unknown_seller_are_ignored(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Lost, &NO_BACKFILL).await;
    let platform = Platform::new(&env);

    let seller = platform.ready_seller(ChargeRoute::Direct).await;
    let restricted = json!({ "charges_enabled": false });
    let now = Utc::now().timestamp();
    let before = platform.seller(&seller).await;

    let mut live = event_of(&env, &seller, now + 1, &restricted).await;
    live.0["livemode"] = json!(true);
    let mut gone_live = live.clone();
    gone_live.0["id"] = json!("evt_gonelive");
    gone_live.0["type"] = json!("account.application.deauthorized");
    gone_live.0["data"]["object"] = json!({ "id": "ca_E2e", "object": "application", "name": "Shop" });
    let mut unknown_account = event_of(&env, &seller, now + 1, &restricted).await;
    unknown_account.0["account"] = json!("acct_nobody");
    unknown_account.0["data"]["object"]["id"] = json!("acct_nobody");
    for (event, reason) in [
        (&live, "ignored wrong_mode"),
        (&gone_live, "ignored wrong_mode"),
        (&unknown_account, "ignored unknown_seller"),
    ] {
        event.delivery_to(&env.api, CONNECT).send().await.expect(200);
        assert_eq!(outcome(&env, event).await, reason, "{}", event.0);
    }
    let ready = platform.seller(&seller).await;
    assert_eq!((&ready["ready"], &ready["version"]), (&json!(true), &before["version"]), "{ready}");

    // An event from before the last read changes nothing, and a duplicate is ignored.
    let late = event_of(&env, &seller, now - 60, &restricted).await;
    let newer = event_of(&env, &seller, now + 1, &restricted).await;
    for event in [&late, &late] {
        event.delivery_to(&env.api, CONNECT).send().await.expect(200);
    }
    assert_eq!(outcome(&env, &late).await, "applied");
    assert_eq!(platform.seller(&seller).await["ready"], true);

    // A newer event triggers a read. Stripe's response contradicts the event.
    newer.delivery_to(&env.api, CONNECT).send().await.expect(200);
    assert_eq!(outcome(&env, &newer).await, "applied");
    let unsettled = format!("sellers WHERE id = '{}' AND snapshot_at_s <= last_event_at_s", seller.id);
    wait_until("the account is read", async || env.count(&unsettled).await == 0).await;

    assert_eq!(platform.seller(&seller).await["ready"], true);
    wait_until_delivered(&env).await;
}

async fn seller_changes_are_published_in_order(database: &TestDatabase) {
    let service = SandboxService::start(database).await;
    let receiver = Receiver::start();

    service.endpoint(&receiver.url("ok")).await;
    let platform = Platform { api: service.api.clone(), stripe: service.stripe() };
    let seller = platform.connect(&platform.create_account(NOT_ONBOARDED).await).await;
    platform.change_account(&seller, ONBOARDED).await;
    platform.wait_for_field(&seller, "ready", &json!(true)).await;
    platform.change_account(&seller, "charges_enabled=false").await;
    platform.wait_for_field(&seller, "ready", &json!(false)).await;
    platform.revoke_access(&seller).await;
    let gone = platform.wait_for_field(&seller, "connected", &json!(false)).await;
    let published = wait_until("the disconnect is published", async || {
        let got = receiver.requests();
        let is_last = |got: &crate::receiver::ReceivedRequest| got.json()["type"] == "seller.disconnected";
        got.iter().any(is_last).then_some(got)
    })
    .await;
    let published: Vec<Value> = published.iter().map(crate::receiver::ReceivedRequest::json).collect();
    let changes: Vec<&str> = published
        .iter()
        .filter(|event| event["type"] != "seller.updated")
        .map(|event| event["type"].as_str().expect("a type"))
        .collect();
    assert_eq!(changes, ["seller.ready", "seller.restricted", "seller.disconnected"], "{published:#?}");
    let sequences: Vec<i64> = published.iter().map(|event| event["sequence"].as_i64().expect("it")).collect();
    assert!(sequences.is_sorted_by(|one, next| one < next), "{sequences:?}");
    for event in &published {
        assert_eq!(event["data"]["id"], seller.id.as_str(), "{event}");
    }
    let last = published.last().expect("an event");

    assert_eq!((&last["sequence"], &last["data"]["version"]), (&gone["version"], &gone["version"]));
}
