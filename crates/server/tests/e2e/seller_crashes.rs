//! The process stopped on a seller's way in or out: there is one account for each seller, none is lost, and whoever was
//! to leave has left, once, or stays.

use std::cell::OnceCell;

use quittance_crash_points::{CrashPoint, VARIABLE};
use quittance_test_support::{TestDatabase, wait_until};
use serde_json::{Value, json};

use crate::crashes::{arm, die_and_revive, through};
use crate::impostors::Impostor;
use crate::sellers::{Platform, Seller, Through, path};
use crate::shop::Shop;
use crate::tally::come_to_rest;
use crate::world::{NO_WALK, Webhooks, World};

quittance_test_support::on_both_databases! {
    a_client_that_repeats_itself_finds_one_seller,
    what_nobody_repeats_is_driven_on,
    a_seller_that_is_kept_stays_through_a_crash,
    what_a_seller_makes_in_the_window_is_not_ours,
}

const DEBIT: &str = "pm_sepaDebit_successDelayed_de";

/// The accounts that Stripe made because the platform asked it to, with what they say they are of.
async fn made(world: &World<'_>) -> Vec<Value> {
    let mut all = world.stripe_list("/v1/accounts").await;
    all.retain(|account| account["type"] == "express");
    all
}

fn creating(platform: &Platform, name: &str) -> crate::client::Call {
    let body = json!({ "type": "express", "country": "DE", "reference": name });
    platform.api.post("/v1/sellers").json(&body).key(name)
}

/// How often the platform was told to have left an account.
async fn times_ended(platform: &Platform, seller: &Seller) -> usize {
    let owner = platform.owner(seller).await;
    owner.list("/v1/events?type=account.application.deauthorized").await.len()
}

/// Checks that a seller was made once, with one account.
async fn is_made_once(world: &World<'_>, platform: &Platform, name: &str, before: usize) -> Value {
    let list = format!("/v1/sellers?reference={name}");
    let found = wait_until("the seller has an account", async || {
        let listed = platform.api.get(&list).insist().await.expect(200).body["data"].clone();
        Some(listed).filter(|listed| listed[0]["account_id"].is_string())
    })
    .await;
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
    let accounts = made(world).await;
    assert_eq!(accounts.len(), before + 1, "{name}: {accounts:?}");
    assert!(accounts.iter().any(|account| account["id"] == found[0]["account_id"]));
    found[0].clone()
}

async fn a_client_that_repeats_itself_finds_one_seller(database: &TestDatabase) {
    let mut world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let platform = Platform::of(&world);
    for point in [CrashPoint::SellerRecorded, CrashPoint::AccountCreated] {
        let before = made(&world).await.len();
        arm(&mut world, point).await;
        let answered = OnceCell::new();
        let flow = async {
            let _ = answered.set(creating(&platform, point.name()).insist().await.expect(201));
        };
        through(&mut world, point, flow).await;
        let seller = is_made_once(&world, &platform, point.name(), before).await;
        let answered = answered.into_inner().expect("an answer");
        assert_eq!(answered.text_of("id"), seller["id"], "{}", point.name());
        let again = creating(&platform, point.name()).insist().await.expect(201);
        assert_eq!(again.text_of("id"), seller["id"]);
    }
    // A code can not be exchanged twice: its owner connects the account once more.
    let point = CrashPoint::CodeExchanged;
    let account_id = platform.account("").await;
    let url = platform.authorize("ada").await;
    let came_back = platform.approve(&url, &account_id).await;
    arm(&mut world, point).await;
    let callback = platform.api.post("/v1/sellers/oauth/callback").json(&came_back.with("ada")).key("back");
    let flow = async {
        let refused = callback.insist().await;
        assert_eq!((refused.status, refused.problem()), (400, "oauth_state_used"), "{}", refused.text);
    };
    through(&mut world, point, flow).await;
    let connected = platform.connect(&account_id).await;
    let of_account = format!("sellers WHERE account_id = '{account_id}'");
    assert_eq!(world.count(&of_account).await, 1);
    assert_eq!(platform.seller(&connected).await["ready"], true);
    for point in [CrashPoint::UnlinkStarted, CrashPoint::Deauthorized] {
        let shop = Shop::open_through(&world, Through::Direct).await;
        let seller = shop.seller.clone().expect("a seller");
        let live = shop.payable(point.name()).await;
        arm(&mut world, point).await;
        let flow = async {
            let gone = platform.unlink(&seller, true).await.expect(200);
            assert_eq!(gone.body["connected"], false, "{}", gone.text);
        };
        through(&mut world, point, flow).await;
        has_left(&world, &platform, &shop, &live.order_id).await;
    }
}

/// Checks that a seller has left, once, with its order canceled first.
async fn has_left(world: &World<'_>, platform: &Platform, shop: &Shop, order_id: &str) {
    let seller = shop.seller.as_ref().expect("a seller");
    platform.see(seller, "connected", &json!(false)).await;
    // By the platform, or, where Stripe's event was heard before, at Stripe.
    let ended_by =
        format!("sellers WHERE connection_status IN ('unlinked', 'disconnected') AND id = '{}'", seller.id);
    wait_until("the order has ended", async || world.count(&ended_by).await == 1).await;
    assert_eq!(shop.order(order_id).await["status"], "canceled");
    assert_eq!(times_ended(platform, seller).await, 1, "deauthorized once");
    let told = format!("outbox WHERE kind = 'seller.disconnected' AND seller_id = '{}'", seller.id);
    assert_eq!(world.count(&told).await, 1);
    come_to_rest(world).await;
}

async fn what_nobody_repeats_is_driven_on(database: &TestDatabase) {
    let mut world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let platform = Platform::of(&world);
    for point in [CrashPoint::SellerRecorded, CrashPoint::AccountCreated] {
        let before = made(&world).await.len();
        arm(&mut world, point).await;
        let body = json!({ "type": "express", "country": "DE", "reference": point.name() });
        let cut = platform.api.post("/v1/sellers").json(&body).try_send().await;
        assert!(cut.is_err(), "{} is never reached", point.name());
        die_and_revive(&mut world).await;
        is_made_once(&world, &platform, point.name(), before).await;
    }
    for point in [CrashPoint::UnlinkStarted, CrashPoint::Deauthorized] {
        let shop = Shop::open_through(&world, Through::Direct).await;
        let seller = shop.seller.clone().expect("a seller");
        let live = shop.payable(point.name()).await;
        arm(&mut world, point).await;
        let cut = platform.api.delete(format!("{}?force=true", path(&seller))).try_send().await;
        assert!(cut.is_err(), "{} is never reached", point.name());
        die_and_revive(&mut world).await;
        has_left(&world, &platform, &shop, &live.order_id).await;
    }
}

/// Money is on its way: what was begun is taken back by the worker.
async fn a_seller_that_is_kept_stays_through_a_crash(database: &TestDatabase) {
    let mut world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let platform = Platform::of(&world);
    let shop = Shop::open_through(&world, Through::Direct).await;
    let seller = shop.seller.clone().expect("a seller");
    let debit = shop.payable("debit").await;
    shop.confirm_by(&debit.payment_intent_id, DEBIT).await.expect(200);
    shop.see_become(&debit.order_id, "processing").await;
    platform.change(&seller, "payouts_enabled=false").await;
    platform.see(&seller, "can_unlink", &json!(true)).await;
    arm(&mut world, CrashPoint::UnlinkStarted).await;
    let cut = platform.api.delete(path(&seller)).try_send().await;
    assert!(cut.is_err(), "it is never reached");
    die_and_revive(&mut world).await;
    platform.see(&seller, "blockers", &json!(["payouts_not_enabled"])).await;
    assert_eq!(times_ended(&platform, &seller).await, 0);
    platform.change(&seller, "payouts_enabled=true").await;
    platform.see(&seller, "ready", &json!(true)).await;
    shop.payable("after").await;
    shop.control(&format!("payment_intents/{}/settle", debit.payment_intent_id), "outcome=succeeded").await;
    shop.see_become(&debit.order_id, "paid").await;
}

/// Stripe has made what is ours, and nobody knows its id but Stripe and the seller.
async fn what_a_seller_makes_in_the_window_is_not_ours(database: &TestDatabase) {
    let mut world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let shop = Shop::open_through(&world, Through::Direct).await;
    let order_id = shop.place("window").await;
    arm(&mut world, CrashPoint::AttemptCreated).await;
    let cut = shop.paying(&order_id).try_send().await;
    assert!(cut.is_err(), "it is never reached");
    let status = world.service().end().await;
    assert!(!status.success(), "it stopped in good order");
    let (ours, payment_id) =
        Impostor::of(&world, shop.clone()).await.made_by_us("/v1/payment_intents", &order_id).await;
    // Nobody takes the attempt up before the seller's own is heard of.
    world.revive(&[NO_WALK[0], (VARIABLE, CrashPoint::AttemptCreated.name())]).await;
    let impostor = Impostor::of(&world, shop.clone()).await;
    impostor.change_nothing(&order_id, &payment_id).await;
    drop(impostor);
    world.kill();
    world.let_leases_end().await;
    world.revive(&NO_WALK).await;
    let again = shop.paying(&order_id).insist().await.expect(200);
    assert_eq!(again.text_of("payment_intent_id"), ours);
    shop.confirm(&ours).await;
    Impostor::of(&world, shop.clone()).await.is_paid_once(&order_id).await;
}
