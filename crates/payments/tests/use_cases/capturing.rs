//! Capturing authorized payments.

use quittance_domain::order::OrderStatus;
use quittance_domain::payment::CaptureMethod;
use quittance_payments::Error;

use crate::world::{CARD, TOTAL, run};

#[test]
fn capture_of_a_part_makes_the_order_paid() {
    run(async |world| {
        let order = world.with_outcome(CaptureMethod::Manual, CARD).await;
        assert_eq!(order.status, OrderStatus::Authorized);

        let captured = world.payments.capture(order.id, Some(2000)).await.expect("a capture");

        assert_eq!(captured.status, OrderStatus::Paid);
        assert_eq!(captured.amount_paid.minor(), 2000);
        assert_eq!(world.list("/v1/payment_intents").await[0]["amount_received"], 2000);
    });
}

#[test]
fn capture_exceeding_the_authorized_amount_is_refused() {
    run(async |world| {
        let order = world.with_outcome(CaptureMethod::Manual, CARD).await;

        let result = world.payments.capture(order.id.clone(), Some(TOTAL + 1)).await;

        assert!(
            matches!(&result, Err(Error::CaptureTooLarge(authorized)) if authorized.minor() == TOTAL),
            "{result:?}"
        );
        assert_eq!(world.order(&order.id).await.status, OrderStatus::Authorized);
        assert_eq!(world.list("/v1/payment_intents").await[0]["status"], "requires_capture");
    });
}

#[test]
fn capture_of_an_unpaid_order_is_refused() {
    run(async |world| {
        let order = world.place().await;

        let result = world.payments.capture(order.id, None).await;

        assert!(matches!(result, Err(Error::OrderNotCapturable(OrderStatus::Pending))), "{result:?}");
    });
}
