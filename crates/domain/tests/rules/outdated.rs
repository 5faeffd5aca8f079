//! Tests of whether an attempt matches its order's total and seller terms.

use quittance_domain::id::SellerId;
use quittance_domain::money::{Currency, Money};
use quittance_domain::order::is_outdated;
use quittance_domain::payment::{Account, ExpectedPayment, Mode};
use quittance_domain::seller::{ChargeType, SellerTerms};
use uuid::Uuid;

fn euros(minor: i64) -> Money {
    let eur: Currency = "eur".parse().expect("a currency");
    Money::new(minor, eur).expect("a valid amount")
}

/// An attempt to pay 25 EUR through a seller, with a fee of 7 cents.
fn expected() -> ExpectedPayment {
    ExpectedPayment {
        account: Account::connected("acct_1"),
        mode: Mode::Test,
        amount: euros(2_500),
        application_fee: Some(7),
    }
}

fn terms(charge_type: ChargeType, application_fee: i64) -> SellerTerms {
    SellerTerms {
        seller_id: SellerId::from_uuid(Uuid::from_u128(1)),
        account_id: "acct_1".to_owned(),
        charge_type,
        application_fee,
    }
}

#[test]
fn attempt_with_unchanged_terms_is_current() {
    let terms = terms(ChargeType::Direct, 7);

    assert!(!is_outdated(&expected(), None, euros(2_500), Some(&terms)));
}

#[test]
fn attempt_for_another_total_is_outdated() {
    let terms = terms(ChargeType::Direct, 7);

    assert!(is_outdated(&expected(), None, euros(2_400), Some(&terms)));
}

#[test]
fn attempt_with_another_fee_is_outdated() {
    let terms = terms(ChargeType::Direct, 8);

    assert!(is_outdated(&expected(), None, euros(2_500), Some(&terms)));
}

#[test]
fn direct_charge_is_outdated_once_seller_takes_destination_charges() {
    let terms = terms(ChargeType::Destination, 7);

    assert!(is_outdated(&expected(), None, euros(2_500), Some(&terms)));
}

#[test]
fn attempt_through_seller_is_outdated_once_platform_sells() {
    assert!(is_outdated(&expected(), None, euros(2_500), None));
}
