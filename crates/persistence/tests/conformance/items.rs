//! Tests of changing an order's items.

use quittance_domain::catalog::{Metadata, Product};
use quittance_domain::history::Task;
use quittance_domain::id::OrderId;
use quittance_domain::order::{OrderStatus, PricingError};
use quittance_domain::payment::{OpenStatus, ReviewReason};
use quittance_persistence::{BeginAttemptOutcome, ChangeOrderOutcome, CustomerChange, OrderChange, Store};
use quittance_test_support::{
    Payment, TestDatabase, later, money, new_attempt, on_both_databases, place, place_counted, product,
    quantity,
};

use crate::{apply, invariants, order, rows};

on_both_databases! {
    item_change_recomputes_price,
    item_change_exchanges_stock,
    unavailable_items_change_nothing,
    item_change_closes_live_attempt_first,
    item_change_of_closed_order_is_refused,
    success_of_refused_attempt_at_old_price_is_reviewed,
}

async fn change(store: &Store, id: &OrderId, items: &[(&Product, u32)]) -> ChangeOrderOutcome {
    let items = items.iter().map(|(product, number)| (product.id.clone(), quantity(*number))).collect();
    let change = OrderChange {
        id: id.clone(),
        customer: CustomerChange { name: Some(None), ..CustomerChange::default() },
        shipping: None,
        metadata: Some(Metadata::new()),
        items: Some(items),
        now: later(3),
    };
    store.change_order(change).await.expect("an answer")
}

async fn stored(store: &Store, stock: Option<u32>) -> Product {
    let product = Product { stock, unit_price: money(300, "eur"), ..product() };
    store.insert_product(product, None).await.expect("a product")
}

async fn left(store: &Store, product: &Product) -> Option<u32> {
    store.product(product.id.clone()).await.expect("a read").expect("a product").stock
}

async fn item_change_recomputes_price(database: &TestDatabase) {
    let store = database.store().await;
    let (before, cup) = (place(&store).await, stored(&store, None).await);
    let ChangeOrderOutcome::Done(after) = change(&store, &before.id, &[(&cup, 3)]).await else { panic!() };
    assert_eq!((after.total, after.lines.len(), after.lines[0].quantity.get()), (money(900, "eur"), 1, 3));
    assert_eq!((&after.customer.name, &after.metadata), (&None, &Metadata::new()));
    assert!(after.version > before.version);
    assert_eq!(order(&store, &before.id).await, after);
    // An attempt at the old price is stale.
    assert!(matches!(store.begin_attempt(new_attempt(&before)).await, Ok(BeginAttemptOutcome::Stale)));
    assert!(matches!(store.begin_attempt(new_attempt(&after)).await, Ok(BeginAttemptOutcome::Recorded(_))));
}

async fn item_change_exchanges_stock(database: &TestDatabase) {
    let store = database.store().await;
    let placed = place_counted(&store, 5).await;
    let pot = store.product(placed.lines[0].product_id.clone()).await.expect("a read").expect("a product");
    let cup = stored(&store, Some(1)).await;
    // The order already holds two of the five units.
    let ChangeOrderOutcome::Done(_) = change(&store, &placed.id, &[(&pot, 4), (&cup, 1), (&pot, 1)]).await
    else {
        panic!()
    };
    assert_eq!((left(&store, &pot).await, left(&store, &cup).await), (Some(0), Some(0)));
    let sql = "SELECT count(*) FROM outbox WHERE kind = 'product.out_of_stock'";
    assert_eq!(database.scalar_i64(sql).await, 2);
    invariants::check(database).await;
    let ChangeOrderOutcome::Done(_) = change(&store, &placed.id, &[(&pot, 1)]).await else { panic!() };
    assert_eq!((left(&store, &pot).await, left(&store, &cup).await), (Some(4), Some(1)));
    let ended = quittance_domain::history::CloseReason::Canceled;
    let by = quittance_persistence::CloseRequester::Shop;
    store.request_close(placed.id.clone(), ended, by, later(9)).await.expect("an answer");
    assert_eq!((left(&store, &pot).await, left(&store, &cup).await), (Some(5), Some(1)));
    invariants::check(database).await;
}

async fn unavailable_items_change_nothing(database: &TestDatabase) {
    let store = database.store().await;
    let before = place_counted(&store, 5).await;
    let pot = store.product(before.lines[0].product_id.clone()).await.expect("a read").expect("a product");
    let gone = Product { active: false, ..product() };
    let gone = store.insert_product(gone, None).await.expect("a product");
    let ChangeOrderOutcome::OutOfStock(short) = change(&store, &before.id, &[(&pot, 6)]).await else {
        panic!()
    };
    assert_eq!((short[0].line, short[0].available), (0, 5));
    let unpriced = change(&store, &before.id, &[(&pot, 1), (&gone, 1)]).await;
    assert!(
        matches!(unpriced, ChangeOrderOutcome::PricingFailed(PricingError::NotForSale { line: 1 })),
        "{unpriced:?}"
    );
    assert_eq!(order(&store, &before.id).await, before);
    assert_eq!(left(&store, &pot).await, Some(3));
}

async fn item_change_closes_live_attempt_first(database: &TestDatabase) {
    let store = database.store().await;
    let (payment, cup) = (Payment::begin(&store).await, stored(&store, None).await);
    apply(&store, &[payment.created()]).await;
    let before = order(&store, &payment.order.id).await;
    for _ in 0..2 {
        let ChangeOrderOutcome::CloseFirst(live) = change(&store, &before.id, &[(&cup, 1)]).await else {
            panic!()
        };
        assert_eq!((live.attempt.id, live.task), (payment.id.clone(), Some(Task::Close)));
    }
    assert_eq!(order(&store, &before.id).await, before, "nothing else was changed");
    apply(&store, &[payment.canceled()]).await;
    let ChangeOrderOutcome::Done(after) = change(&store, &before.id, &[(&cup, 1)]).await else { panic!() };
    assert_eq!(after.total, money(300, "eur"));
    assert_eq!(rows(database, "payments").await, 1);
    invariants::check(database).await;
}

async fn item_change_of_closed_order_is_refused(database: &TestDatabase) {
    let store = database.store().await;
    let cup = stored(&store, None).await;
    let (paid, flying) = (Payment::begin(&store).await, Payment::begin(&store).await);
    apply(&store, &[paid.succeeded(), flying.open("processing", OpenStatus::Processing)]).await;
    let closing = Payment::begin(&store).await;
    let (ended, by) =
        (quittance_domain::history::CloseReason::Canceled, quittance_persistence::CloseRequester::Shop);
    store.request_close(closing.order.id.clone(), ended, by, later(1)).await.expect("an answer");
    for (payment, expected) in
        [(&paid, OrderStatus::Paid), (&flying, OrderStatus::Processing), (&closing, OrderStatus::Pending)]
    {
        let before = order(&store, &payment.order.id).await;
        let answer = change(&store, &payment.order.id, &[(&cup, 1)]).await;
        assert!(matches!(answer, ChangeOrderOutcome::NotOpen(status) if status == expected), "{answer:?}");
        assert_eq!(order(&store, &payment.order.id).await, before);
    }
}

/// The attempt was unreachable when the items changed, and then an event reports it.
async fn success_of_refused_attempt_at_old_price_is_reviewed(database: &TestDatabase) {
    let store = database.store().await;
    let cup = stored(&store, None).await;
    for price_stands in [true, false] {
        let lost = Payment::begin(&store).await;
        apply(&store, &[lost.created()]).await;
        let given_up = "seller_disconnected".to_owned();
        store.mark_attempt_unreachable(lost.id.clone(), given_up, later(2)).await.expect("a commit");
        let mut now_is = lost.order.clone();
        if !price_stands {
            let ChangeOrderOutcome::Done(after) = change(&store, &lost.order.id, &[(&cup, 1)]).await else {
                panic!()
            };
            now_is = after;
        }
        apply(&store, &[lost.open("payment_intent.requires_action", OpenStatus::RequiresAction).after(4)])
            .await;
        let next = store.begin_attempt(new_attempt(&now_is)).await.expect("an answer");
        if price_stands {
            assert!(matches!(next, BeginAttemptOutcome::Live(_)), "{next:?}");
        } else {
            let BeginAttemptOutcome::CloseFirst(first) = next else { panic!("{next:?}") };
            assert_eq!((first.attempt.id, first.task), (lost.id.clone(), Some(Task::Close)));
        }
        apply(&store, &[lost.succeeded().after(9)]).await;
        let order = order(&store, &lost.order.id).await;
        if price_stands {
            assert_eq!((order.status, order.amount_paid), (OrderStatus::Paid, lost.order.total));
        } else {
            assert_eq!((order.status, order.amount_paid.minor()), (OrderStatus::Review, 0));
            assert_eq!(order.review_reason, Some(ReviewReason::WrongAmount));
        }
    }
    invariants::check(database).await;
}
