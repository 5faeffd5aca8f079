//! Tests of placing orders.

use std::sync::Arc;

use futures_util::future::join_all;
use quittance_domain::catalog::Product;
use quittance_domain::id::{OrderId, ProductId};
use quittance_domain::order::{Order, OrderStatus, PricingError};
use quittance_persistence::{
    ClaimKeyOutcome, Completion, Error, NewOrder, ObserveOutcome, PlaceOrderOutcome, ProductChange, Reply,
    ReplySecret, Store,
};
use quittance_test_support::{
    TestDatabase, address_order, id, later, money, new_order, now, on_both_databases, payment_on, place,
    product, quantity, shipping,
};

use crate::{apply, idempotent_request, order, rows, store_with};

on_both_databases! {
    order_is_priced_from_catalog,
    order_keeps_prices_after_product_change,
    order_without_valid_price_is_refused,
    address_with_too_many_open_orders_is_refused,
    concurrent_orders_of_address_stay_within_limit,
    times_have_microsecond_precision,
    order_and_reply_are_stored_together,
    order_with_lost_claim_is_not_placed,
    refused_order_keeps_claim,
}

async fn stored(store: &Store, product: Product) -> Product {
    store.insert_product(product, None).await.expect("an insert")
}

async fn order_is_priced_from_catalog(database: &TestDatabase) {
    let store = database.store().await;
    let (pot, cup) =
        (stored(&store, product()).await, Product { unit_price: money(499, "eur"), ..product() });
    let cup = stored(&store, cup).await;
    let new = NewOrder {
        items: vec![
            (pot.id.clone(), quantity(2)),
            (cup.id.clone(), quantity(6)),
            (pot.id.clone(), quantity(1)),
        ],
        shipping: Some(shipping()),
        ..new_order(&pot)
    };
    let PlaceOrderOutcome::Done(placed) = store.place_order(new.clone(), None).await.expect("an answer")
    else {
        panic!()
    };
    assert_eq!(placed.total, money(3 * 1250 + 6 * 499, "eur"));
    let amounts: Vec<i64> = placed.lines.iter().map(|line| line.amount.minor()).collect();
    assert_eq!(amounts, [2500, 2994, 1250]);
    assert_eq!(placed.status, OrderStatus::Pending);
    assert_eq!((placed.version, placed.outcome_version, placed.details_version), (1, 0, 1));
    assert_eq!((&placed.id, &placed.customer), (&new.id, &new.customer));
    assert_eq!((&placed.shipping, &placed.metadata), (&new.shipping, &new.metadata));
    assert_eq!((placed.created_at, placed.updated_at), (now(), now()));
    assert_eq!(placed.payment, None);
    assert_eq!(order(&store, &placed.id).await, placed);
    assert_eq!(database.texts("SELECT kind AS value FROM outbox").await, ["order.created"]);
}

async fn order_keeps_prices_after_product_change(database: &TestDatabase) {
    let store = database.store().await;
    let placed = place(&store).await;
    let change = ProductChange {
        unit_amount: Some(1),
        name: Some("Bargain".into()),
        active: Some(false),
        ..ProductChange::default()
    };
    store.change_product(placed.lines[0].product_id.clone(), change, later(1)).await.expect("a change");
    assert_eq!(order(&store, &placed.id).await, placed);
}

async fn order_without_valid_price_is_refused(database: &TestDatabase) {
    let store = database.store().await;
    let pot = stored(&store, product()).await;
    let gone = stored(&store, Product { active: false, ..product() }).await;
    let yen = stored(&store, Product { unit_price: money(500, "jpy"), ..product() }).await;
    let free = stored(&store, Product { unit_price: money(0, "eur"), ..product() }).await;
    let dear = stored(&store, Product { unit_price: money(999_999_999_999, "eur"), ..product() }).await;
    let of = |ids: &[&ProductId]| ids.iter().map(|id| ((*id).clone(), quantity(2))).collect::<Vec<_>>();
    for (items, expected) in [
        (of(&[]), PricingError::Empty),
        (of(&[&pot.id, &id(ProductId::from_uuid)]), PricingError::NotForSale { line: 1 }),
        (of(&[&gone.id]), PricingError::NotForSale { line: 0 }),
        (of(&[&pot.id, &yen.id]), PricingError::MixedCurrencies { line: 1 }),
        (of(&[&free.id]), PricingError::Free),
        (of(&[&dear.id]), PricingError::TooLarge),
    ] {
        let placed = store.place_order(NewOrder { items, ..new_order(&pot) }, None).await.expect("an answer");
        assert!(
            matches!(&placed, PlaceOrderOutcome::PricingFailed(error) if *error == expected),
            "{placed:?}"
        );
    }
    assert_eq!((rows(database, "orders").await, rows(database, "outbox").await), (0, 0));
}

async fn place_from(store: &Store, product: &Product, address: &str, seconds: i64) -> Option<Order> {
    let new = NewOrder { now: later(seconds), ..address_order(product, address) };
    match store.place_order(new, None).await.expect("an answer") {
        PlaceOrderOutcome::Done(order) => Some(order),
        PlaceOrderOutcome::TooManyOpenOrders => None,
        other => panic!("{other:?}"),
    }
}

async fn address_with_too_many_open_orders_is_refused(database: &TestDatabase) {
    let store = store_with(database, |config| config.limits.max_open_orders = 3).await;
    let pot = stored(&store, product()).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(place_from(&store, &pot, "192.0.2.1", 0).await.expect("an order below the limit"));
    }
    assert!(place_from(&store, &pot, "192.0.2.1", 1).await.is_none());
    assert_eq!((rows(database, "orders").await, rows(database, "outbox").await), (3, 3));
    assert!(place_from(&store, &pot, "192.0.2.2", 1).await.is_some(), "another address");
    assert!(
        store.place_order(new_order(&pot), None).await.is_ok_and(|p| matches!(p, PlaceOrderOutcome::Done(_)))
    );
    // Paid and old orders don't count against the client.
    let payment = payment_on(&store, held.remove(0)).await;
    apply(&store, &[payment.succeeded()]).await;
    assert!(place_from(&store, &pot, "192.0.2.1", 2).await.is_some());
    assert!(place_from(&store, &pot, "192.0.2.1", 3).await.is_none());
    assert!(place_from(&store, &pot, "192.0.2.1", 3600).await.is_some());
}

async fn concurrent_orders_of_address_stay_within_limit(database: &TestDatabase) {
    let store = store_with(database, |config| config.limits.max_open_orders = 3).await;
    let pot = stored(&store, product()).await;
    let placing = (0..20).map(|_| place_from(&store, &pot, "192.0.2.1", 0));
    let placed = join_all(placing).await.into_iter().flatten().count();
    assert_eq!(placed, 3);
    assert!(place_from(&store, &pot, "192.0.2.1", 0).await.is_none());
}

async fn times_have_microsecond_precision(database: &TestDatabase) {
    let store = database.store().await;
    let pot = stored(&store, product()).await;
    let with_nanoseconds = now() + chrono::Duration::nanoseconds(789);
    let new = NewOrder { now: with_nanoseconds, ..new_order(&pot) };
    let PlaceOrderOutcome::Done(placed) = store.place_order(new, None).await.expect("an answer") else {
        panic!()
    };
    assert_eq!(order(&store, &placed.id).await, placed, "the first reply and a later read");
    let payment = payment_on(&store, placed).await;
    let seen = payment.created().observation();
    let observed =
        store.apply_observation(payment.id, seen, None, None, with_nanoseconds).await.expect("a commit");
    let ObserveOutcome::Merged(observed, _) = observed else { panic!() };
    assert_eq!(order(&store, &observed.id).await, observed);
    let new = Product { created_at: with_nanoseconds, updated_at: with_nanoseconds, ..product() };
    let added = stored(&store, new).await;
    assert_eq!(store.product(added.id.clone()).await.expect("a read"), Some(added));
}

fn reply(order: &Order) -> Reply {
    let secret = Some(ReplySecret::ClientToken(order.id.clone()));
    Reply { status: 201, body: format!(r#"{{"id":"{}"}}"#, order.id), secret }
}

async fn claim(store: &Store, key: &str) -> quittance_persistence::Claim {
    match store.claim_key(idempotent_request(key)).await.expect("an answer") {
        ClaimKeyOutcome::New(claim) => claim,
        other => panic!("{other:?}"),
    }
}

async fn order_and_reply_are_stored_together(database: &TestDatabase) {
    let store = database.store().await;
    let pot = stored(&store, product()).await;
    let completion = Completion { claim: claim(&store, "a").await, render: Arc::new(reply) };
    let PlaceOrderOutcome::Done(placed) =
        store.place_order(new_order(&pot), Some(completion)).await.expect("an answer")
    else {
        panic!()
    };
    let again = store.claim_key(idempotent_request("a")).await.expect("an answer");
    assert!(matches!(&again, ClaimKeyOutcome::Replay(stored) if *stored == reply(&placed)), "{again:?}");
}

async fn order_with_lost_claim_is_not_placed(database: &TestDatabase) {
    let store = database.store().await;
    let pot = stored(&store, product()).await;
    let lost = claim(&store, "a").await;
    let mut later_request = idempotent_request("a");
    (later_request.now, later_request.lease_until) = (later(61), later(121));
    let ClaimKeyOutcome::New(held) = store.claim_key(later_request).await.expect("an answer") else {
        panic!()
    };
    let with = |claim| Some(Completion { claim, render: Arc::new(reply) });
    let refused = store.place_order(new_order(&pot), with(lost.clone())).await;
    assert!(matches!(refused, Err(Error::ClaimLost)), "{refused:?}");
    assert_eq!((rows(database, "orders").await, rows(database, "outbox").await), (0, 0));
    let added = Completion { claim: lost, render: Arc::new(|_: &Product| empty_reply()) };
    let refused = store.insert_product(product(), Some(added)).await;
    assert!(matches!(refused, Err(Error::ClaimLost)), "{refused:?}");
    assert_eq!(rows(database, "products").await, 1);
    // The key's new owner is undisturbed, and the same key doesn't do its work twice.
    let placed = store.place_order(new_order(&pot), with(held.clone())).await;
    assert!(matches!(placed, Ok(PlaceOrderOutcome::Done(_))), "{placed:?}");
    let twice = store.place_order(new_order(&pot), with(held)).await;
    assert!(matches!(twice, Err(Error::ClaimLost)), "{twice:?}");
    assert_eq!(rows(database, "orders").await, 1);
}

fn empty_reply() -> Reply {
    Reply { status: 201, body: "{}".to_owned(), secret: None }
}

async fn refused_order_keeps_claim(database: &TestDatabase) {
    let store = database.store().await;
    let claim = claim(&store, "a").await;
    let completion = Completion { claim: claim.clone(), render: Arc::new(reply) };
    let nothing = NewOrder { items: vec![], id: id(OrderId::from_uuid), ..new_order(&product()) };
    let refused = store.place_order(nothing, Some(completion)).await;
    assert!(matches!(refused, Ok(PlaceOrderOutcome::PricingFailed(PricingError::Empty))), "{refused:?}");
    assert!(matches!(store.claim_key(idempotent_request("a")).await, Ok(ClaimKeyOutcome::InProgress)));
    let answer = Reply { status: 422, body: "{}".to_owned(), secret: None };
    store.complete_key(claim, answer.clone()).await.expect("a commit");
    assert!(
        matches!(store.claim_key(idempotent_request("a")).await, Ok(ClaimKeyOutcome::Replay(stored)) if stored == answer)
    );
}
