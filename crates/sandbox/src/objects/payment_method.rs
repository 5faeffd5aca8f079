//! Payment methods: <https://docs.stripe.com/api/payment_methods>.
//!
//! They are created only from test numbers and test names. Of a number, only the last four digits and the payment
//! behavior are stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::http::string_enum::{Word, words};
use crate::objects::address::BillingDetails;
use crate::objects::payment_method_type::PaymentMethodType;
use crate::storage::ids;
use crate::storage::table::Resource;
use crate::test_data::banks::{TEST_ROUTING_NUMBER, TestAccount};
use crate::test_data::behavior::Behavior;
use crate::test_data::card_effects::Quirk;
use crate::test_data::cards::TestCard;

const SECONDS_PER_YEAR: i64 = 31_556_952;

words! {
    /// Whether a saved payment method may be shown again at checkout.
    AllowRedisplay { Always = "always", Limited = "limited", Unspecified = "unspecified" }
}

words! {
    /// Who holds a bank account.
    AccountHolderType { Company = "company", Individual = "individual" }
}

words! {
    /// What a bank account is for.
    AccountType { Checking = "checking", Savings = "savings" }
}

/// What is particular to a type.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Details {
    Card(Card),
    SepaDebit { country: String, bank_code: String },
    UsBankAccount { holder: AccountHolderType, account_type: AccountType },
    Multibanco,
}

/// The visible part of a card.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Card {
    pub(crate) brand: String,
    pub(crate) country: String,
    pub(crate) funding: String,
    pub(crate) exp_month: i64,
    pub(crate) exp_year: i64,
    pub(crate) has_cvc: bool,
    pub(crate) supports_3d_secure: bool,
}

/// A means to pay.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PaymentMethod {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) billing_details: BillingDetails,
    pub(crate) customer: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) allow_redisplay: AllowRedisplay,
    pub(crate) details: Details,
    pub(crate) last4: String,
    pub(crate) fingerprint: String,
    pub(crate) behavior: Behavior,
    #[serde(default)]
    pub(crate) quirk: Quirk,
    /// Whether an authenticated payment saved it for off-session use.
    pub(crate) is_set_up: bool,
}

impl Resource for PaymentMethod {
    const KIND: &'static str = "payment_method";

    fn id(&self) -> &str {
        &self.id
    }
}

impl PaymentMethod {
    pub(crate) fn type_(&self) -> PaymentMethodType {
        match self.details {
            Details::Card(_) => PaymentMethodType::Card,
            Details::SepaDebit { .. } => PaymentMethodType::SepaDebit,
            Details::UsBankAccount { .. } => PaymentMethodType::UsBankAccount,
            Details::Multibanco => PaymentMethodType::Multibanco,
        }
    }

    pub(crate) fn render(&self) -> Value {
        let type_ = self.type_().as_str();
        let mut rendered = json!({
            "id": self.id,
            "object": "payment_method",
            "allow_redisplay": self.allow_redisplay,
            "billing_details": self.billing_details,
            "created": self.created,
            "customer": self.customer,
            "customer_account": null,
            "livemode": false,
            "metadata": self.metadata,
            "type": type_,
        });
        rendered[type_] = self.render_details();
        rendered
    }

    fn render_details(&self) -> Value {
        match &self.details {
            Details::Card(card) => json!({
                "brand": card.brand,
                "checks": {
                    "address_line1_check": null,
                    "address_postal_code_check": null,
                    "cvc_check": card.has_cvc.then_some("unchecked"),
                },
                "country": card.country,
                "display_brand": card.brand,
                "exp_month": card.exp_month,
                "exp_year": card.exp_year,
                "fingerprint": self.fingerprint,
                "funding": card.funding,
                "generated_from": null,
                "last4": self.last4,
                "networks": { "available": [card.brand], "preferred": null },
                "regulated_status": "unregulated",
                "three_d_secure_usage": { "supported": card.supports_3d_secure },
                "wallet": null,
            }),
            Details::SepaDebit { country, bank_code } => json!({
                "bank_code": bank_code,
                "branch_code": "",
                "country": country,
                "fingerprint": self.fingerprint,
                "generated_from": { "charge": null, "setup_attempt": null },
                "last4": self.last4,
            }),
            Details::UsBankAccount { holder, account_type } => json!({
                "account_holder_type": holder,
                "account_type": account_type,
                "bank_name": "STRIPE TEST BANK",
                "financial_connections_account": null,
                "fingerprint": self.fingerprint,
                "last4": self.last4,
                "networks": { "preferred": "ach", "supported": ["ach"] },
                "routing_number": TEST_ROUTING_NUMBER,
                "status_details": {},
            }),
            Details::Multibanco => json!({}),
        }
    }
}

pub(crate) fn year_of(now_seconds: i64) -> i64 {
    1970 + now_seconds / SECONDS_PER_YEAR
}

/// The same number has the same fingerprint. Only test numbers come here.
pub(crate) fn fingerprint(number: &str) -> String {
    hex::encode(&Sha256::digest(number)[..8])
}

pub(crate) fn new(
    details: Details,
    number: &str,
    last4: &str,
    behavior: Behavior,
    now_seconds: i64,
) -> PaymentMethod {
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

pub(crate) fn of_card(card: &TestCard, expiry: (i64, i64), has_cvc: bool, now_seconds: i64) -> PaymentMethod {
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

pub(crate) fn of_sepa(account: &TestAccount, now_seconds: i64) -> PaymentMethod {
    let details = Details::SepaDebit {
        country: account.number[..2].to_owned(),
        bank_code: account.number[4..9].to_owned(),
    };
    new(details, account.number, account.last4(), account.behavior, now_seconds)
}

pub(crate) fn of_us_account(
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
    pub(crate) fn of_test_name(name: &str, now_seconds: i64) -> Option<Self> {
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
