//! Payment method types, and the filters that callers set on them.
//! <https://docs.stripe.com/payments/payment-methods/dynamic-payment-methods>

use serde::{Deserialize, Serialize};

use crate::http::string_enum::{Word, words};

words! {
    /// The kinds of payment method the sandbox has.
    PaymentMethodType {
        Card = "card",
        SepaDebit = "sepa_debit",
        UsBankAccount = "us_bank_account",
        Multibanco = "multibanco",
    }
}

/// How the types that fit a currency are narrowed down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Narrowing {
    /// Only these.
    pub(crate) allowed: Option<Vec<String>>,
    /// All but these.
    pub(crate) excluded: Option<Vec<String>>,
}

impl Narrowing {
    fn lets(&self, type_: &str) -> bool {
        let has = |list: &Vec<String>| list.iter().any(|name| name == type_);
        self.allowed.as_ref().is_none_or(has) && !self.excluded.as_ref().is_some_and(has)
    }

    /// The types of payment method for a currency.
    pub(crate) fn types_for(&self, currency: &str) -> Vec<PaymentMethodType> {
        use PaymentMethodType::{Card, Multibanco, SepaDebit, UsBankAccount};
        let fitting: &[PaymentMethodType] = match currency {
            "eur" => &[Card, SepaDebit, Multibanco],
            "usd" => &[Card, UsBankAccount],
            _ => &[Card],
        };
        fitting.iter().copied().filter(|type_| self.lets(type_.as_str())).collect()
    }
}
