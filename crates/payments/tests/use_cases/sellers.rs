//! Payments through sellers.

use quittance_payments::Error;

use crate::world::{ACCOUNT, run};

#[test]
fn disconnected_seller_makes_its_attempt_unreachable() {
    run(async |world| {
        let seller = world.connect_seller().await;
        let order = world.place_through(&seller).await;
        let live = world.payments.pay(order.id.clone(), None).await.expect("a PaymentIntent");
        world.post(&format!("/_sandbox/accounts/{ACCOUNT}/disconnect"), &[]).await;

        let result = world.payments.pay(order.id, None).await;

        assert!(matches!(result, Err(Error::AccountUnreachable)), "{result:?}");
        let attempt = world.attempt(&live.payment_id).await.attempt;
        assert_eq!(attempt.refused.as_deref(), Some("seller_disconnected"));
    });
}

#[test]
fn unlink_of_a_seller_that_accepts_payments_requires_force() {
    run(async |world| {
        let seller = world.connect_seller().await;

        let result = world.payments.unlink_seller(seller.id, false).await;

        assert!(matches!(result, Err(Error::SellerInUse(_))), "{result:?}");
    });
}
