//! What a seller makes on its own account by a key of its own: it carries our ids and the right amount, is paid, and
//! pays nothing of ours. On a seller's account our metadata proves nothing; and of what is ours it changes nothing that
//! we believe.

use quittance_domain::id::PaymentId;
use quittance_test_support::{TestDatabase, id, wait_until};
use serde_json::json;

use crate::client::Client;
use crate::event::{CONNECT, Event, OWN, Source};
use crate::sellers::{Platform, Seller, Through};
use crate::shop::{AMOUNT, Shop};
use crate::tally::{all_delivered, come_to_rest, state_of_orders};
use crate::world::{NO_WALK, Webhooks, World};

quittance_test_support::on_both_databases! {
    before_anything_is_made_for_an_order,
    while_the_answer_about_a_payment_intent_is_lost,
    while_the_answer_about_a_checkout_session_is_lost,
    where_an_answer_was_lost_for_a_day,
    beside_a_direct_charge_and_after_it,
    beside_a_destination_charge_and_after_it,
    on_other_accounts,
    what_the_seller_changes_of_ours,
}

/// A shop that sells through a seller who makes what looks like ours.
pub(crate) struct Impostor<'a> {
    world: &'a World<'a>,
    pub(crate) shop: Shop,
    /// Stripe, by the seller's own key.
    pub(crate) owner: Client,
}

impl<'a> Impostor<'a> {
    pub(crate) async fn of(world: &'a World<'a>, shop: Shop) -> Self {
        let seller = shop.seller.clone().expect("a shop that sells through a seller");
        Self { world, owner: Platform::of(world).owner(&seller).await, shop }
    }

    /// Pays a PaymentIntent of the seller's own that looks like that of this attempt.
    async fn pay_intent(&self, order_id: &str, payment_id: &str) -> String {
        let form = format!(
            "amount={AMOUNT}&currency=eur&metadata[order_id]={order_id}&metadata[payment_id]={payment_id}\
             &payment_method=pm_card_visa&confirm=true&return_url=https%3A%2F%2Fshop.example%2Fdone"
        );
        let made = self.owner.post("/v1/payment_intents").form(&form).send().await.expect(200);
        assert_eq!((&made.body["status"], &made.body["application"]), (&json!("succeeded"), &json!(null)));
        made.text_of("id")
    }

    /// Pays a Checkout Session of the seller's own that looks like that of this attempt.
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

    /// Pays both, and has the service hear of it in every way that there is: nothing changes.
    pub(crate) async fn change_nothing(&self, order_id: &str, payment_id: &str) {
        all_delivered(self.world).await;
        let before = state_of_orders(self.world).await;
        let ids = [self.pay_intent(order_id, payment_id).await, self.pay_session(order_id, payment_id).await];
        all_delivered(self.world).await;
        assert_eq!(state_of_orders(self.world).await, before, "an event of {ids:?} counted");
        for kind in ["payment_intent.succeeded", "checkout.session.completed"] {
            let ignored = format!("inbox WHERE kind = '{kind}' AND outcome = 'ignored'");
            assert!(self.world.count(&ignored).await > 0, "{kind} was not heard");
        }
        let read = self.shop.order(order_id).await;
        for id in ids {
            assert!(!read.to_string().contains(&id), "{id} is taken for ours: {read}");
        }
    }

    /// As [`Self::change_nothing`], also where Stripe is asked about everything.
    async fn change_nothing_however_it_is_looked_at(&self, order_id: &str, payment_id: &str) {
        self.change_nothing(order_id, payment_id).await;
        let before = state_of_orders(self.world).await;
        let done = self.world.run(&["reconcile", "--since", "1h"], &[]);
        assert!(done.status.success(), "{}", crate::process::text(&done.stderr));
        assert_eq!(state_of_orders(self.world).await, before, "the reconciler was deceived");
    }

    /// What Stripe has of the order that the platform made; the id of our attempt.
    pub(crate) async fn made_by_us(&self, list: &str, order_id: &str) -> (String, String) {
        let found = self.owner.list(list).await;
        let ours = found.iter().find(|object| object["metadata"]["order_id"] == order_id);
        let ours = ours.unwrap_or_else(|| panic!("Stripe has nothing of {order_id}: {found:?}"));
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        (text(&ours["id"]), text(&ours["metadata"]["payment_id"]))
    }

    /// The order is paid by what is ours, once, and nothing is given back.
    pub(crate) async fn is_paid_once(&self, order_id: &str) {
        self.shop.see_paid(order_id).await;
        come_to_rest(self.world).await;
        let order = self.shop.order(order_id).await;
        assert_eq!((&order["status"], &order["amount_paid"]), (&json!("paid"), &json!(AMOUNT)), "{order}");
        assert!(self.shop.refunds(order_id).await.is_empty(), "what was never ours was given back");
        let told = format!("outbox WHERE kind = 'order.paid' AND order_id = '{order_id}'");
        assert_eq!(self.world.count(&told).await, 1);
    }
}

async fn start<'a>(world: &'a World<'a>, through: Through) -> Impostor<'a> {
    Impostor::of(world, Shop::open_through(world, through).await).await
}

async fn before_anything_is_made_for_an_order(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let impostor = start(&world, Through::Direct).await;
    let order_id = impostor.shop.place("before").await;
    let guessed = id(PaymentId::from_uuid).to_string();
    impostor.change_nothing_however_it_is_looked_at(&order_id, &guessed).await;
    let answer = impostor.shop.paying(&order_id).insist().await.expect(200);
    impostor.shop.confirm(&answer.text_of("payment_intent_id")).await;
    impostor.is_paid_once(&order_id).await;
}

async fn while_the_answer_about_a_payment_intent_is_lost(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let impostor = start(&world, Through::Direct).await;
    let order_id = impostor.shop.place("intent").await;
    let ours = in_the_window(&impostor, &order_id, "/v1/payment_intents", false).await;
    impostor.shop.confirm(&ours).await;
    impostor.is_paid_once(&order_id).await;
}

async fn while_the_answer_about_a_checkout_session_is_lost(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let impostor = start(&world, Through::Direct).await;
    let order_id = impostor.shop.place("session").await;
    let ours = in_the_window(&impostor, &order_id, "/v1/checkout/sessions", false).await;
    impostor.shop.pay_page(&ours, "pm_card_visa").await.expect(200);
    impostor.is_paid_once(&order_id).await;
}

/// Idempotency keys are over by then: what was made is looked for, and the seller's are there, too.
async fn where_an_answer_was_lost_for_a_day(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let impostor = start(&world, Through::Direct).await;
    let order_id = impostor.shop.place("intent").await;
    let ours = in_the_window(&impostor, &order_id, "/v1/payment_intents", true).await;
    impostor.shop.confirm(&ours).await;
    impostor.is_paid_once(&order_id).await;
    let order_id = impostor.shop.place("session").await;
    let ours = in_the_window(&impostor, &order_id, "/v1/checkout/sessions", true).await;
    impostor.shop.pay_page(&ours, "pm_card_visa").await.expect(200);
    impostor.is_paid_once(&order_id).await;
}

/// Stripe has made what is ours, its answer is lost, and the seller copies it; returns the id of ours.
async fn in_the_window(impostor: &Impostor<'_>, order_id: &str, made: &str, for_a_day: bool) -> String {
    let Impostor { world, shop, .. } = impostor;
    // Also the answers to repetitions are lost.
    for nth in 1..=9 {
        let form = format!("route=POST {made}&fault=cut_after&nth={nth}");
        world.control("chaos/next", &form).await;
    }
    let asked = if made.contains("sessions") { shop.hosting(order_id) } else { shop.paying(order_id) };
    let asked = asked.send().await;
    assert_eq!((asked.status, asked.problem()), (503, "stripe_unavailable"));
    let (ours, payment_id) = impostor.made_by_us(made, order_id).await;
    world.stripe.delete("/_sandbox/chaos").send().await.expect(200);
    impostor.change_nothing(order_id, &payment_id).await;
    if for_a_day {
        let long_ago = "UPDATE payments SET created_at = '2020-01-01 00:00:00+00:00'";
        world.database.execute(&format!("{long_ago} WHERE order_id = '{order_id}'")).await;
    }
    let column = if made.contains("sessions") { "checkout_session_id" } else { "payment_intent_id" };
    let known = format!(
        "SELECT {column} AS value FROM payments WHERE order_id = '{order_id}' AND {column} IS NOT NULL"
    );
    assert!(world.texts(&known).await.is_empty(), "the answer was not lost: this shows nothing");
    let learned = wait_until("the created object is found", async || {
        world.let_redrives_be_due().await;
        world.texts(&known).await.pop()
    })
    .await;
    assert_eq!(learned, ours, "the seller's own was taken for ours");
    ours
}

async fn beside_a_direct_charge_and_after_it(database: &TestDatabase) {
    beside(database, Through::Direct).await;
}

async fn beside_a_destination_charge_and_after_it(database: &TestDatabase) {
    beside(database, Through::Destination).await;
}

async fn beside(database: &TestDatabase, through: Through) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let impostor = start(&world, through).await;
    let shop = &impostor.shop;
    let payable = shop.payable("intent").await;
    let hosted = shop.hosted("page").await;
    let ours = "SELECT id AS value FROM payments WHERE order_id = ";
    let intent = world.texts(&format!("{ours} '{}'", payable.order_id)).await.remove(0);
    let session = world.texts(&format!("{ours} '{}'", hosted.order_id)).await.remove(0);
    for (order_id, payment_id) in [(&payable.order_id, &intent), (&hosted.order_id, &session)] {
        impostor.change_nothing_however_it_is_looked_at(order_id, payment_id).await;
    }
    shop.confirm(&payable.payment_intent_id).await;
    shop.pay_page(&hosted.session_id, "pm_card_visa").await.expect(200);
    for (order_id, payment_id) in [(&payable.order_id, &intent), (&hosted.order_id, &session)] {
        impostor.is_paid_once(order_id).await;
        impostor.change_nothing_however_it_is_looked_at(order_id, payment_id).await;
        impostor.is_paid_once(order_id).await;
    }
}

/// The sandbox can not make one id on two accounts: the events are made by hand, and are properly signed.
async fn on_other_accounts(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Lost, &NO_WALK).await;
    let shop = Shop::open_through(&world, Through::Direct).await;
    let own_shop = Shop::open(&world).await;
    let other = Platform::of(&world).ready_seller(Through::Direct).await;
    let direct = Source::of(&shop, shop.payable("direct").await).await;
    let own = Source::of(&own_shop, own_shop.payable("own").await).await;
    let before = state_of_orders(&world).await;
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
        event.delivery_to(&world.api, endpoint).send().await.expect(200);
        let sql =
            format!("SELECT outcome || ' ' || reason AS value FROM inbox WHERE event_id = '{}'", event.id());
        assert_eq!(world.texts(&sql).await, ["ignored wrong_account"], "{endpoint:?}: {}", event.0);
        assert_eq!(state_of_orders(&world).await, before);
    }
    // The secret of one endpoint signs nothing of the other.
    for (event, endpoint) in [
        (of(&direct, shop.seller.as_ref()), CONNECT.signed_as(OWN)),
        (of(&own, None), OWN.signed_as(CONNECT)),
    ] {
        let refused = event.delivery_to(&world.api, endpoint).send().await.expect(400);
        assert_eq!(refused.problem(), "invalid_signature");
    }
    assert_eq!(state_of_orders(&world).await, before);
    shop.deliver(&direct.succeeded()).await.expect(200);
    own_shop.deliver(&own.succeeded()).await.expect(200);
    assert_eq!(shop.order(&direct.payable.order_id).await["status"], "paid");
    assert_eq!(shop.order(&own.payable.order_id).await["status"], "paid");
}

/// What lives on its account a seller can change, by a key of its own: what is paid then may not be what was asked for.
/// What it changes it into is no other order's.
async fn what_the_seller_changes_of_ours(database: &TestDatabase) {
    let world = World::start_with(database, Webhooks::Delivered, &NO_WALK).await;
    let impostor = start(&world, Through::Direct).await;
    let shop = &impostor.shop;
    let other = shop.payable("other").await;
    let (_, other_payment) = impostor.made_by_us("/v1/payment_intents", &other.order_id).await;
    let names_other = format!("metadata[order_id]={}&metadata[payment_id]={other_payment}", other.order_id);
    let renamed = shop.payable("renamed").await;
    let path = format!("/v1/payment_intents/{}", renamed.payment_intent_id);
    impostor.owner.post(path).form(&names_other).send().await.expect(200);
    shop.confirm(&renamed.payment_intent_id).await;
    impostor.is_paid_once(&renamed.order_id).await;
    assert_eq!(shop.order(&other.order_id).await["status"], "pending");
    for (change, reason) in [
        ("amount=700", "wrong_amount"),
        ("application_fee_amount=1", "wrong_fee"),
        ("metadata[order_id]=&metadata[payment_id]=&amount=700", "wrong_amount"),
    ] {
        let payable = shop.payable(change).await;
        let path = format!("/v1/payment_intents/{}", payable.payment_intent_id);
        impostor.owner.post(path).form(change).send().await.expect(200);
        shop.confirm(&payable.payment_intent_id).await;
        shop.see_become(&payable.order_id, "review").await;
        let order = shop.order(&payable.order_id).await;
        assert_eq!((&order["review_reason"], &order["amount_paid"]), (&json!(reason), &json!(0)), "{order}");
    }
    come_to_rest(&world).await;
    assert_eq!(world.count("outbox WHERE kind = 'order.paid'").await, 1);
}
