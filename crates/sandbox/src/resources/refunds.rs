//! Refunds: <https://docs.stripe.com/api/refunds>.
//!
//! A refund counts in the charge's `amount_refunded` from the moment it is made; if it fails or is canceled later,
//! its amount can be refunded again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::clock::Moment;
use crate::ids;
use crate::list::{Page, created_filter};
use crate::money::decimal;
use crate::params::{MetadataChange, Params, words};
use crate::request::Call;
use crate::resources::balance_transactions::{self, BalanceTransactionType, Movement};
use crate::resources::charges::Charge;
use crate::resources::connect::{self, TakeBack};
use crate::resources::disputes;
use crate::resources::payment_intents::PaymentIntent;
use crate::resources::payment_methods::PaymentMethodType;
use crate::routes::Route;
use crate::state::{Resource, Tx};
use crate::test_quirks::Quirk;
use crate::test_vouchers::VOUCHER_LIFE;
use crate::timers::Timed;

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/v1/refunds", create),
    Route::get("/v1/refunds", list),
    Route::get("/v1/charges/{id}/refunds", list_of_path),
    Route::get("/v1/refunds/{id}", retrieve),
    Route::post("/v1/refunds/{id}", update),
    Route::post("/v1/refunds/{id}/cancel", cancel),
];

words! {
    /// What has become of a refund.
    RefundStatus {
        Pending = "pending",
        RequiresAction = "requires_action",
        Succeeded = "succeeded",
        Failed = "failed",
        Canceled = "canceled",
    }
}

words! {
    /// Why a shop refunds.
    RefundReason {
        Duplicate = "duplicate",
        Fraudulent = "fraudulent",
        RequestedByCustomer = "requested_by_customer",
    }
}

words! {
    /// Why a refund failed: <https://docs.stripe.com/api/refunds/object#refund_object-failure_reason>.
    RefundFailure {
        ChargeForPendingRefundDisputed = "charge_for_pending_refund_disputed",
        Declined = "declined",
        ExpiredOrCanceledCard = "expired_or_canceled_card",
        InsufficientFunds = "insufficient_funds",
        LostOrStolenCard = "lost_or_stolen_card",
        MerchantRequest = "merchant_request",
        Unknown = "unknown",
    }
}

/// Money on its way back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    created: i64,
    amount: i64,
    balance_transaction: Option<String>,
    charge: String,
    currency: String,
    failure_balance_transaction: Option<String>,
    failure_reason: Option<RefundFailure>,
    instructions_email: Option<String>,
    is_of_card: bool,
    metadata: BTreeMap<String, String>,
    payment_intent: String,
    reason: Option<RefundReason>,
    status: RefundStatus,
    #[serde(default)]
    transfer_reversal: Option<String>,
    /// How it ends by itself, and when.
    planned: Option<(RefundStatus, i64)>,
}

impl Resource for Refund {
    const KIND: &'static str = "refund";

    fn id(&self) -> &str {
        &self.id
    }

    fn due(&self) -> Option<Moment> {
        self.planned.map(|(_, at_ms)| Moment(at_ms))
    }
}

impl Timed for Refund {
    fn come_due(tx: &mut Tx<'_>, id: &str) {
        let Some(refund) = tx.get::<Self>(id).cloned() else { return };
        match refund.planned {
            Some((RefundStatus::Failed, _)) => {
                fail(tx, refund, RefundFailure::ExpiredOrCanceledCard);
            }
            Some(_) => {
                succeed(tx, refund);
            }
            None => {}
        }
    }
}

impl Refund {
    /// Whether its amount counts as refunded; one that does can still fail.
    pub(crate) fn counts(&self) -> bool {
        !matches!(self.status, RefundStatus::Failed | RefundStatus::Canceled)
    }

    /// Whether the bank's word is still to come.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.status, RefundStatus::Pending | RefundStatus::RequiresAction)
    }

    pub(crate) fn render(&self) -> Value {
        let mut rendered = json!({
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": self.balance_transaction,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "destination_details": self.render_destination(),
            "metadata": self.metadata,
            "payment_intent": self.payment_intent,
            "reason": self.reason,
            "receipt_number": null,
            "source_transfer_reversal": null,
            "status": self.status,
            "transfer_reversal": self.transfer_reversal,
        });
        // As at Stripe, what has not happened is absent.
        if let Some(reason) = self.failure_reason {
            rendered["failure_reason"] = json!(reason);
            rendered["failure_balance_transaction"] = json!(self.failure_balance_transaction);
        }
        if let Some(email) = &self.instructions_email {
            rendered["instructions_email"] = email.as_str().into();
        }
        if self.status == RefundStatus::Pending {
            rendered["pending_reason"] = "processing".into();
        }
        if self.status == RefundStatus::RequiresAction {
            let expires_at = Moment(self.created * 1_000).after(VOUCHER_LIFE).seconds();
            rendered["next_action"] = json!({
                "type": "display_details",
                "display_details": {
                    "email_sent": { "email_sent_at": self.created, "email_sent_to": self.instructions_email },
                    "expires_at": expires_at,
                },
            });
        }
        rendered
    }

    fn render_destination(&self) -> Value {
        if !self.is_of_card {
            return Value::Null;
        }
        let reference_status = if self.status == RefundStatus::Succeeded { "available" } else { "pending" };
        let reference = (self.status == RefundStatus::Succeeded).then_some("7920035921602553");
        let mut card = json!({
            "reference_status": reference_status,
            "reference_type": "acquirer_reference_number",
            "type": "refund",
        });
        if let Some(reference) = reference {
            card["reference"] = reference.into();
        }
        json!({ "type": "card", "card": card })
    }
}

/// What a refund is asked for with.
struct Wish {
    charge: Option<String>,
    payment_intent: Option<String>,
    amount: Option<i64>,
    instructions_email: Option<String>,
    metadata: Option<MetadataChange>,
    reason: Option<RefundReason>,
    take_back: TakeBack,
}

impl Wish {
    fn parse(mut params: Params) -> Result<Self, ApiError> {
        let wish = Self {
            charge: params.string("charge")?,
            payment_intent: params.string("payment_intent")?,
            amount: params.integer("amount")?,
            instructions_email: params.string("instructions_email")?,
            metadata: params.metadata()?,
            reason: params.word("reason")?,
            take_back: TakeBack::parse(&mut params)?,
        };
        params.refuse_unsupported(&["currency", "customer", "origin"])?;
        if wish.charge.is_some() && wish.payment_intent.is_some() {
            return Err(params
                .invalid("charge", "You may only specify one of these parameters: charge, payment_intent."));
        }
        if wish.amount.is_some_and(|amount| amount < 1) {
            return Err(params
                .invalid("amount", "This value must be greater than or equal to 1.")
                .with_code("parameter_invalid_integer"));
        }
        params.finish()?;
        Ok(wish)
    }

    /// The charge whose money goes back.
    fn find_charge(&self, tx: &Tx<'_>) -> Result<Charge, ApiError> {
        let charge = match (&self.charge, &self.payment_intent) {
            (Some(id), _) => tx.get::<Charge>(id).ok_or_else(|| ApiError::missing("charge", id, "charge"))?,
            (None, Some(id)) => {
                let intent = tx.get::<PaymentIntent>(id);
                let intent =
                    intent.ok_or_else(|| ApiError::missing("payment_intent", id, "payment_intent"))?;
                let charge = intent.latest_charge().and_then(|charge| tx.get::<Charge>(charge));
                charge.ok_or_else(|| nothing_to_refund(id))?
            }
            (None, None) => {
                return Err(ApiError::invalid(
                    "One of the following params should be provided for this request: payment_intent or charge.",
                )
                .with_code("parameter_missing"));
            }
        };
        if charge.is_captured() { Ok(charge.clone()) } else { Err(nothing_to_refund(&charge.payment_intent)) }
    }
}

fn nothing_to_refund(intent: &str) -> ApiError {
    ApiError::refused(format!("This PaymentIntent ({intent}) does not have a successful charge to refund."))
}

fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let wish = Wish::parse(std::mem::take(&mut call.params))?;
    let charge = wish.find_charge(call.tx)?;
    let rest = charge.refundable();
    if disputes::is_charged_back(call.tx, &charge.id) {
        return Err(ApiError::refused(format!(
            "Charge {} has been charged back; cannot issue a refund.",
            charge.id
        ))
        .with_code("charge_disputed"));
    }
    if rest == 0 {
        return Err(ApiError::refused(format!("Charge {} has already been refunded.", charge.id))
            .with_code("charge_already_refunded"));
    }
    let amount = wish.amount.unwrap_or(rest);
    if amount > rest {
        return Err(ApiError::refused(format!(
            "Refund amount ({}) is greater than unrefunded amount on charge ({})",
            decimal(amount, &charge.currency),
            decimal(rest, &charge.currency)
        ))
        .with_param("amount"));
    }
    let mut metadata = BTreeMap::new();
    if let Some(change) = wish.metadata {
        change.apply(&mut metadata)?;
    }
    let is_voucher = charge.payment_method.type_() == PaymentMethodType::Multibanco;
    let email = wish.instructions_email.or_else(|| charge.payment_method.billing_details.email.clone());
    let id = ids::object(charge.id_prefix("re", "pyr"));
    let transfer_reversal = connect::take_back(call.tx, &charge, &id, amount, wish.take_back)?;
    let refund = Refund {
        id,
        created: call.tx.now.seconds(),
        amount,
        balance_transaction: None,
        charge: charge.id.clone(),
        currency: charge.currency.clone(),
        failure_balance_transaction: None,
        failure_reason: None,
        instructions_email: email.filter(|_| is_voucher),
        is_of_card: charge.payment_method.type_() == PaymentMethodType::Card,
        metadata,
        payment_intent: charge.payment_intent.clone(),
        reason: wish.reason,
        status: RefundStatus::Succeeded,
        transfer_reversal,
        planned: None,
    };
    Ok(start(call.tx, charge, refund).render())
}

/// Sends the money back, as the payment method has it.
fn start(tx: &mut Tx<'_>, mut charge: Charge, mut refund: Refund) -> Refund {
    let later = tx.now.after(tx.settings.refund_delay).0;
    let quirk = charge.payment_method.quirk;
    (refund.status, refund.planned) = match charge.payment_method.type_() {
        PaymentMethodType::Card if quirk == Quirk::RefundFails => {
            (RefundStatus::Succeeded, Some((RefundStatus::Failed, later)))
        }
        PaymentMethodType::Card if quirk != Quirk::RefundPends => (RefundStatus::Succeeded, None),
        PaymentMethodType::Card | PaymentMethodType::SepaDebit | PaymentMethodType::UsBankAccount => {
            (RefundStatus::Pending, Some((RefundStatus::Succeeded, later)))
        }
        // The customer has to say where the money should go.
        PaymentMethodType::Multibanco => (RefundStatus::RequiresAction, None),
    };
    let type_ = match charge.payment_method.type_() {
        PaymentMethodType::Card => BalanceTransactionType::Refund,
        _ => BalanceTransactionType::PaymentRefund,
    };
    refund.balance_transaction = Some(move_balance(tx, &refund, type_, -refund.amount));
    charge.refund(refund.amount);
    tx.put(charge.clone());
    tx.put(refund.clone());
    tx.emit("refund.created", refund.render());
    tx.emit("charge.refunded", charge.render());
    if charge.refundable() == 0 {
        disputes::close_inquiries(tx, &charge.id);
    }
    refund
}

fn move_balance(tx: &mut Tx<'_>, refund: &Refund, type_: BalanceTransactionType, amount: i64) -> String {
    let is_failure = type_ == BalanceTransactionType::RefundFailure;
    let movement = Movement {
        type_,
        reporting_category: if is_failure { "refund_failure" } else { "refund" },
        source: &refund.id,
        amount,
        fee: 0,
        currency: &refund.currency,
        description: Some(if is_failure { "REFUND FAILURE" } else { "REFUND FOR PAYMENT" }.to_owned()),
        pends_for: std::time::Duration::ZERO,
    };
    balance_transactions::record(tx, movement)
}

/// The bank has taken the money.
pub(crate) fn succeed(tx: &mut Tx<'_>, refund: Refund) -> Refund {
    let refund = Refund { status: RefundStatus::Succeeded, planned: None, ..refund };
    tx.put(refund.clone());
    emit_update(tx, &refund);
    refund
}

/// The bank has not taken the money: it is the shop's again.
pub(crate) fn fail(tx: &mut Tx<'_>, mut refund: Refund, reason: RefundFailure) -> Refund {
    refund.failure_reason = Some(reason);
    let refund = take_back(tx, refund, RefundStatus::Failed);
    emit_update(tx, &refund);
    tx.emit("refund.failed", refund.render());
    refund
}

fn take_back(tx: &mut Tx<'_>, mut refund: Refund, status: RefundStatus) -> Refund {
    let moved = move_balance(tx, &refund, BalanceTransactionType::RefundFailure, refund.amount);
    refund.failure_balance_transaction = Some(moved);
    refund.status = status;
    refund.planned = None;
    if let Some(mut charge) = tx.get::<Charge>(&refund.charge).cloned() {
        charge.refund(-refund.amount);
        tx.put(charge);
    }
    tx.put(refund.clone());
    refund
}

fn emit_update(tx: &mut Tx<'_>, refund: &Refund) {
    tx.emit("refund.updated", refund.render());
    tx.emit("charge.refund.updated", refund.render());
}

fn find(call: &Call<'_, '_>) -> Result<Refund, ApiError> {
    let refund = call.tx.get::<Refund>(call.id).cloned();
    refund.ok_or_else(|| ApiError::missing("refund", call.id, "id"))
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    find(call).map(|refund| refund.render())
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let metadata = params.metadata()?;
    params.finish()?;
    let mut refund = find(call)?;
    if let Some(change) = metadata {
        change.apply(&mut refund.metadata)?;
    }
    call.tx.put(refund.clone());
    emit_update(call.tx, &refund);
    Ok(refund.render())
}

fn cancel(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let refund = find(call)?;
    if refund.status != RefundStatus::RequiresAction {
        return Err(ApiError::refused(format!(
            "This refund could not be canceled because it has a status of {}. Only a refund with one of the \
             following statuses may be canceled: requires_action.",
            crate::params::Word::as_str(refund.status)
        )));
    }
    let refund = take_back(call.tx, refund, RefundStatus::Canceled);
    emit_update(call.tx, &refund);
    Ok(refund.render())
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let charge = params.string("charge")?;
    let intent = params.string("payment_intent")?;
    page_of(call.tx, params, charge.as_deref(), intent.as_deref(), "/v1/refunds")
}

/// The address that a charge's list of refunds names for its further pages.
fn list_of_path(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let params = std::mem::take(&mut call.params);
    if call.tx.get::<Charge>(call.id).is_none() {
        return Err(ApiError::missing("charge", call.id, "id"));
    }
    page_of(call.tx, params, Some(call.id), None, &list_url(call.id))
}

fn list_url(charge: &str) -> String {
    format!("/v1/charges/{charge}/refunds")
}

fn page_of(
    tx: &Tx<'_>,
    mut params: Params,
    charge: Option<&str>,
    intent: Option<&str>,
    url: &str,
) -> Result<Value, ApiError> {
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    params.finish()?;
    let refunds: Vec<&Refund> = tx
        .newest_first::<Refund>()
        .filter(|refund| created.contains(&refund.created))
        .filter(|refund| charge.is_none_or(|charge| refund.charge == charge))
        .filter(|refund| intent.is_none_or(|intent| refund.payment_intent == intent))
        .collect();
    page.cut(&refunds, "refund", url, |refund| &refund.id, |refund| refund.render())
}

/// The list of a charge's refunds that `expand[]=refunds` shows: the newest ten.
pub(crate) fn list_of_charge(tx: &Tx<'_>, charge: &str) -> Value {
    let refunds: Vec<&Refund> =
        tx.newest_first::<Refund>().filter(|refund| refund.charge == charge).collect();
    let data: Vec<Value> = refunds.iter().take(10).map(|refund| refund.render()).collect();
    json!({
        "object": "list",
        "data": data,
        "has_more": refunds.len() > data.len(),
        "url": list_url(charge),
    })
}
