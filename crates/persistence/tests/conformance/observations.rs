//! Tests of applying Stripe's answers.

use quittance_domain::history::{CloseReason, Task};
use quittance_domain::id::PaymentId;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::{Account, Mismatch, Mode, Observation, OpenStatus};
use quittance_persistence::{
    ChangeOrderOutcome, CloseRequester, CustomerChange, ObserveOutcome, OrderChange, Store,
};
use quittance_test_support::{Payment, PaymentEvent, TestDatabase, id, later, now, on_both_databases};

use crate::{apply, invariants, order, published, rows, status};

on_both_databases! {
    answer_reveals_payment_intent_id,
    answer_and_events_in_any_order_converge,
    answer_about_other_payment_intent_is_mismatch,
    client_secrets_are_stored_as_hashes,
    details_update_is_due_until_stripe_has_latest,
    refused_details_update_is_skipped,
    answer_about_unknown_attempt_is_data_error,
}

async fn apply_observation(store: &Store, payment: &Payment, seen: Observation) -> ObserveOutcome {
    store.apply_observation(payment.id.clone(), seen, None, None, later(5)).await.expect("a commit")
}

/// Returns an observation from Stripe's answer to our own call: like an event's, but without an event.
fn answer(event: &PaymentEvent) -> Observation {
    let mut seen = event.observation();
    seen.fact.provenance.event.clear();
    seen
}

async fn task(store: &Store, payment: &Payment) -> Option<Task> {
    store.attempt(payment.id.clone()).await.expect("a read").expect("an attempt").task
}

async fn answer_reveals_payment_intent_id(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    let ObserveOutcome::Merged(seen, task) =
        apply_observation(&store, &payment, answer(&payment.created())).await
    else {
        panic!()
    };
    assert_eq!(task, None);
    assert_eq!(
        seen.payment.as_ref().and_then(|p| p.payment_intent_id.as_ref()),
        Some(&payment.payment_intent_id)
    );
    assert_eq!(seen.version, payment.order.version + 2, "the attempt, then its PaymentIntent");
    assert_eq!(seen.updated_at, later(5));
    assert_eq!(order(&store, &payment.order.id).await, seen);
    // The same answer again changes nothing.
    let ObserveOutcome::Merged(again, _) =
        apply_observation(&store, &payment, answer(&payment.created())).await
    else {
        panic!()
    };
    assert_eq!(again, seen);
    assert_eq!(rows(database, "inbox").await, 0);
}

async fn answer_and_events_in_any_order_converge(database: &TestDatabase) {
    let store = database.store().await;
    for answer_first in [true, false] {
        let payment = Payment::begin(&store).await;
        let read = answer(&payment.succeeded().after(2));
        if answer_first {
            apply_observation(&store, &payment, read.clone()).await;
        }
        apply(&store, &[payment.failed("ch_1"), payment.processing().after(1), payment.succeeded().after(2)])
            .await;
        if !answer_first {
            apply_observation(&store, &payment, read).await;
        }
        apply_observation(&store, &payment, answer(&payment.created())).await;
        let order = order(&store, &payment.order.id).await;
        assert_eq!((order.status, order.amount_paid), (OrderStatus::Paid, order.total));
    }
    assert_eq!(published(database, "order.paid").await, 2);
    invariants::check(database).await;
}

async fn answer_about_other_payment_intent_is_mismatch(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply_observation(&store, &payment, answer(&payment.created())).await;
    let before = order(&store, &payment.order.id).await;
    let paid = || answer(&payment.succeeded());
    for (seen, expected) in [
        (Observation { account: Account::connected("acct_x"), ..paid() }, Mismatch::WrongAccount),
        (Observation { mode: Mode::Live, ..paid() }, Mismatch::WrongMode),
        (Observation { payment_intent_id: "pi_other".into(), ..paid() }, Mismatch::OtherPaymentIntent),
    ] {
        let observed = apply_observation(&store, &payment, seen).await;
        assert!(
            matches!(observed, ObserveOutcome::Mismatch(mismatch) if mismatch == expected),
            "{observed:?}"
        );
    }
    assert_eq!(order(&store, &payment.order.id).await, before);
    // An attempt without a PaymentIntent adopts only one whose metadata names it.
    let other = Payment::begin(&store).await;
    let nameless = Observation { payment_id: None, ..answer(&other.created()) };
    let observed = apply_observation(&store, &other, nameless).await;
    assert!(matches!(observed, ObserveOutcome::Mismatch(Mismatch::UnknownAttempt)), "{observed:?}");
}

async fn client_secrets_are_stored_as_hashes(database: &TestDatabase) {
    let store = database.store().await;
    let first = Payment::begin(&store).await;
    let hashes = async || {
        let mut hashes = store.client_secret_hashes(first.order.id.clone()).await.expect("a read");
        hashes.sort();
        hashes
    };
    assert!(hashes().await.is_empty());
    let keep = async |payment: &Payment, hash: Option<&str>| {
        let seen = answer(&payment.created());
        let hash = hash.map(str::to_owned);
        store.apply_observation(payment.id.clone(), seen, hash, None, now()).await.expect("a commit");
    };
    keep(&first, Some("hash-1")).await;
    keep(&first, None).await;
    assert_eq!(hashes().await, ["hash-1"], "a read without the secret does not take it away");
    apply(&store, &[first.canceled()]).await;
    let second = quittance_test_support::payment_on(&store, first.order.clone()).await;
    keep(&second, Some("hash-2")).await;
    assert_eq!(hashes().await, ["hash-1", "hash-2"]);
}

async fn change_email(store: &Store, payment: &Payment, email: &str) {
    let change = OrderChange {
        id: payment.order.id.clone(),
        customer: CustomerChange { email: Some(Some(email.to_owned())), ..CustomerChange::default() },
        shipping: None,
        metadata: None,
        items: None,
        now: later(10),
    };
    assert!(matches!(store.change_order(change).await, Ok(ChangeOrderOutcome::Done(_))));
}

async fn details_update_is_due_until_stripe_has_latest(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    change_email(&store, &payment, "a@example.com").await;
    assert_eq!(task(&store, &payment).await, Some(Task::Create), "first there must be a PaymentIntent");
    apply_observation(&store, &payment, answer(&payment.created())).await;
    assert_eq!(task(&store, &payment).await, Some(Task::UpdateDetails));
    change_email(&store, &payment, "b@example.com").await;
    let tell = async |version| {
        let seen = answer(&payment.created());
        store
            .apply_observation(payment.id.clone(), seen, None, Some(version), now())
            .await
            .expect("a commit");
        task(&store, &payment).await
    };
    assert_eq!(tell(2).await, Some(Task::UpdateDetails), "the details changed again meanwhile");
    assert_eq!(tell(3).await, None);
    assert_eq!(tell(1).await, None, "an answer that comes late tells nothing");
    let attempt = store.attempt(payment.id.clone()).await.expect("a read").expect("an attempt");
    assert_eq!(attempt.customer.email.as_deref(), Some("b@example.com"));
}

async fn refused_details_update_is_skipped(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply_observation(&store, &payment, answer(&payment.created())).await;
    change_email(&store, &payment, "a@example.com").await;
    let before = order(&store, &payment.order.id).await;
    store.skip_details_update(payment.id.clone(), 2, now()).await.expect("a commit");
    assert_eq!(task(&store, &payment).await, None);
    assert_eq!(order(&store, &payment.order.id).await, before, "the customer does not see that");
    change_email(&store, &payment, "b@example.com").await;
    assert_eq!(task(&store, &payment).await, Some(Task::UpdateDetails));
    // Closing comes before updating details.
    let (order_id, by) = (payment.order.id.clone(), CloseRequester::Shop);
    store.request_close(order_id, CloseReason::Canceled, by, now()).await.expect("an answer");
    assert_eq!(task(&store, &payment).await, Some(Task::Close));
    apply(&store, &[payment.open("requires_action", OpenStatus::RequiresAction)]).await;
    assert_eq!(status(&store, &payment.order.id).await, OrderStatus::Pending);
}

async fn answer_about_unknown_attempt_is_data_error(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    let seen = answer(&payment.created());
    let result = store.apply_observation(id(PaymentId::from_uuid), seen, None, None, now()).await;
    assert!(result.is_err_and(|error| error.is_data_error()));
}
