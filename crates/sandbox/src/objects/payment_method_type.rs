//! Payment method types, and the filters that callers set on them.
//! <https://docs.stripe.com/payments/payment-methods/dynamic-payment-methods>

use serde::{Deserialize, Serialize};

use crate::http::string_enum::{StringEnum, string_enum};

string_enum! {
    /// The payment method types that the sandbox supports.
    PaymentMethodType {
        Card = "card",
        SepaDebit = "sepa_debit",
        UsBankAccount = "us_bank_account",
        Multibanco = "multibanco",
    }
}

/// The caller's restriction of the types that fit a currency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MethodTypeFilter {
    /// The only allowed types.
    pub(crate) allowed: Option<Vec<String>>,
    /// The excluded types.
    pub(crate) excluded: Option<Vec<String>>,
}

impl MethodTypeFilter {
    fn allows(&self, type_: &str) -> bool {
        let has = |list: &Vec<String>| list.iter().any(|name| name == type_);
        self.allowed.as_ref().is_none_or(has) && !self.excluded.as_ref().is_some_and(has)
    }

    /// Returns the allowed types for a currency.
    pub(crate) fn types_for(&self, currency: &str) -> Vec<PaymentMethodType> {
        use PaymentMethodType::{Card, Multibanco, SepaDebit, UsBankAccount};
        let fitting: &[PaymentMethodType] = match currency {
            "eur" => &[Card, SepaDebit, Multibanco],
            "usd" => &[Card, UsBankAccount],
            _ => &[Card],
        };
        fitting.iter().copied().filter(|type_| self.allows(type_.as_str())).collect()
    }
}
