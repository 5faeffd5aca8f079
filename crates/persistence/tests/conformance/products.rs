//! Tests of the catalog.

use quittance_domain::catalog::{Metadata, Product};
use quittance_domain::id::ProductId;
use quittance_domain::money::AmountError;
use quittance_persistence::{ChangeProductOutcome, Cursor, ProductChange, ProductVisibility, Store};
use quittance_test_support::{TestDatabase, id, later, money, on_both_databases, product};

on_both_databases! {
    product_read_back_equals_written_one,
    products_are_listed_newest_first_in_pages,
    product_change_keeps_other_fields,
    invalid_price_changes_nothing,
}

async fn product_read_back_equals_written_one(database: &TestDatabase) {
    let store = database.store().await;
    let plain = Product { description: None, metadata: Metadata::new(), active: false, ..product() };
    let odd = Product {
        name: "Grün 🫖 '\"\\ %".to_owned(),
        unit_price: money(999_999_999_999, "jpy"),
        ..product()
    };
    for product in [product(), plain, odd] {
        let stored = store.insert_product(product.clone(), None).await.expect("an insert");
        assert_eq!(stored, product);
        assert_eq!(store.product(product.id.clone()).await.expect("a read"), Some(product));
    }
    assert_eq!(store.product(id(ProductId::from_uuid)).await.expect("a read"), None);
}

async fn ids(
    store: &Store,
    shelf: ProductVisibility,
    limit: u8,
    after: Option<&ProductId>,
) -> (Vec<ProductId>, bool) {
    let cursor = Cursor { limit, starting_after: after.cloned() };
    let page = store.products(shelf, cursor).await.expect("a page");
    (page.data.into_iter().map(|product| product.id).collect(), page.has_more)
}

async fn products_are_listed_newest_first_in_pages(database: &TestDatabase) {
    let store = database.store().await;
    assert_eq!(ids(&store, ProductVisibility::All, 100, None).await, (vec![], false));
    let (mut all, mut active) = (Vec::new(), Vec::new());
    for number in 0..7 {
        let product = Product { active: number % 3 != 0, ..product() };
        all.insert(0, product.id.clone());
        if product.active {
            active.insert(0, product.id.clone());
        }
        store.insert_product(product, None).await.expect("an insert");
    }
    for (shelf, expected) in [(ProductVisibility::All, all), (ProductVisibility::Active, active)] {
        for limit in [1, 2, 3, 7, 100] {
            let (mut seen, mut has_more) = (Vec::new(), true);
            while has_more {
                let page = ids(&store, shelf, limit, seen.last()).await;
                assert!(page.0.len() <= usize::from(limit) && !page.0.is_empty());
                seen.extend(page.0);
                has_more = page.1;
            }
            assert_eq!(seen, expected, "{shelf:?} by {limit}");
        }
    }
}

/// Applies a change to a product.
type Effect = fn(&mut Product);

async fn product_change_keeps_other_fields(database: &TestDatabase) {
    let store = database.store().await;
    let before = store.insert_product(product(), None).await.expect("an insert");
    let mut expected = before.clone();
    let mut changes: Vec<(ProductChange, Effect)> = vec![
        (ProductChange::default(), |_| ()),
        (ProductChange { name: Some("Kettle".into()), ..Default::default() }, |p| p.name = "Kettle".into()),
        (ProductChange { description: Some(None), ..Default::default() }, |p| p.description = None),
        (ProductChange { description: Some(Some("x".into())), ..Default::default() }, |p| {
            p.description = Some("x".into());
        }),
        (ProductChange { unit_amount: Some(99), ..Default::default() }, |p| p.unit_price = money(99, "eur")),
        (ProductChange { active: Some(false), ..Default::default() }, |p| p.active = false),
        (ProductChange { metadata: Some(Metadata::new()), ..Default::default() }, |p| p.metadata.clear()),
    ];
    let currency = Some("jpy".parse().expect("a currency"));
    changes.push((ProductChange { currency, ..Default::default() }, |p| p.unit_price = money(99, "jpy")));
    for (number, (change, effect)) in changes.into_iter().enumerate() {
        let at = later(i64::try_from(number).expect("a few"));
        effect(&mut expected);
        expected.updated_at = at;
        match store.change_product(before.id.clone(), change, at).await.expect("a change") {
            ChangeProductOutcome::Done(product) => assert_eq!(product, expected),
            other => panic!("{other:?}"),
        }
        assert_eq!(store.product(before.id.clone()).await.expect("a read").as_ref(), Some(&expected));
    }
    let nobody = store.change_product(id(ProductId::from_uuid), ProductChange::default(), later(9)).await;
    assert!(matches!(nobody, Ok(ChangeProductOutcome::NotFound)), "{nobody:?}");
}

async fn invalid_price_changes_nothing(database: &TestDatabase) {
    let store = database.store().await;
    let before = store.insert_product(product(), None).await.expect("an insert");
    let currency = Some("isk".parse().expect("a currency"));
    for change in [
        ProductChange { currency, name: Some("Kettle".into()), ..Default::default() },
        ProductChange { unit_amount: Some(-1), ..Default::default() },
    ] {
        let changed = store.change_product(before.id.clone(), change, later(1)).await.expect("an answer");
        let expected = |error| matches!(error, AmountError::WrongStep { .. } | AmountError::Negative);
        assert!(matches!(changed, ChangeProductOutcome::Price(error) if expected(error)), "{changed:?}");
        assert_eq!(store.product(before.id.clone()).await.expect("a read").as_ref(), Some(&before));
    }
}
