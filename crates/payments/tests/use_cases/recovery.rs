//! Recovery from crashes and lost events.

use chrono::DateTime;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::CaptureMethod;
use quittance_payments::{Error, ReconcileScope, Worker};

use crate::world::{CARD, TOTAL, refund_of, run};

/// Stripe created the PaymentIntent, and the process stopped before it received the response.
#[test]
fn resume_after_a_lost_response_creates_no_second_payment_intent() {
    run(async |world| {
        let order = world.place().await;
        world.fail_next("POST /v1/payment_intents", "cut_after").await;
        let lost = world.payments.pay(order.id.clone(), None).await;
        assert!(matches!(lost, Err(Error::Stripe(_))), "{lost:?}");
        let created = world.list("/v1/payment_intents").await;
        assert_eq!(created.len(), 1);
        world.make_work_due().await;

        Worker::new(world.payments.clone()).run_once().await;

        assert_eq!(world.list("/v1/payment_intents").await.len(), 1);
        let live = world.payments.pay(order.id, None).await.expect("a PaymentIntent");
        assert_eq!(created[0]["id"], live.payment_intent_id);
    });
}

/// The process stopped after the commit and before the call.
#[test]
fn resume_after_a_lost_request_creates_the_recorded_attempt() {
    run(async |world| {
        let order = world.place().await;
        world.fail_next("POST /v1/payment_intents", "cut").await;
        let lost = world.payments.pay(order.id.clone(), None).await;
        assert!(matches!(lost, Err(Error::Stripe(_))), "{lost:?}");
        assert_eq!(world.list("/v1/payment_intents").await.len(), 0);
        world.make_work_due().await;

        Worker::new(world.payments.clone()).run_once().await;

        let payment = world.order(&order.id).await.payment.expect("a payment");
        let intents = world.list("/v1/payment_intents").await;
        assert_eq!(intents.len(), 1);
        assert_eq!(intents[0]["metadata"]["payment_id"], payment.id.as_str());
    });
}

#[test]
fn refund_with_a_lost_response_is_created_once() {
    run(async |world| {
        let order = world.with_outcome(CaptureMethod::Automatic, CARD).await;
        world.fail_next("POST /v1/refunds", "cut_after").await;
        let pending = world.payments.refund(refund_of(&order, None), None).await.expect("a pending refund");
        assert!(pending.refund.is_unsent());
        world.make_work_due().await;

        Worker::new(world.payments.clone()).run_once().await;

        assert_eq!(world.list("/v1/refunds").await.len(), 1);
        assert_eq!(world.order(&order.id).await.amount_refunded.minor(), TOTAL);
    });
}

#[test]
fn reconcile_repairs_an_order_whose_webhook_was_lost() {
    run(async |world| {
        let order = world.confirmed(CaptureMethod::Automatic, CARD).await;
        assert_eq!(world.order(&order.id).await.status, OrderStatus::Pending);

        let report = world.reconcile().await;

        assert_eq!((report.compared, report.updated, report.failed), (1, 1, 0));
        assert_eq!(world.order(&order.id).await.status, OrderStatus::Paid);
    });
}

#[test]
fn dry_run_of_reconcile_reports_and_changes_nothing() {
    run(async |world| {
        let order = world.confirmed(CaptureMethod::Automatic, CARD).await;
        let scope = ReconcileScope { since: DateTime::UNIX_EPOCH, dry_run: true };

        let report = world.payments.reconcile(scope, |_| ()).await.expect("a report");

        assert_eq!((report.compared, report.updated, report.failed), (1, 1, 0));
        assert_eq!(world.order(&order.id).await.status, OrderStatus::Pending);
    });
}
