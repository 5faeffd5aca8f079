//! Tests of the timeline.

use quittance_domain::event::EventOutcome;
use quittance_domain::payment::Mismatch;
use quittance_domain::refund::RefundStatus;
use quittance_persistence::{NewRefund, RefundTermsRequest, StripeCall, TimelineEntry};
use quittance_test_support::{Payment, PaymentEvent, TestDatabase, id, later, on_both_databases};

use crate::{apply, apply_one};

on_both_databases! {
    timeline_lists_everything_in_order,
    timeline_includes_ignored_event_that_names_order,
}

fn brief(entries: &[TimelineEntry]) -> Vec<String> {
    entries.iter().map(|entry| format!("{} {}", entry.kind.as_str(), entry.what)).collect()
}

async fn timeline_lists_everything_in_order(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    let order_id = &payment.order.id;
    let call = StripeCall {
        order_id: order_id.clone(),
        subject: payment.id.to_string(),
        operation: "payment_intents.create".into(),
        request_id: Some("req_1".into()),
        error: None,
        at: later(1),
    };
    store.record_stripe_call(call.clone()).await.expect("a commit");
    let lost = StripeCall { request_id: None, error: Some("unreachable".into()), at: later(2), ..call };
    store.record_stripe_call(lost).await.expect("a commit");
    let mut success = payment.succeeded().delivery();
    success.received_at = later(3);
    store.apply(vec![success]).await.expect("a commit");
    let (refund, reason) = (id(quittance_domain::id::RefundId::from_uuid), None);
    let (now, resume_at) = (later(4), later(40));
    let new = NewRefund {
        id: refund.clone(),
        order_id: order_id.clone(),
        amount: None,
        reason,
        terms: RefundTermsRequest::default(),
        now,
        resume_at,
    };
    store.begin_refund(new, None).await.expect("an answer");
    let seen = payment.refund("re_1", Some(&refund), 2500, (RefundStatus::Succeeded, 5));
    store.apply_refund_observation(refund.clone(), seen, later(5)).await.expect("a commit");
    let entries = store.timeline(order_id.clone()).await.expect("a read");
    let expected = [
        "act order.placed",
        "act payment.begun",
        "effect order.created",
        "request payment_intents.create",
        "request payment_intents.create",
        "fact payment_intent.succeeded",
        "decision accepted",
        "effect order.paid",
        "act refund.requested",
        "effect refund.succeeded",
    ];
    assert_eq!(brief(&entries), expected);
    let ids = [payment.id.to_string(), refund.to_string()];
    assert_eq!(entries[1].subject.as_ref(), Some(&ids[0]));
    assert_eq!(
        (entries[3].request_id.as_deref(), entries[3].outcome.as_deref()),
        (Some("req_1"), Some("succeeded"))
    );
    assert_eq!(
        (entries[4].reason.as_deref(), entries[4].outcome.as_deref()),
        (Some("unreachable"), Some("failed"))
    );
    assert_eq!(entries[5].outcome.as_deref(), Some("applied"));
    assert_eq!((entries[6].subject.as_ref(), entries[8].subject.as_ref()), (Some(&ids[0]), Some(&ids[1])));
    let told = format!("{entries:?}");
    for secret in ["jenny", "Jenny", "user-7", "autumn"] {
        assert!(!told.contains(secret), "{secret} must not appear");
    }
    let nobody = store.timeline(id(quittance_domain::id::OrderId::from_uuid)).await.expect("a read");
    assert!(nobody.is_empty());
}

async fn timeline_includes_ignored_event_that_names_order(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    let unknown = Some(id(quittance_domain::id::PaymentId::from_uuid));
    let event = PaymentEvent { payment_id: unknown, payment_intent_id: "pi_x".into(), ..payment.succeeded() };
    let ignored = EventOutcome::Ignored(Mismatch::UnknownAttempt);
    assert_eq!(apply(&store, &[event]).await, [ignored]);
    // A refund event contains no order ID.
    assert_eq!(
        apply_one(&store, payment.refund("re_1", None, 1, (RefundStatus::Succeeded, 1))).await,
        ignored
    );
    let entries = store.timeline(payment.order.id.clone()).await.expect("a read");
    let facts: Vec<_> = entries.iter().filter(|entry| entry.kind.as_str() == "fact").collect();
    assert_eq!(facts.len(), 1);
    assert_eq!(
        (facts[0].outcome.as_deref(), facts[0].reason.as_deref()),
        (Some("ignored"), Some("unknown_attempt"))
    );
}
