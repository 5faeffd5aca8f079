//! Disputes: <https://docs.stripe.com/api/disputes>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::http::string_enum::string_enum;
use crate::storage::clock::Timestamp;
use crate::storage::table::Resource;

/// Evidence fields with text.
pub(crate) const EVIDENCE_TEXTS: &[&str] = &[
    "access_activity_log",
    "billing_address",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_tracking_number",
    "uncategorized_text",
];

/// Evidence fields with files, which the sandbox doesn't support.
pub(crate) const EVIDENCE_FILES: &[&str] = &[
    "cancellation_policy",
    "customer_communication",
    "customer_signature",
    "duplicate_charge_documentation",
    "receipt",
    "refund_policy",
    "service_documentation",
    "shipping_documentation",
    "uncategorized_file",
];

string_enum! {
    /// The status of a dispute: <https://docs.stripe.com/api/disputes/object#dispute_object-status>.
    DisputeStatus {
        WarningNeedsResponse = "warning_needs_response",
        WarningUnderReview = "warning_under_review",
        WarningClosed = "warning_closed",
        NeedsResponse = "needs_response",
        UnderReview = "under_review",
        Won = "won",
        Lost = "lost",
    }
}

impl DisputeStatus {
    pub(crate) fn is_inquiry(self) -> bool {
        matches!(self, Self::WarningNeedsResponse | Self::WarningUnderReview | Self::WarningClosed)
    }

    pub(crate) fn is_closed(self) -> bool {
        matches!(self, Self::WarningClosed | Self::Won | Self::Lost)
    }
}

string_enum! {
    /// The reason of a dispute: <https://docs.stripe.com/disputes/categories>.
    DisputeReason {
        BankCannotProcess = "bank_cannot_process",
        CheckReturned = "check_returned",
        CreditNotProcessed = "credit_not_processed",
        CustomerInitiated = "customer_initiated",
        DebitNotAuthorized = "debit_not_authorized",
        Duplicate = "duplicate",
        Fraudulent = "fraudulent",
        General = "general",
        IncorrectAccountDetails = "incorrect_account_details",
        InsufficientFunds = "insufficient_funds",
        ProductNotReceived = "product_not_received",
        ProductUnacceptable = "product_unacceptable",
        SubscriptionCanceled = "subscription_canceled",
        Unrecognized = "unrecognized",
    }
}

/// A payment that the customer has disputed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) amount: i64,
    pub(crate) balance_transactions: Vec<String>,
    pub(crate) charge: String,
    pub(crate) currency: String,
    /// The card's brand, for card payments.
    pub(crate) brand: Option<String>,
    pub(crate) due_by: i64,
    pub(crate) evidence: BTreeMap<String, String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) is_past_due: bool,
    pub(crate) payment_intent: String,
    pub(crate) reason: DisputeReason,
    pub(crate) status: DisputeStatus,
    pub(crate) submission_count: u32,
    /// The scheduled outcome and its time.
    pub(crate) scheduled_outcome: Option<(DisputeStatus, i64)>,
}

impl Resource for Dispute {
    const KIND: &'static str = "dispute";

    fn id(&self) -> &str {
        &self.id
    }

    fn due(&self) -> Option<Timestamp> {
        self.scheduled_outcome.map(|(_, at_ms)| Timestamp(at_ms))
    }
}

impl Dispute {
    fn network_reason_code(&self) -> &'static str {
        match self.reason {
            DisputeReason::Fraudulent | DisputeReason::Unrecognized => "10.4",
            DisputeReason::ProductNotReceived => "13.1",
            DisputeReason::ProductUnacceptable => "13.3",
            DisputeReason::CreditNotProcessed => "13.6",
            DisputeReason::Duplicate => "12.6",
            _ => "10.1",
        }
    }

    pub(crate) fn render(&self, balance_transactions: &[Value], is_charge_refundable: bool) -> Value {
        let details = self.brand.as_ref().map(|brand| {
            json!({
                "card": {
                    "brand": brand,
                    "case_type": if self.status.is_inquiry() { "inquiry" } else { "chargeback" },
                    "network": brand,
                    "network_reason_code": self.network_reason_code(),
                },
                "type": "card",
            })
        });
        json!({
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": balance_transactions,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "enhanced_eligibility_types": [],
            "evidence": self.render_evidence(),
            "evidence_details": {
                "due_by": self.due_by,
                "enhanced_eligibility": {},
                "has_evidence": !self.evidence.is_empty(),
                "past_due": self.is_past_due,
                "submission_count": self.submission_count,
            },
            "is_charge_refundable": is_charge_refundable,
            "livemode": false,
            "metadata": self.metadata,
            "payment_intent": self.payment_intent,
            "payment_method_details": details,
            "reason": self.reason,
            "status": self.status,
        })
    }

    fn render_evidence(&self) -> Value {
        let texts = EVIDENCE_TEXTS.iter().map(|name| (*name, json!(self.evidence.get(*name))));
        let files = EVIDENCE_FILES.iter().map(|name| (*name, Value::Null));
        let mut evidence: Map<String, Value> =
            texts.chain(files).map(|(name, value)| (name.to_owned(), value)).collect();
        evidence.insert("enhanced_evidence".to_owned(), json!({}));
        Value::Object(evidence)
    }
}
