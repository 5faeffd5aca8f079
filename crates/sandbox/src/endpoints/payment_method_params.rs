//! Parameters of payment methods: test numbers, test tokens and test names.

use crate::http::error::ApiError;
use crate::http::params::{Change, Params};
use crate::objects::payment_method::{
    self, AccountHolderType, AllowRedisplay, BankAccountType, Details, PaymentMethod,
};
use crate::objects::payment_method_type::PaymentMethodType;
use crate::operations::payment_methods;
use crate::state::Tx;
use crate::test_data::banks::{TEST_ROUTING_NUMBER, TestAccount};
use crate::test_data::behavior::Behavior;
use crate::test_data::cards::{TestCard, passes_luhn};

/// The payment method in a request.
pub(crate) enum PaymentMethodParam {
    Id(String),
    Data(Box<PaymentMethod>),
}

impl PaymentMethodParam {
    /// Reads `payment_method` or `payment_method_data`.
    pub(crate) fn parse(params: &mut Params, now_seconds: i64) -> Result<Option<Self>, ApiError> {
        let id = params.string("payment_method")?;
        match (id, params.nested("payment_method_data")?) {
            (Some(_), Some(_)) => Err(params.invalid(
                "payment_method_data",
                "You may only specify one of these parameters: payment_method, payment_method_data.",
            )),
            (Some(id), None) => Ok(Some(Self::Id(id))),
            (None, Some(data)) => Ok(Some(Self::Data(Box::new(parse(data, now_seconds)?)))),
            (None, None) => Ok(None),
        }
    }

    pub(crate) fn resolve(self, tx: &Tx<'_>) -> Result<PaymentMethod, ApiError> {
        match self {
            Self::Id(id) => payment_methods::resolve(tx, &id),
            Self::Data(method) => Ok(*method),
        }
    }
}

/// Reads a new payment method, from `POST /v1/payment_methods` or `payment_method_data`.
pub(crate) fn parse(mut params: Params, now_seconds: i64) -> Result<PaymentMethod, ApiError> {
    let type_ = params.enum_value::<PaymentMethodType>("type")?.ok_or_else(|| params.missing("type"))?;
    let mut method = match type_ {
        PaymentMethodType::Card => parse_card(&mut params, now_seconds)?,
        PaymentMethodType::SepaDebit => parse_sepa_debit(&mut params, now_seconds)?,
        PaymentMethodType::UsBankAccount => parse_us_bank_account(&mut params, now_seconds)?,
        PaymentMethodType::Multibanco => parse_multibanco(&mut params, now_seconds)?,
    };
    if let Some(details) = params.nested("billing_details")? {
        method.billing_details.update(details)?;
    }
    let is_debit = matches!(type_, PaymentMethodType::SepaDebit | PaymentMethodType::UsBankAccount);
    if is_debit && method.billing_details.name.is_none() {
        return Err(params.missing("billing_details[name]"));
    }
    let needs_email = matches!(type_, PaymentMethodType::SepaDebit | PaymentMethodType::Multibanco);
    if needs_email && method.billing_details.email.is_none() {
        return Err(params.missing("billing_details[email]"));
    }
    if let Some(change) = params.metadata()? {
        change.apply(&mut method.metadata)?;
    }
    method.allow_redisplay = params.enum_value("allow_redisplay")?.unwrap_or(AllowRedisplay::Unspecified);
    params.reject_unsupported(&["radar_options", "customer", "payment_method"])?;
    params.finish()?;
    Ok(method)
}

/// Reads `card`: a number with its expiry, or a test token.
fn parse_card(params: &mut Params, now_seconds: i64) -> Result<PaymentMethod, ApiError> {
    let mut card = params.nested("card")?.ok_or_else(|| params.missing("card"))?;
    if let Some(token) = card.string("token")? {
        card.finish()?;
        let test_card = TestCard::by_name(&token).filter(|_| token.starts_with("tok_"));
        let test_card =
            test_card.ok_or_else(|| ApiError::not_found("token", &token, "card[token]").with_status(400))?;
        return Ok(PaymentMethod::from_card(
            test_card,
            (8, payment_method::year_from_seconds(now_seconds) + 1),
            true,
            now_seconds,
        ));
    }
    let number: String = card.required_string("number")?.split([' ', '-']).collect();
    let month = card.required_integer("exp_month")?;
    let year = card.required_integer("exp_year")?;
    let cvc = card.string("cvc")?;
    card.reject_unsupported(&["networks"])?;
    card.finish()?;

    let test_card = find_card(&number)?;
    let invalid =
        |message: &str, code, param: &str| Err(ApiError::card_data(message, code).with_param(param));
    if !(1..=12).contains(&month) {
        return invalid("Your card's expiration month is invalid.", "invalid_expiry_month", "exp_month");
    }
    let year = if (0..100).contains(&year) { year + 2000 } else { year };
    let this_year = payment_method::year_from_seconds(now_seconds);
    if year < this_year || year > this_year + 50 {
        return invalid("Your card's expiration year is invalid.", "invalid_expiry_year", "exp_year");
    }
    let cvc_length = if test_card.brand == "amex" { 3..=4 } else { 3..=3 };
    if cvc.as_ref().is_some_and(|cvc| {
        !cvc_length.contains(&cvc.len()) || !cvc.chars().all(|character| character.is_ascii_digit())
    }) {
        return invalid("Your card's security code is invalid.", "invalid_cvc", "cvc");
    }
    Ok(PaymentMethod::from_card(test_card, (month, year), cvc.is_some(), now_seconds))
}

/// Finds a test card. Other numbers get Stripe's errors, which don't repeat the number.
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
fn parse_sepa_debit(params: &mut Params, now_seconds: i64) -> Result<PaymentMethod, ApiError> {
    let mut debit = params.nested("sepa_debit")?.ok_or_else(|| params.missing("sepa_debit"))?;
    let iban = debit.required_string("iban")?;
    let account = TestAccount::by_iban(&iban).ok_or_else(|| {
        debit
            .invalid("iban", "The IBAN you provided is invalid or is not a test IBAN.")
            .with_code("invalid_bank_account_iban")
    })?;
    debit.finish()?;
    Ok(PaymentMethod::from_sepa_account(account, now_seconds))
}

/// Reads `us_bank_account`.
fn parse_us_bank_account(params: &mut Params, now_seconds: i64) -> Result<PaymentMethod, ApiError> {
    let mut bank = params.nested("us_bank_account")?.ok_or_else(|| params.missing("us_bank_account"))?;
    let holder = bank.enum_value("account_holder_type")?.unwrap_or(AccountHolderType::Individual);
    let account_type = bank.enum_value("account_type")?.unwrap_or(BankAccountType::Checking);
    let number = bank.required_string("account_number")?;
    let routing = bank.required_string("routing_number")?;
    if routing != TEST_ROUTING_NUMBER {
        return Err(bank
            .invalid(
                "routing_number",
                format!("In test mode, the routing number must be {TEST_ROUTING_NUMBER}."),
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
    Ok(PaymentMethod::from_us_account(account, holder, account_type, now_seconds))
}

/// Reads `multibanco`, an object without fields. It is encoded as empty text.
fn parse_multibanco(params: &mut Params, now_seconds: i64) -> Result<PaymentMethod, ApiError> {
    if let Change::Set(fields) = params.object("multibanco")? {
        fields.finish()?;
    }
    Ok(PaymentMethod::new(Details::Multibanco, "", "", Behavior::AwaitsVoucher, now_seconds))
}
