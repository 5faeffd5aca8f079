//! Tests of payments through sellers.

use quittance_domain::event::EventOutcome;
use quittance_domain::history::Task;
use quittance_domain::order::{Order, OrderStatus};
use quittance_domain::payment::{Account, Mismatch, Mode};
use quittance_domain::refund::{RefundReason, RefundTerms};
use quittance_domain::seller::{AccountEvent, AccountState, Blocker, ChargeType};
use quittance_persistence::{
    BeginAttemptOutcome, BeginRefundOutcome, EventBackfill, NewAttempt, NewRefund, RefundTermsRequest,
    SellerWork, Store, WorkClaim,
};
use quittance_test_support::{
    Payment, PaymentEvent, SellerEvent, TestDatabase, account_state, connect, id, later, new_attempt, now,
    on_both_databases, payment_on, place, place_through,
};

use crate::sellers::claim;
use crate::{apply, apply_one, apply_seller_events, invariants, order, rows, status, store_with};

on_both_databases! {
    attempt_through_unready_seller_is_refused,
    attempt_through_seller_in_unsupported_country_is_refused,
    attempt_with_other_seller_terms_is_stale,
    payment_intent_made_by_seller_with_our_ids_is_ignored,
    session_made_by_seller_with_our_ids_is_ignored,
    unreachable_attempt_allows_new_one_and_still_counts,
    reconnected_account_schedules_checks_of_unreachable_attempts,
    refused_account_is_read_immediately,
    refund_reverses_transfer_and_fee_by_default,
    accounts_with_payments_are_backfilled_in_turn,
}

async fn through(store: &Store, charge_type: ChargeType) -> Order {
    let seller = connect(store, "acct_a", charge_type).await;
    place_through(store, &seller).await
}

/// Places an order through a seller and begins an attempt that Stripe has answered.
async fn payment(store: &Store, charge_type: ChargeType) -> Payment {
    let payment = payment_on(store, through(store, charge_type).await).await;
    payment.is_answered(store, Mode::Test).await;
    payment
}

async fn begin(store: &Store, order: &Order) -> BeginAttemptOutcome {
    store.begin_attempt(new_attempt(order)).await.expect("an answer")
}

async fn attempt_through_unready_seller_is_refused(database: &TestDatabase) {
    let store = database.store().await;
    let (placed, ours) = (through(&store, ChargeType::Destination).await, place(&store).await);
    let broken = [
        (AccountState { charges_enabled: false, ..account_state() }, Blocker::ChargesNotEnabled),
        (AccountState { payouts_enabled: false, ..account_state() }, Blocker::PayoutsNotEnabled),
        (AccountState { display_name: None, ..account_state() }, Blocker::NoDisplayName),
        (
            AccountState { transfers: quittance_domain::seller::Capability::Inactive, ..account_state() },
            Blocker::TransfersNotActive,
        ),
    ];
    for ((state, blocker), seconds) in broken.into_iter().zip(1..) {
        apply_seller_events(&store, &[SellerEvent::updated("acct_a", seconds, state)]).await;
        let begun = begin(&store, &placed).await;
        let BeginAttemptOutcome::SellerNotReady { seller_id, blockers } = begun else { panic!("{begun:?}") };
        let seller_terms = placed.seller_terms.as_ref().expect("a seller");
        assert_eq!((&seller_id, blockers), (&seller_terms.seller_id, vec![blocker]));
    }
    assert_eq!(rows(database, "payments").await, 0);
    assert!(
        matches!(begin(&store, &ours).await, BeginAttemptOutcome::Recorded(_)),
        "the platform's own product can be sold"
    );
    apply_seller_events(&store, &[SellerEvent::updated("acct_a", 9, account_state())]).await;
    assert!(matches!(begin(&store, &placed).await, BeginAttemptOutcome::Recorded(_)));
    // A live attempt isn't returned anymore either.
    assert!(matches!(begin(&store, &placed).await, BeginAttemptOutcome::Live(_)));
    apply_seller_events(&store, &[SellerEvent::new("acct_a", 10, AccountEvent::Deauthorized)]).await;
    let begun = begin(&store, &placed).await;
    let BeginAttemptOutcome::SellerNotReady { blockers, .. } = begun else { panic!("{begun:?}") };
    assert_eq!(blockers, [Blocker::NotConnected]);
}

async fn attempt_through_seller_in_unsupported_country_is_refused(database: &TestDatabase) {
    let store = store_with(database, |config| {
        config.sellers_supported.countries.insert("FR".to_owned());
    })
    .await;
    let placed = through(&store, ChargeType::Direct).await;
    let begun = begin(&store, &placed).await;
    let BeginAttemptOutcome::SellerNotReady { blockers, .. } = begun else { panic!("{begun:?}") };
    assert_eq!(blockers, [Blocker::CountryNotSupported]);
}

async fn attempt_with_other_seller_terms_is_stale(database: &TestDatabase) {
    let store = database.store().await;
    let (direct, destination) =
        (through(&store, ChargeType::Direct).await, connect(&store, "acct_b", ChargeType::Destination).await);
    let destination = place_through(&store, &destination).await;
    let right = new_attempt(&direct);
    let mut wrong = vec![
        NewAttempt { destination: Some("acct_a".to_owned()), ..right.clone() },
        NewAttempt { destination: None, ..new_attempt(&destination) },
        NewAttempt { destination: Some("acct_a".to_owned()), ..new_attempt(&destination) },
    ];
    for account in [Account::own(), Account::connected("acct_b")] {
        let mut other = right.clone();
        other.expected.account = account;
        wrong.push(other);
    }
    for fee in [None, Some(74)] {
        let mut other = right.clone();
        other.expected.application_fee = fee;
        wrong.push(other);
    }
    for new in wrong {
        let begun = store.begin_attempt(new.clone()).await.expect("an answer");
        assert!(matches!(begun, BeginAttemptOutcome::Stale), "{new:?}: {begun:?}");
    }
    assert!(matches!(store.begin_attempt(right).await, Ok(BeginAttemptOutcome::Recorded(_))));
}

async fn payment_intent_made_by_seller_with_our_ids_is_ignored(database: &TestDatabase) {
    let store = database.store().await;
    let begun = payment_on(&store, through(&store, ChargeType::Direct).await).await;
    let before = order(&store, &begun.order.id).await;
    let foreign = || PaymentEvent { payment_intent_id: "pi_foreign".to_owned(), ..begun.succeeded() };
    // Before our own PaymentIntent is known, no event makes the attempt adopt one.
    for event in [foreign(), begun.succeeded()] {
        assert_eq!(apply(&store, &[event]).await, [EventOutcome::Ignored(Mismatch::UnknownAttempt)]);
    }
    assert_eq!(order(&store, &begun.order.id).await, before);
    begun.is_answered(&store, Mode::Test).await;
    let before = order(&store, &begun.order.id).await;
    assert_eq!(apply(&store, &[foreign()]).await, [EventOutcome::Ignored(Mismatch::OtherPaymentIntent)]);
    // The platform's own PaymentIntent with this ID doesn't pay the order either.
    let own = PaymentEvent { account: Account::own(), ..begun.succeeded() };
    assert_eq!(apply(&store, &[own]).await, [EventOutcome::Ignored(Mismatch::WrongAccount)]);
    assert_eq!(order(&store, &begun.order.id).await, before);
    // A payment without the platform's fee goes under review.
    assert_eq!(apply(&store, &[begun.succeeded()]).await, [EventOutcome::Applied]);
    assert_eq!(status(&store, &begun.order.id).await, OrderStatus::Paid);
    invariants::check(database).await;
}

async fn session_made_by_seller_with_our_ids_is_ignored(database: &TestDatabase) {
    let store = database.store().await;
    let placed = through(&store, ChargeType::Direct).await;
    let new = quittance_test_support::new_session(&placed);
    let begun = Payment { order: placed, id: new.id.clone(), payment_intent_id: "pi_foreign".to_owned() };
    assert!(matches!(store.begin_attempt(new).await, Ok(BeginAttemptOutcome::Recorded(_))));
    let before = order(&store, &begun.order.id).await;
    let outcome = apply_one(&store, begun.paid_session()).await;
    assert_eq!(outcome, EventOutcome::Ignored(Mismatch::UnknownAttempt));
    assert_eq!(order(&store, &begun.order.id).await, before);
}

async fn unreachable_attempt_allows_new_one_and_still_counts(database: &TestDatabase) {
    let store = database.store().await;
    let lost = payment(&store, ChargeType::Direct).await;
    apply(&store, &[lost.processing()]).await;
    assert!(matches!(begin(&store, &lost.order).await, BeginAttemptOutcome::Live(_)));
    store
        .record_account_snapshot(
            lost.order.seller_terms.clone().expect("a seller").seller_id,
            quittance_test_support::NOW_S + 3,
            account_state(),
            later(3),
        )
        .await
        .expect("a commit");
    assert!(claim(&store, 4).await.is_empty());
    store
        .mark_attempt_unreachable(lost.id.clone(), "seller_disconnected".to_owned(), later(5))
        .await
        .expect("a commit");
    assert_eq!(claim(&store, 5).await[0].work, SellerWork::Read, "the account is read immediately");
    let attempt = store.attempt(lost.id.clone()).await.expect("a read").expect("an attempt");
    assert_eq!(attempt.task, None::<Task>);
    assert_eq!(attempt.attempt.refused.as_deref(), Some("seller_disconnected"));
    assert_eq!(status(&store, &lost.order.id).await, OrderStatus::Pending);
    let claimed = WorkClaim { now: later(100_000), lease_until: later(100_060), limit: 10 };
    assert!(store.claim_attempts(claimed).await.expect("a commit").is_empty());
    let second = payment_on(&store, lost.order.clone()).await;
    // The account is reconnected, and the unreachable attempt has succeeded.
    assert_eq!(apply(&store, &[lost.succeeded().after(9)]).await, [EventOutcome::Applied]);
    assert_eq!(status(&store, &lost.order.id).await, OrderStatus::Paid);
    // A paid attempt can't become unreachable.
    store
        .mark_attempt_unreachable(lost.id.clone(), "seller_disconnected".to_owned(), later(10))
        .await
        .expect("a commit");
    let attempt = store.attempt(lost.id).await.expect("a read").expect("an attempt");
    assert_eq!(attempt.attempt.refused, None);
    let other = store.attempt(second.id).await.expect("a read").expect("an attempt");
    assert!(!other.attempt.is_closed());
    invariants::check(database).await;
}

/// Returns the orders whose checks are due.
async fn due(store: &Store, seconds: i64) -> Vec<quittance_domain::id::OrderId> {
    let claim = WorkClaim { now: later(seconds), lease_until: later(seconds + 60), limit: 10 };
    store.claim_checks(claim).await.expect("a commit")
}

async fn reconnected_account_schedules_checks_of_unreachable_attempts(database: &TestDatabase) {
    let store = database.store().await;
    let seller = connect(&store, "acct_a", ChargeType::Direct).await;
    let other = connect(&store, "acct_b", ChargeType::Direct).await;
    let mut payments = Vec::new();
    for seller in [&seller, &seller, &seller, &other] {
        payments.push(payment_on(&store, place_through(&store, seller).await).await);
    }
    let [lost, kept, unmade, elsewhere] = &payments[..] else { panic!("four") };
    for payment in [lost, kept, elsewhere] {
        payment.is_answered(&store, Mode::Test).await;
    }
    for payment in [lost, unmade, elsewhere] {
        let reason = "seller_disconnected".to_owned();
        store.mark_attempt_unreachable(payment.id.clone(), reason, later(1)).await.expect("a commit");
    }
    assert!(due(&store, 2).await.is_empty());
    store.schedule_unreachable_refresh(Account::connected("acct_a"), later(3)).await.expect("a commit");
    assert_eq!(due(&store, 3).await, std::slice::from_ref(&lost.order.id));
    let found = store.order_to_check(lost.order.id.clone()).await.expect("a read").expect("an order");
    store.record_check(found, later(4)).await.expect("a commit");
    assert!(due(&store, 5).await.is_empty(), "once");
    // An earlier check is kept.
    store.schedule_unreachable_refresh(Account::connected("acct_a"), later(6)).await.expect("a commit");
    store.schedule_unreachable_refresh(Account::connected("acct_a"), later(9)).await.expect("a commit");
    assert_eq!(due(&store, 6).await, std::slice::from_ref(&lost.order.id));
}

async fn refused_account_is_read_immediately(database: &TestDatabase) {
    let store = database.store().await;
    for account_id in ["acct_a", "acct_b", "acct_c"] {
        let seller = connect(&store, account_id, ChargeType::Direct).await;
        store
            .record_account_snapshot(seller.id, quittance_test_support::NOW_S + 3, account_state(), later(3))
            .await
            .expect("a commit");
    }
    apply_seller_events(&store, &[SellerEvent::new("acct_c", 9, AccountEvent::Deauthorized)]).await;
    claim(&store, 10).await;
    assert!(claim(&store, 11).await.is_empty());
    for account in ["acct_a", "acct_c", "acct_nobody", ""] {
        store.schedule_account_refresh(Account::connected(account), later(12)).await.expect("a commit");
    }
    let read = claim(&store, 12).await;
    let read: Vec<_> = read.iter().map(|work| work.seller.account_id.as_deref()).collect();
    assert_eq!(read, [Some("acct_a")]);
}

fn new_refund(order: &Order, terms: RefundTermsRequest) -> NewRefund {
    NewRefund {
        id: id(quittance_domain::id::RefundId::from_uuid),
        order_id: order.id.clone(),
        amount: Some(100),
        reason: Some(RefundReason::RequestedByCustomer),
        terms,
        now: now(),
        resume_at: later(30),
    }
}

async fn refund_reverses_transfer_and_fee_by_default(database: &TestDatabase) {
    let store = database.store().await;
    let all = |yes: bool| RefundTerms { reverse_transfer: yes, refund_application_fee: yes };
    for (charge_type, usual) in [
        (Some(ChargeType::Destination), all(true)),
        (Some(ChargeType::Direct), RefundTerms { reverse_transfer: false, ..all(true) }),
        (None, all(false)),
    ] {
        let order = match charge_type {
            None => place(&store).await,
            Some(charge_type) => {
                place_through(&store, &connect(&store, &format!("acct_{charge_type:?}"), charge_type).await)
                    .await
            }
        };
        let payment = payment_on(&store, order).await;
        payment.is_answered(&store, Mode::Test).await;
        apply(&store, &[payment.succeeded()]).await;
        let refund = async |terms: RefundTermsRequest| {
            store.begin_refund(new_refund(&payment.order, terms), None).await.expect("an answer")
        };
        let BeginRefundOutcome::Recorded(recorded) = refund(RefundTermsRequest::default()).await else {
            panic!()
        };
        assert_eq!(recorded.stored.refund.terms, usual);
        let read = store.refund(recorded.stored.refund.id).await.expect("a read").expect("a refund");
        assert_eq!((read.stored.refund.terms, &read.account), (usual, &payment.account()));
        let nothing =
            RefundTermsRequest { reverse_transfer: Some(false), refund_application_fee: Some(false) };
        let BeginRefundOutcome::Recorded(recorded) = refund(nothing).await else { panic!() };
        assert_eq!(recorded.stored.refund.terms, all(false));
        let transfer =
            refund(RefundTermsRequest { reverse_transfer: Some(true), ..RefundTermsRequest::default() })
                .await;
        assert_eq!(
            matches!(transfer, BeginRefundOutcome::NoTransfer),
            !usual.reverse_transfer,
            "{transfer:?}"
        );
        let fee = refund(RefundTermsRequest {
            refund_application_fee: Some(true),
            ..RefundTermsRequest::default()
        })
        .await;
        assert_eq!(
            matches!(fee, BeginRefundOutcome::NoApplicationFee),
            !usual.refund_application_fee,
            "{fee:?}"
        );
    }
    // A surplus is refunded automatically, with its transfer and fee.
    let first = payment(&store, ChargeType::Destination).await;
    store
        .mark_attempt_unreachable(first.id.clone(), "seller_disconnected".to_owned(), later(1))
        .await
        .expect("a commit");
    let second = payment_on(&store, first.order.clone()).await;
    second.is_answered(&store, Mode::Test).await;
    apply(&store, &[second.succeeded(), first.succeeded()]).await;
    let surplus = store.refunds(first.order.id.clone()).await.expect("a read").remove(0);
    assert!(surplus.is_surplus);
    assert_eq!(surplus.refund.terms, all(true));
}

async fn accounts_with_payments_are_backfilled_in_turn(database: &TestDatabase) {
    let store = database.store().await;
    for (account, charge_type) in [
        ("acct_a", ChargeType::Direct),
        ("acct_b", ChargeType::Direct),
        ("acct_c", ChargeType::Direct),
        ("acct_d", ChargeType::Destination),
    ] {
        let seller = connect(&store, account, charge_type).await;
        let placed = place_through(&store, &seller).await;
        // The third seller has no payments, and the fourth's payment is on the platform's account.
        if account != "acct_c" {
            payment_on(&store, placed).await;
        }
    }
    let to_backfill = async |limit, seconds| {
        let accounts = store.accounts_due_for_backfill(limit, later(seconds)).await.expect("a read");
        accounts.iter().map(|account| account.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(to_backfill(9, 0).await, ["acct_a", "acct_b"]);
    assert_eq!(to_backfill(1, 0).await, ["acct_a"]);
    let (a, b) = (|| Account::connected("acct_a"), Account::connected("acct_b"));
    let backfill =
        |account, seconds| store.claim_event_backfill(account, later(seconds), later(seconds + 60));
    assert_eq!(backfill(a(), 0).await.expect("an answer"), Some(EventBackfill { seen_until: None }));
    assert_eq!(backfill(a(), 1).await.expect("an answer"), None, "it is taken");
    assert_eq!(
        backfill(Account::own(), 1).await.expect("an answer"),
        Some(EventBackfill { seen_until: None })
    );
    store.record_event_backfill(a(), later(0)).await.expect("a commit");
    assert_eq!(to_backfill(9, 2).await, ["acct_b"]);
    backfill(b.clone(), 5).await.expect("an answer");
    assert!(to_backfill(9, 30).await.is_empty());
    assert_eq!(to_backfill(9, 65).await, ["acct_a", "acct_b"], "the least recent backfill comes first");
    assert_eq!(
        backfill(a(), 61).await.expect("an answer"),
        Some(EventBackfill { seen_until: Some(later(0)) })
    );
    // Unlinked accounts aren't backfilled.
    apply_seller_events(&store, &[SellerEvent::new("acct_b", 9, AccountEvent::Deauthorized)]).await;
    assert!(to_backfill(9, 70).await.is_empty());
    assert_eq!(to_backfill(9, 121).await, ["acct_a"]);
}
