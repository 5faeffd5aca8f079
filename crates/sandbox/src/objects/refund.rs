//! Refunds: <https://docs.stripe.com/api/refunds>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::string_enum::words;
use crate::storage::clock::Moment;
use crate::storage::table::Resource;
use crate::test_data::vouchers::VOUCHER_LIFE;

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
    pub(crate) created: i64,
    pub(crate) amount: i64,
    pub(crate) balance_transaction: Option<String>,
    pub(crate) charge: String,
    pub(crate) currency: String,
    pub(crate) failure_balance_transaction: Option<String>,
    pub(crate) failure_reason: Option<RefundFailure>,
    pub(crate) instructions_email: Option<String>,
    pub(crate) is_of_card: bool,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) payment_intent: String,
    pub(crate) reason: Option<RefundReason>,
    pub(crate) status: RefundStatus,
    #[serde(default)]
    pub(crate) transfer_reversal: Option<String>,
    /// How it ends by itself, and when.
    pub(crate) planned: Option<(RefundStatus, i64)>,
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
