//! Charges, one per payment attempt: <https://docs.stripe.com/api/charges>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::string_enum::{StringEnum, string_enum};
use crate::objects::address::{BillingDetails, Shipping};
use crate::objects::payment_intent::{PaymentIntent, TransferData};
use crate::objects::payment_method::{Details, PaymentMethod};
use crate::objects::payment_method_type::PaymentMethodType;
use crate::storage::clock::Timestamp;
use crate::storage::ids;
use crate::storage::table::Resource;
use crate::test_data::banks::TEST_ROUTING_NUMBER;
use crate::test_data::behavior::Decline;
use crate::test_data::vouchers::{VOUCHER_ENTITY, voucher_reference};

/// The lifetime of a card authorization, in seconds.
const AUTHORIZATION_SECONDS: i64 = 7 * 24 * 60 * 60;

string_enum! {
    /// The status of a charge.
    ChargeStatus { Succeeded = "succeeded", Pending = "pending", Failed = "failed" }
}

/// The reason why a charge failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ChargeFailure {
    Card(Decline),
    Debit { code: String, message: String },
}

/// A payment attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) amount: i64,
    pub(crate) amount_captured: i64,
    pub(crate) amount_refunded: i64,
    #[serde(default)]
    pub(crate) balance_transaction: Option<String>,
    #[serde(default)]
    pub(crate) application: Option<String>,
    #[serde(default)]
    pub(crate) application_fee: Option<String>,
    pub(crate) application_fee_amount: Option<i64>,
    pub(crate) billing_details: BillingDetails,
    pub(crate) captured: bool,
    pub(crate) currency: String,
    pub(crate) customer: Option<String>,
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) disputed: bool,
    /// The time of the test card's dispute.
    #[serde(default)]
    pub(crate) disputed_at_ms: Option<i64>,
    pub(crate) failure: Option<ChargeFailure>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) on_behalf_of: Option<String>,
    pub(crate) payment_intent: String,
    pub(crate) payment_method: PaymentMethod,
    pub(crate) was_authenticated: bool,
    pub(crate) receipt_email: Option<String>,
    pub(crate) shipping: Option<Shipping>,
    pub(crate) statement_descriptor: Option<String>,
    pub(crate) statement_descriptor_suffix: Option<String>,
    pub(crate) status: ChargeStatus,
    #[serde(default)]
    pub(crate) transfer: Option<String>,
    pub(crate) transfer_data: Option<TransferData>,
    pub(crate) transfer_group: Option<String>,
}

impl Resource for Charge {
    const KIND: &'static str = "charge";

    fn id(&self) -> &str {
        &self.id
    }

    fn due(&self) -> Option<Timestamp> {
        let expiry = self.is_capturable().then(|| Timestamp((self.created + AUTHORIZATION_SECONDS) * 1_000));
        self.disputed_at_ms.map(Timestamp).into_iter().chain(expiry).min()
    }
}

impl Charge {
    /// Creates a pending charge of the PaymentIntent's full amount.
    pub(crate) fn new(intent: &PaymentIntent, method: &PaymentMethod, now_seconds: i64) -> Self {
        let prefix = if method.type_() == PaymentMethodType::Card { "ch" } else { "py" };
        Self {
            id: ids::object(prefix),
            created: now_seconds,
            amount: intent.amount,
            amount_captured: 0,
            amount_refunded: 0,
            balance_transaction: None,
            application: intent.application.clone(),
            application_fee: None,
            application_fee_amount: intent.application_fee_amount,
            billing_details: method.billing_details.clone(),
            captured: false,
            currency: intent.currency.clone(),
            customer: intent.customer.clone(),
            description: intent.description.clone(),
            disputed: false,
            disputed_at_ms: None,
            failure: None,
            metadata: intent.metadata.clone(),
            on_behalf_of: intent.on_behalf_of.clone(),
            payment_intent: intent.id.clone(),
            payment_method: method.clone(),
            was_authenticated: false,
            receipt_email: intent.receipt_email.clone(),
            shipping: intent.shipping.clone(),
            statement_descriptor: intent.statement_descriptor.clone(),
            statement_descriptor_suffix: intent.statement_descriptor_suffix.clone(),
            status: ChargeStatus::Pending,
            transfer: None,
            transfer_data: intent.transfer_data.clone(),
            transfer_group: intent.transfer_group.clone(),
        }
    }

    /// Marks 3D Secure as passed.
    pub(crate) fn with_authentication(mut self) -> Self {
        self.was_authenticated = true;
        self
    }

    /// Authorizes the payment without capturing it.
    pub(crate) fn authorize(&mut self) {
        self.status = ChargeStatus::Succeeded;
    }

    /// Returns whether the charge is captured.
    pub(crate) fn is_captured(&self) -> bool {
        self.captured
    }

    /// Returns whether an authorization can still be captured.
    fn is_capturable(&self) -> bool {
        self.status == ChargeStatus::Succeeded && !self.captured && self.refundable() > 0
    }

    /// Returns the amount that can still be refunded.
    pub(crate) fn refundable(&self) -> i64 {
        self.amount - self.amount_refunded
    }

    /// Adds `amount` to the refunded amount, or subtracts it if negative.
    pub(crate) fn refund(&mut self, amount: i64) {
        self.amount_refunded += amount;
    }

    /// Returns the ID prefix for objects of this charge: one for cards, another for all other payment methods.
    pub(crate) fn id_prefix(&self, card: &'static str, other: &'static str) -> &'static str {
        if self.payment_method.type_() == PaymentMethodType::Card { card } else { other }
    }

    /// Releases the authorization.
    pub(crate) fn release(&mut self) {
        self.amount_refunded = self.amount;
    }

    pub(crate) fn fail(&mut self, failure: ChargeFailure) {
        self.status = ChargeStatus::Failed;
        self.failure = Some(failure);
    }

    fn failure_code(&self) -> Option<&str> {
        self.failure.as_ref().map(|failure| match failure {
            ChargeFailure::Card(decline) => decline.text().code,
            ChargeFailure::Debit { code, .. } => code,
        })
    }

    fn failure_message(&self) -> Option<&str> {
        self.failure.as_ref().map(|failure| match failure {
            ChargeFailure::Card(decline) => decline.text().message,
            ChargeFailure::Debit { message, .. } => message,
        })
    }

    pub(crate) fn render(&self) -> Value {
        let has_succeeded = self.status == ChargeStatus::Succeeded;
        let transfer_data = self.transfer_data.as_ref().map(TransferData::render);
        let mut rendered = json!({
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": self.amount_captured,
            "amount_refunded": self.amount_refunded,
            "application": self.application,
            "application_fee": self.application_fee,
            "application_fee_amount": self.application_fee_amount,
            "balance_transaction": self.balance_transaction,
            "billing_details": self.billing_details,
            "calculated_statement_descriptor": self.statement_descriptor.as_deref().unwrap_or("SANDBOX"),
            "captured": self.captured || self.status == ChargeStatus::Pending,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "description": self.description,
            "disputed": self.disputed,
            "failure_balance_transaction": null,
            "failure_code": self.failure_code(),
            "failure_message": self.failure_message(),
            "fraud_details": {},
            "livemode": false,
            "metadata": self.metadata,
            "on_behalf_of": self.on_behalf_of,
            "outcome": self.render_outcome(),
            "paid": has_succeeded,
            "payment_intent": self.payment_intent,
            "payment_method": self.payment_method.id,
            "payment_method_details": self.render_details(),
            "radar_options": {},
            "receipt_email": self.receipt_email,
            "receipt_number": null,
            "receipt_url": null,
            "refunded": self.refundable() == 0,
            "review": null,
            "shipping": self.shipping,
            "source": null,
            "source_transfer": null,
            "statement_descriptor": self.statement_descriptor,
            "statement_descriptor_suffix": self.statement_descriptor_suffix,
            "status": self.status,
            "transfer_data": transfer_data,
            "transfer_group": self.transfer_group,
        });
        // Like Stripe, omits the field if the charge has no transfer.
        if let Some(transfer) = &self.transfer {
            rendered["transfer"] = transfer.as_str().into();
        }
        rendered
    }

    fn render_outcome(&self) -> Value {
        let decline = match &self.failure {
            Some(ChargeFailure::Card(decline)) => Some(*decline),
            _ => None,
        };
        let Some(decline) = decline else {
            let seller_message =
                if self.failure.is_some() { "The bank returned the debit." } else { "Payment complete." };
            let (risk_level, risk_score) = self.payment_method.effect.risk();
            return json!({
                "advice_code": null,
                "network_advice_code": null,
                "network_decline_code": null,
                "network_status": "approved_by_network",
                "reason": null,
                "risk_level": risk_level,
                "risk_score": risk_score,
                "seller_message": seller_message,
                "type": "authorized",
            });
        };
        let text = decline.text();
        let (network_status, type_, risk_level, seller_message) = if text.is_blocked {
            ("not_sent_to_network", "blocked", "highest", "Stripe blocked this payment as too risky.")
        } else {
            (
                "declined_by_network",
                "issuer_declined",
                "normal",
                "The bank did not return any further details.",
            )
        };
        let reason = if text.is_blocked { "highest_risk_level" } else { text.decline_code };
        json!({
            "advice_code": text.advice_code,
            "network_advice_code": null,
            "network_decline_code": null,
            "network_status": network_status,
            "reason": reason,
            "risk_level": risk_level,
            "risk_score": if text.is_blocked { 92 } else { 7 },
            "seller_message": seller_message,
            "type": type_,
        })
    }

    fn render_details(&self) -> Value {
        let method = &self.payment_method;
        let type_ = method.type_().as_str();
        let details = match &method.details {
            Details::Card(_) => self.render_card_details(),
            Details::SepaDebit { country, bank_code } => json!({
                "bank_code": bank_code,
                "branch_code": "",
                "country": country,
                "expected_debit_date": null,
                "fingerprint": method.fingerprint,
                "last4": method.last4,
                "mandate": null,
            }),
            Details::UsBankAccount { holder, account_type } => json!({
                "account_holder_type": holder,
                "account_type": account_type,
                "bank_name": "STRIPE TEST BANK",
                "expected_debit_date": null,
                "fingerprint": method.fingerprint,
                "last4": method.last4,
                "mandate": null,
                "payment_reference": null,
                "routing_number": TEST_ROUTING_NUMBER,
            }),
            Details::Multibanco => {
                json!({ "entity": VOUCHER_ENTITY, "reference": voucher_reference(&self.payment_intent) })
            }
        };
        json!({ "type": type_, type_: details })
    }

    fn render_card_details(&self) -> Value {
        let method = &self.payment_method;
        let Details::Card(card) = &method.details else { return Value::Null };
        let cvc_check = match &self.failure {
            Some(ChargeFailure::Card(Decline::IncorrectCvc)) => Some("fail"),
            _ => card.has_cvc.then_some(method.effect.cvc_check()),
        };
        let address = &self.billing_details.address;
        let three_d_secure = self.was_authenticated.then(|| {
            json!({
                "authentication_flow": "challenge",
                "electronic_commerce_indicator": "05",
                "exemption_indicator": null,
                "result": "authenticated",
                "result_reason": null,
                "transaction_id": null,
                "version": "2.2.0",
            })
        });
        let mut details = json!({
            "amount_authorized": (self.status == ChargeStatus::Succeeded).then_some(self.amount),
            "authorization_code": null,
            "brand": card.brand,
            "checks": {
                "address_line1_check": address.line1.as_ref().map(|_| method.effect.line1_check()),
                "address_postal_code_check": address.postal_code.as_ref().map(|_| method.effect.postal_code_check()),
                "cvc_check": cvc_check,
            },
            "country": card.country,
            "exp_month": card.exp_month,
            "exp_year": card.exp_year,
            "extended_authorization": { "status": "disabled" },
            "fingerprint": method.fingerprint,
            "funding": card.funding,
            "incremental_authorization": { "status": "unavailable" },
            "installments": null,
            "last4": method.last4,
            "mandate": null,
            "multicapture": { "status": "unavailable" },
            "network": card.brand,
            "network_token": { "used": false },
            "network_transaction_id": null,
            "overcapture": { "maximum_amount_capturable": self.amount, "status": "unavailable" },
            "regulated_status": "unregulated",
            "three_d_secure": three_d_secure,
            "wallet": null,
        });
        if self.is_capturable() {
            details["capture_before"] = (self.created + AUTHORIZATION_SECONDS).into();
        }
        details
    }
}
