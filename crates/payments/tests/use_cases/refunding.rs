//! Refunding paid orders.

use quittance_domain::order::OrderStatus;
use quittance_domain::payment::CaptureMethod;
use quittance_payments::Error;

use crate::world::{CARD, TOTAL, refund_of, run};

#[test]
fn refund_without_an_amount_refunds_the_rest() {
    run(async |world| {
        let order = world.with_outcome(CaptureMethod::Automatic, CARD).await;
        world.payments.refund(refund_of(&order, Some(1000)), None).await.expect("a refund");

        let rest = world.payments.refund(refund_of(&order, None), None).await.expect("a refund");

        assert_eq!(rest.refund.amount.minor(), TOTAL - 1000);
        assert_eq!(world.order(&order.id).await.amount_refunded.minor(), TOTAL);
    });
}

#[test]
fn refund_exceeding_the_rest_is_refused() {
    run(async |world| {
        let order = world.with_outcome(CaptureMethod::Automatic, CARD).await;
        world.payments.refund(refund_of(&order, Some(1000)), None).await.expect("a refund");

        let result = world.payments.refund(refund_of(&order, Some(TOTAL - 999)), None).await;

        assert!(
            matches!(&result, Err(Error::RefundTooLarge(rest)) if rest.minor() == TOTAL - 1000),
            "{result:?}"
        );
        assert_eq!(world.list("/v1/refunds").await.len(), 1);
    });
}

#[test]
fn refund_of_an_unpaid_order_is_refused() {
    run(async |world| {
        let order = world.place().await;

        let result = world.payments.refund(refund_of(&order, None), None).await;

        assert!(matches!(result, Err(Error::OrderNotRefundable(OrderStatus::Pending))), "{result:?}");
    });
}
