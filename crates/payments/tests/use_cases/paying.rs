//! Paying: one live attempt per order.

use quittance_domain::payment::{CaptureMethod, PaymentStatus};
use quittance_payments::{CheckoutRequest, Error};
use secrecy::ExposeSecret;

use crate::world::{CARD, TOTAL, World, run};

fn checkout_request() -> CheckoutRequest {
    CheckoutRequest {
        success_url: "https://shop.example/done".to_owned(),
        cancel_url: "https://shop.example/cart".to_owned(),
        capture_method: None,
    }
}

async fn statuses_of_intents(world: &World<'_>) -> Vec<String> {
    let intents = world.list("/v1/payment_intents").await;
    intents.iter().map(|intent| intent["status"].as_str().expect("a status").to_owned()).collect()
}

#[test]
fn pay_creates_a_payment_intent_and_returns_its_secret() {
    run(async |world| {
        let order = world.place().await;

        let live = world.payments.pay(order.id.clone(), None).await.expect("a PaymentIntent");

        let intents = world.list("/v1/payment_intents").await;
        assert_eq!(intents.len(), 1);
        assert_eq!(intents[0]["id"], live.payment_intent_id);
        assert_eq!(intents[0]["amount"], TOTAL);
        assert_eq!(intents[0]["client_secret"], live.client_secret.expose_secret());
        assert_eq!(intents[0]["metadata"]["order_id"], order.id.as_str());
        assert_eq!(intents[0]["metadata"]["payment_id"], live.payment_id.as_str());
    });
}

#[test]
fn repeated_pay_returns_the_same_payment_intent() {
    run(async |world| {
        let order = world.place().await;
        let first = world.payments.pay(order.id.clone(), None).await.expect("a PaymentIntent");

        let second = world.payments.pay(order.id, None).await.expect("a PaymentIntent");

        assert_eq!(second.payment_id, first.payment_id);
        assert_eq!(second.payment_intent_id, first.payment_intent_id);
        assert_eq!(second.client_secret.expose_secret(), first.client_secret.expose_secret());
        assert_eq!(world.list("/v1/payment_intents").await.len(), 1);
    });
}

#[test]
fn concurrent_pay_creates_one_payment_intent() {
    run(async |world| {
        let order = world.place().await;

        let (one, two) = tokio::join!(
            world.payments.pay(order.id.clone(), None),
            world.payments.pay(order.id.clone(), None),
        );

        let (one, two) = (one.expect("a PaymentIntent"), two.expect("a PaymentIntent"));
        assert_eq!(one.payment_intent_id, two.payment_intent_id);
        assert_eq!(world.list("/v1/payment_intents").await.len(), 1);
    });
}

#[test]
fn pay_with_another_capture_method_is_refused() {
    run(async |world| {
        let order = world.place().await;
        world.payments.pay(order.id.clone(), Some(CaptureMethod::Automatic)).await.expect("a PaymentIntent");

        let result = world.payments.pay(order.id, Some(CaptureMethod::Manual)).await;

        assert!(matches!(result, Err(Error::CaptureMethodConflict)), "{result:?}");
    });
}

#[test]
fn pay_of_a_paid_order_is_refused() {
    run(async |world| {
        let order = world.with_outcome(CaptureMethod::Automatic, CARD).await;

        let result = world.payments.pay(order.id, None).await;

        assert!(matches!(result, Err(Error::OrderNotPayable(_))), "{result:?}");
        assert_eq!(world.list("/v1/payment_intents").await.len(), 1);
    });
}

#[test]
fn checkout_after_pay_closes_the_payment_intent() {
    run(async |world| {
        let order = world.place().await;
        let live = world.payments.pay(order.id.clone(), None).await.expect("a PaymentIntent");

        let page = world.payments.checkout(order.id, checkout_request()).await.expect("a page");

        assert_eq!(statuses_of_intents(world).await, ["canceled"]);
        let closed = world.attempt(&live.payment_id).await.attempt;
        assert_eq!(closed.facts.status(), PaymentStatus::Canceled);
        let sessions = world.list("/v1/checkout/sessions").await;
        assert_eq!(sessions.len(), 1);
        assert_eq!(sessions[0]["id"], page.checkout_session_id);
        assert_eq!(sessions[0]["status"], "open");
    });
}

#[test]
fn repeated_checkout_returns_the_same_session() {
    run(async |world| {
        let order = world.place().await;
        let first = world.payments.checkout(order.id.clone(), checkout_request()).await.expect("a page");

        let second = world.payments.checkout(order.id, checkout_request()).await.expect("a page");

        assert_eq!(second.checkout_session_id, first.checkout_session_id);
        assert_eq!(second.url, first.url);
    });
}

#[test]
fn checkout_with_other_urls_expires_the_session() {
    run(async |world| {
        let order = world.place().await;
        let first = world.payments.checkout(order.id.clone(), checkout_request()).await.expect("a page");
        let other = CheckoutRequest { cancel_url: "https://shop.example/".to_owned(), ..checkout_request() };

        let second = world.payments.checkout(order.id, other).await.expect("a page");

        assert_ne!(second.checkout_session_id, first.checkout_session_id);
        let sessions = world.list("/v1/checkout/sessions").await;
        let replaced = sessions.iter().find(|session| session["id"] == first.checkout_session_id.as_str());
        assert_eq!(replaced.expect("the first Session")["status"], "expired");
    });
}
