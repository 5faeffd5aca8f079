//! Refunds: <https://docs.stripe.com/api/refunds>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::string_enum::string_enum;
use crate::storage::clock::Timestamp;
use crate::storage::table::Resource;
use crate::test_data::vouchers::VOUCHER_LIFETIME;

string_enum! {
    /// The status of a refund.
    RefundStatus {
        Pending = "pending",
        RequiresAction = "requires_action",
        Succeeded = "succeeded",
        Failed = "failed",
        Canceled = "canceled",
    }
}

string_enum! {
    /// The merchant's reason for a refund.
    RefundReason {
        Duplicate = "duplicate",
        Fraudulent = "fraudulent",
        RequestedByCustomer = "requested_by_customer",
    }
}

string_enum! {
    /// The reason of a failed refund: <https://docs.stripe.com/api/refunds/object#refund_object-failure_reason>.
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

/// A full or partial refund of a charge.
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
    pub(crate) is_card_payment: bool,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) payment_intent: String,
    pub(crate) reason: Option<RefundReason>,
    pub(crate) status: RefundStatus,
    #[serde(default)]
    pub(crate) transfer_reversal: Option<String>,
    /// The scheduled outcome and its time.
    pub(crate) scheduled_outcome: Option<(RefundStatus, i64)>,
}

impl Resource for Refund {
    const KIND: &'static str = "refund";

    fn id(&self) -> &str {
        &self.id
    }

    fn due(&self) -> Option<Timestamp> {
        self.scheduled_outcome.map(|(_, at_ms)| Timestamp(at_ms))
    }
}

impl Refund {
    /// Returns whether the amount counts as refunded. Such a refund can still fail.
    pub(crate) fn counts_as_refunded(&self) -> bool {
        !matches!(self.status, RefundStatus::Failed | RefundStatus::Canceled)
    }

    /// Returns whether the outcome is pending.
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
        // Like Stripe, omits fields that don't apply.
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
            let expires_at = Timestamp(self.created * 1_000).after(VOUCHER_LIFETIME).seconds();
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
        if !self.is_card_payment {
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
