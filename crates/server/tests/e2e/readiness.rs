//! Through a seller that is not ready nobody pays, and Stripe is not asked; what becomes of a seller is known soon.

use chrono::Utc;
use quittance_test_support::{TestDatabase, id, wait_until};
use serde_json::{Value, json};

use crate::event::{CONNECT, Event};
use crate::receiver::{Receiver, Teller};
use crate::sellers::{Platform, Seller, Through, path};
use crate::shop::{AMOUNT, Shop};
use crate::tally::all_delivered;
use crate::world::{NO_WALK, Webhooks, World};

quittance_test_support::on_both_databases! {
    nobody_pays_through_a_seller_that_is_not_ready,
    without_events_a_seller_is_asked_about,
    events_of_another_mode_or_of_nobody_say_nothing,
    what_becomes_of_a_seller_is_told,
}

const NOT_ONBOARDED: &str = "details_submitted=false&charges_enabled=false&payouts_enabled=false";
const ONBOARDED: &str = "details_submitted=true&charges_enabled=true&payouts_enabled=true";

/// What the service has asked of Stripe, but for how the account stands and what has happened.
fn asked(world: &World<'_>) -> Vec<Value> {
    let is_look = |asked: &Value| {
        let path = asked["path"].as_str().expect("a path");
        asked["method"] == "GET" && (path.starts_with("/v1/accounts/") || path == "/v1/events")
    };
    world.asked_of_stripe().into_iter().filter(|asked| !is_look(asked)).collect()
}

/// Asks to pay an order on both rails: it is refused for what blocks the seller, before Stripe is asked.
async fn is_refused(world: &World<'_>, shop: &Shop, order_id: &str) {
    let seller = shop.seller.as_ref().expect("a seller");
    let blockers = Platform::of(world).seller(seller).await["blockers"].clone();
    let before = asked(world);
    for call in [shop.api.post(format!("/v1/orders/{order_id}/payment_intent")), shop.hosting(order_id)] {
        let refused = call.send().await.expect(409);
        assert_eq!(refused.problem(), "seller_not_ready");
        let errors = refused.body["errors"].as_array().expect("a list");
        let codes: Vec<Value> = errors.iter().map(|error| error["code"].clone()).collect();
        assert_eq!(Value::from(codes), blockers, "{}", refused.text);
    }
    assert_eq!(asked(world), before, "Stripe was asked");
}

async fn nobody_pays_through_a_seller_that_is_not_ready(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let platform = Platform::of(&world);
    let seller = platform.connect(&platform.account(NOT_ONBOARDED).await).await;
    let shop = Shop::open_of(&world, &seller).await;
    let first = shop.place("first").await;
    let shown = platform.seller(&seller).await;
    let all = json!(["details_not_submitted", "charges_not_enabled", "payouts_not_enabled"]);
    assert_eq!((&shown["blockers"], &shown["next_action"]), (&all, &json!("complete_onboarding")));
    is_refused(&world, &shop, &first).await;
    let of_payments = |asked: &Value| asked["path"].as_str().is_some_and(|path| path.contains("payment"));
    assert!(!world.asked_of_stripe().iter().any(of_payments));

    // Ready, by an event.
    platform.change(&seller, ONBOARDED).await;
    platform.see(&seller, "ready", &json!(true)).await;
    let payable = shop.payable("second").await;
    assert!(!asked(&world).is_empty());
    let first_intent = shop.paying(&first).insist().await.expect(200);
    assert_eq!(first_intent.body["stripe_account"], json!(seller.account_id));
    shop.confirm(&first_intent.text_of("payment_intent_id")).await;
    shop.see_paid(&first).await;

    // Restricted later: also an order that has its PaymentIntent is handed to nobody any more.
    platform
        .change(&seller, "charges_enabled=false&requirements[disabled_reason]=requirements.past_due")
        .await;
    let restricted = platform.see(&seller, "ready", &json!(false)).await;
    assert_eq!(restricted["blockers"], json!(["charges_not_enabled"]));
    is_refused(&world, &shop, &shop.place("third").await).await;
    is_refused(&world, &shop, &payable.order_id).await;
    let paid = shop.order(&first).await;
    assert_eq!((&paid["status"], &paid["amount_paid"]), (&json!("paid"), &json!(AMOUNT)));
    platform.change(&seller, "charges_enabled=true&requirements=").await;
    platform.see(&seller, "ready", &json!(true)).await;
    let again = shop.paying(&payable.order_id).insist().await.expect(200);
    assert_eq!(again.body["payment_intent_id"], json!(payable.payment_intent_id));
}

async fn without_events_a_seller_is_asked_about(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Lost, &NO_WALK).await;
    let platform = Platform::of(&world);
    let seller = platform.ready_seller(Through::Direct).await;
    let shop = Shop::open_of(&world, &seller).await;
    platform.change(&seller, "payouts_enabled=false").await;
    // Weeks later, the worker asks.
    let due = format!("UPDATE sellers SET check_at = created_at WHERE id = '{}'", seller.id);
    world.database.execute(&due).await;
    platform.see(&seller, "ready", &json!(false)).await;
    is_refused(&world, &shop, &shop.place("restricted").await).await;
    // Whoever can not wait has it asked.
    platform.change(&seller, "payouts_enabled=true").await;
    let refreshed = world.api.post(format!("{}/refresh", path(&seller))).send().await.expect(200);
    assert_eq!(refreshed.body["ready"], true, "{}", refreshed.text);
    shop.payable("ready").await;
}

/// An event about an account, with the account as it is but for this.
async fn event_of(world: &World<'_>, seller: &Seller, created: i64, changes: &Value) -> Event {
    let path = format!("/v1/accounts/{}", seller.account_id);
    let mut object = world.stripe.get(path).send().await.expect(200).body;
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

async fn outcome(world: &World<'_>, event: &Event) -> String {
    let columns = "outcome || ' ' || coalesce(reason, '')";
    let sql = format!("SELECT {columns} AS value FROM inbox WHERE event_id = '{}'", event.id());
    world.texts(&sql).await.join(",").trim_end().to_owned()
}

async fn events_of_another_mode_or_of_nobody_say_nothing(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Lost, &NO_WALK).await;
    let platform = Platform::of(&world);
    let seller = platform.ready_seller(Through::Direct).await;
    let restricted = json!({ "charges_enabled": false });
    let now = Utc::now().timestamp();
    let before = platform.seller(&seller).await;

    let mut live = event_of(&world, &seller, now + 1, &restricted).await;
    live.0["livemode"] = json!(true);
    let mut gone_live = live.clone();
    gone_live.0["id"] = json!("evt_gonelive");
    gone_live.0["type"] = json!("account.application.deauthorized");
    gone_live.0["data"]["object"] = json!({ "id": "ca_E2e", "object": "application", "name": "Shop" });
    let mut of_nobody = event_of(&world, &seller, now + 1, &restricted).await;
    of_nobody.0["account"] = json!("acct_nobody");
    of_nobody.0["data"]["object"]["id"] = json!("acct_nobody");
    for (event, reason) in [
        (&live, "ignored wrong_mode"),
        (&gone_live, "ignored wrong_mode"),
        (&of_nobody, "ignored unknown_seller"),
    ] {
        event.delivery_to(&world.api, CONNECT).send().await.expect(200);
        assert_eq!(outcome(&world, event).await, reason, "{}", event.0);
    }
    let ready = platform.seller(&seller).await;
    assert_eq!((&ready["ready"], &ready["version"]), (&json!(true), &before["version"]), "{ready}");

    // What was so before it was read is no news; the same event twice is one.
    let late = event_of(&world, &seller, now - 60, &restricted).await;
    let told = event_of(&world, &seller, now + 1, &restricted).await;
    for event in [&late, &late] {
        event.delivery_to(&world.api, CONNECT).send().await.expect(200);
    }
    assert_eq!(outcome(&world, &late).await, "applied");
    assert_eq!(platform.seller(&seller).await["ready"], true);
    // And what is news is asked about: Stripe says otherwise.
    told.delivery_to(&world.api, CONNECT).send().await.expect(200);
    assert_eq!(outcome(&world, &told).await, "applied");
    let unsettled = format!("sellers WHERE id = '{}' AND snapshot_at_s <= last_event_at_s", seller.id);
    wait_until("the account is read", async || world.count(&unsettled).await == 0).await;
    assert_eq!(platform.seller(&seller).await["ready"], true);
    all_delivered(&world).await;
}

async fn what_becomes_of_a_seller_is_told(database: &TestDatabase) {
    let teller = Teller::start(database).await;
    let receiver = Receiver::start();
    teller.endpoint(&receiver.url("ok")).await;
    let platform = Platform { api: teller.api.clone(), stripe: teller.stripe() };
    let seller = platform.connect(&platform.account(NOT_ONBOARDED).await).await;
    platform.change(&seller, ONBOARDED).await;
    platform.see(&seller, "ready", &json!(true)).await;
    platform.change(&seller, "charges_enabled=false").await;
    platform.see(&seller, "ready", &json!(false)).await;
    platform.leave(&seller).await;
    let gone = platform.see(&seller, "connected", &json!(false)).await;
    let told = wait_until("the disconnect is published", async || {
        let got = receiver.got();
        let is_last = |got: &crate::receiver::Got| got.json()["type"] == "seller.disconnected";
        got.iter().any(is_last).then_some(got)
    })
    .await;
    let told: Vec<Value> = told.iter().map(crate::receiver::Got::json).collect();
    let changes: Vec<&str> = told
        .iter()
        .filter(|event| event["type"] != "seller.updated")
        .map(|event| event["type"].as_str().expect("a type"))
        .collect();
    assert_eq!(changes, ["seller.ready", "seller.restricted", "seller.disconnected"], "{told:#?}");
    let sequences: Vec<i64> = told.iter().map(|event| event["sequence"].as_i64().expect("it")).collect();
    assert!(sequences.is_sorted_by(|one, next| one < next), "{sequences:?}");
    for event in &told {
        assert_eq!(event["data"]["id"], seller.id.as_str(), "{event}");
    }
    let last = told.last().expect("something was told");
    assert_eq!((&last["sequence"], &last["data"]["version"]), (&gone["version"], &gone["version"]));
}
