//! Payment methods: <https://docs.stripe.com/api/payment_methods>.
//!
//! They are created only from test numbers and test names. The sandbox stores only a number's last four digits and
//! its payment behavior.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::http::string_enum::{StringEnum, string_enum};
use crate::objects::address::BillingDetails;
use crate::objects::payment_method_type::PaymentMethodType;
use crate::storage::ids;
use crate::storage::table::Resource;
use crate::test_data::banks::{TEST_ROUTING_NUMBER, TestAccount};
use crate::test_data::behavior::Behavior;
use crate::test_data::card_effects::CardEffect;
use crate::test_data::cards::TestCard;

const SECONDS_PER_YEAR: i64 = 31_556_952;

string_enum! {
    /// Whether a saved payment method can be shown again at checkout.
    AllowRedisplay { Always = "always", Limited = "limited", Unspecified = "unspecified" }
}

string_enum! {
    /// The type of a bank account's holder.
    AccountHolderType { Company = "company", Individual = "individual" }
}

string_enum! {
    /// The type of a bank account.
    BankAccountType { Checking = "checking", Savings = "savings" }
}

/// The details of each payment method type.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Details {
    Card(Card),
    SepaDebit { country: String, bank_code: String },
    UsBankAccount { holder: AccountHolderType, account_type: BankAccountType },
    Multibanco,
}

/// The visible details of a card.
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

/// A payment method.
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
    pub(crate) effect: CardEffect,
    /// Whether an authenticated payment has set it up for off-session use.
    pub(crate) is_set_up: bool,
}

impl Resource for PaymentMethod {
    const KIND: &'static str = "payment_method";

    fn id(&self) -> &str {
        &self.id
    }
}

impl PaymentMethod {
    pub(crate) fn new(
        details: Details,
        number: &str,
        last4: &str,
        behavior: Behavior,
        now_seconds: i64,
    ) -> Self {
        Self {
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
            effect: CardEffect::None,
            is_set_up: false,
        }
    }

    pub(crate) fn from_card(card: &TestCard, expiry: (i64, i64), has_cvc: bool, now_seconds: i64) -> Self {
        let details = Details::Card(Card {
            brand: card.brand.to_owned(),
            country: card.country.to_owned(),
            funding: card.funding.to_owned(),
            exp_month: expiry.0,
            exp_year: expiry.1,
            has_cvc,
            supports_3d_secure: card.supports_3d_secure(),
        });
        let method = Self::new(details, card.number, card.last4(), card.behavior, now_seconds);
        Self { effect: card.effect, ..method }
    }

    pub(crate) fn from_sepa_account(account: &TestAccount, now_seconds: i64) -> Self {
        let details = Details::SepaDebit {
            country: account.number[..2].to_owned(),
            bank_code: account.number[4..9].to_owned(),
        };
        Self::new(details, account.number, account.last4(), account.behavior, now_seconds)
    }

    pub(crate) fn from_us_account(
        account: &TestAccount,
        holder: AccountHolderType,
        account_type: BankAccountType,
        now_seconds: i64,
    ) -> Self {
        let details = Details::UsBankAccount { holder, account_type };
        Self::new(details, account.number, account.last4(), account.behavior, now_seconds)
    }

    /// Creates a payment method from a test name such as `pm_card_visa` or `pm_usBankAccount_success`.
    pub(crate) fn from_test_name(name: &str, now_seconds: i64) -> Option<Self> {
        if let Some(card) = TestCard::by_name(name).filter(|_| name.starts_with("pm_")) {
            return Some(Self::from_card(card, (8, year_from_seconds(now_seconds) + 1), true, now_seconds));
        }
        let mut method = if let Some(account) = TestAccount::by_us_name(name) {
            Self::from_us_account(
                account,
                AccountHolderType::Individual,
                BankAccountType::Checking,
                now_seconds,
            )
        } else {
            Self::from_sepa_account(TestAccount::by_sepa_name(name)?, now_seconds)
        };
        method.billing_details = BillingDetails::for_test_account();
        Some(method)
    }

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

pub(crate) fn year_from_seconds(now_seconds: i64) -> i64 {
    1970 + now_seconds / SECONDS_PER_YEAR
}

/// Returns a number's fingerprint. Callers pass test numbers only.
pub(crate) fn fingerprint(number: &str) -> String {
    hex::encode(&Sha256::digest(number)[..8])
}
