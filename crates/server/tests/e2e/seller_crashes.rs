//! Crashes while a seller is connected or disconnected. Each seller gets one account, and a disconnect happens once or
//! not at all.

use std::cell::OnceCell;

use quittance_crash_points::{CrashPoint, VARIABLE};
use quittance_test_support::{TestDatabase, wait_until};
use serde_json::{Value, json};

use crate::crashes::{crash_during, restart_after_crash, restart_with_crash_point};
use crate::environment::{Environment, NO_BACKFILL, Webhooks};
use crate::forged_metadata::ForgingSeller;
use crate::invariants::wait_until_idle;
use crate::sellers::{ChargeRoute, Platform, Seller, path};
use crate::storefront::Storefront;

quittance_test_support::on_both_databases! {
    seller_creation_retried_after_crash_happens_once,
    oauth_callback_interrupted_by_crash_can_be_repeated,
    disconnect_retried_after_crash_happens_once,
    abandoned_seller_creation_is_resumed_after_crash,
    abandoned_disconnect_is_resumed_after_crash,
    refused_disconnect_interrupted_by_crash_keeps_seller,
    forged_payment_intent_after_crash_is_ignored,
}

const DEBIT: &str = "pm_sepaDebit_successDelayed_de";

/// Returns the accounts that the platform created at Stripe.
async fn created_accounts(env: &Environment<'_>) -> Vec<Value> {
    let mut all = env.stripe_list("/v1/accounts").await;
    all.retain(|account| account["type"] == "express");
    all
}

fn create_request(platform: &Platform, name: &str) -> crate::client::Call {
    let body = json!({ "type": "express", "country": "DE", "reference": name });
    platform.api.post("/v1/sellers").json(&body).key(name)
}

/// Returns the number of times the platform was deauthorized.
async fn deauthorization_count(platform: &Platform, seller: &Seller) -> usize {
    let owner = platform.owner(seller).await;
    owner.list("/v1/events?type=account.application.deauthorized").await.len()
}

/// Asserts that one seller with one account was created.
async fn assert_created_once(env: &Environment<'_>, platform: &Platform, name: &str, before: usize) -> Value {
    let list = format!("/v1/sellers?reference={name}");
    let found = wait_until("the seller has an account", async || {
        let listed = platform.api.get(&list).send_with_retries().await.expect(200).body["data"].clone();
        Some(listed).filter(|listed| listed[0]["account_id"].is_string())
    })
    .await;
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
    let accounts = created_accounts(env).await;
    assert_eq!(accounts.len(), before + 1, "{name}: {accounts:?}");
    assert!(accounts.iter().any(|account| account["id"] == found[0]["account_id"]));
    found[0].clone()
}

async fn seller_creation_retried_after_crash_happens_once(database: &TestDatabase) {
    let mut env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let platform = Platform::new(&env);
    for point in [CrashPoint::SellerRecorded, CrashPoint::AccountCreated] {
        let before = created_accounts(&env).await.len();
        restart_with_crash_point(&mut env, point).await;
        let answered = OnceCell::new();
        let flow = async {
            let _ =
                answered.set(create_request(&platform, point.name()).send_with_retries().await.expect(201));
        };
        crash_during(&mut env, point, flow).await;
        let seller = assert_created_once(&env, &platform, point.name(), before).await;
        let answered = answered.into_inner().expect("an answer");
        assert_eq!(answered.text_of("id"), seller["id"], "{}", point.name());
        let again = create_request(&platform, point.name()).send_with_retries().await.expect(201);
        assert_eq!(again.text_of("id"), seller["id"]);
    }
}

/// A code can't be exchanged twice, so the owner connects the account again.
async fn oauth_callback_interrupted_by_crash_can_be_repeated(database: &TestDatabase) {
    let mut env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let platform = Platform::new(&env);

    let point = CrashPoint::CodeExchanged;
    let account_id = platform.create_account("").await;
    let url = platform.authorize("ada").await;
    let came_back = platform.approve(&url, &account_id).await;
    restart_with_crash_point(&mut env, point).await;
    let callback = platform.api.post("/v1/sellers/oauth/callback").json(&came_back.with("ada")).key("back");
    let flow = async {
        let refused = callback.send_with_retries().await;
        assert_eq!((refused.status, refused.problem()), (400, "oauth_state_used"), "{}", refused.text);
    };
    crash_during(&mut env, point, flow).await;
    let connected = platform.connect(&account_id).await;
    let of_account = format!("sellers WHERE account_id = '{account_id}'");

    assert_eq!(env.count(&of_account).await, 1);
    assert_eq!(platform.seller(&connected).await["ready"], true);
}

async fn disconnect_retried_after_crash_happens_once(database: &TestDatabase) {
    let mut env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let platform = Platform::new(&env);
    for point in [CrashPoint::UnlinkStarted, CrashPoint::Deauthorized] {
        let shop = Storefront::open_with_route(&env, ChargeRoute::Direct).await;
        let seller = shop.seller.clone().expect("a seller");
        let live = shop.intent_order(point.name()).await;
        restart_with_crash_point(&mut env, point).await;
        let flow = async {
            let gone = platform.unlink(&seller, true).await.expect(200);
            assert_eq!(gone.body["connected"], false, "{}", gone.text);
        };
        crash_during(&mut env, point, flow).await;
        assert_disconnected(&env, &platform, &shop, &live.order_id).await;
    }
}

/// Asserts that a seller was disconnected once, after its order was canceled.
async fn assert_disconnected(env: &Environment<'_>, platform: &Platform, shop: &Storefront, order_id: &str) {
    let seller = shop.seller.as_ref().expect("a seller");
    platform.wait_for_field(seller, "connected", &json!(false)).await;
    // The platform has disconnected the seller, or Stripe's event arrived first.
    let ended_by =
        format!("sellers WHERE connection_status IN ('unlinked', 'disconnected') AND id = '{}'", seller.id);
    wait_until("the order has ended", async || env.count(&ended_by).await == 1).await;
    assert_eq!(shop.order(order_id).await["status"], "canceled");
    assert_eq!(deauthorization_count(platform, seller).await, 1, "the account must be deauthorized once");
    let published = format!("outbox WHERE kind = 'seller.disconnected' AND seller_id = '{}'", seller.id);
    assert_eq!(env.count(&published).await, 1);
    wait_until_idle(env).await;
}

async fn abandoned_seller_creation_is_resumed_after_crash(database: &TestDatabase) {
    let mut env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let platform = Platform::new(&env);
    for point in [CrashPoint::SellerRecorded, CrashPoint::AccountCreated] {
        let before = created_accounts(&env).await.len();
        restart_with_crash_point(&mut env, point).await;
        let body = json!({ "type": "express", "country": "DE", "reference": point.name() });
        let cut = platform.api.post("/v1/sellers").json(&body).try_send().await;
        assert!(cut.is_err(), "the service did not reach {}", point.name());
        restart_after_crash(&mut env).await;
        assert_created_once(&env, &platform, point.name(), before).await;
    }
}

async fn abandoned_disconnect_is_resumed_after_crash(database: &TestDatabase) {
    let mut env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let platform = Platform::new(&env);
    for point in [CrashPoint::UnlinkStarted, CrashPoint::Deauthorized] {
        let shop = Storefront::open_with_route(&env, ChargeRoute::Direct).await;
        let seller = shop.seller.clone().expect("a seller");
        let live = shop.intent_order(point.name()).await;
        restart_with_crash_point(&mut env, point).await;
        let cut = platform.api.delete(format!("{}?force=true", path(&seller))).try_send().await;
        assert!(cut.is_err(), "the service did not reach {}", point.name());
        restart_after_crash(&mut env).await;
        assert_disconnected(&env, &platform, &shop, &live.order_id).await;
    }
}

/// A payment is pending, so the worker cancels the disconnect.
async fn refused_disconnect_interrupted_by_crash_keeps_seller(database: &TestDatabase) {
    let mut env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let platform = Platform::new(&env);
    let shop = Storefront::open_with_route(&env, ChargeRoute::Direct).await;

    let seller = shop.seller.clone().expect("a seller");
    let debit = shop.intent_order("debit").await;
    shop.confirm_with(&debit.payment_intent_id, DEBIT).await.expect(200);
    shop.wait_for_status(&debit.order_id, "processing").await;
    platform.change_account(&seller, "payouts_enabled=false").await;
    platform.wait_for_field(&seller, "can_unlink", &json!(true)).await;
    restart_with_crash_point(&mut env, CrashPoint::UnlinkStarted).await;
    let cut = platform.api.delete(path(&seller)).try_send().await;

    assert!(cut.is_err(), "the service did not reach the crash point");

    restart_after_crash(&mut env).await;
    platform.wait_for_field(&seller, "blockers", &json!(["payouts_not_enabled"])).await;

    assert_eq!(deauthorization_count(&platform, &seller).await, 0);

    platform.change_account(&seller, "payouts_enabled=true").await;
    platform.wait_for_field(&seller, "ready", &json!(true)).await;
    shop.intent_order("after").await;
    shop.control(&format!("payment_intents/{}/settle", debit.payment_intent_id), "outcome=succeeded").await;
    shop.wait_for_status(&debit.order_id, "paid").await;
}

/// Stripe has created the platform's object. Only Stripe and the seller know its ID.
async fn forged_payment_intent_after_crash_is_ignored(database: &TestDatabase) {
    let mut env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open_with_route(&env, ChargeRoute::Direct).await;

    let order_id = shop.place("window").await;
    restart_with_crash_point(&mut env, CrashPoint::AttemptCreated).await;
    let cut = shop.intent_request(&order_id).try_send().await;
    assert!(cut.is_err(), "the service did not reach the crash point");
    let status = env.service().wait_for_exit().await;
    assert!(!status.success(), "the service must crash, not stop gracefully");
    let (ours, payment_id) =
        ForgingSeller::new(&env, shop.clone()).await.platform_object("/v1/payment_intents", &order_id).await;

    // The crash point keeps the worker from resuming the attempt before the forged events arrive.
    env.restart(&[NO_BACKFILL[0], (VARIABLE, CrashPoint::AttemptCreated.name())]).await;
    let forger = ForgingSeller::new(&env, shop.clone()).await;
    forger.assert_ignored(&order_id, &payment_id).await;
    drop(forger);
    env.kill();
    env.expire_leases().await;
    env.restart(&NO_BACKFILL).await;
    let again = shop.intent_request(&order_id).send_with_retries().await.expect(200);

    assert_eq!(again.text_of("payment_intent_id"), ours);
    shop.confirm(&ours).await;
    ForgingSeller::new(&env, shop.clone()).await.assert_paid_once(&order_id).await;
}
