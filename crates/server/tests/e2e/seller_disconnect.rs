//! Sellers that are disconnected at Stripe or by the platform. Nothing stays in flight, paid orders stay paid, and a
//! returning seller keeps its identity.

use quittance_test_support::{TestDatabase, wait_until};
use serde_json::{Value, json};

use crate::environment::{Environment, NO_BACKFILL, Webhooks, expire_order};
use crate::invariants::{wait_until_delivered, wait_until_idle};
use crate::sellers::{ChargeRoute, Platform, Seller};
use crate::storefront::{AMOUNT, IntentOrder, SessionOrder, Storefront};
use crate::stripe_objects::StripeObjects;

quittance_test_support::on_both_databases! {
    seller_disconnected_at_stripe_leaves_nothing_in_flight,
    missed_disconnect_is_detected_by_next_request,
    events_missed_while_disconnected_are_applied_after_reconnect,
    unreachable_payment_is_refreshed_after_reconnect,
    unreachable_payment_is_refreshed_when_access_returns,
    disconnect_cancels_open_orders_first,
    disconnect_with_pending_payments_is_refused,
    forced_disconnect_ends_every_order,
    destination_authorization_outlives_disconnected_seller,
}

const DEBIT: &str = "pm_sepaDebit_successDelayed_de";

/// Orders of a seller in every state that can last.
struct Orders {
    live: IntentOrder,
    page: SessionOrder,
    debit: IntentOrder,
    held: IntentOrder,
    paid: IntentOrder,
}

impl Orders {
    async fn place(shop: &Storefront) -> Self {
        let (live, page) = (shop.intent_order("live").await, shop.session_order("page").await);
        let debit = debit(shop, "debit").await;
        let held = shop.authorized_order("held").await;
        shop.wait_for_status(&held.order_id, "authorized").await;
        let paid = shop.intent_order("paid").await;
        shop.confirm(&paid.payment_intent_id).await;
        shop.wait_until_paid(&paid.order_id).await;
        Self { live, page, debit, held, paid }
    }

    fn open(&self) -> [&str; 4] {
        [&self.live.order_id, &self.page.order_id, &self.debit.order_id, &self.held.order_id]
    }
}

/// Places an order with a pending bank debit, which takes days.
async fn debit(shop: &Storefront, name: &str) -> IntentOrder {
    let payable = shop.intent_order(name).await;
    shop.confirm_with(&payable.payment_intent_id, DEBIT).await.expect(200);
    shop.wait_for_status(&payable.order_id, "processing").await;
    payable
}

async fn status(shop: &Storefront, order_id: &str) -> String {
    shop.order(order_id).await["status"].as_str().expect("a status").to_owned()
}

/// Returns the number of deauthorizations of the account.
async fn deauthorization_count(platform: &Platform, seller: &Seller) -> usize {
    let owner = platform.owner(seller).await;
    owner.list("/v1/events?type=account.application.deauthorized").await.len()
}

/// Asserts that no order is open, and nothing is left to do at Stripe.
async fn assert_nothing_in_flight(env: &Environment<'_>) {
    wait_until_idle(env).await;
    let open = "orders WHERE status IN ('pending', 'payment_failed', 'processing', 'authorized')";
    assert_eq!(env.count(open).await, 0);
    assert_eq!(env.count("payments WHERE NOT closed").await, 0);
    assert_eq!(env.count("refunds WHERE resume_at IS NOT NULL").await, 0);
}

async fn seller_disconnected_at_stripe_leaves_nothing_in_flight(database: &TestDatabase) {
    let settings = [("QUITTANCE_EVENT_BACKFILL_PERIOD", "1s")];
    let env = Environment::start_with(database, Webhooks::Delivered, &settings).await;
    let platform = Platform::new(&env);
    let shop = Storefront::open_with_route(&env, ChargeRoute::Direct).await;

    let seller = shop.seller.clone().expect("a seller");
    let orders = Orders::place(&shop).await;
    let owner = platform.owner(&seller).await;
    platform.revoke_access(&seller).await;
    let gone = platform.wait_for_field(&seller, "connected", &json!(false)).await;
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
        expire_order(database, order_id).await;
    }
    for order_id in orders.open().into_iter().chain([&*new]) {
        shop.wait_for_status(order_id, "expired").await;
    }
    assert_eq!(shop.order(&orders.paid.order_id).await["status"], "paid");
    let refused = shop.refund_request(&orders.paid.order_id, Some(700), "too-late").send_with_retries().await;
    assert_eq!((refused.status, refused.problem()), (409, "seller_disconnected"), "{}", refused.text);
    let listed = shop.refunds(&orders.paid.order_id).await;
    assert_eq!(listed[0]["status"], "failed", "{listed:?}");
    let paid = shop.order(&orders.paid.order_id).await;
    assert_eq!((&paid["status"], &paid["amount_refunded"]), (&json!("paid"), &json!(0)), "{paid}");
    assert_nothing_in_flight(&env).await;

    // Customers and banks act at Stripe, but no event arrives.
    let path = format!("payment_intents/{}/settle", orders.debit.payment_intent_id);
    shop.control(&path, "outcome=succeeded").await;
    let path = format!("/v1/payment_intents/{}/confirm", orders.live.payment_intent_id);
    let form = "payment_method=pm_card_visa&return_url=https%3A%2F%2Fshop.example%2Fdone";
    owner.post(path).form(form).send().await.expect(200);
    assert_eq!(shop.order(&orders.debit.order_id).await["status"], "expired");

    // The seller returns with the same identity, and the service applies the missed events.
    let back = platform.connect(&seller.account_id).await;
    assert_eq!(back.id, seller.id);
    let ready = platform.seller(&seller).await;
    assert_eq!((&ready["connected"], &ready["ready"]), (&json!(true), &json!(true)), "{ready}");
    for order_id in [&orders.debit.order_id, &orders.live.order_id] {
        shop.wait_for_status(order_id, "paid").await;
        assert_eq!(shop.order(order_id).await["amount_paid"], AMOUNT);
    }
    let refunded =
        shop.refund_request(&orders.paid.order_id, Some(700), "again").send_with_retries().await.expect(201);
    assert_eq!(refunded.body["amount"], 700);
    shop.wait_for_status(&orders.paid.order_id, "partially_refunded").await;
    let next = shop.intent_order("next").await;
    shop.confirm(&next.payment_intent_id).await;
    shop.wait_until_paid(&next.order_id).await;

    assert_eq!(env.count("sellers").await, 1);
}

/// No event reports the disconnect. The next request to Stripe detects it.
async fn missed_disconnect_is_detected_by_next_request(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let platform = Platform::new(&env);
    let shop = Storefront::open_with_route(&env, ChargeRoute::Direct).await;

    let seller = shop.seller.clone().expect("a seller");
    let orders = Orders::place(&shop).await;
    let new = shop.place("new").await;
    wait_until_delivered(&env).await;
    env.control("deliveries", "mode=drop").await;
    platform.revoke_access(&seller).await;
    assert_eq!(
        platform.seller(&seller).await["connected"],
        true,
        "an event arrived, so this test proves nothing"
    );
    let refused = shop.api.post(format!("/v1/orders/{new}/payment_intent")).send().await;
    assert_eq!((refused.status, refused.problem()), (409, "seller_disconnected"), "{}", refused.text);
    for order_id in orders.open().into_iter().chain([&*new]) {
        expire_order(database, order_id).await;
    }
    for order_id in orders.open().into_iter().chain([&*new]) {
        shop.wait_for_status(order_id, "expired").await;
    }
    platform.wait_for_field(&seller, "connected", &json!(false)).await;

    assert_eq!(shop.order(&orders.paid.order_id).await["status"], "paid");
    assert_nothing_in_flight(&env).await;
}

/// The event backfill detects the disconnect. No event is delivered.
async fn events_missed_while_disconnected_are_applied_after_reconnect(database: &TestDatabase) {
    let settings = [("QUITTANCE_EVENT_BACKFILL_PERIOD", "1s")];
    let env = Environment::start_with(database, Webhooks::Delivered, &settings).await;
    let platform = Platform::new(&env);
    let shop = Storefront::open_with_route(&env, ChargeRoute::Direct).await;

    let seller = shop.seller.clone().expect("a seller");
    let orders = Orders::place(&shop).await;
    let owner = platform.owner(&seller).await;
    wait_until_delivered(&env).await;
    env.control("deliveries", "mode=drop").await;
    platform.revoke_access(&seller).await;
    platform.wait_for_field(&seller, "connected", &json!(false)).await;

    let path = format!("payment_intents/{}/settle", orders.debit.payment_intent_id);
    shop.control(&path, "outcome=succeeded").await;
    let form = format!("payment_intent={}&amount=400", orders.paid.payment_intent_id);
    owner.post("/v1/refunds").form(&form).send().await.expect(200);

    assert_ne!(status(&shop, &orders.debit.order_id).await, "paid");

    platform.connect(&seller.account_id).await;
    shop.wait_for_status(&orders.debit.order_id, "paid").await;
    shop.wait_for_status(&orders.paid.order_id, "partially_refunded").await;
}

/// Creates a debit that the service can't reach because its seller is disconnected. It then succeeds at Stripe without
/// an event.
async fn unreachable_debit(env: &Environment<'_>, shop: &Storefront, seller: &Seller) -> IntentOrder {
    let debit = debit(shop, "debit").await;
    wait_until_delivered(env).await;
    env.control("deliveries", "mode=drop").await;
    let platform = Platform::new(env);
    platform.revoke_access(seller).await;
    expire_order(env.database, &debit.order_id).await;
    shop.wait_for_status(&debit.order_id, "expired").await;
    platform.wait_for_field(seller, "connected", &json!(false)).await;
    let path = format!("payment_intents/{}/settle", debit.payment_intent_id);
    shop.control(&path, "outcome=succeeded").await;
    debit
}

/// No backfill runs, and no lookup asks for the order.
async fn unreachable_payment_is_refreshed_after_reconnect(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let shop = Storefront::open_with_route(&env, ChargeRoute::Direct).await;

    let seller = shop.seller.clone().expect("a seller");
    let debit = unreachable_debit(&env, &shop, &seller).await;
    Platform::new(&env).connect(&seller.account_id).await;
    shop.wait_for_status(&debit.order_id, "paid").await;

    assert_eq!(shop.order(&debit.order_id).await["amount_paid"], AMOUNT);

    let due = format!("orders WHERE id = '{}' AND check_at IS NOT NULL", debit.order_id);
    wait_until("the refresh is done", async || env.count(&due).await == 0).await;
}

/// The access returns without the service's OAuth flow.
async fn unreachable_payment_is_refreshed_when_access_returns(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let platform = Platform::new(&env);
    let shop = Storefront::open_with_route(&env, ChargeRoute::Direct).await;

    let seller = shop.seller.clone().expect("a seller");
    let debit = unreachable_debit(&env, &shop, &seller).await;
    let url = platform.authorize("elsewhere").await;
    let came_back = platform.approve(&url, &seller.account_id).await;
    let form = format!("grant_type=authorization_code&code={}", came_back.code);
    env.stripe.post("/oauth/token").form(&form).send().await.expect(200);

    assert_eq!(
        platform.seller(&seller).await["connected"],
        false,
        "the service already knows, so this test proves nothing"
    );

    let refresh = platform.api.post(format!("/v1/sellers/{}/refresh", seller.id));

    assert_eq!(refresh.send_with_retries().await.expect(200).body["connected"], true);

    shop.wait_for_status(&debit.order_id, "paid").await;
}

async fn disconnect_cancels_open_orders_first(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let platform = Platform::new(&env);
    let shop = Storefront::open_with_route(&env, ChargeRoute::Direct).await;

    let seller = shop.seller.clone().expect("a seller");
    let (live, page) = (shop.intent_order("live").await, shop.session_order("page").await);
    let untried = shop.place("untried").await;
    let refused = platform.unlink(&seller, false).await;
    assert_eq!((refused.status, refused.problem()), (409, "seller_in_use"), "{}", refused.text);
    let kept = platform.seller(&seller).await;
    assert_eq!((&kept["ready"], &kept["can_unlink"]), (&json!(true), &json!(false)));
    assert_eq!(shop.order(&live.order_id).await["status"], "pending");

    // A restricted seller may be disconnected.
    platform.change_account(&seller, "payouts_enabled=false").await;
    platform.wait_for_field(&seller, "can_unlink", &json!(true)).await;
    let owner = platform.owner(&seller).await;
    let gone = platform.unlink(&seller, false).await.expect(200);
    assert_eq!(gone.body["connected"], false, "{}", gone.text);
    for order_id in [&live.order_id, &page.order_id, &untried] {
        assert_eq!(shop.order(order_id).await["status"], "canceled");
    }

    // The service closed them at Stripe before it lost access.
    let at_stripe = |path: String| owner.get(path);
    let intent =
        at_stripe(format!("/v1/payment_intents/{}", live.payment_intent_id)).send().await.expect(200);
    assert_eq!(intent.body["status"], "canceled");
    let session = at_stripe(format!("/v1/checkout/sessions/{}", page.session_id)).send().await.expect(200);
    assert_eq!(session.body["status"], "expired");
    assert_eq!(deauthorization_count(&platform, &seller).await, 1);
    let order = |asked: &Value| {
        let path = asked["path"].as_str().unwrap_or_default();
        let closes = path.ends_with("/cancel") || path.ends_with("/expire");
        closes.then_some("close").or((path == "/oauth/deauthorize").then_some("deauthorize"))
    };
    let asked: Vec<&str> = env.stripe_requests().iter().filter_map(order).collect();
    assert_eq!(asked, ["close", "close", "deauthorize"]);

    // A repeated disconnect succeeds, and new payments are refused.
    assert_eq!(platform.unlink(&seller, false).await.expect(200).body["connected"], false);
    let refused = shop.intent_request(&shop.place("late").await).send_with_retries().await;

    assert_eq!((refused.status, refused.problem()), (409, "seller_not_ready"));
    assert_eq!(deauthorization_count(&platform, &seller).await, 1);
    assert_eq!(env.count("outbox WHERE kind = 'seller.disconnected'").await, 1);
}

async fn disconnect_with_pending_payments_is_refused(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let platform = Platform::new(&env);
    let shop = Storefront::open_with_route(&env, ChargeRoute::Direct).await;

    let seller = shop.seller.clone().expect("a seller");
    let debit = debit(&shop, "debit").await;
    let held = shop.authorized_order("held").await;
    shop.wait_for_status(&held.order_id, "authorized").await;
    platform.change_account(&seller, "payouts_enabled=false").await;
    platform.wait_for_field(&seller, "can_unlink", &json!(true)).await;
    let refused = platform.unlink(&seller, false).await;
    assert_eq!((refused.status, refused.problem()), (409, "seller_has_open_payments"), "{}", refused.text);
    assert!(refused.body["detail"].as_str().is_some_and(|detail| detail.contains('2')), "{}", refused.text);
    let kept = platform.seller(&seller).await;
    assert_eq!((&kept["connected"], &kept["blockers"]), (&json!(true), &json!(["payouts_not_enabled"])));
    assert_eq!(shop.order(&debit.order_id).await["status"], "processing");
    assert_eq!(shop.order(&held.order_id).await["status"], "authorized");
    assert_eq!(deauthorization_count(&platform, &seller).await, 0);

    // The debit succeeds, the authorization is captured, and the seller may be disconnected.
    shop.control(&format!("payment_intents/{}/settle", debit.payment_intent_id), "outcome=succeeded").await;
    shop.wait_for_status(&debit.order_id, "paid").await;
    shop.capture_request(&held.order_id, None).send_with_retries().await.expect(200);
    let gone = platform.unlink(&seller, false).await.expect(200);

    assert_eq!(gone.body["connected"], false, "{}", gone.text);
    assert_eq!(shop.order(&debit.order_id).await["status"], "paid");
    assert_eq!(deauthorization_count(&platform, &seller).await, 1);
}

async fn forced_disconnect_ends_every_order(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let platform = Platform::new(&env);
    let shop = Storefront::open_with_route(&env, ChargeRoute::Direct).await;

    let seller = shop.seller.clone().expect("a seller");
    let orders = Orders::place(&shop).await;
    let gone = platform.unlink(&seller, true).await.expect(200);
    assert_eq!(gone.body["connected"], false, "{}", gone.text);
    for order_id in [&orders.live.order_id, &orders.page.order_id, &orders.held.order_id] {
        assert_eq!(shop.order(order_id).await["status"], "canceled");
    }
    let owned = Storefront { stripe: platform.owner(&seller).await, ..shop.clone() };
    assert_eq!(owned.at_stripe(&orders.held.payment_intent_id).await["status"], "canceled", "released");
    assert_eq!(deauthorization_count(&platform, &seller).await, 1);

    // The service can't follow the pending debit anymore, but its order still ends.
    assert!(["processing", "pending"].contains(&&*status(&shop, &orders.debit.order_id).await));
    expire_order(database, &orders.debit.order_id).await;
    shop.wait_for_status(&orders.debit.order_id, "expired").await;
    assert_nothing_in_flight(&env).await;
    let objects = StripeObjects::read(&env, &owned).await;

    assert_eq!(objects.for_order(&orders.paid.order_id).received(), AMOUNT);
    assert_eq!(shop.order(&orders.paid.order_id).await["status"], "paid");
    wait_until("the cancellations are published", async || {
        let published = "outbox WHERE kind = 'order.canceled'";
        env.count(published).await == 3
    })
    .await;
}

/// A destination charge belongs to the platform's account. After the seller is disconnected, the authorization can't be
/// captured, but the platform can release it.
async fn destination_authorization_outlives_disconnected_seller(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let platform = Platform::new(&env);
    let shop = Storefront::open_with_route(&env, ChargeRoute::Destination).await;

    let seller = shop.seller.clone().expect("a seller");
    let held = shop.authorized_order("held").await;
    shop.wait_for_status(&held.order_id, "authorized").await;
    platform.revoke_access(&seller).await;
    platform.wait_for_field(&seller, "connected", &json!(false)).await;
    let refused = shop.capture_request(&held.order_id, None).send_with_retries().await;
    assert_eq!((refused.status, refused.problem()), (409, "capture_refused"), "{}", refused.text);
    assert_eq!(shop.order(&held.order_id).await["status"], "authorized");
    let given_up = "payments WHERE refused IS NOT NULL";
    assert_eq!(env.count(given_up).await, 0);

    let canceled = shop.api.post(format!("/v1/orders/{}/cancel", held.order_id)).send().await.expect(200);

    assert_eq!(canceled.body["status"], "canceled", "{}", canceled.text);
    assert_eq!(
        shop.at_stripe(&held.payment_intent_id).await["status"],
        "canceled",
        "the money is still held"
    );
    assert_nothing_in_flight(&env).await;
}
