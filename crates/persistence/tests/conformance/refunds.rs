//! Tests of refunds.

use std::sync::Arc;

use futures_util::future::join_all;
use quittance_domain::event::EventOutcome;
use quittance_domain::history::ReviewRefund;
use quittance_domain::id::{OrderId, RefundId};
use quittance_domain::order::{Order, OrderStatus};
use quittance_domain::payment::Mismatch;
use quittance_domain::refund::{RefundCause, RefundReason, RefundStatus};
use quittance_persistence::{
    BeginRefundOutcome, ClaimKeyOutcome, Completion, Error, NewRefund, PendingRefund, RefundKey,
    RefundTermsRequest, Reply, SpentRefundKey, Store, StoredRefund, WorkClaim,
};
use quittance_test_support::{
    MoneyEvent, Payment, TestDatabase, id, later, money, now, on_both_databases, payment_on, place,
};

use crate::{apply, apply_one, idempotent_request, invariants, order, published, rows, status, store_with};

on_both_databases! {
    refund_and_reply_are_stored_together,
    refund_counts_only_once_stripe_confirms,
    concurrent_refunds_stay_within_balance,
    failed_refund_restores_balance,
    refund_of_unpaid_order_is_refused,
    refund_made_at_stripe_is_adopted,
    refund_with_lost_reply_is_adopted,
    refund_reported_without_our_id_is_not_made_twice,
    surplus_is_refunded_automatically,
    payment_under_review_is_refunded_by_policy,
    due_refunds_are_resumed,
    refund_has_one_key_at_a_time,
    refund_known_at_stripe_gets_no_new_key,
    refused_refund_is_not_resumed,
    refund_event_before_its_payment_schedules_check,
    refunds_and_disputes_of_marked_order_are_read,
}

fn new_refund(order_id: &OrderId, amount: Option<i64>) -> NewRefund {
    NewRefund {
        id: id(RefundId::from_uuid),
        order_id: order_id.clone(),
        amount,
        reason: Some(RefundReason::RequestedByCustomer),
        terms: RefundTermsRequest::default(),
        now: later(10),
        resume_at: later(40),
    }
}

async fn begin(store: &Store, order_id: &OrderId, amount: Option<i64>) -> BeginRefundOutcome {
    store.begin_refund(new_refund(order_id, amount), None).await.expect("an answer")
}

async fn begun(store: &Store, order_id: &OrderId, amount: Option<i64>) -> PendingRefund {
    match begin(store, order_id, amount).await {
        BeginRefundOutcome::Recorded(refund) => refund,
        other => panic!("{other:?}"),
    }
}

async fn paid(store: &Store) -> Payment {
    let payment = Payment::begin(store).await;
    apply(store, &[payment.succeeded()]).await;
    payment
}

async fn list(store: &Store, order_id: &OrderId) -> Vec<StoredRefund> {
    store.refunds(order_id.clone()).await.expect("a read")
}

fn figures(order: &Order) -> (OrderStatus, i64, i64) {
    (order.status, order.amount_paid.minor(), order.amount_refunded.minor())
}

async fn refund_and_reply_are_stored_together(database: &TestDatabase) {
    let store = database.store().await;
    let payment = paid(&store).await;
    let Ok(ClaimKeyOutcome::New(claim)) = store.claim_key(idempotent_request("a")).await else { panic!() };
    let render =
        |stored: &StoredRefund| Reply { status: 201, body: stored.refund.id.to_string(), secret: None };
    let completion = || Some(Completion { claim: claim.clone(), render: Arc::new(render) });
    let new = new_refund(&payment.order.id, Some(1000));
    let BeginRefundOutcome::Recorded(work) =
        store.begin_refund(new.clone(), completion()).await.expect("an answer")
    else {
        panic!()
    };
    assert_eq!((work.payment_intent_id.as_str(), work.resume_count), (payment.payment_intent_id.as_str(), 0));
    let refund = &work.stored.refund;
    assert_eq!(
        (&refund.id, refund.amount, refund.cause),
        (&new.id, money(1000, "eur"), RefundCause::Requested)
    );
    assert_eq!(
        (refund.reason.as_deref(), refund.status()),
        (Some("requested_by_customer"), RefundStatus::Pending)
    );
    assert!(!work.stored.is_surplus);
    let again = store.claim_key(idempotent_request("a")).await.expect("an answer");
    assert!(
        matches!(&again, ClaimKeyOutcome::Replay(reply) if reply.body == new.id.to_string()),
        "{again:?}"
    );
    assert_eq!(list(&store, &payment.order.id).await, std::slice::from_ref(&work.stored));
    let read = store.refund(new.id).await.expect("a read").expect("a refund");
    assert_eq!((read.stored, read.account), (work.stored, work.account));
    // The same claim does its work once: this refund is rolled back.
    let twice = store.begin_refund(new_refund(&payment.order.id, Some(100)), completion()).await;
    assert!(matches!(twice, Err(Error::ClaimLost)), "{twice:?}");
    assert_eq!(rows(database, "refunds").await, 1);
}

async fn refund_counts_only_once_stripe_confirms(database: &TestDatabase) {
    let store = database.store().await;
    let payment = paid(&store).await;
    let id = &payment.order.id;
    let before = order(&store, id).await;
    let refund = begun(&store, id, Some(1000)).await.stored.refund.id;
    let pending = order(&store, id).await;
    assert_eq!(figures(&pending), (OrderStatus::Paid, 2500, 0));
    assert!(pending.version > before.version);
    let seen = payment.refund("re_1", Some(&refund), 1000, (RefundStatus::Succeeded, 5));
    let stored =
        store.apply_refund_observation(refund.clone(), seen.clone(), later(11)).await.expect("a commit");
    assert_eq!(stored.expect("a refund").refund.status(), RefundStatus::Succeeded);
    assert_eq!(figures(&order(&store, id).await), (OrderStatus::PartiallyRefunded, 2500, 1000));
    // Its event arrives later and changes nothing.
    assert_eq!(apply_one(&store, seen).await, EventOutcome::Applied);
    let rest = begun(&store, id, None).await.stored.refund;
    assert_eq!(rest.amount.minor(), 1500);
    apply_one(&store, payment.refund("re_2", Some(&rest.id), 1500, (RefundStatus::Succeeded, 6))).await;
    assert_eq!(figures(&order(&store, id).await), (OrderStatus::Refunded, 2500, 2500));
    assert_eq!((rows(database, "refunds").await, published(database, "refund.succeeded").await), (2, 2));
    assert!(store.refund(self::id_of_nobody()).await.expect("a read").is_none());
    invariants::check(database).await;
}

fn id_of_nobody() -> RefundId {
    id(RefundId::from_uuid)
}

async fn concurrent_refunds_stay_within_balance(database: &TestDatabase) {
    let stores = [database.store().await, database.store().await];
    let payment = paid(&stores[0]).await;
    let asking = (0..50).map(|number| {
        let (store, new) = (stores[number % 2].clone(), new_refund(&payment.order.id, Some(300)));
        tokio::spawn(async move { store.begin_refund(new, None).await })
    });
    let mut recorded = 0;
    for answer in join_all(asking).await {
        match answer.expect("a task").expect("an answer") {
            BeginRefundOutcome::Recorded(_) => recorded += 1,
            BeginRefundOutcome::TooMuch(left) => assert!(left.minor() < 300, "{left}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(recorded, 8);
    let rest = begun(&stores[0], &payment.order.id, None).await;
    assert_eq!(rest.stored.refund.amount.minor(), 100);
    assert_eq!(database.scalar_i64("SELECT sum(amount) FROM refunds").await, 2500);
    let none = begin(&stores[0], &payment.order.id, None).await;
    assert!(matches!(none, BeginRefundOutcome::TooMuch(left) if left.minor() == 0), "{none:?}");
}

async fn failed_refund_restores_balance(database: &TestDatabase) {
    let store = database.store().await;
    let payment = paid(&store).await;
    let order_id = &payment.order.id;
    let refund = begun(&store, order_id, None).await.stored.refund.id;
    let seen = |status, second| payment.refund("re_1", Some(&refund), 2500, (status, second));
    apply_one(&store, seen(RefundStatus::Succeeded, 5)).await;
    assert_eq!(status(&store, order_id).await, OrderStatus::Refunded);
    assert!(matches!(begin(&store, order_id, Some(1)).await, BeginRefundOutcome::TooMuch(_)));
    apply_one(&store, seen(RefundStatus::Failed, 9)).await;
    // An older event arrives late.
    apply_one(&store, seen(RefundStatus::Pending, 4)).await;
    assert_eq!(figures(&order(&store, order_id).await), (OrderStatus::Paid, 2500, 0));
    assert_eq!(
        (published(database, "refund.succeeded").await, published(database, "refund.failed").await),
        (1, 1)
    );
    assert_eq!(published(database, "order.paid").await, 1);
    begun(&store, order_id, None).await;
    invariants::check(database).await;
}

async fn refund_of_unpaid_order_is_refused(database: &TestDatabase) {
    let store = database.store().await;
    let unpaid = Payment::begin(&store).await;
    let answer = begin(&store, &unpaid.order.id, None).await;
    assert!(matches!(answer, BeginRefundOutcome::NotPaid(OrderStatus::Pending)), "{answer:?}");
    let answer = begin(&store, &id(OrderId::from_uuid), None).await;
    assert!(matches!(answer, BeginRefundOutcome::NotFound), "{answer:?}");
    let payment = paid(&store).await;
    let answer = begin(&store, &payment.order.id, Some(2501)).await;
    assert!(matches!(answer, BeginRefundOutcome::TooMuch(left) if left.minor() == 2500), "{answer:?}");
    let open = quittance_domain::dispute::DisputeStatus::NeedsResponse;
    apply_one(&store, payment.dispute("du_1", (open, 1))).await;
    assert!(matches!(begin(&store, &payment.order.id, None).await, BeginRefundOutcome::Disputed));
    apply_one(&store, payment.dispute("du_1", (quittance_domain::dispute::DisputeStatus::Lost, 2))).await;
    let answer = begin(&store, &payment.order.id, None).await;
    assert!(matches!(answer, BeginRefundOutcome::NotPaid(OrderStatus::ChargedBack)), "{answer:?}");
    assert_eq!(rows(database, "refunds").await, 0);
}

async fn refund_made_at_stripe_is_adopted(database: &TestDatabase) {
    let store = database.store().await;
    let payment = paid(&store).await;
    for second in [5, 6] {
        let seen = payment.refund("re_1", None, 700, (RefundStatus::Succeeded, second));
        assert_eq!(apply_one(&store, seen).await, EventOutcome::Applied);
    }
    assert_eq!(figures(&order(&store, &payment.order.id).await), (OrderStatus::PartiallyRefunded, 2500, 700));
    let refunds = list(&store, &payment.order.id).await;
    assert_eq!((refunds.len(), refunds[0].refund.cause), (1, RefundCause::Stripe));
    assert!(matches!(begin(&store, &payment.order.id, Some(1801)).await, BeginRefundOutcome::TooMuch(_)));
    // An event of an unknown PaymentIntent is ignored.
    let mut foreign = payment.refund("re_2", None, 1, (RefundStatus::Succeeded, 7));
    "pi_foreign".clone_into(&mut foreign.payment_intent_id);
    assert_eq!(apply_one(&store, foreign).await, EventOutcome::Ignored(Mismatch::UnknownAttempt));
    assert_eq!(rows(database, "refunds").await, 1);
}

async fn refund_with_lost_reply_is_adopted(database: &TestDatabase) {
    let store = database.store().await;
    let payment = paid(&store).await;
    let refund = begun(&store, &payment.order.id, None).await.stored.refund.id;
    apply_one(&store, payment.refund("re_1", Some(&refund), 2500, (RefundStatus::Pending, 5))).await;
    let refunds = list(&store, &payment.order.id).await;
    assert_eq!((refunds.len(), refunds[0].refund.stripe_refund_id.as_deref()), (1, Some("re_1")));
    let claim = WorkClaim { now: later(1000), lease_until: later(1060), limit: 10 };
    assert!(store.claim_refunds(claim).await.expect("a commit").is_empty(), "no request remains");
    invariants::check(database).await;
}

async fn refund_reported_without_our_id_is_not_made_twice(database: &TestDatabase) {
    let store = database.store().await;
    let payment = paid(&store).await;
    let refund = begun(&store, &payment.order.id, Some(500)).await.stored.refund.id;
    let nameless = payment.refund("re_1", None, 500, (RefundStatus::Succeeded, 5));
    apply_one(&store, nameless.clone()).await;
    store.apply_refund_observation(refund, nameless, later(12)).await.expect("a commit");
    let claim = WorkClaim { now: later(1000), lease_until: later(1060), limit: 10 };
    assert!(store.claim_refunds(claim).await.expect("a commit").is_empty());
    assert_eq!(figures(&order(&store, &payment.order.id).await), (OrderStatus::PartiallyRefunded, 2500, 500));
    let left = begun(&store, &payment.order.id, None).await;
    assert_eq!(left.stored.refund.amount.minor(), 2000);
    invariants::check(database).await;
}

async fn surplus_is_refunded_automatically(database: &TestDatabase) {
    let store = database.store().await;
    let first = Payment::begin(&store).await;
    store.refuse_attempt(first.id.clone(), "api_error".into(), now()).await.expect("a commit");
    let second = payment_on(&store, first.order.clone()).await;
    apply(&store, &[second.succeeded(), first.succeeded()]).await;
    apply(&store, &[first.succeeded().after(1)]).await;
    let claim = WorkClaim { now: now(), lease_until: later(60), limit: 10 };
    let due = store.claim_refunds(claim).await.expect("a commit");
    assert_eq!((due.len(), due[0].stored.refund.cause), (1, RefundCause::Surplus));
    assert!(due[0].stored.is_surplus);
    // One payment is accepted, and the other is refunded.
    let accepted = order(&store, &first.order.id).await.payment.expect("a payment").id;
    let surplus = if accepted == first.id { &second } else { &first };
    assert_eq!(due[0].payment_intent_id, surplus.payment_intent_id);
    let refund = due[0].stored.refund.id.clone();
    let seen = surplus.refund("re_1", Some(&refund), 2500, (RefundStatus::Succeeded, 5));
    store.apply_refund_observation(refund, seen, later(1)).await.expect("a commit").expect("a refund");
    assert_eq!(figures(&order(&store, &first.order.id).await), (OrderStatus::Paid, 2500, 0));
    // It is refunded once, even if that fails. Then a person must act.
    apply_one(&store, surplus.refund("re_1", None, 2500, (RefundStatus::Failed, 9))).await;
    assert_eq!(rows(database, "refunds").await, 1);
    invariants::check(database).await;
}

async fn payment_under_review_is_refunded_by_policy(database: &TestDatabase) {
    for (policy, late, wrong) in
        [(ReviewRefund::Never, 0, 0), (ReviewRefund::Late, 1, 0), (ReviewRefund::Always, 1, 1)]
    {
        let store = store_with(database, |config| config.limits.review_refund = policy).await;
        let after_cancel = Payment::begin(&store).await;
        store.refuse_attempt(after_cancel.id.clone(), "api_error".into(), now()).await.expect("a commit");
        let (order_id, closure) =
            (after_cancel.order.id.clone(), quittance_domain::history::CloseReason::Canceled);
        let by = quittance_persistence::CloseRequester::Shop;
        store.request_close(order_id, closure, by, now()).await.expect("an answer");
        let misfit = Payment::begin(&store).await;
        apply(&store, &[after_cancel.succeeded(), misfit.succeeded_with(99, "eur")]).await;
        for (payment, expected, status_after) in
            [(&after_cancel, late, OrderStatus::Canceled), (&misfit, wrong, OrderStatus::Pending)]
        {
            assert_eq!(status(&store, &payment.order.id).await, OrderStatus::Review);
            let refunds = list(&store, &payment.order.id).await;
            assert_eq!(refunds.len(), expected, "{policy:?}");
            let Some(refund) = refunds.first() else { continue };
            assert_eq!(refund.refund.cause, RefundCause::Review);
            let amount = refund.refund.amount.minor();
            apply_one(
                &store,
                payment.refund(
                    &format!("re_{}", refund.refund.id),
                    Some(&refund.refund.id),
                    amount,
                    (RefundStatus::Succeeded, 5),
                ),
            )
            .await;
            assert_eq!(status(&store, &payment.order.id).await, status_after);
        }
        store.close();
    }
    // A person may refund it, even if the policy doesn't.
    let store = database.store().await;
    let misfit = Payment::begin(&store).await;
    apply(&store, &[misfit.succeeded_with(99, "eur")]).await;
    assert_eq!(begun(&store, &misfit.order.id, None).await.stored.refund.amount.minor(), 99);
    invariants::check(database).await;
}

async fn due_refunds_are_resumed(database: &TestDatabase) {
    let store = database.store().await;
    let payment = paid(&store).await;
    let refund = begun(&store, &payment.order.id, None).await.stored.refund.id;
    let claim = async |seconds: i64| {
        let claim = WorkClaim { now: later(seconds), lease_until: later(seconds + 60), limit: 10 };
        let taken = store.claim_refunds(claim).await.expect("a commit");
        taken.into_iter().map(|work| (work.stored.refund.id, work.resume_count)).collect::<Vec<_>>()
    };
    assert!(claim(39).await.is_empty(), "its caller still has time");
    assert_eq!(claim(40).await, [(refund.clone(), 1)]);
    assert!(claim(99).await.is_empty(), "it is being worked on");
    assert_eq!(claim(100).await, [(refund.clone(), 2)]);
    // A refund that another worker has finished is released.
    apply_one(&store, payment.refund("re_1", Some(&refund), 2500, (RefundStatus::Succeeded, 5))).await;
    database.execute("UPDATE refunds SET resume_at = created_at").await;
    assert!(claim(1000).await.is_empty());
    invariants::check(database).await;
}

/// Returns the current key of a refund.
async fn refund_has_one_key_at_a_time(database: &TestDatabase) {
    let store = database.store().await;
    let payment = paid(&store).await;
    let work = begun(&store, &payment.order.id, Some(700)).await;
    let refund = work.stored.refund.id.clone();
    assert_eq!(work.key, RefundKey { number: 0, since: later(10) });
    let renewing = (0..8).map(|_| {
        let (store, spent) = (store.clone(), spent(&refund, 0, 500));
        tokio::spawn(async move { store.renew_refund_key(spent).await })
    });
    let renewed = join_all(renewing).await.into_iter();
    let renewed: Vec<_> = renewed.filter_map(|one| one.expect("a task").expect("an answer")).collect();
    let next = RefundKey { number: 1, since: later(500) };
    assert_eq!(renewed.iter().map(|one| one.key).collect::<Vec<_>>(), [next], "a key is spent once");
    assert_eq!(store.refund(refund.clone()).await.expect("a read").expect("a refund").key, next);
    let claim = async |seconds: i64| {
        let claim = WorkClaim { now: later(seconds), lease_until: later(seconds + 60), limit: 10 };
        store.claim_refunds(claim).await.expect("a commit")
    };
    assert!(claim(519).await.is_empty(), "it is not asked for before its time");
    assert_eq!(claim(520).await[0].key, next);
    store.postpone_refund(refund.clone(), later(900)).await.expect("a commit");
    assert!(claim(899).await.is_empty());
    assert_eq!(claim(900).await[0].key, next, "that it waits spends no key");
    // Other changes of its order keep the key.
    begun(&store, &payment.order.id, Some(1)).await;
    apply_one(&store, payment.refund("re_2", None, 2, (RefundStatus::Succeeded, 5))).await;
    assert_eq!(store.refund(refund).await.expect("a read").expect("a refund").key, next);
    invariants::check(database).await;
}

fn spent(id: &RefundId, number: i32, seconds: i64) -> SpentRefundKey {
    SpentRefundKey { id: id.clone(), number, next_since: later(seconds), resume_at: later(seconds + 20) }
}

async fn refund_known_at_stripe_gets_no_new_key(database: &TestDatabase) {
    let store = database.store().await;
    let payment = paid(&store).await;
    let refund = begun(&store, &payment.order.id, Some(700)).await.stored.refund.id;
    apply_one(&store, payment.refund("re_1", Some(&refund), 700, (RefundStatus::Pending, 5))).await;
    assert!(store.renew_refund_key(spent(&refund, 0, 500)).await.expect("an answer").is_none());
    store.postpone_refund(refund.clone(), later(900)).await.expect("nothing to do");
    let refused = begun(&store, &payment.order.id, Some(100)).await.stored.refund.id;
    store.refuse_refund(refused.clone(), "charge_disputed".into(), later(12)).await.expect("a commit");
    assert!(store.renew_refund_key(spent(&refused, 0, 500)).await.expect("an answer").is_none());
    store.postpone_refund(refused, later(900)).await.expect("nothing to do");
    assert!(store.renew_refund_key(spent(&id_of_nobody(), 0, 500)).await.expect("an answer").is_none());
    invariants::check(database).await;
}

async fn refused_refund_is_not_resumed(database: &TestDatabase) {
    let store = database.store().await;
    let payment = paid(&store).await;
    let refund = begun(&store, &payment.order.id, None).await.stored.refund.id;
    store.refuse_refund(refund.clone(), "charge_disputed".into(), later(12)).await.expect("a commit");
    let stored = list(&store, &payment.order.id).await.remove(0);
    assert_eq!(
        (stored.refund.status(), stored.refund.failure_reason()),
        (RefundStatus::Failed, Some("charge_disputed"))
    );
    assert_eq!((stored.created_at, stored.updated_at), (later(10), later(12)));
    assert_eq!(published(database, "refund.failed").await, 1);
    // Its amount can be refunded again, and an existing refund isn't refused.
    let second = begun(&store, &payment.order.id, None).await.stored.refund.id;
    apply_one(&store, payment.refund("re_2", Some(&second), 2500, (RefundStatus::Succeeded, 5))).await;
    store.refuse_refund(second, "late".into(), later(13)).await.expect("nothing to do");
    assert_eq!(status(&store, &payment.order.id).await, OrderStatus::Refunded);
    store.refuse_refund(id_of_nobody(), "x".into(), now()).await.expect("nothing to do");
    invariants::check(database).await;
}

async fn refund_event_before_its_payment_schedules_check(database: &TestDatabase) {
    let store = database.store().await;
    let payment = payment_on(&store, place(&store).await).await;
    let seen = payment.refund("re_1", None, 700, (RefundStatus::Succeeded, 5));
    assert_eq!(apply_one(&store, seen).await, EventOutcome::Ignored(Mismatch::UnknownAttempt));
    let due = async || {
        let claim = WorkClaim { now: later(1), lease_until: later(60), limit: 10 };
        store.claim_checks(claim).await.expect("a commit")
    };
    assert!(due().await.is_empty());
    // Until then, no attempt had this PaymentIntent.
    apply(&store, &[payment.succeeded()]).await;
    assert_eq!(due().await, std::slice::from_ref(&payment.order.id));
    let known = paid(&store).await;
    due().await;
    apply(&store, &[known.succeeded().after(1)]).await;
    assert!(due().await.is_empty(), "nothing new was learned");
}

/// Refunds and disputes are read for marked orders only.
async fn refunds_and_disputes_of_marked_order_are_read(database: &TestDatabase) {
    let store = database.store().await;
    let opened = quittance_domain::dispute::DisputeStatus::NeedsResponse;
    let came_back = |payment: &Payment, id: &str| payment.refund(id, None, 700, (RefundStatus::Succeeded, 5));
    let (request_params, told, disputed, both) =
        (paid(&store).await, paid(&store).await, paid(&store).await, paid(&store).await);
    begun(&store, &request_params.order.id, Some(700)).await;
    apply_one(&store, came_back(&told, "re_1")).await;
    apply_one(&store, disputed.dispute("du_1", (opened, 5))).await;
    apply_one(&store, disputed.dispute("du_2", (opened, 6))).await;
    apply_one(&store, both.dispute("du_3", (opened, 5))).await;
    apply_one(&store, came_back(&both, "re_2")).await;
    // One order alone, and one among others, in one transaction.
    let (at_once, beside) = (Payment::begin(&store).await, paid(&store).await);
    apply(&store, &[at_once.created()]).await;
    let batch = [
        MoneyEvent::from(came_back(&at_once, "re_3")).delivery(),
        at_once.succeeded().delivery(),
        beside.succeeded().after(1).delivery(),
        MoneyEvent::from(at_once.dispute("du_4", (opened, 5))).delivery(),
        MoneyEvent::from(came_back(&told, "re_4")).delivery(),
    ];
    store.apply(batch.to_vec()).await.expect("a commit");
    for (payment, refunds, disputes) in [
        (request_params, 1, 0),
        (told, 2, 0),
        (disputed, 0, 2),
        (both, 1, 1),
        (at_once, 1, 1),
        (beside, 0, 0),
    ] {
        let found = store.disputes(payment.order.id.clone()).await.expect("a read");
        assert_eq!((list(&store, &payment.order.id).await.len(), found.len()), (refunds, disputes));
        // The locked read finds them too: nothing is left to refund, or the bank decides.
        let more = begin(&store, &payment.order.id, Some(2500)).await;
        match disputes {
            0 if refunds == 0 => assert!(matches!(more, BeginRefundOutcome::Recorded(_)), "{more:?}"),
            0 => assert!(matches!(more, BeginRefundOutcome::TooMuch(_)), "{more:?}"),
            _ => assert!(matches!(more, BeginRefundOutcome::Disputed), "{more:?}"),
        }
    }
    assert_eq!(rows(database, "orders WHERE has_refunds_or_disputes").await, 6);
    paid(&store).await;
    assert_eq!(
        rows(database, "orders WHERE NOT has_refunds_or_disputes").await,
        1,
        "it has no refunds or disputes"
    );
    invariants::check(database).await;
}
