//! Tests that the total is the exact sum of the lines, that invalid items are rejected, and that pricing never
//! panics.

use chrono::DateTime;
use proptest::prelude::*;
use proptest::sample::select;
use quittance_domain::catalog::{Metadata, Product};
use quittance_domain::id::{ProductId, SellerId};
use quittance_domain::money::{Currency, MAX_MINOR, Money};
use quittance_domain::order::{MAX_QUANTITY, PricingError, Quantity, price};
use uuid::Uuid;

type Item = (Option<Product>, Quantity);

fn product(unit_price: Money) -> Product {
    Product {
        id: ProductId::from_uuid(Uuid::from_u128(7)),
        name: "Tea".to_owned(),
        description: None,
        unit_price,
        active: true,
        stock: None,
        seller_id: None,
        metadata: Metadata::new(),
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
    }
}

fn item(minor: i64, currency: &str, quantity: u32) -> Item {
    let unit_price = Money::new(minor, currency.parse().unwrap()).unwrap();
    (Some(product(unit_price)), Quantity::try_from(quantity).unwrap())
}

/// Prices in the currency's steps, including the smallest and the largest.
fn unit_prices(currency: Currency) -> impl Strategy<Value = Money> {
    let step = currency.minor_unit().step();
    let steps = prop_oneof![
        1 => Just(0),
        1 => Just(MAX_MINOR / step),
        4 => 0..=100_000_i64,
        2 => 0..=MAX_MINOR / step,
    ];
    steps.prop_map(move |steps| Money::new(steps * step, currency).unwrap())
}

fn currencies() -> impl Strategy<Value = Currency> {
    select(["eur", "jpy", "isk", "kwd"].map(|code| code.parse::<Currency>().unwrap()).to_vec())
}

fn quantities() -> impl Strategy<Value = Quantity> {
    prop_oneof![Just(1), Just(MAX_QUANTITY), 1..=MAX_QUANTITY].prop_map(|n| Quantity::try_from(n).unwrap())
}

/// Valid items with one currency.
fn plain_baskets() -> impl Strategy<Value = Vec<Item>> {
    currencies().prop_flat_map(|currency| {
        let item = (unit_prices(currency).prop_map(|price| Some(product(price))), quantities());
        proptest::collection::vec(item, 0..12)
    })
}

/// Items that may be invalid.
fn baskets() -> impl Strategy<Value = Vec<Item>> {
    let seller_id = proptest::option::weighted(0.9, 0_u128..2)
        .prop_map(|seller| seller.map(|seller| SellerId::from_uuid(Uuid::from_u128(seller))));
    let product = (currencies().prop_flat_map(unit_prices), proptest::bool::weighted(0.9), seller_id)
        .prop_map(|(price, active, seller_id)| Product { active, seller_id, ..product(price) });
    proptest::collection::vec((proptest::option::weighted(0.9, product), quantities()), 0..6)
}

/// Returns price times quantity for each line, without a limit.
fn exact_amounts(items: &[Item]) -> Vec<i128> {
    let amount = |(product, quantity): &Item| {
        product.as_ref().map_or(0, |product| i128::from(product.unit_price.minor()))
            * i128::from(quantity.get())
    };
    items.iter().map(amount).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn total_is_the_exact_sum_of_the_lines(items in plain_baskets()) {
        let amounts = exact_amounts(&items);
        let exact: i128 = amounts.iter().sum();
        match price(&items) {
            Ok((lines, total)) => {
                prop_assert_eq!(i128::from(total.minor()), exact);
                prop_assert!(total.minor() > 0 && total.minor() <= MAX_MINOR);
                prop_assert_eq!(lines.len(), items.len());
                for ((line, (product, quantity)), amount) in lines.iter().zip(&items).zip(&amounts) {
                    let product = product.as_ref().unwrap();
                    prop_assert_eq!(i128::from(line.amount.minor()), *amount);
                    prop_assert_eq!(line.amount.currency(), total.currency());
                    prop_assert_eq!(
                        (&line.product_id, &line.name, line.unit_price, line.quantity),
                        (&product.id, &product.name, product.unit_price, *quantity)
                    );
                }
            }
            Err(PricingError::Empty) => prop_assert!(items.is_empty()),
            Err(PricingError::Free) => prop_assert!(!items.is_empty() && exact == 0),
            Err(PricingError::TooLarge) => prop_assert!(exact > i128::from(MAX_MINOR)),
            Err(error) => prop_assert!(false, "{error:?} in a basket where all is for sale"),
        }
    }

    #[test]
    fn invalid_items_are_rejected_with_a_true_reason(items in baskets()) {
        let sold = |item: &Item| item.0.as_ref().is_some_and(|product| product.active);
        let currency = |item: &Item| item.0.as_ref().map(|product| product.unit_price.currency());
        let exact: i128 = exact_amounts(&items).iter().sum();
        let seller = |item: &Item| item.0.as_ref().map(|product| product.seller_id.clone());
        let one_seller = items.iter().all(|item| seller(item) == seller(&items[0]));
        let one_currency = items.iter().all(|item| currency(item) == currency(&items[0]));
        match price(&items) {
            Ok((_, total)) => {
                prop_assert!(!items.is_empty() && items.iter().all(sold) && one_currency && one_seller);
                prop_assert_eq!(i128::from(total.minor()), exact);
            }
            Err(PricingError::Empty) => prop_assert!(items.is_empty()),
            Err(PricingError::NotForSale { line }) => prop_assert!(!sold(&items[line])),
            Err(PricingError::MixedCurrencies { line }) => {
                prop_assert!(line > 0 && currency(&items[line]) != currency(&items[0]));
            }
            Err(PricingError::MixedSellers { line }) => {
                prop_assert!(line > 0 && seller(&items[line]) != seller(&items[0]));
            }
            Err(PricingError::Free) => prop_assert_eq!(exact, 0),
            Err(PricingError::TooLarge) => prop_assert!(exact > i128::from(MAX_MINOR)),
        }
    }

    #[test]
    fn number_outside_quantity_range_is_rejected(number: u32) {
        let quantity = Quantity::try_from(number);
        prop_assert_eq!(quantity.is_ok(), (1..=MAX_QUANTITY).contains(&number));
        if let Ok(quantity) = quantity {
            prop_assert_eq!(quantity.get(), number);
        }
    }
}

#[test]
fn quantity_limits_are_inclusive() {
    for (number, is_quantity) in [(0, false), (1, true), (MAX_QUANTITY, true), (MAX_QUANTITY + 1, false)] {
        assert_eq!(Quantity::try_from(number).is_ok(), is_quantity, "{number}");
    }
}

#[test]
fn rejected_items_have_the_matching_reason() {
    let not_sold = |item: Item| (item.0.map(|product| Product { active: false, ..product }), item.1);
    let cases = [
        ("nothing in it", vec![], PricingError::Empty),
        ("unknown", vec![(None, item(1, "eur", 1).1)], PricingError::NotForSale { line: 0 }),
        (
            "taken out of sale, in second place",
            vec![item(100, "eur", 1), not_sold(item(100, "eur", 1))],
            PricingError::NotForSale { line: 1 },
        ),
        (
            "two currencies",
            vec![item(100, "eur", 1), item(100, "eur", 2), item(100, "usd", 1)],
            PricingError::MixedCurrencies { line: 2 },
        ),
        (
            "two currencies, and the first line costs nothing",
            vec![item(0, "eur", 1), item(100, "usd", 1)],
            PricingError::MixedCurrencies { line: 1 },
        ),
        ("free", vec![item(0, "eur", 1), item(0, "eur", MAX_QUANTITY)], PricingError::Free),
        ("one line too large", vec![item(MAX_MINOR, "eur", 2)], PricingError::TooLarge),
        ("one line far too large", vec![item(MAX_MINOR, "eur", MAX_QUANTITY)], PricingError::TooLarge),
        ("one cent too much", vec![item(MAX_MINOR, "eur", 1), item(1, "eur", 1)], PricingError::TooLarge),
    ];
    for (name, items, refusal) in cases {
        assert_eq!(price(&items), Err(refusal), "{name}");
    }
}

#[test]
fn largest_amount_is_accepted() {
    let (lines, total) = price(&[item(MAX_MINOR - 1, "eur", 1), item(1, "eur", 1)]).unwrap();
    assert_eq!((lines.len(), total.minor()), (2, MAX_MINOR));
}
