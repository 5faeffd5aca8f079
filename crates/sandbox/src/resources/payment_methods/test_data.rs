//! From test numbers and test names to payment methods.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{AccountHolderType, AccountType, AllowRedisplay, Card, Details, PaymentMethod};
use crate::api_error::ApiError;
use crate::ids;
use crate::params::{Change, Params};
use crate::resources::address::BillingDetails;
use crate::test_banks::{TEST_ROUTING_NUMBER, TestAccount};
use crate::test_cards::{Behavior, TestCard, passes_luhn};
use crate::test_quirks::Quirk;

const SECONDS_PER_YEAR: i64 = 31_556_952;

fn year_of(now_seconds: i64) -> i64 {
    1970 + now_seconds / SECONDS_PER_YEAR
}

/// The same number has the same fingerprint. Only test numbers come here.
fn fingerprint(number: &str) -> String {
    hex::encode(&Sha256::digest(number)[..8])
}

fn new(details: Details, number: &str, last4: &str, behavior: Behavior, now_seconds: i64) -> PaymentMethod {
    PaymentMethod {
        id: ids::object("pm"),
        created: now_seconds,
        billing_details: BillingDetails::default(),
        customer: None,
        metadata: BTreeMap::new(),
        allow_redisplay: AllowRedisplay::Unspecified,
        details,
        last4: last4.to_owned(),
        fingerprint: fingerprint(number),
        behavior,
        quirk: Quirk::None,
        is_set_up: false,
    }
}

fn of_card(card: &TestCard, expiry: (i64, i64), has_cvc: bool, now_seconds: i64) -> PaymentMethod {
    let details = Details::Card(Card {
        brand: card.brand.to_owned(),
        country: card.country.to_owned(),
        funding: card.funding.to_owned(),
        exp_month: expiry.0,
        exp_year: expiry.1,
        has_cvc,
        supports_3d_secure: card.supports_3d_secure(),
    });
    let method = new(details, card.number, card.last4(), card.behavior, now_seconds);
    PaymentMethod { quirk: card.quirk, ..method }
}

fn of_sepa(account: &TestAccount, now_seconds: i64) -> PaymentMethod {
    let details = Details::SepaDebit {
        country: account.number[..2].to_owned(),
        bank_code: account.number[4..9].to_owned(),
    };
    new(details, account.number, account.last4(), account.behavior, now_seconds)
}

fn of_us_account(
    account: &TestAccount,
    holder: AccountHolderType,
    account_type: AccountType,
    now_seconds: i64,
) -> PaymentMethod {
    let details = Details::UsBankAccount { holder, account_type };
    new(details, account.number, account.last4(), account.behavior, now_seconds)
}

impl PaymentMethod {
    /// A new one of a name of the testing page: `pm_card_visa`, `pm_usBankAccount_success`, …
    pub(super) fn of_test_name(name: &str, now_seconds: i64) -> Option<Self> {
        if let Some(card) = TestCard::by_name(name).filter(|_| name.starts_with("pm_")) {
            return Some(of_card(card, (8, year_of(now_seconds) + 1), true, now_seconds));
        }
        let mut method = if let Some(account) = TestAccount::by_us_name(name) {
            of_us_account(account, AccountHolderType::Individual, AccountType::Checking, now_seconds)
        } else {
            of_sepa(TestAccount::by_sepa_name(name)?, now_seconds)
        };
        method.billing_details = BillingDetails::of_test_account();
        Some(method)
    }
}

/// Reads `card`: a number with its expiry, or a test token.
pub(super) fn parse_card(params: &mut Params, now_seconds: i64) -> Result<PaymentMethod, ApiError> {
    let mut card = params.nested("card")?.ok_or_else(|| params.missing("card"))?;
    if let Some(token) = card.string("token")? {
        card.finish()?;
        let known = TestCard::by_name(&token).filter(|_| token.starts_with("tok_"));
        let known =
            known.ok_or_else(|| ApiError::missing("token", &token, "card[token]").with_status(400))?;
        return Ok(of_card(known, (8, year_of(now_seconds) + 1), true, now_seconds));
    }
    let number: String = card.required_string("number")?.split([' ', '-']).collect();
    let month = card.required_integer("exp_month")?;
    let year = card.required_integer("exp_year")?;
    let cvc = card.string("cvc")?;
    card.refuse_unsupported(&["networks"])?;
    card.finish()?;

    let known = find_card(&number)?;
    let invalid =
        |message: &str, code, param: &str| Err(ApiError::card_data(message, code).with_param(param));
    if !(1..=12).contains(&month) {
        return invalid("Your card's expiration month is invalid.", "invalid_expiry_month", "exp_month");
    }
    let year = if (0..100).contains(&year) { year + 2000 } else { year };
    let this_year = year_of(now_seconds);
    if year < this_year || year > this_year + 50 {
        return invalid("Your card's expiration year is invalid.", "invalid_expiry_year", "exp_year");
    }
    let cvc_length = if known.brand == "amex" { 3..=4 } else { 3..=3 };
    if cvc.as_ref().is_some_and(|cvc| {
        !cvc_length.contains(&cvc.len()) || !cvc.chars().all(|character| character.is_ascii_digit())
    }) {
        return invalid("Your card's security code is invalid.", "invalid_cvc", "cvc");
    }
    Ok(of_card(known, (month, year), cvc.is_some(), now_seconds))
}

/// Only test cards pass. The errors are Stripe's, and do not repeat the number.
fn find_card(number: &str) -> Result<&'static TestCard, ApiError> {
    if let Some(card) = TestCard::by_number(number) {
        return Ok(card);
    }
    let error = if passes_luhn(number) {
        ApiError::card_data(
            "Your card was declined. Your request was in test mode, but used a non test card. For a list of \
             valid test cards, visit: https://stripe.com/docs/testing.",
            "card_declined",
        )
        .with("decline_code", "test_mode_live_card")
    } else {
        ApiError::card_data("Your card number is incorrect.", "incorrect_number")
    };
    Err(error.with_param("number"))
}

/// Reads `sepa_debit[iban]`.
pub(super) fn parse_sepa_debit(params: &mut Params, now_seconds: i64) -> Result<PaymentMethod, ApiError> {
    let mut debit = params.nested("sepa_debit")?.ok_or_else(|| params.missing("sepa_debit"))?;
    let iban = debit.required_string("iban")?;
    let account = TestAccount::by_iban(&iban).ok_or_else(|| {
        debit
            .invalid("iban", "The IBAN you provided is invalid, or is not one of the sandbox's test IBANs.")
            .with_code("invalid_bank_account_iban")
    })?;
    debit.finish()?;
    Ok(of_sepa(account, now_seconds))
}

/// Reads `us_bank_account`.
pub(super) fn parse_us_bank_account(
    params: &mut Params,
    now_seconds: i64,
) -> Result<PaymentMethod, ApiError> {
    let mut bank = params.nested("us_bank_account")?.ok_or_else(|| params.missing("us_bank_account"))?;
    let holder = bank.word("account_holder_type")?.unwrap_or(AccountHolderType::Individual);
    let account_type = bank.word("account_type")?.unwrap_or(AccountType::Checking);
    let number = bank.required_string("account_number")?;
    let routing = bank.required_string("routing_number")?;
    if routing != TEST_ROUTING_NUMBER {
        return Err(bank
            .invalid(
                "routing_number",
                format!("In test mode the routing number must be {TEST_ROUTING_NUMBER}."),
            )
            .with_code("routing_number_invalid"));
    }
    let account = TestAccount::by_us_number(&number).ok_or_else(|| {
        bank.invalid(
            "account_number",
            "You must use a test bank account number in test mode. Try 000123456789 or see more options at \
             https://stripe.com/docs/testing.",
        )
        .with_code("account_number_invalid")
    })?;
    bank.finish()?;
    Ok(of_us_account(account, holder, account_type, now_seconds))
}

/// Reads `multibanco`, which has no fields: an empty object, which arrives as an empty text.
pub(super) fn parse_multibanco(params: &mut Params, now_seconds: i64) -> Result<PaymentMethod, ApiError> {
    if let Change::Set(fields) = params.object("multibanco")? {
        fields.finish()?;
    }
    Ok(new(Details::Multibanco, "", "", Behavior::AwaitsVoucher, now_seconds))
}
