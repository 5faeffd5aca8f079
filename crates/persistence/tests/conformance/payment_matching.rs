//! Tests of which events count, and of the requirements for a success.

use quittance_domain::event::EventOutcome;
use quittance_domain::id::PaymentId;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::{Account, Mismatch, Mode, ObservedState, ReviewReason, Success};
use quittance_domain::seller::ChargeType;
use quittance_persistence::{BeginAttemptOutcome, ConnectSeller, NewAttempt, Store};
use quittance_test_support::{
    Payment, PaymentEvent, TestDatabase, connect, connecting, id, new_attempt, on_both_databases, payment_on,
    place, place_through,
};

use crate::{apply, invariants, order, published, rows, status};

on_both_databases! {
    mismatched_success_is_reviewed,
    event_of_unknown_attempt_is_ignored,
    event_on_other_account_or_mode_is_ignored,
    payment_intent_with_lost_id_is_adopted,
    edited_metadata_keeps_known_payment,
    second_payment_intent_of_attempt_is_ignored,
    same_payment_intent_id_on_two_accounts_is_kept_apart,
    order_is_paid_by_one_attempt,
}

async fn mismatched_success_is_reviewed(database: &TestDatabase) {
    let store = database.store().await;
    let fits =
        || Success { amount: 2500, currency: "eur".into(), amount_received: 2500, application_fee: None };
    let wrong = [
        (Success { amount: 2499, amount_received: 2499, ..fits() }, ReviewReason::WrongAmount),
        (Success { amount: 2501, amount_received: 2501, ..fits() }, ReviewReason::WrongAmount),
        (Success { amount_received: 1, ..fits() }, ReviewReason::WrongAmount),
        (Success { amount_received: 0, ..fits() }, ReviewReason::WrongAmount),
        (Success { currency: "usd".into(), ..fits() }, ReviewReason::WrongCurrency),
        (Success { currency: "EUR".into(), ..fits() }, ReviewReason::WrongCurrency),
        (Success { application_fee: Some(1), ..fits() }, ReviewReason::WrongFee),
    ];
    let count = i64::try_from(wrong.len()).expect("a few");
    for (success, reason) in wrong {
        let payment = Payment::begin(&store).await;
        let event = PaymentEvent { seen: ObservedState::Succeeded(success), ..payment.succeeded() };
        assert_eq!(apply(&store, &[event.clone(), payment.created(), event]).await[0], EventOutcome::Applied);
        let order = order(&store, &payment.order.id).await;
        assert_eq!((order.status, order.review_reason), (OrderStatus::Review, Some(reason)));
        assert_eq!(order.amount_paid.minor(), 0);
    }
    assert_eq!(published(database, "order.review_required").await, count);
    assert_eq!(published(database, "order.paid").await, 0);
    invariants::check(database).await;
}

async fn event_of_unknown_attempt_is_ignored(database: &TestDatabase) {
    let store = database.store().await;
    let (known, other) = (Payment::begin(&store).await, Payment::begin(&store).await);
    apply(&store, &[known.created()]).await;
    let unknown = || id(PaymentId::from_uuid);
    let before = [order(&store, &known.order.id).await, order(&store, &other.order.id).await];
    let paid = || known.succeeded();
    let foreign = || "pi_foreign".to_owned();
    for (event, expected) in [
        (PaymentEvent { mode: Mode::Live, ..paid() }, Mismatch::WrongMode),
        (PaymentEvent { account: Account::connected("acct_x"), ..paid() }, Mismatch::WrongAccount),
        (PaymentEvent { payment_intent_id: foreign(), ..paid() }, Mismatch::OtherPaymentIntent),
        (PaymentEvent { order_id: Some(known.order.id.clone()), ..other.succeeded() }, Mismatch::OtherOrder),
        (
            PaymentEvent { payment_intent_id: foreign(), payment_id: Some(unknown()), ..paid() },
            Mismatch::UnknownAttempt,
        ),
        (PaymentEvent { payment_intent_id: foreign(), payment_id: None, ..paid() }, Mismatch::UnknownAttempt),
    ] {
        assert_eq!(
            apply(&store, std::slice::from_ref(&event)).await,
            [EventOutcome::Ignored(expected)],
            "{event:?}"
        );
        // The inbox stores the reason why it doesn't count.
        let sql =
            format!("SELECT outcome || ' ' || reason AS value FROM inbox WHERE event_id = '{}'", event.id);
        assert_eq!(database.texts(&sql).await, [format!("ignored {}", expected.as_str())]);
        assert_eq!(database.payload(&event.id).await.expect("a row"), event.payload());
        assert_eq!(apply(&store, &[event]).await, [EventOutcome::Duplicate]);
    }
    let after = [order(&store, &known.order.id).await, order(&store, &other.order.id).await];
    assert_eq!(after, before);
    assert_eq!(rows(database, "decisions").await, 0);
}

async fn attempt_on(store: &Store, account: &str, mode: Mode) -> Payment {
    let order = match account {
        "" => place(store).await,
        account => {
            let seller = ConnectSeller { mode, ..connecting(account, ChargeType::Direct) };
            place_through(store, &store.connect_seller(seller).await.expect("a seller")).await
        }
    };
    let mut new = new_attempt(&order);
    new.expected.mode = mode;
    let NewAttempt { id, .. } = new.clone();
    assert!(matches!(store.begin_attempt(new).await, Ok(BeginAttemptOutcome::Recorded(_))));
    let payment = Payment { order, payment_intent_id: format!("pi_{account}{}", mode.as_str()), id };
    payment.is_answered(store, mode).await;
    payment
}

async fn event_on_other_account_or_mode_is_ignored(database: &TestDatabase) {
    let store = database.store().await;
    for (account, mode) in [("", Mode::Live), ("acct_a", Mode::Test), ("acct_b", Mode::Live)] {
        let payment = attempt_on(&store, account, mode).await;
        let right = match account {
            "" => Account::own(),
            account => Account::connected(account),
        };
        for (account, mode_of_event, expected) in [
            (Account::connected("acct_z"), mode, EventOutcome::Ignored(Mismatch::WrongAccount)),
            (right.clone(), if mode == Mode::Live { Mode::Test } else { Mode::Live }, {
                EventOutcome::Ignored(Mismatch::WrongMode)
            }),
            (right, mode, EventOutcome::Applied),
        ] {
            let event = PaymentEvent { account, mode: mode_of_event, ..payment.succeeded() };
            assert_eq!(apply(&store, &[event]).await, [expected]);
        }
        assert_eq!(status(&store, &payment.order.id).await, OrderStatus::Paid);
    }
}

async fn payment_intent_with_lost_id_is_adopted(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    assert_eq!(apply(&store, &[payment.processing()]).await, [EventOutcome::Applied]);
    let attempt = store.attempt(payment.id.clone()).await.expect("a read").expect("an attempt");
    assert_eq!(attempt.attempt.payment_intent_id.as_ref(), Some(&payment.payment_intent_id));
    assert_eq!(attempt.task, None, "the PaymentIntent exists already");
    // The attempt keeps this PaymentIntent.
    let second = PaymentEvent { payment_intent_id: "pi_second".into(), ..payment.succeeded() };
    assert_eq!(apply(&store, &[second]).await, [EventOutcome::Ignored(Mismatch::OtherPaymentIntent)]);
    // If two in one batch could be adopted, only one is.
    let payment = Payment::begin(&store).await;
    let second = PaymentEvent { payment_intent_id: "pi_third".into(), ..payment.succeeded() };
    let outcomes = apply(&store, &[payment.processing(), second]).await;
    assert_eq!(outcomes, [EventOutcome::Applied, EventOutcome::Ignored(Mismatch::OtherPaymentIntent)]);
    assert_eq!(status(&store, &payment.order.id).await, OrderStatus::Processing);
}

async fn edited_metadata_keeps_known_payment(database: &TestDatabase) {
    let store = database.store().await;
    let other = Payment::begin(&store).await;
    apply(&store, &[other.created()]).await;
    for (order_id, payment_id) in
        [(None, None), (Some(other.order.id.clone()), Some(other.id.clone())), (None, Some(other.id.clone()))]
    {
        let payment = Payment::begin(&store).await;
        apply(&store, &[payment.created()]).await;
        let edited = PaymentEvent { order_id, payment_id, ..payment.succeeded() };
        assert_eq!(apply(&store, &[edited]).await, [EventOutcome::Applied]);
        assert_eq!(status(&store, &payment.order.id).await, OrderStatus::Paid);
        assert_eq!(status(&store, &other.order.id).await, OrderStatus::Pending);
    }
}

async fn second_payment_intent_of_attempt_is_ignored(database: &TestDatabase) {
    let store = database.store().await;
    let (one, two) = (Payment::begin(&store).await, Payment::begin(&store).await);
    let stolen = PaymentEvent { payment_intent_id: one.payment_intent_id.clone(), ..two.created() };
    // Both would be adopted in one transaction. The database rejects it, so neither is.
    let both = vec![one.created().delivery(), stolen.delivery()];
    let refused = store.apply(both).await;
    assert!(refused.is_err_and(|error| error.is_data_error()));
    assert_eq!(rows(database, "inbox").await, 0);
    assert_eq!(apply(&store, &[one.created()]).await, [EventOutcome::Applied]);
    // An event that names the other attempt still belongs to the one with this PaymentIntent.
    assert_eq!(apply(&store, &[stolen]).await, [EventOutcome::Applied]);
    let sql = "SELECT count(*) FROM payments WHERE payment_intent_id IS NOT NULL";
    assert_eq!(database.scalar_i64(sql).await, 1);
}

async fn same_payment_intent_id_on_two_accounts_is_kept_apart(database: &TestDatabase) {
    let store = database.store().await;
    let seller = connect(&store, "acct_a", ChargeType::Direct).await;
    let orders = [place(&store).await, place_through(&store, &seller).await];
    let mut payments = Vec::new();
    for order in orders {
        let payment = payment_on(&store, order).await;
        let payment = Payment { payment_intent_id: "pi_same".to_owned(), ..payment };
        payment.is_answered(&store, Mode::Test).await;
        payments.push(payment);
    }
    let theirs = payments[1].succeeded();
    assert_eq!(
        apply(&store, &[payments[0].created(), theirs]).await,
        [EventOutcome::Applied, EventOutcome::Applied]
    );
    assert_eq!(status(&store, &payments[0].order.id).await, OrderStatus::Pending);
    assert_eq!(status(&store, &payments[1].order.id).await, OrderStatus::Paid);
    // The PaymentIntent ID alone identifies the attempt as well.
    let bare = |event| PaymentEvent { order_id: None, payment_id: None, ..event };
    let (ours, theirs) = (bare(payments[0].succeeded()), bare(payments[1].canceled()));
    assert_eq!(apply(&store, &[ours, theirs]).await, [EventOutcome::Applied, EventOutcome::Applied]);
    assert_eq!(status(&store, &payments[0].order.id).await, OrderStatus::Paid);
}

async fn order_is_paid_by_one_attempt(database: &TestDatabase) {
    let store = database.store().await;
    let first = Payment::begin(&store).await;
    store
        .refuse_attempt(first.id.clone(), "api_error".into(), first.order.created_at)
        .await
        .expect("a commit");
    let second = payment_on(&store, first.order.clone()).await;
    assert_eq!(apply(&store, &[second.succeeded(), first.succeeded()]).await, [EventOutcome::Applied; 2]);
    let order = order(&store, &first.order.id).await;
    assert_eq!((order.status, order.amount_paid), (OrderStatus::Paid, order.total));
    assert_eq!(rows(database, "decisions").await, 1);
    invariants::check(database).await;
}
