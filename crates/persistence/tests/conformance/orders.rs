//! Tests of reading and changing orders.

use quittance_domain::catalog::Metadata;
use quittance_domain::id::OrderId;
use quittance_domain::order::{Customer, Order, OrderStatus};
use quittance_persistence::{
    ChangeOrderOutcome, Cursor, CustomerChange, NewOrder, OrderChange, OrderFilter, PlaceOrderOutcome, Store,
};
use quittance_test_support::{
    Payment, TestDatabase, customer, id, later, new_order, on_both_databases, payment_on, place, product,
    shipping,
};

use crate::{apply, order};

on_both_databases! {
    orders_are_listed_newest_first_in_pages,
    orders_are_filtered,
    order_is_found_by_payment_intent,
    order_change_keeps_other_fields,
    paid_order_change_is_limited_to_metadata,
    unknown_order_is_not_found,
}

async fn ids(store: &Store, filter: OrderFilter, limit: u8, after: Option<&OrderId>) -> (Vec<OrderId>, bool) {
    let cursor = Cursor { limit, starting_after: after.cloned() };
    let page = store.orders(filter, cursor).await.expect("a page");
    (page.data.into_iter().map(|order| order.id).collect(), page.has_more)
}

async fn found(store: &Store, filter: OrderFilter) -> Vec<OrderId> {
    ids(store, filter, 100, None).await.0
}

async fn orders_are_listed_newest_first_in_pages(database: &TestDatabase) {
    let store = database.store().await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        expected.insert(0, place(&store).await.id);
    }
    for limit in [1, 2, 5, 100] {
        let (mut seen, mut has_more) = (Vec::new(), true);
        while has_more {
            let page = ids(&store, OrderFilter::default(), limit, seen.last()).await;
            seen.extend(page.0);
            has_more = page.1;
        }
        assert_eq!(seen, expected, "by {limit}");
    }
}

async fn placed(store: &Store, change: impl FnOnce(&mut NewOrder)) -> Order {
    let product = store.insert_product(product(), None).await.expect("an insert");
    let mut new = new_order(&product);
    change(&mut new);
    match store.place_order(new, None).await.expect("an answer") {
        PlaceOrderOutcome::Done(order) => order,
        other => panic!("{other:?}"),
    }
}

async fn orders_are_filtered(database: &TestDatabase) {
    let store = database.store().await;
    let early = placed(&store, |new| new.now = later(-100)).await.id;
    let other = placed(&store, |new| {
        new.customer =
            Customer { email: Some("x@example.com".into()), name: None, reference: Some("u".into()) };
    })
    .await
    .id;
    let payment = payment_on(&store, placed(&store, |new| new.now = later(100)).await).await;
    apply(&store, &[payment.succeeded()]).await;
    let (late, all) = (payment.order.id, OrderFilter::default);
    let email = |email: &str| OrderFilter { customer_email: Some(email.to_owned()), ..all() };
    let reference = |word: &str| OrderFilter { customer_reference: Some(word.to_owned()), ..all() };
    let status = |status| OrderFilter { status: Some(status), ..all() };
    let created = |after, before| OrderFilter { created_after: after, created_before: before, ..all() };
    for (filter, expected) in [
        (all(), vec![&late, &other, &early]),
        (status(OrderStatus::Paid), vec![&late]),
        (status(OrderStatus::Pending), vec![&other, &early]),
        (status(OrderStatus::Review), vec![]),
        (email("x@example.com"), vec![&other]),
        (email("jenny@example.com"), vec![&late, &early]),
        (reference("u"), vec![&other]),
        (created(Some(later(-100)), None), vec![&late, &other]),
        (created(None, Some(later(100))), vec![&other, &early]),
        (created(Some(later(-1)), Some(later(1))), vec![&other]),
        (OrderFilter { status: Some(OrderStatus::Paid), ..email("x@example.com") }, vec![]),
    ] {
        let expected: Vec<OrderId> = expected.into_iter().cloned().collect();
        assert_eq!(found(&store, filter.clone()).await, expected, "{filter:?}");
    }
}

async fn order_is_found_by_payment_intent(database: &TestDatabase) {
    let store = database.store().await;
    let (one, two) = (Payment::begin(&store).await, Payment::begin(&store).await);
    let find = async |id: &str| store.order_by_payment_intent(id.to_owned()).await.expect("a read");
    assert_eq!(find(&one.payment_intent_id).await, None, "it is not known yet");
    apply(&store, &[one.created(), two.created()]).await;
    for payment in [&one, &two] {
        let found = find(&payment.payment_intent_id).await.expect("an order");
        assert_eq!(found, order(&store, &payment.order.id).await);
        let shown = found.payment.expect("a payment");
        assert_eq!(shown.payment_intent_id.as_ref(), Some(&payment.payment_intent_id));
        assert_eq!(shown.status.as_str(), "requires_payment_method");
    }

    // An older attempt is shown with the current order.
    apply(&store, &[one.canceled()]).await;
    let next = payment_on(&store, one.order.clone()).await;
    apply(&store, &[next.succeeded()]).await;
    for (payment, expected) in [(&one, "canceled"), (&next, "succeeded")] {
        let found = find(&payment.payment_intent_id).await.expect("an order");
        assert_eq!((&found.id, found.status), (&one.order.id, OrderStatus::Paid));
        let shown = found.payment.expect("a payment");
        assert_eq!((shown.id, shown.status.as_str()), (payment.id.clone(), expected));
    }
}

fn change(id: &OrderId, seconds: i64) -> OrderChange {
    let (customer, shipping, metadata) = (CustomerChange::default(), None, None);
    OrderChange { id: id.clone(), customer, shipping, metadata, items: None, now: later(seconds) }
}

async fn changed(store: &Store, change: OrderChange) -> Order {
    match store.change_order(change).await.expect("an answer") {
        ChangeOrderOutcome::Done(order) => order,
        other => panic!("{other:?}"),
    }
}

async fn order_change_keeps_other_fields(database: &TestDatabase) {
    let store = database.store().await;
    let before = place(&store).await;
    let with_email = OrderChange {
        customer: CustomerChange { email: Some(Some("new@example.com".into())), ..Default::default() },
        ..change(&before.id, 1)
    };
    let after = changed(&store, with_email).await;
    let expected = Order {
        customer: Customer { email: Some("new@example.com".into()), ..customer() },
        version: after.version,
        details_version: 2,
        updated_at: later(1),
        ..before.clone()
    };
    assert_eq!(after, expected);
    assert!(after.version > before.version);
    let without_name = CustomerChange { name: Some(None), reference: Some(None), ..Default::default() };
    let after = changed(&store, OrderChange { customer: without_name, ..change(&before.id, 2) }).await;
    assert_eq!(after.customer, Customer { email: expected.customer.email, name: None, reference: None });
    let after = changed(&store, OrderChange { shipping: Some(shipping()), ..change(&before.id, 3) }).await;
    assert_eq!((after.shipping.as_ref(), after.details_version), (Some(&shipping()), 4));
    // Stripe doesn't receive the shop's metadata.
    let words = Metadata::from([("a".to_owned(), "b".to_owned())]);
    let after = changed(&store, OrderChange { metadata: Some(words.clone()), ..change(&before.id, 4) }).await;
    assert_eq!((&after.metadata, after.details_version), (&words, 4));
    assert_eq!(after.shipping, Some(shipping()));
    assert_eq!(order(&store, &before.id).await, after);
}

async fn paid_order_change_is_limited_to_metadata(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    apply(&store, &[payment.succeeded()]).await;
    let before = order(&store, &payment.order.id).await;
    let email = CustomerChange { email: Some(None), ..CustomerChange::default() };
    for refused in [
        OrderChange { customer: email, ..change(&before.id, 1) },
        OrderChange { shipping: Some(shipping()), ..change(&before.id, 1) },
        OrderChange { shipping: Some(shipping()), metadata: Some(Metadata::new()), ..change(&before.id, 1) },
    ] {
        let answer = store.change_order(refused).await.expect("an answer");
        assert!(matches!(answer, ChangeOrderOutcome::NotOpen(OrderStatus::Paid)), "{answer:?}");
    }
    assert_eq!(order(&store, &before.id).await, before);
    let after =
        changed(&store, OrderChange { metadata: Some(Metadata::new()), ..change(&before.id, 1) }).await;
    let (version, updated_at) = (after.version, later(1));
    assert_eq!(after, Order { metadata: Metadata::new(), version, updated_at, ..before });
}

async fn unknown_order_is_not_found(database: &TestDatabase) {
    let store = database.store().await;
    place(&store).await;
    let nobody = id(OrderId::from_uuid);
    assert_eq!(store.order(nobody.clone()).await.expect("a read"), None);
    assert_eq!(store.order_by_payment_intent("pi_x".into()).await.expect("a read"), None);
    assert!(store.client_secret_hashes(nobody.clone()).await.expect("a read").is_empty());
    assert!(matches!(store.change_order(change(&nobody, 0)).await, Ok(ChangeOrderOutcome::NotFound)));
}
