//! Tests of order versions, which wake waiting clients.

use quittance_domain::history::CloseReason;
use quittance_domain::id::OrderId;
use quittance_domain::payment::OpenStatus;
use quittance_persistence::{CloseRequester, OrderVersion, Store};
use quittance_test_support::{Payment, PaymentEvent, TestDatabase, id, now, on_both_databases, place};

use crate::apply;

on_both_databases! {
    version_grows_with_visible_changes_only,
    payment_outcome_updates_outcome_version,
    close_updates_outcome_version,
    versions_of_unknown_orders_are_omitted,
}

async fn pulse(store: &Store, id: &OrderId) -> (i64, i64) {
    let order_versions = store.order_versions(vec![id.clone()]).await.expect("a read");
    assert_eq!((order_versions.len(), &order_versions[0].order_id), (1, id));
    (order_versions[0].version, order_versions[0].outcome_version)
}

async fn version_grows_with_visible_changes_only(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    let event = payment.created();
    apply(&store, std::slice::from_ref(&event)).await;
    let (seen, _) = pulse(&store, &payment.order.id).await;
    // A duplicate, another event with the same content, and an unknown event.
    let same = PaymentEvent { id: "evt_other".into(), ..event.clone() };
    let foreign =
        PaymentEvent { id: "evt_foreign".into(), payment_intent_id: "pi_x".into(), ..event.clone() };
    apply(&store, &[event, same, foreign]).await;
    assert_eq!(pulse(&store, &payment.order.id).await, (seen, 0));
    apply(&store, &[payment.open("requires_action", OpenStatus::RequiresAction).after(1)]).await;
    assert_eq!(
        pulse(&store, &payment.order.id).await,
        (seen + 1, 0),
        "3D Secure changes the version and reaches no outcome"
    );
}

async fn payment_outcome_updates_outcome_version(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply(&store, &[payment.created()]).await;
    let mut before = pulse(&store, &payment.order.id).await;
    for (event, reaches_outcome) in [
        (payment.failed("ch_1").after(1), true),
        (payment.failed("ch_1").after(2), false),
        (payment.failed("ch_2").after(3), true),
        (payment.open("requires_action", OpenStatus::RequiresAction).after(4), false),
        (payment.processing().after(5), true),
        (payment.failed("ch_1").after(4), false),
        (payment.open("amount_capturable_updated", OpenStatus::RequiresCapture).after(6), true),
        (payment.succeeded().after(7), true),
        (payment.failed("ch_3").after(8), false),
    ] {
        apply(&store, std::slice::from_ref(&event)).await;
        let after = pulse(&store, &payment.order.id).await;
        assert_eq!(after.1 > before.1, reaches_outcome, "{event:?}: {before:?} then {after:?}");
        assert!(after.0 >= before.0 && (!reaches_outcome || after.1 == after.0), "{event:?}");
        before = after;
    }
}

async fn close_updates_outcome_version(database: &TestDatabase) {
    let store = database.store().await;
    let order = place(&store).await;
    let closure = CloseReason::Canceled;
    store.request_close(order.id.clone(), closure, CloseRequester::Holder, now()).await.expect("an answer");
    let (version, outcome_version) = pulse(&store, &order.id).await;
    assert_eq!((version, outcome_version), (2, 2));
}

async fn versions_of_unknown_orders_are_omitted(database: &TestDatabase) {
    let store = database.store().await;
    assert!(store.order_versions(vec![]).await.expect("a read").is_empty());
    let (one, two) = (place(&store).await.id, place(&store).await.id);
    let asked = vec![one.clone(), id(OrderId::from_uuid), two.clone(), one.clone()];
    let mut order_versions = store.order_versions(asked).await.expect("a read");
    order_versions.sort_by(|a, b| a.order_id.cmp(&b.order_id));
    let expected = |order_id| OrderVersion { order_id, version: 1, outcome_version: 0 };
    assert_eq!(order_versions, [expected(one), expected(two)]);
}
