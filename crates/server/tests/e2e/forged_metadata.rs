//! Objects that a seller creates on its own account with its own key. They carry the platform's IDs and the right
//! amount, and they are paid. They must not pay an order, because a seller can write any metadata on its account.

use quittance_domain::id::PaymentId;
use quittance_test_support::{TestDatabase, id, wait_until};
use serde_json::json;

use crate::client::Client;
use crate::environment::{Environment, NO_BACKFILL, Webhooks};
use crate::event::{CONNECT, Event, OWN, Source};
use crate::invariants::{order_rows, wait_until_delivered, wait_until_idle};
use crate::sellers::{ChargeRoute, Platform, Seller};
use crate::storefront::{AMOUNT, Storefront};

quittance_test_support::on_both_databases! {
    forged_metadata_before_first_attempt_is_ignored,
    forged_payment_intent_after_lost_response_is_ignored,
    forged_checkout_session_after_lost_response_is_ignored,
    forged_objects_a_day_after_lost_response_are_ignored,
    forged_objects_alongside_direct_charge_are_ignored,
    forged_objects_alongside_destination_charge_are_ignored,
    events_for_wrong_account_are_ignored,
    payment_changed_by_seller_requires_review,
}

/// A shop whose seller forges objects.
pub(crate) struct ForgingSeller<'a> {
    env: &'a Environment<'a>,
    pub(crate) shop: Storefront,
    /// A client of Stripe with the seller's own key.
    pub(crate) owner: Client,
}

impl<'a> ForgingSeller<'a> {
    pub(crate) async fn new(env: &'a Environment<'a>, shop: Storefront) -> Self {
        let seller = shop.seller.clone().expect("a shop with a seller");
        Self { env, owner: Platform::new(env).owner(&seller).await, shop }
    }

    /// Creates and pays a PaymentIntent that imitates this attempt.
    async fn pay_intent(&self, order_id: &str, payment_id: &str) -> String {
        let form = format!(
            "amount={AMOUNT}&currency=eur&metadata[order_id]={order_id}&metadata[payment_id]={payment_id}\
             &payment_method=pm_card_visa&confirm=true&return_url=https%3A%2F%2Fshop.example%2Fdone"
        );
        let made = self.owner.post("/v1/payment_intents").form(&form).send().await.expect(200);
        assert_eq!((&made.body["status"], &made.body["application"]), (&json!("succeeded"), &json!(null)));
        made.text_of("id")
    }

    /// Creates and pays a Checkout Session that imitates this attempt.
    async fn pay_session(&self, order_id: &str, payment_id: &str) -> String {
        let form = format!(
            "mode=payment&line_items[0][quantity]=1&line_items[0][price_data][currency]=eur\
             &line_items[0][price_data][unit_amount]={AMOUNT}\
             &line_items[0][price_data][product_data][name]=Kettle&client_reference_id={order_id}\
             &metadata[order_id]={order_id}&metadata[payment_id]={payment_id}\
             &payment_intent_data[metadata][order_id]={order_id}\
             &payment_intent_data[metadata][payment_id]={payment_id}\
             &success_url=https%3A%2F%2Fshop.example%2Fthanks&cancel_url=https%3A%2F%2Fshop.example%2Fcart"
        );
        let made = self.owner.post("/v1/checkout/sessions").form(&form).send().await.expect(200);
        let id = made.text_of("id");
        let path = format!("checkout/sessions/{id}/pay");
        let paid = self.owner.control(&path, "payment_method=pm_card_visa").await;
        assert_eq!(paid["payment_status"], "paid", "{paid}");
        id
    }

    /// Pays both forged objects, delivers their events, and asserts that no order changes.
    pub(crate) async fn assert_ignored(&self, order_id: &str, payment_id: &str) {
        wait_until_delivered(self.env).await;
        let before = order_rows(self.env).await;
        let ids = [self.pay_intent(order_id, payment_id).await, self.pay_session(order_id, payment_id).await];
        wait_until_delivered(self.env).await;
        assert_eq!(order_rows(self.env).await, before, "an event about {ids:?} changed an order");
        for kind in ["payment_intent.succeeded", "checkout.session.completed"] {
            let ignored = format!("inbox WHERE kind = '{kind}' AND outcome = 'ignored'");
            assert!(self.env.count(&ignored).await > 0, "{kind} did not arrive");
        }
        let read = self.shop.order(order_id).await;
        for id in ids {
            assert!(!read.to_string().contains(&id), "the order contains the forged {id}: {read}");
        }
    }

    /// Asserts that neither the events nor `reconcile` change an order.
    async fn assert_ignored_by_reconcile(&self, order_id: &str, payment_id: &str) {
        self.assert_ignored(order_id, payment_id).await;
        let before = order_rows(self.env).await;
        let done = self.env.run(&["reconcile", "--since", "1h"], &[]);
        assert!(done.status.success(), "{}", crate::process::text(&done.stderr));
        assert_eq!(order_rows(self.env).await, before, "`reconcile` accepted a forged object");
    }

    /// Returns the platform's object for an order: its ID and payment ID.
    pub(crate) async fn platform_object(&self, list: &str, order_id: &str) -> (String, String) {
        let found = self.owner.list(list).await;
        let ours = found.iter().find(|object| object["metadata"]["order_id"] == order_id);
        let ours = ours.unwrap_or_else(|| panic!("Stripe has no object for {order_id}: {found:?}"));
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        (text(&ours["id"]), text(&ours["metadata"]["payment_id"]))
    }

    /// Asserts that the platform's object pays the order once, without a refund.
    pub(crate) async fn assert_paid_once(&self, order_id: &str) {
        self.shop.wait_until_paid(order_id).await;
        wait_until_idle(self.env).await;
        let order = self.shop.order(order_id).await;
        assert_eq!((&order["status"], &order["amount_paid"]), (&json!("paid"), &json!(AMOUNT)), "{order}");
        assert!(self.shop.refunds(order_id).await.is_empty(), "the forged payment was refunded");
        let published = format!("outbox WHERE kind = 'order.paid' AND order_id = '{order_id}'");
        assert_eq!(self.env.count(&published).await, 1);
    }
}

async fn start<'a>(env: &'a Environment<'a>, charge_route: ChargeRoute) -> ForgingSeller<'a> {
    ForgingSeller::new(env, Storefront::open_with_route(env, charge_route).await).await
}

async fn forged_metadata_before_first_attempt_is_ignored(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let forger = start(&env, ChargeRoute::Direct).await;

    let order_id = forger.shop.place("before").await;
    let guessed = id(PaymentId::from_uuid).to_string();
    forger.assert_ignored_by_reconcile(&order_id, &guessed).await;
    let answer = forger.shop.intent_request(&order_id).send_with_retries().await.expect(200);
    forger.shop.confirm(&answer.text_of("payment_intent_id")).await;
    forger.assert_paid_once(&order_id).await;
}

async fn forged_payment_intent_after_lost_response_is_ignored(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let forger = start(&env, ChargeRoute::Direct).await;

    let order_id = forger.shop.place("intent").await;
    let ours = create_with_lost_response(&forger, &order_id, "/v1/payment_intents", false).await;
    forger.shop.confirm(&ours).await;
    forger.assert_paid_once(&order_id).await;
}

async fn forged_checkout_session_after_lost_response_is_ignored(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let forger = start(&env, ChargeRoute::Direct).await;

    let order_id = forger.shop.place("session").await;
    let ours = create_with_lost_response(&forger, &order_id, "/v1/checkout/sessions", false).await;
    forger.shop.pay_page(&ours, "pm_card_visa").await.expect(200);
    forger.assert_paid_once(&order_id).await;
}

/// Stripe's idempotency keys have expired by then. So the service searches for its object, and finds the forged one,
/// too.
async fn forged_objects_a_day_after_lost_response_are_ignored(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let forger = start(&env, ChargeRoute::Direct).await;

    let order_id = forger.shop.place("intent").await;
    let ours = create_with_lost_response(&forger, &order_id, "/v1/payment_intents", true).await;
    forger.shop.confirm(&ours).await;
    forger.assert_paid_once(&order_id).await;
    let order_id = forger.shop.place("session").await;
    let ours = create_with_lost_response(&forger, &order_id, "/v1/checkout/sessions", true).await;
    forger.shop.pay_page(&ours, "pm_card_visa").await.expect(200);
    forger.assert_paid_once(&order_id).await;
}

/// Creates the platform's object without its response reaching the service, while the seller forges a copy. Returns the
/// PaymentIntent ID or the Checkout Session ID.
async fn create_with_lost_response(
    forger: &ForgingSeller<'_>,
    order_id: &str,
    made: &str,
    for_a_day: bool,
) -> String {
    let ForgingSeller { env, shop, .. } = forger;
    // The responses to retries are lost, too.
    for nth in 1..=9 {
        let form = format!("route=POST {made}&fault=cut_after&nth={nth}");
        env.control("chaos/next", &form).await;
    }
    let asked = if made.contains("sessions") {
        shop.session_request(order_id)
    } else {
        shop.intent_request(order_id)
    };
    let asked = asked.send().await;
    assert_eq!((asked.status, asked.problem()), (503, "stripe_unavailable"));
    let (ours, payment_id) = forger.platform_object(made, order_id).await;
    env.stripe.delete("/_sandbox/chaos").send().await.expect(200);
    forger.assert_ignored(order_id, &payment_id).await;
    if for_a_day {
        let long_ago = "UPDATE payments SET created_at = '2020-01-01 00:00:00+00:00'";
        env.database.execute(&format!("{long_ago} WHERE order_id = '{order_id}'")).await;
    }
    let column = if made.contains("sessions") { "checkout_session_id" } else { "payment_intent_id" };
    let known = format!(
        "SELECT {column} AS value FROM payments WHERE order_id = '{order_id}' AND {column} IS NOT NULL"
    );
    assert!(env.texts(&known).await.is_empty(), "the response was not lost, so this test proves nothing");
    let learned = wait_until("the created object is found", async || {
        env.make_resumes_due().await;
        env.texts(&known).await.pop()
    })
    .await;
    assert_eq!(learned, ours, "the service adopted the forged object");
    ours
}

async fn forged_objects_alongside_direct_charge_are_ignored(database: &TestDatabase) {
    forge_alongside(database, ChargeRoute::Direct).await;
}

async fn forged_objects_alongside_destination_charge_are_ignored(database: &TestDatabase) {
    forge_alongside(database, ChargeRoute::Destination).await;
}

async fn forge_alongside(database: &TestDatabase, charge_route: ChargeRoute) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let forger = start(&env, charge_route).await;
    let shop = &forger.shop;
    let payable = shop.intent_order("intent").await;
    let hosted = shop.session_order("page").await;
    let ours = "SELECT id AS value FROM payments WHERE order_id = ";
    let intent = env.texts(&format!("{ours} '{}'", payable.order_id)).await.remove(0);
    let session = env.texts(&format!("{ours} '{}'", hosted.order_id)).await.remove(0);
    for (order_id, payment_id) in [(&payable.order_id, &intent), (&hosted.order_id, &session)] {
        forger.assert_ignored_by_reconcile(order_id, payment_id).await;
    }
    shop.confirm(&payable.payment_intent_id).await;
    shop.pay_page(&hosted.session_id, "pm_card_visa").await.expect(200);
    for (order_id, payment_id) in [(&payable.order_id, &intent), (&hosted.order_id, &session)] {
        forger.assert_paid_once(order_id).await;
        forger.assert_ignored_by_reconcile(order_id, payment_id).await;
        forger.assert_paid_once(order_id).await;
    }
}

/// The sandbox can't create the same ID on two accounts. So the test builds and signs the events.
async fn events_for_wrong_account_are_ignored(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Lost, &NO_BACKFILL).await;
    let shop = Storefront::open_with_route(&env, ChargeRoute::Direct).await;

    let own_shop = Storefront::open(&env).await;
    let other = Platform::new(&env).ready_seller(ChargeRoute::Direct).await;
    let direct = Source::new(&shop, shop.intent_order("direct").await).await;
    let own = Source::new(&own_shop, own_shop.intent_order("own").await).await;
    let before = order_rows(&env).await;
    let of = |source: &Source, account: Option<&Seller>| -> Event {
        let mut event = source.succeeded();
        if let Some(account) = account {
            event.0["account"] = json!(account.account_id);
        }
        event
    };
    let cases = [
        (of(&direct, Some(&other)), CONNECT),
        (of(&direct, None), OWN),
        (of(&direct, None), CONNECT),
        (of(&own, Some(&other)), CONNECT),
        (of(&own, shop.seller.as_ref()), CONNECT),
        (of(&own, shop.seller.as_ref()), OWN),
    ];
    for (event, endpoint) in cases {
        event.delivery_to(&env.api, endpoint).send().await.expect(200);
        let sql =
            format!("SELECT outcome || ' ' || reason AS value FROM inbox WHERE event_id = '{}'", event.id());
        assert_eq!(env.texts(&sql).await, ["ignored wrong_account"], "{endpoint:?}: {}", event.0);
        assert_eq!(order_rows(&env).await, before);
    }

    // Each endpoint accepts its own secret only.
    for (event, endpoint) in [
        (of(&direct, shop.seller.as_ref()), CONNECT.signed_as(OWN)),
        (of(&own, None), OWN.signed_as(CONNECT)),
    ] {
        let refused = event.delivery_to(&env.api, endpoint).send().await.expect(400);
        assert_eq!(refused.problem(), "invalid_signature");
    }

    assert_eq!(order_rows(&env).await, before);

    shop.deliver(&direct.succeeded()).await.expect(200);
    own_shop.deliver(&own.succeeded()).await.expect(200);

    assert_eq!(shop.order(&direct.payable.order_id).await["status"], "paid");
    assert_eq!(shop.order(&own.payable.order_id).await["status"], "paid");
}

/// A seller can change objects on its account with its own key. The payment may then differ from the request. Changed
/// metadata must not assign it to another order.
async fn payment_changed_by_seller_requires_review(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let forger = start(&env, ChargeRoute::Direct).await;
    let shop = &forger.shop;

    let other = shop.intent_order("other").await;
    let (_, other_payment) = forger.platform_object("/v1/payment_intents", &other.order_id).await;
    let names_other = format!("metadata[order_id]={}&metadata[payment_id]={other_payment}", other.order_id);
    let renamed = shop.intent_order("renamed").await;
    let path = format!("/v1/payment_intents/{}", renamed.payment_intent_id);
    forger.owner.post(path).form(&names_other).send().await.expect(200);
    shop.confirm(&renamed.payment_intent_id).await;
    forger.assert_paid_once(&renamed.order_id).await;

    assert_eq!(shop.order(&other.order_id).await["status"], "pending");

    for (change, reason) in [
        ("amount=700", "wrong_amount"),
        ("application_fee_amount=1", "wrong_fee"),
        ("metadata[order_id]=&metadata[payment_id]=&amount=700", "wrong_amount"),
    ] {
        let payable = shop.intent_order(change).await;
        let path = format!("/v1/payment_intents/{}", payable.payment_intent_id);
        forger.owner.post(path).form(change).send().await.expect(200);
        shop.confirm(&payable.payment_intent_id).await;
        shop.wait_for_status(&payable.order_id, "review").await;
        let order = shop.order(&payable.order_id).await;
        assert_eq!((&order["review_reason"], &order["amount_paid"]), (&json!(reason), &json!(0)), "{order}");
    }
    wait_until_idle(&env).await;

    assert_eq!(env.count("outbox WHERE kind = 'order.paid'").await, 1);
}
