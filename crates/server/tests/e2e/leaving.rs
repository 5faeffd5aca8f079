//! Sellers that leave, at Stripe's side or the platform's: nothing stays in flight, what was paid stays paid, and
//! whoever comes back is who they were.

use quittance_test_support::{TestDatabase, wait_until};
use serde_json::{Value, json};

use crate::books::Books;
use crate::sellers::{Platform, Seller, Through};
use crate::shop::{AMOUNT, Hosted, Payable, Shop};
use crate::tally::{all_delivered, come_to_rest};
use crate::world::{NO_WALK, Webhooks, World, let_expire};

quittance_test_support::on_both_databases! {
    who_leaves_at_stripe_leaves_nothing_in_flight,
    who_left_at_stripe_unheard_is_found_out,
    what_happens_while_a_seller_is_away_is_heard_when_it_is_back,
    what_was_given_up_is_asked_about_when_its_seller_is_back,
    what_was_given_up_is_asked_about_when_its_seller_is_found_back,
    open_orders_are_canceled_before_a_seller_is_let_go,
    money_on_its_way_keeps_a_seller,
    by_force_a_seller_is_let_go_all_the_same,
    what_is_held_on_our_own_account_outlives_its_seller,
}

const DEBIT: &str = "pm_sepaDebit_successDelayed_de";

/// Orders of a seller in every state that an order can be in for long.
struct Orders {
    live: Payable,
    page: Hosted,
    debit: Payable,
    held: Payable,
    paid: Payable,
}

impl Orders {
    async fn place(shop: &Shop) -> Self {
        let (live, page) = (shop.payable("live").await, shop.hosted("page").await);
        let debit = debit(shop, "debit").await;
        let held = shop.held("held").await;
        shop.see_become(&held.order_id, "authorized").await;
        let paid = shop.payable("paid").await;
        shop.confirm(&paid.payment_intent_id).await;
        shop.see_paid(&paid.order_id).await;
        Self { live, page, debit, held, paid }
    }

    fn open(&self) -> [&str; 4] {
        [&self.live.order_id, &self.page.order_id, &self.debit.order_id, &self.held.order_id]
    }
}

/// An order that is paid by a bank debit, which takes days.
async fn debit(shop: &Shop, name: &str) -> Payable {
    let payable = shop.payable(name).await;
    shop.confirm_by(&payable.payment_intent_id, DEBIT).await.expect(200);
    shop.see_become(&payable.order_id, "processing").await;
    payable
}

async fn status(shop: &Shop, order_id: &str) -> String {
    shop.order(order_id).await["status"].as_str().expect("a status").to_owned()
}

/// How often the account's owner was told that the platform has gone, or has ended it.
async fn times_ended(platform: &Platform, seller: &Seller) -> usize {
    let owner = platform.owner(seller).await;
    owner.list("/v1/events?type=account.application.deauthorized").await.len()
}

/// No order waits for anything, and nothing is left to be done at Stripe.
async fn nothing_is_in_flight(world: &World<'_>) {
    come_to_rest(world).await;
    let open = "orders WHERE status IN ('pending', 'payment_failed', 'processing', 'authorized')";
    assert_eq!(world.count(open).await, 0);
    assert_eq!(world.count("payments WHERE NOT closed").await, 0);
    assert_eq!(world.count("refunds WHERE resume_at IS NOT NULL").await, 0);
}

async fn who_leaves_at_stripe_leaves_nothing_in_flight(database: &TestDatabase) {
    let settings = [("QUITTANCE_EVENT_WALK_PERIOD", "1s")];
    let world = World::start_with(database, Webhooks::Delivered, &settings).await;
    let platform = Platform::of(&world);
    let shop = Shop::open_through(&world, Through::Direct).await;
    let seller = shop.seller.clone().expect("a seller");
    let orders = Orders::place(&shop).await;
    let owner = platform.owner(&seller).await;
    platform.leave(&seller).await;
    let gone = platform.see(&seller, "connected", &json!(false)).await;
    assert_eq!(
        (&gone["blockers"], &gone["next_action"]),
        (&json!(["not_connected"]), &json!("connect")),
        "{gone}"
    );
    let new = shop.place("new").await;
    for order_id in [&*new, orders.open()[0]] {
        let refused = shop.api.post(format!("/v1/orders/{order_id}/payment_intent")).send().await;
        assert_eq!((refused.status, refused.problem()), (409, "seller_not_ready"));
        assert_eq!(refused.body["errors"][0]["code"], "not_connected", "{}", refused.text);
    }
    for order_id in orders.open().into_iter().chain([&*new]) {
        let_expire(database, order_id).await;
    }
    for order_id in orders.open().into_iter().chain([&*new]) {
        shop.see_become(order_id, "expired").await;
    }
    assert_eq!(shop.order(&orders.paid.order_id).await["status"], "paid");
    let refused = shop.refunding(&orders.paid.order_id, Some(700), "too-late").insist().await;
    assert_eq!((refused.status, refused.problem()), (409, "seller_disconnected"), "{}", refused.text);
    let listed = shop.refunds(&orders.paid.order_id).await;
    assert_eq!(listed[0]["status"], "failed", "{listed:?}");
    let paid = shop.order(&orders.paid.order_id).await;
    assert_eq!((&paid["status"], &paid["amount_refunded"]), (&json!("paid"), &json!(0)), "{paid}");
    nothing_is_in_flight(&world).await;

    // Customers and banks go on at Stripe, unheard.
    let path = format!("payment_intents/{}/settle", orders.debit.payment_intent_id);
    shop.control(&path, "outcome=succeeded").await;
    let path = format!("/v1/payment_intents/{}/confirm", orders.live.payment_intent_id);
    let form = "payment_method=pm_card_visa&return_url=https%3A%2F%2Fshop.example%2Fdone";
    owner.post(path).form(form).send().await.expect(200);
    assert_eq!(shop.order(&orders.debit.order_id).await["status"], "expired");

    // The owner comes back, and is who they were. What happened meanwhile is heard.
    let back = platform.connect(&seller.account_id).await;
    assert_eq!(back.id, seller.id);
    let ready = platform.seller(&seller).await;
    assert_eq!((&ready["connected"], &ready["ready"]), (&json!(true), &json!(true)), "{ready}");
    for order_id in [&orders.debit.order_id, &orders.live.order_id] {
        shop.see_become(order_id, "paid").await;
        assert_eq!(shop.order(order_id).await["amount_paid"], AMOUNT);
    }
    let refunded = shop.refunding(&orders.paid.order_id, Some(700), "again").insist().await.expect(201);
    assert_eq!(refunded.body["amount"], 700);
    shop.see_become(&orders.paid.order_id, "partially_refunded").await;
    let next = shop.payable("next").await;
    shop.confirm(&next.payment_intent_id).await;
    shop.see_paid(&next.order_id).await;
    assert_eq!(world.count("sellers").await, 1);
}

/// No event says so: whoever asks Stripe finds it out.
async fn who_left_at_stripe_unheard_is_found_out(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let platform = Platform::of(&world);
    let shop = Shop::open_through(&world, Through::Direct).await;
    let seller = shop.seller.clone().expect("a seller");
    let orders = Orders::place(&shop).await;
    let new = shop.place("new").await;
    all_delivered(&world).await;
    world.control("deliveries", "mode=drop").await;
    platform.leave(&seller).await;
    assert_eq!(platform.seller(&seller).await["connected"], true, "an event arrived: this shows nothing");
    let refused = shop.api.post(format!("/v1/orders/{new}/payment_intent")).send().await;
    assert_eq!((refused.status, refused.problem()), (409, "seller_disconnected"), "{}", refused.text);
    for order_id in orders.open().into_iter().chain([&*new]) {
        let_expire(database, order_id).await;
    }
    for order_id in orders.open().into_iter().chain([&*new]) {
        shop.see_become(order_id, "expired").await;
    }
    platform.see(&seller, "connected", &json!(false)).await;
    assert_eq!(shop.order(&orders.paid.order_id).await["status"], "paid");
    nothing_is_in_flight(&world).await;
}

/// Nobody but the walk finds out that it has left, and nothing is delivered.
async fn what_happens_while_a_seller_is_away_is_heard_when_it_is_back(database: &TestDatabase) {
    let settings = [("QUITTANCE_EVENT_WALK_PERIOD", "1s")];
    let world = World::start_with(database, Webhooks::Delivered, &settings).await;
    let platform = Platform::of(&world);
    let shop = Shop::open_through(&world, Through::Direct).await;
    let seller = shop.seller.clone().expect("a seller");
    let orders = Orders::place(&shop).await;
    let owner = platform.owner(&seller).await;
    all_delivered(&world).await;
    world.control("deliveries", "mode=drop").await;
    platform.leave(&seller).await;
    platform.see(&seller, "connected", &json!(false)).await;

    let path = format!("payment_intents/{}/settle", orders.debit.payment_intent_id);
    shop.control(&path, "outcome=succeeded").await;
    let form = format!("payment_intent={}&amount=400", orders.paid.payment_intent_id);
    owner.post("/v1/refunds").form(&form).send().await.expect(200);
    assert_ne!(status(&shop, &orders.debit.order_id).await, "paid");

    platform.connect(&seller.account_id).await;
    shop.see_become(&orders.debit.order_id, "paid").await;
    shop.see_become(&orders.paid.order_id, "partially_refunded").await;
}

/// A debit that is given up because its seller has left, unheard, and that succeeds at Stripe, unheard too.
async fn given_up(world: &World<'_>, shop: &Shop, seller: &Seller) -> Payable {
    let debit = debit(shop, "debit").await;
    all_delivered(world).await;
    world.control("deliveries", "mode=drop").await;
    let platform = Platform::of(world);
    platform.leave(seller).await;
    let_expire(world.database, &debit.order_id).await;
    shop.see_become(&debit.order_id, "expired").await;
    platform.see(seller, "connected", &json!(false)).await;
    let path = format!("payment_intents/{}/settle", debit.payment_intent_id);
    shop.control(&path, "outcome=succeeded").await;
    debit
}

/// Nobody walks, and nobody asks for the order.
async fn what_was_given_up_is_asked_about_when_its_seller_is_back(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let shop = Shop::open_through(&world, Through::Direct).await;
    let seller = shop.seller.clone().expect("a seller");
    let debit = given_up(&world, &shop, &seller).await;
    Platform::of(&world).connect(&seller.account_id).await;
    shop.see_become(&debit.order_id, "paid").await;
    assert_eq!(shop.order(&debit.order_id).await["amount_paid"], AMOUNT);
    let due = format!("orders WHERE id = '{}' AND check_at IS NOT NULL", debit.order_id);
    wait_until("the refresh is done", async || world.count(&due).await == 0).await;
}

/// It was not through us that it was let in again.
async fn what_was_given_up_is_asked_about_when_its_seller_is_found_back(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let platform = Platform::of(&world);
    let shop = Shop::open_through(&world, Through::Direct).await;
    let seller = shop.seller.clone().expect("a seller");
    let debit = given_up(&world, &shop, &seller).await;
    let url = platform.authorize("elsewhere").await;
    let came_back = platform.approve(&url, &seller.account_id).await;
    let form = format!("grant_type=authorization_code&code={}", came_back.code);
    world.stripe.post("/oauth/token").form(&form).send().await.expect(200);
    assert_eq!(platform.seller(&seller).await["connected"], false, "somebody told: this shows nothing");
    let refresh = platform.api.post(format!("/v1/sellers/{}/refresh", seller.id));
    assert_eq!(refresh.insist().await.expect(200).body["connected"], true);
    shop.see_become(&debit.order_id, "paid").await;
}

async fn open_orders_are_canceled_before_a_seller_is_let_go(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let platform = Platform::of(&world);
    let shop = Shop::open_through(&world, Through::Direct).await;
    let seller = shop.seller.clone().expect("a seller");
    let (live, page) = (shop.payable("live").await, shop.hosted("page").await);
    let untried = shop.place("untried").await;
    let refused = platform.unlink(&seller, false).await;
    assert_eq!((refused.status, refused.problem()), (409, "seller_in_use"), "{}", refused.text);
    let kept = platform.seller(&seller).await;
    assert_eq!((&kept["ready"], &kept["can_unlink"]), (&json!(true), &json!(false)));
    assert_eq!(shop.order(&live.order_id).await["status"], "pending");

    // Restricted, it may go.
    platform.change(&seller, "payouts_enabled=false").await;
    platform.see(&seller, "can_unlink", &json!(true)).await;
    let owner = platform.owner(&seller).await;
    let gone = platform.unlink(&seller, false).await.expect(200);
    assert_eq!(gone.body["connected"], false, "{}", gone.text);
    for order_id in [&live.order_id, &page.order_id, &untried] {
        assert_eq!(shop.order(order_id).await["status"], "canceled");
    }
    // At Stripe they were closed while that could still be asked for.
    let at_stripe = |path: String| owner.get(path);
    let intent =
        at_stripe(format!("/v1/payment_intents/{}", live.payment_intent_id)).send().await.expect(200);
    assert_eq!(intent.body["status"], "canceled");
    let session = at_stripe(format!("/v1/checkout/sessions/{}", page.session_id)).send().await.expect(200);
    assert_eq!(session.body["status"], "expired");
    assert_eq!(times_ended(&platform, &seller).await, 1);
    let order = |asked: &Value| {
        let path = asked["path"].as_str().unwrap_or_default();
        let closes = path.ends_with("/cancel") || path.ends_with("/expire");
        closes.then_some("close").or((path == "/oauth/deauthorize").then_some("deauthorize"))
    };
    let asked: Vec<&str> = world.asked_of_stripe().iter().filter_map(order).collect();
    assert_eq!(asked, ["close", "close", "deauthorize"]);
    // Asked for again, it stands; and nobody pays.
    assert_eq!(platform.unlink(&seller, false).await.expect(200).body["connected"], false);
    let refused = shop.paying(&shop.place("late").await).insist().await;
    assert_eq!((refused.status, refused.problem()), (409, "seller_not_ready"));
    assert_eq!(times_ended(&platform, &seller).await, 1);
    assert_eq!(world.count("outbox WHERE kind = 'seller.disconnected'").await, 1);
}

async fn money_on_its_way_keeps_a_seller(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let platform = Platform::of(&world);
    let shop = Shop::open_through(&world, Through::Direct).await;
    let seller = shop.seller.clone().expect("a seller");
    let debit = debit(&shop, "debit").await;
    let held = shop.held("held").await;
    shop.see_become(&held.order_id, "authorized").await;
    platform.change(&seller, "payouts_enabled=false").await;
    platform.see(&seller, "can_unlink", &json!(true)).await;
    let refused = platform.unlink(&seller, false).await;
    assert_eq!((refused.status, refused.problem()), (409, "seller_has_open_payments"), "{}", refused.text);
    assert!(refused.body["detail"].as_str().is_some_and(|detail| detail.contains('2')), "{}", refused.text);
    let kept = platform.seller(&seller).await;
    assert_eq!((&kept["connected"], &kept["blockers"]), (&json!(true), &json!(["payouts_not_enabled"])));
    assert_eq!(shop.order(&debit.order_id).await["status"], "processing");
    assert_eq!(shop.order(&held.order_id).await["status"], "authorized");
    assert_eq!(times_ended(&platform, &seller).await, 0);

    // It comes, the other is taken, and the seller may go.
    shop.control(&format!("payment_intents/{}/settle", debit.payment_intent_id), "outcome=succeeded").await;
    shop.see_become(&debit.order_id, "paid").await;
    shop.capturing(&held.order_id, None).insist().await.expect(200);
    let gone = platform.unlink(&seller, false).await.expect(200);
    assert_eq!(gone.body["connected"], false, "{}", gone.text);
    assert_eq!(shop.order(&debit.order_id).await["status"], "paid");
    assert_eq!(times_ended(&platform, &seller).await, 1);
}

async fn by_force_a_seller_is_let_go_all_the_same(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let platform = Platform::of(&world);
    let shop = Shop::open_through(&world, Through::Direct).await;
    let seller = shop.seller.clone().expect("a seller");
    let orders = Orders::place(&shop).await;
    let gone = platform.unlink(&seller, true).await.expect(200);
    assert_eq!(gone.body["connected"], false, "{}", gone.text);
    for order_id in [&orders.live.order_id, &orders.page.order_id, &orders.held.order_id] {
        assert_eq!(shop.order(order_id).await["status"], "canceled");
    }
    let owned = Shop { stripe: platform.owner(&seller).await, ..shop.clone() };
    assert_eq!(owned.at_stripe(&orders.held.payment_intent_id).await["status"], "canceled", "released");
    assert_eq!(times_ended(&platform, &seller).await, 1);
    // What was on its way can not be followed any more; its order ends all the same.
    assert!(["processing", "pending"].contains(&&*status(&shop, &orders.debit.order_id).await));
    let_expire(database, &orders.debit.order_id).await;
    shop.see_become(&orders.debit.order_id, "expired").await;
    nothing_is_in_flight(&world).await;
    let books = Books::read(&world, &owned).await;
    assert_eq!(books.of(&orders.paid.order_id).received(), AMOUNT);
    assert_eq!(shop.order(&orders.paid.order_id).await["status"], "paid");
    wait_until("the cancellations are published", async || {
        let told = "outbox WHERE kind = 'order.canceled'";
        world.count(told).await == 3
    })
    .await;
}

/// A destination charge lives on the platform's account: where its seller has left, the money can not be taken, but it
/// is still ours to release.
async fn what_is_held_on_our_own_account_outlives_its_seller(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let platform = Platform::of(&world);
    let shop = Shop::open_through(&world, Through::Destination).await;
    let seller = shop.seller.clone().expect("a seller");
    let held = shop.held("held").await;
    shop.see_become(&held.order_id, "authorized").await;
    platform.leave(&seller).await;
    platform.see(&seller, "connected", &json!(false)).await;
    let refused = shop.capturing(&held.order_id, None).insist().await;
    assert_eq!((refused.status, refused.problem()), (409, "capture_refused"), "{}", refused.text);
    assert_eq!(shop.order(&held.order_id).await["status"], "authorized");
    let given_up = "payments WHERE refused IS NOT NULL";
    assert_eq!(world.count(given_up).await, 0);

    let canceled = shop.api.post(format!("/v1/orders/{}/cancel", held.order_id)).send().await.expect(200);
    assert_eq!(canceled.body["status"], "canceled", "{}", canceled.text);
    assert_eq!(
        shop.at_stripe(&held.payment_intent_id).await["status"],
        "canceled",
        "the money is still held"
    );
    nothing_is_in_flight(&world).await;
}
