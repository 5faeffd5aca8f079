//! Tests of stock: counted units are sold once.

use futures_util::future::join_all;
use quittance_domain::catalog::Product;
use quittance_domain::history::CloseReason;
use quittance_domain::id::OrderId;
use quittance_domain::order::Order;
use quittance_persistence::{CloseRequester, NewOrder, PlaceOrderOutcome, ProductChange, Shortage, Store};
use quittance_test_support::{
    TestDatabase, later, new_order, on_both_databases, payment_on, place_counted, product, quantity,
};

use crate::{apply, invariants, order, published, rows};

on_both_databases! {
    lines_of_same_product_add_up,
    concurrent_buyers_never_oversell,
    closed_order_releases_stock_once,
    concurrent_placing_and_closing_preserves_stock,
    uncounted_product_is_always_available,
    selling_last_unit_publishes_event,
}

async fn counted(store: &Store, stock: u32) -> Product {
    store.insert_product(Product { stock: Some(stock), ..product() }, None).await.expect("a product")
}

async fn left(store: &Store, order: &Order) -> Option<u32> {
    let id = order.lines[0].product_id.clone();
    store.product(id).await.expect("a read").expect("a product").stock
}

async fn cancel(store: &Store, id: &OrderId) {
    store
        .request_close(id.clone(), CloseReason::Canceled, CloseRequester::Shop, later(1))
        .await
        .expect("an answer");
}

fn order_of(products: &[(&Product, u32)]) -> NewOrder {
    let items = products.iter().map(|(product, number)| (product.id.clone(), quantity(*number)));
    NewOrder { items: items.collect(), ..new_order(products[0].0) }
}

async fn lines_of_same_product_add_up(database: &TestDatabase) {
    let store = database.store().await;
    let (pot, cup) = (counted(&store, 5).await, counted(&store, 1).await);
    let wanted = order_of(&[(&cup, 1), (&pot, 3), (&pot, 3), (&cup, 4)]);
    let PlaceOrderOutcome::OutOfStock(short) = store.place_order(wanted, None).await.expect("an answer")
    else {
        panic!()
    };
    let expected = [
        Shortage { line: 0, product_id: cup.id.clone(), available: 1 },
        Shortage { line: 1, product_id: pot.id.clone(), available: 5 },
    ];
    assert_eq!(short, expected);
    assert_eq!((rows(database, "orders").await, rows(database, "outbox").await), (0, 0));
    // All or nothing: no stock was taken of the other products either.
    let short = store.place_order(order_of(&[(&pot, 1), (&cup, 2)]), None).await.expect("an answer");
    assert!(matches!(short, PlaceOrderOutcome::OutOfStock(_)), "{short:?}");
    let all = store.place_order(order_of(&[(&pot, 3), (&cup, 1), (&pot, 2)]), None).await.expect("an answer");
    assert!(matches!(all, PlaceOrderOutcome::Done(_)), "{all:?}");
    for product in [pot, cup] {
        assert_eq!(store.product(product.id).await.expect("a read").expect("a product").stock, Some(0));
    }
}

async fn concurrent_buyers_never_oversell(database: &TestDatabase) {
    let stores = [database.store().await, database.store().await];
    let pot = counted(&stores[0], 10).await;
    let buying = (0..200).map(|number| {
        let (store, new) = (stores[number % 2].clone(), order_of(&[(&pot, 1)]));
        tokio::spawn(async move { store.place_order(new, None).await })
    });
    let (mut sold, mut refused) = (0, 0);
    for placed in join_all(buying).await {
        match placed.expect("a task").expect("an answer") {
            PlaceOrderOutcome::Done(_) => sold += 1,
            PlaceOrderOutcome::OutOfStock(_) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((sold, refused), (10, 190));
    assert_eq!(rows(database, "orders").await, 10);
    let stock = stores[0].product(pot.id).await.expect("a read").expect("a product").stock;
    assert_eq!((stock, published(database, "product.out_of_stock").await), (Some(0), 1));
    invariants::check(database).await;
}

async fn closed_order_releases_stock_once(database: &TestDatabase) {
    let store = database.store().await;
    let placed = place_counted(&store, 7).await;
    assert_eq!(left(&store, &placed).await, Some(5));
    cancel(&store, &placed.id).await;
    cancel(&store, &placed.id).await;
    assert_eq!(left(&store, &placed).await, Some(7));
    // An order with an attempt releases its stock once the attempt is closed, and not if it is paid.
    let closed = payment_on(&store, place_counted(&store, 7).await).await;
    apply(&store, &[closed.created()]).await;
    cancel(&store, &closed.order.id).await;
    assert_eq!(left(&store, &closed.order).await, Some(5));
    for event in [closed.canceled(), closed.canceled().after(1)] {
        apply(&store, &[event]).await;
        assert_eq!(left(&store, &closed.order).await, Some(7));
    }
    let paid = payment_on(&store, place_counted(&store, 7).await).await;
    apply(&store, &[paid.succeeded()]).await;
    cancel(&store, &paid.order.id).await;
    assert_eq!(left(&store, &paid.order).await, Some(5));
    invariants::check(database).await;
}

async fn concurrent_placing_and_closing_preserves_stock(database: &TestDatabase) {
    let stores = [database.store().await, database.store().await];
    let (pot, cup) = (counted(&stores[0], 4).await, counted(&stores[0], 4).await);
    let shopping = (0..60).map(|number| {
        let store = stores[number % 2].clone();
        // The order of lines differs, and no deadlock occurs.
        let items = if number % 3 == 0 { [(&pot, 1), (&cup, 2)] } else { [(&cup, 1), (&pot, 2)] };
        let new = order_of(&items);
        tokio::spawn(async move {
            match store.place_order(new, None).await.expect("an answer") {
                PlaceOrderOutcome::Done(order) => cancel(&store, &order.id).await,
                PlaceOrderOutcome::OutOfStock(_) => {}
                other => panic!("{other:?}"),
            }
        })
    });
    for done in join_all(shopping).await {
        done.expect("a task");
    }
    for product in [pot, cup] {
        assert_eq!(stores[0].product(product.id).await.expect("a read").expect("a product").stock, Some(4));
    }
    invariants::check(database).await;
}

async fn uncounted_product_is_always_available(database: &TestDatabase) {
    let store = database.store().await;
    let count = async |order: &Order, stock: Option<u32>| {
        let change = ProductChange { stock: Some(stock), ..ProductChange::default() };
        store.change_product(order.lines[0].product_id.clone(), change, later(1)).await.expect("a change");
    };
    let uncounted = quittance_test_support::place(&store).await;
    assert_eq!(left(&store, &uncounted).await, None);
    // Stock that wasn't counted when ordered isn't released once it is counted.
    count(&uncounted, Some(3)).await;
    cancel(&store, &uncounted.id).await;
    assert_eq!(left(&store, &uncounted).await, Some(3));
    // Releasing stock doesn't make an uncounted product counted again.
    let counted = place_counted(&store, 2).await;
    count(&counted, None).await;
    cancel(&store, &counted.id).await;
    assert_eq!(left(&store, &counted).await, None);
}

async fn selling_last_unit_publishes_event(database: &TestDatabase) {
    let store = database.store().await;
    let placed = place_counted(&store, 2).await;
    assert_eq!((placed.version, placed.outcome_version), (2, 0));
    assert_eq!(order(&store, &placed.id).await, placed);
    let sql = "SELECT kind || ' ' || CAST(sequence AS text) AS value FROM outbox ORDER BY sequence";
    assert_eq!(database.texts(sql).await, ["order.created 1", "product.out_of_stock 2"]);
    let subject = "SELECT subject AS value FROM outbox WHERE kind = 'product.out_of_stock'";
    assert_eq!(database.texts(subject).await, [placed.lines[0].product_id.to_string()]);
    invariants::check(database).await;
}
