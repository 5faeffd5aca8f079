//! Canceling orders.

use quittance_domain::order::OrderStatus;
use quittance_domain::payment::CaptureMethod;
use quittance_payments::Error;
use quittance_persistence::CloseRequester;

use crate::world::{SLOW_DEBIT, run};

#[test]
fn cancel_closes_the_payment_intent_at_stripe() {
    run(async |world| {
        let order = world.place().await;
        world.payments.pay(order.id.clone(), None).await.expect("a PaymentIntent");

        let canceled = world.payments.cancel(order.id, CloseRequester::Shop).await.expect("a canceled order");

        assert_eq!(canceled.status, OrderStatus::Canceled);
        assert_eq!(world.list("/v1/payment_intents").await[0]["status"], "canceled");
    });
}

#[test]
fn cancel_of_a_processing_payment_is_refused() {
    run(async |world| {
        let order = world.with_outcome(CaptureMethod::Automatic, SLOW_DEBIT).await;
        assert_eq!(order.status, OrderStatus::Processing);

        let result = world.payments.cancel(order.id, CloseRequester::Shop).await;

        assert!(matches!(result, Err(Error::OrderNotCancelable(OrderStatus::Processing))), "{result:?}");
        assert_eq!(world.list("/v1/payment_intents").await[0]["status"], "processing");
    });
}

/// The payment started to process at Stripe, and the event was lost.
#[test]
fn cancel_of_a_payment_that_started_processing_meanwhile_keeps_the_order_open() {
    run(async |world| {
        let order = world.confirmed(CaptureMethod::Automatic, SLOW_DEBIT).await;
        assert_eq!(world.order(&order.id).await.status, OrderStatus::Pending);

        let result = world.payments.cancel(order.id.clone(), CloseRequester::Shop).await;

        assert!(matches!(result, Err(Error::OrderNotCancelable(OrderStatus::Processing))), "{result:?}");
        let order = world.order(&order.id).await;
        assert_eq!(order.status, OrderStatus::Processing);
        let attempt = world.attempt(&order.payment.expect("a payment").id).await;
        assert_eq!(attempt.task, None, "the request to close remains");
    });
}
