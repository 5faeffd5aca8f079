//! Charges, one per attempt to move money: <https://docs.stripe.com/api/charges>.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::clock::Moment;
use crate::ids;
use crate::list::{Page, created_filter};
use crate::params::{Word, words};
use crate::request::Call;
use crate::resources::address::{BillingDetails, MAX_TEXT_CHARS, Shipping};
use crate::resources::balance_transactions::{self, BalanceTransactionType, Movement};
use crate::resources::connect;
use crate::resources::disputes;
use crate::resources::payment_intents::{PaymentIntent, TransferData, attempts};
use crate::resources::payment_methods::{Details, PaymentMethod, PaymentMethodType};
use crate::resources::transfers::DestinationPayment;
use crate::routes::Route;
use crate::state::{Resource, Tx};
use crate::test_banks::TEST_ROUTING_NUMBER;
use crate::test_cards::Decline;
use crate::test_quirks::Quirk;
use crate::test_vouchers::{VOUCHER_ENTITY, voucher_reference};
use crate::timers::Timed;

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/v1/charges", list),
    Route::get("/v1/charges/{id}", retrieve),
    Route::post("/v1/charges/{id}", update),
];

/// How long an authorisation of a card holds, in seconds.
const AUTHORIZATION_SECONDS: i64 = 7 * 24 * 60 * 60;

words! {
    /// What became of a charge.
    ChargeStatus { Succeeded = "succeeded", Pending = "pending", Failed = "failed" }
}

/// Why a charge failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Failure {
    Card(Decline),
    Debit { code: String, message: String },
}

/// One attempt to move money.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) id: String,
    created: i64,
    pub(crate) amount: i64,
    pub(crate) amount_captured: i64,
    amount_refunded: i64,
    #[serde(default)]
    balance_transaction: Option<String>,
    #[serde(default)]
    application: Option<String>,
    #[serde(default)]
    pub(crate) application_fee: Option<String>,
    pub(crate) application_fee_amount: Option<i64>,
    billing_details: BillingDetails,
    captured: bool,
    pub(crate) currency: String,
    customer: Option<String>,
    description: Option<String>,
    #[serde(default)]
    pub(crate) disputed: bool,
    /// When the customer goes to the bank.
    #[serde(default)]
    disputed_at_ms: Option<i64>,
    failure: Option<Failure>,
    metadata: BTreeMap<String, String>,
    on_behalf_of: Option<String>,
    pub(crate) payment_intent: String,
    pub(crate) payment_method: PaymentMethod,
    was_authenticated: bool,
    receipt_email: Option<String>,
    shipping: Option<Shipping>,
    statement_descriptor: Option<String>,
    statement_descriptor_suffix: Option<String>,
    status: ChargeStatus,
    #[serde(default)]
    pub(crate) transfer: Option<String>,
    pub(crate) transfer_data: Option<TransferData>,
    transfer_group: Option<String>,
}

impl Resource for Charge {
    const KIND: &'static str = "charge";

    fn id(&self) -> &str {
        &self.id
    }

    fn due(&self) -> Option<Moment> {
        let expiry = self.is_held().then(|| Moment((self.created + AUTHORIZATION_SECONDS) * 1_000));
        self.disputed_at_ms.map(Moment).into_iter().chain(expiry).min()
    }
}

impl Timed for Charge {
    fn come_due(tx: &mut Tx<'_>, id: &str) {
        let Some(mut charge) = tx.get::<Self>(id).cloned() else { return };
        if charge.disputed_at_ms.take().is_some() {
            tx.put(charge.clone());
            disputes::open_by_quirk(tx, &charge);
        } else if attempts::expire_authorization(tx, &charge.payment_intent).is_none() {
            charge.release();
            tx.put(charge);
        }
    }
}

impl Charge {
    /// A charge of a PaymentIntent's whole amount, pending.
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

    /// Notes that 3D Secure was passed.
    pub(crate) fn authenticated(mut self) -> Self {
        self.was_authenticated = true;
        self
    }

    /// The money is held but not taken.
    pub(crate) fn authorize(&mut self) {
        self.status = ChargeStatus::Succeeded;
    }

    /// Takes `amount`; what is left of the authorisation is released.
    pub(crate) fn capture(&mut self, tx: &mut Tx<'_>, amount: i64) {
        self.status = ChargeStatus::Succeeded;
        self.captured = true;
        self.amount_captured = amount;
        self.amount_refunded = self.amount - amount;
        let group = self.transfer_group.clone().unwrap_or_else(|| format!("group_{}", self.payment_intent));
        let shares = connect::share_out(tx, self, amount, &group);
        self.application_fee = shares.application_fee;
        self.transfer = shares.transfer;
        if self.transfer.is_some() {
            self.transfer_group = Some(group);
        }
        let quirk = self.payment_method.quirk;
        let is_card = self.payment_method.type_() == PaymentMethodType::Card;
        let movement = Movement {
            type_: if is_card { BalanceTransactionType::Charge } else { BalanceTransactionType::Payment },
            reporting_category: "charge",
            source: &self.id,
            amount,
            fee: balance_transactions::payment_fee(amount),
            currency: &self.currency,
            description: self.description.clone(),
            pends_for: match quirk {
                Quirk::BypassesPending => Duration::ZERO,
                _ => balance_transactions::PENDING_TIME,
            },
        };
        self.balance_transaction = Some(balance_transactions::record_with_fee(tx, movement, shares.fee_paid));
        self.disputed_at_ms = quirk.is_disputed().then(|| tx.now.after(tx.settings.dispute_delay).0);
    }

    /// Whether money has been taken.
    pub(crate) fn is_captured(&self) -> bool {
        self.captured
    }

    /// Whether money is held that can still be taken.
    fn is_held(&self) -> bool {
        self.status == ChargeStatus::Succeeded && !self.captured && self.refundable() > 0
    }

    /// What can still be given back.
    pub(crate) fn refundable(&self) -> i64 {
        self.amount - self.amount_refunded
    }

    /// Gives `amount` back, or takes it back if negative.
    pub(crate) fn refund(&mut self, amount: i64) {
        self.amount_refunded += amount;
    }

    /// The prefix of ids of what belongs to it: of a card's charge, or of another payment's.
    pub(crate) fn id_prefix(&self, card: &'static str, other: &'static str) -> &'static str {
        if self.payment_method.type_() == PaymentMethodType::Card { card } else { other }
    }

    /// Releases an authorisation that is not wanted any more.
    pub(crate) fn release(&mut self) {
        self.amount_refunded = self.amount;
    }

    pub(crate) fn fail(&mut self, failure: Failure) {
        self.status = ChargeStatus::Failed;
        self.failure = Some(failure);
    }

    fn failure_code(&self) -> Option<&str> {
        self.failure.as_ref().map(|failure| match failure {
            Failure::Card(decline) => decline.text().code,
            Failure::Debit { code, .. } => code,
        })
    }

    fn failure_message(&self) -> Option<&str> {
        self.failure.as_ref().map(|failure| match failure {
            Failure::Card(decline) => decline.text().message,
            Failure::Debit { message, .. } => message,
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
        // As at Stripe, it is there only if there is one.
        if let Some(transfer) = &self.transfer {
            rendered["transfer"] = transfer.as_str().into();
        }
        rendered
    }

    fn render_outcome(&self) -> Value {
        let decline = match &self.failure {
            Some(Failure::Card(decline)) => Some(*decline),
            _ => None,
        };
        let Some(decline) = decline else {
            let seller_message =
                if self.failure.is_some() { "The bank returned the debit." } else { "Payment complete." };
            let (risk_level, risk_score) = self.payment_method.quirk.risk();
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
            Some(Failure::Card(Decline::IncorrectCvc)) => Some("fail"),
            _ => card.has_cvc.then_some(method.quirk.cvc_check()),
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
                "address_line1_check": address.line1.as_ref().map(|_| method.quirk.line1_check()),
                "address_postal_code_check": address.postal_code.as_ref().map(|_| method.quirk.postal_code_check()),
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
        if self.is_held() {
            details["capture_before"] = (self.created + AUTHORIZATION_SECONDS).into();
        }
        details
    }
}

fn find<'a>(call: &'a Call<'_, '_>) -> Result<&'a Charge, ApiError> {
    call.tx.get::<Charge>(call.id).ok_or_else(|| ApiError::missing("charge", call.id, "id"))
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    match call.tx.get::<DestinationPayment>(call.id) {
        Some(payment) => Ok(payment.render()),
        None => find(call).map(Charge::render),
    }
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let description = params.text("description", MAX_TEXT_CHARS)?;
    let receipt_email = params.text("receipt_email", MAX_TEXT_CHARS)?;
    let shipping = Shipping::parse(&mut params)?;
    let transfer_group = params.text("transfer_group", MAX_TEXT_CHARS)?;
    let metadata = params.metadata()?;
    params.refuse_unsupported(&["customer", "fraud_details"])?;
    params.finish()?;
    let mut charge = find(call)?.clone();
    description.apply(&mut charge.description);
    receipt_email.apply(&mut charge.receipt_email);
    shipping.apply(&mut charge.shipping);
    transfer_group.apply(&mut charge.transfer_group);
    if let Some(change) = metadata {
        change.apply(&mut charge.metadata)?;
    }
    let rendered = charge.render();
    call.tx.put(charge);
    call.tx.emit("charge.updated", rendered.clone());
    Ok(rendered)
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    let customer = params.string("customer")?;
    let intent = params.string("payment_intent")?;
    let transfer_group = params.string("transfer_group")?;
    params.finish()?;
    let charges = call
        .tx
        .newest_first::<Charge>()
        .filter(|charge| created.contains(&charge.created))
        .filter(|charge| customer.is_none() || charge.customer == customer)
        .filter(|charge| intent.as_ref().is_none_or(|intent| charge.payment_intent == *intent))
        .filter(|charge| transfer_group.is_none() || charge.transfer_group == transfer_group)
        .map(Listed::Charge);
    let payments = call
        .tx
        .newest_first::<DestinationPayment>()
        .filter(|payment| created.contains(&payment.created))
        .filter(|_| customer.is_none() && intent.is_none())
        .filter(|payment| transfer_group.as_ref().is_none_or(|group| payment.transfer_group == *group))
        .map(Listed::Payment);
    let mut listed: Vec<Listed<'_>> = charges.chain(payments).collect();
    listed.sort_by_key(|one| std::cmp::Reverse(one.created()));
    page.cut(&listed, "charge", "/v1/charges", Listed::id, Listed::render)
}

/// What an account's list of charges holds: its customers' payments and the platform's.
enum Listed<'a> {
    Charge(&'a Charge),
    Payment(&'a DestinationPayment),
}

impl Listed<'_> {
    fn created(&self) -> i64 {
        match self {
            Self::Charge(charge) => charge.created,
            Self::Payment(payment) => payment.created,
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Charge(charge) => &charge.id,
            Self::Payment(payment) => &payment.id,
        }
    }

    fn render(&self) -> Value {
        match self {
            Self::Charge(charge) => charge.render(),
            Self::Payment(payment) => payment.render(),
        }
    }
}
