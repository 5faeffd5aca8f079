//! Waiting for the outcome of a payment.

use std::time::{Duration, Instant};

use quittance_domain::order::OrderStatus;
use quittance_domain::payment::CaptureMethod;
use quittance_payments::LookupTimeout;

use crate::world::{CARD, run};

/// Longer than any test takes.
const LONG: Duration = Duration::from_mins(1);

#[test]
fn await_outcome_of_a_paid_order_returns_immediately() {
    run(async |world| {
        let order = world.with_outcome(CaptureMethod::Automatic, CARD).await;
        let began = Instant::now();

        let timeout = LookupTimeout { wait: LONG, after_version: 0 };
        let found = world.payments.await_outcome(order.id, timeout).await.expect("an order");

        assert_eq!(found.status, OrderStatus::Paid);
        assert!(began.elapsed() < LONG / 2, "waited {:?}", began.elapsed());
    });
}

#[test]
fn await_outcome_of_an_open_order_returns_after_the_timeout() {
    run(async |world| {
        let order = world.place().await;
        world.payments.pay(order.id.clone(), None).await.expect("a PaymentIntent");
        let began = Instant::now();

        let timeout = LookupTimeout { wait: Duration::from_millis(300), after_version: 0 };
        let found = world.payments.await_outcome(order.id, timeout).await.expect("an order");

        assert_eq!(found.status, OrderStatus::Pending);
        assert!(began.elapsed() >= timeout.wait, "waited {:?}", began.elapsed());
    });
}

#[test]
fn await_outcome_newer_than_the_current_one_returns_after_the_timeout() {
    run(async |world| {
        let order = world.with_outcome(CaptureMethod::Automatic, CARD).await;
        let began = Instant::now();

        let timeout =
            LookupTimeout { wait: Duration::from_millis(300), after_version: order.outcome_version };
        world.payments.await_outcome(order.id, timeout).await.expect("an order");

        assert!(began.elapsed() >= timeout.wait, "waited {:?}", began.elapsed());
    });
}

#[test]
fn await_outcome_reads_from_stripe_if_the_webhook_is_lost() {
    run(async |world| {
        let order = world.confirmed(CaptureMethod::Automatic, CARD).await;

        let timeout = LookupTimeout { wait: LONG, after_version: 0 };
        let found = world.payments.await_outcome(order.id, timeout).await.expect("an order");

        assert_eq!(found.status, OrderStatus::Paid);
    });
}
