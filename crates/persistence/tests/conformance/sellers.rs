//! Tests of sellers: creating, connecting and changing them, and selling through them.

use quittance_domain::catalog::{Metadata, Product};
use quittance_domain::id::SellerId;
use quittance_domain::order::PricingError;
use quittance_domain::payment::Mode;
use quittance_domain::seller::{
    AccountState, ChargeType, ConnectionStatus, FeeTerms, InvalidFee, Origin, Seller, SellerTerms,
};
use quittance_persistence::{
    ChangeOrderOutcome, ChangeProductOutcome, ChangeSellerOutcome, ConnectSeller, Cursor, CustomerChange,
    Error, NewOrder, NewSeller, OrderChange, PendingSeller, PlaceOrderOutcome, ProductChange, SellerChange,
    SellerFilter, SellerWork, Store, WorkClaim,
};
use quittance_test_support::{
    NOW_S, TestDatabase, account_state, connect, connecting, id, later, new_order, now, on_both_databases,
    place_through, product, quantity,
};

use crate::{order, rows};

on_both_databases! {
    created_account_is_recorded,
    refused_seller_is_deleted,
    account_connected_twice_is_one_seller,
    sellers_are_filtered,
    seller_change_keeps_other_terms,
    order_keeps_seller_terms_after_change,
    order_with_two_sellers_is_refused,
    product_of_unknown_seller_is_refused,
    stripe_product_is_recorded_once,
}

pub(crate) fn new_seller() -> NewSeller {
    NewSeller {
        id: id(SellerId::from_uuid),
        mode: Mode::Test,
        request: "type=express".to_owned(),
        charge_type: ChargeType::Destination,
        fee: FeeTerms::new(250, 30, 50).expect("terms"),
        reference: Some("shop-7".to_owned()),
        metadata: Metadata::from([("tier".to_owned(), "gold".to_owned())]),
        now: now(),
        resume_at: later(30),
    }
}

pub(crate) async fn claim(store: &Store, seconds: i64) -> Vec<PendingSeller> {
    let claim = WorkClaim { now: later(seconds), lease_until: later(seconds + 60), limit: 10 };
    store.claim_seller_checks(claim).await.expect("a commit")
}

pub(crate) async fn seller(store: &Store, id: &SellerId) -> Seller {
    store.seller(id.clone()).await.expect("a read").expect("a seller")
}

pub(crate) fn no_change(id: &SellerId) -> SellerChange {
    SellerChange {
        id: id.clone(),
        charge_type: None,
        fee_basis_points: None,
        fee_fixed: None,
        fee_minimum: None,
        reference: None,
        metadata: None,
        now: later(1),
    }
}

async fn change(store: &Store, change: SellerChange) -> Seller {
    match store.change_seller(change).await.expect("an answer") {
        ChangeSellerOutcome::Done(seller) => seller,
        other => panic!("{other:?}"),
    }
}

async fn created_account_is_recorded(database: &TestDatabase) {
    let store = database.store().await;
    let new = new_seller();
    let inserted = store.insert_seller(new.clone(), None).await.expect("a seller");
    assert_eq!(seller(&store, &new.id).await, inserted);
    assert_eq!((&inserted.account_id, inserted.origin), (&None, Origin::Created));
    assert_eq!((inserted.fee, &inserted.reference), (new.fee, &new.reference));
    assert!(claim(&store, 29).await.is_empty());
    let claimed = claim(&store, 30).await;
    assert_eq!((&claimed[0].work, claimed[0].check_count), (&SellerWork::Make(new.request.clone()), 1));
    assert!(claim(&store, 89).await.is_empty(), "it is taken");
    assert_eq!(claim(&store, 90).await[0].check_count, 2);
    let made = |account: &str| {
        store.record_created_account(
            new.id.clone(),
            account.to_owned(),
            NOW_S + 91,
            account_state(),
            later(91),
        )
    };
    let first = made("acct_made").await.expect("a commit");
    assert_eq!(
        (first.account_id.as_deref(), first.connection_status),
        (Some("acct_made"), ConnectionStatus::Connected)
    );
    assert_eq!(first.snapshot.state, Some(account_state()));
    // The account never changes.
    assert_eq!(made("acct_other").await.expect("a commit").account_id.as_deref(), Some("acct_made"));
    assert_eq!(claim(&store, 93).await[0].work, SellerWork::Read, "earlier events were ignored");
}

async fn refused_seller_is_deleted(database: &TestDatabase) {
    let store = database.store().await;
    let new = store.insert_seller(new_seller(), None).await.expect("a seller");
    store.refuse_seller(new.id.clone()).await.expect("a commit");
    assert_eq!(store.seller(new.id).await.expect("a read"), None);
    assert!(claim(&store, 100).await.is_empty());
    // A seller with an account isn't deleted.
    let connected = connect(&store, "acct_a", ChargeType::Direct).await;
    store.refuse_seller(connected.id.clone()).await.expect("a commit");
    assert_eq!(seller(&store, &connected.id).await, connected);
}

async fn account_connected_twice_is_one_seller(database: &TestDatabase) {
    let stores = [database.store().await, database.store().await];
    let connects = (0..10).map(|number| {
        let store = stores[number % 2].clone();
        tokio::spawn(async move { connect(&store, "acct_a", ChargeType::Direct).await })
    });
    let mut ids: Vec<SellerId> = Vec::new();
    for connected in futures_util::future::join_all(connects).await {
        ids.push(connected.expect("a task").id);
    }
    ids.dedup();
    assert_eq!((ids.len(), rows(database, "sellers").await), (1, 1));
    let told = database.texts("SELECT kind AS value FROM outbox").await;
    assert_eq!(told, ["seller.ready"]);
    // A known seller keeps its terms when it reconnects.
    let again = ConnectSeller { began_s: NOW_S + 9, ..connecting("acct_a", ChargeType::Destination) };
    let again = stores[0].connect_seller(again).await.expect("a seller");
    assert_eq!((&again.id, again.charge_type), (&ids[0], ChargeType::Direct));
    // An account that couldn't be read is read immediately. Until then, the seller isn't ready.
    let unread = ConnectSeller { state: None, ..connecting("acct_b", ChargeType::Direct) };
    let unread = stores[0].connect_seller(unread).await.expect("a seller");
    assert_eq!((unread.connection_status, unread.snapshot.state), (ConnectionStatus::Connected, None));
    assert_eq!(claim(&stores[0], 0).await[0].seller.id, unread.id);
}

async fn sellers_are_filtered(database: &TestDatabase) {
    let store = database.store().await;
    let made = store.insert_seller(new_seller(), None).await.expect("a seller");
    let ready = connect(&store, "acct_a", ChargeType::Direct).await;
    let state = AccountState { charges_enabled: false, ..account_state() };
    let blocked = ConnectSeller { state: Some(state), ..connecting("acct_b", ChargeType::Direct) };
    let blocked = store.connect_seller(blocked).await.expect("a seller");
    let find = async |filter: SellerFilter, limit: u8, starting_after: Option<&Seller>| {
        let cursor = Cursor { limit, starting_after: starting_after.map(|seller| seller.id.clone()) };
        let page = store.sellers(filter, cursor).await.expect("a read");
        let ids: Vec<SellerId> = page.data.into_iter().map(|seller| seller.id).collect();
        (ids, page.has_more)
    };
    let all = [&blocked, &ready, &made].map(|seller| seller.id.clone());
    let any = SellerFilter::default;
    assert_eq!(find(any(), 3, None).await, (all.to_vec(), false));
    assert_eq!(find(any(), 2, None).await, (all[..2].to_vec(), true));
    assert_eq!(find(any(), 2, Some(&ready)).await, (all[2..].to_vec(), false));
    let is_ready = |ready| SellerFilter { ready: Some(ready), ..any() };
    assert_eq!(find(is_ready(true), 5, None).await.0, std::slice::from_ref(&ready.id));
    assert_eq!(find(is_ready(false), 1, None).await, (vec![blocked.id.clone()], true));
    assert_eq!(find(is_ready(false), 1, Some(&blocked)).await, (vec![made.id.clone()], false));
    let reference = SellerFilter { reference: Some("shop-7".to_owned()), ..any() };
    assert_eq!(find(reference, 5, None).await.0, [made.id]);
    let account = SellerFilter { account_id: Some("acct_a".to_owned()), ..any() };
    assert_eq!(find(account, 5, None).await.0, [ready.id]);
}

async fn seller_change_keeps_other_terms(database: &TestDatabase) {
    let store = database.store().await;
    let before = connect(&store, "acct_a", ChargeType::Direct).await;
    let dearer = change(&store, SellerChange { fee_fixed: Some(20), ..no_change(&before.id) }).await;
    assert_eq!((dearer.fee, dearer.version), (FeeTerms::new(300, 20, 0).expect("terms"), before.version + 1));
    let named = SellerChange { reference: Some(Some("r".to_owned())), ..no_change(&before.id) };
    assert_eq!(change(&store, named).await.reference.as_deref(), Some("r"));
    let unnamed = SellerChange { reference: Some(None), ..no_change(&before.id) };
    assert_eq!(change(&store, unnamed).await.reference, None);
    let version = seller(&store, &before.id).await.version;
    assert_eq!(change(&store, no_change(&before.id)).await.version, version, "nothing has changed");
    let wrong = SellerChange { fee_minimum: Some(-1), ..no_change(&before.id) };
    let refused = store.change_seller(wrong).await.expect("an answer");
    assert!(matches!(refused, ChangeSellerOutcome::Fee(InvalidFee::Minimum)), "{refused:?}");
    let nobody = store.change_seller(no_change(&id(SellerId::from_uuid))).await.expect("an answer");
    assert!(matches!(nobody, ChangeSellerOutcome::NotFound));
    // Its readiness hasn't changed, so no event is published.
    assert_eq!(database.texts("SELECT kind AS value FROM outbox").await, ["seller.ready"]);
}

async fn order_keeps_seller_terms_after_change(database: &TestDatabase) {
    let store = database.store().await;
    let through = connect(&store, "acct_a", ChargeType::Direct).await;
    let placed = place_through(&store, &through).await;
    let terms = SellerTerms {
        seller_id: through.id.clone(),
        account_id: "acct_a".to_owned(),
        charge_type: ChargeType::Direct,
        application_fee: 75,
    };
    assert_eq!(placed.seller_terms.as_ref(), Some(&terms));
    let dearer = SellerChange {
        charge_type: Some(ChargeType::Destination),
        fee_basis_points: Some(1000),
        ..no_change(&through.id)
    };
    change(&store, dearer).await;
    assert_eq!(order(&store, &placed.id).await, placed);
    let items = vec![(placed.lines[0].product_id.clone(), quantity(1))];
    let repriced = OrderChange {
        id: placed.id.clone(),
        customer: CustomerChange::default(),
        shipping: None,
        metadata: None,
        items: Some(items),
        now: later(2),
    };
    let ChangeOrderOutcome::Done(repriced) = store.change_order(repriced).await.expect("an answer") else {
        panic!()
    };
    let terms = SellerTerms { charge_type: ChargeType::Destination, application_fee: 125, ..terms };
    assert_eq!(repriced.seller_terms, Some(terms));
    assert_eq!(order(&store, &placed.id).await, repriced);
}

async fn product_of(store: &Store, seller: Option<&Seller>) -> Product {
    let product = Product { seller_id: seller.map(|seller| seller.id.clone()), ..product() };
    store.insert_product(product, None).await.expect("a product")
}

async fn order_with_two_sellers_is_refused(database: &TestDatabase) {
    let store = database.store().await;
    let one = connect(&store, "acct_a", ChargeType::Direct).await;
    let two = connect(&store, "acct_b", ChargeType::Direct).await;
    let products = [
        product_of(&store, Some(&one)).await,
        product_of(&store, Some(&two)).await,
        product_of(&store, None).await,
    ];
    for (first, second) in [(0, 1), (0, 2), (2, 1)] {
        let items = [first, second].map(|place: usize| (products[place].id.clone(), quantity(1))).to_vec();
        let mixed = NewOrder { items, ..new_order(&products[0]) };
        let refused = store.place_order(mixed, None).await.expect("an answer");
        assert!(
            matches!(refused, PlaceOrderOutcome::PricingFailed(PricingError::MixedSellers { line: 1 })),
            "{refused:?}"
        );
    }
    assert_eq!(rows(database, "orders").await, 0);
}

async fn product_of_unknown_seller_is_refused(database: &TestDatabase) {
    let store = database.store().await;
    let unmade = store.insert_seller(new_seller(), None).await.expect("a seller");
    let known = connect(&store, "acct_a", ChargeType::Direct).await;
    let ours = product_of(&store, None).await;
    let seller_terms = |seller_id| ProductChange { seller_id: Some(seller_id), ..ProductChange::default() };
    for nobody in [id(SellerId::from_uuid), unmade.id] {
        let product = Product { seller_id: Some(nobody.clone()), ..product() };
        let refused = store.insert_product(product, None).await;
        assert!(matches!(refused, Err(Error::UnknownSeller)), "{refused:?}");
        let refused = store.change_product(ours.id.clone(), seller_terms(Some(nobody)), later(1)).await;
        assert!(matches!(refused, Ok(ChangeProductOutcome::UnknownSeller)), "{refused:?}");
    }
    for seller_id in [Some(known.id), None] {
        let changed = store.change_product(ours.id.clone(), seller_terms(seller_id.clone()), later(1)).await;
        let Ok(ChangeProductOutcome::Done(changed)) = changed else { panic!("{changed:?}") };
        assert_eq!(changed.seller_id, seller_id);
        assert_eq!(store.product(ours.id.clone()).await.expect("a read"), Some(changed));
    }
}

async fn stripe_product_is_recorded_once(database: &TestDatabase) {
    let store = database.store().await;
    let one = connect(&store, "acct_a", ChargeType::Direct).await;
    let two = connect(&store, "acct_b", ChargeType::Direct).await;
    let pot = product_of(&store, Some(&one)).await;
    let set = async |seller: &Seller, made: &str| {
        store.set_stripe_product(pot.id.clone(), seller.id.clone(), made.to_owned()).await.expect("a commit")
    };
    assert_eq!(store.stripe_product(pot.id.clone()).await.expect("a read"), None);
    assert_eq!(set(&one, "prod_1").await.as_deref(), Some("prod_1"));
    assert_eq!(set(&one, "prod_2").await.as_deref(), Some("prod_1"), "the first ID is kept");
    assert_eq!(set(&two, "prod_3").await, None);
    let moved = ProductChange { seller_id: Some(Some(two.id.clone())), ..ProductChange::default() };
    store.change_product(pot.id.clone(), moved, later(1)).await.expect("an answer");
    assert_eq!(store.stripe_product(pot.id.clone()).await.expect("a read"), None);
    assert_eq!(set(&one, "prod_4").await, None);
    assert_eq!(set(&two, "prod_5").await.as_deref(), Some("prod_5"));
    assert_eq!(store.stripe_product(pot.id.clone()).await.expect("a read").as_deref(), Some("prod_5"));
}
