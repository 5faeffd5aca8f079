//! Disputes: <https://docs.stripe.com/api/disputes>. Here the object and its life; its endpoints are in the module
//! below.
//!
//! A dispute takes its amount and a fee from the balance when it is opened, and gives the amount back if it is won. An
//! inquiry takes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::clock::Moment;
use crate::ids;
use crate::params::words;
use crate::resources::balance_transactions::{
    self, BalanceTransaction, BalanceTransactionType, DISPUTE_FEE, Movement,
};
use crate::resources::charges::Charge;
use crate::resources::payment_methods::Details;
use crate::state::{Resource, Tx};
use crate::test_quirks::Quirk;
use crate::timers::Timed;

mod endpoints;

pub(crate) use endpoints::ROUTES;

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;
/// How many days a shop has to answer; the last one counts until its end.
const DAYS_TO_ANSWER: i64 = 9;
/// How long an inquiry stays open.
const INQUIRY_TIME: Duration = Duration::from_hours(120 * 24);

words! {
    /// Where a dispute stands: <https://docs.stripe.com/api/disputes/object#dispute_object-status>.
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

words! {
    /// Why a customer disputes: <https://docs.stripe.com/disputes/categories>.
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

/// A payment that a customer questions with their bank.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) id: String,
    created: i64,
    amount: i64,
    balance_transactions: Vec<String>,
    charge: String,
    currency: String,
    /// The brand of the card, if one was charged.
    brand: Option<String>,
    due_by: i64,
    evidence: BTreeMap<String, String>,
    metadata: BTreeMap<String, String>,
    is_past_due: bool,
    payment_intent: String,
    reason: DisputeReason,
    pub(crate) status: DisputeStatus,
    submission_count: u32,
    /// How it ends by itself, and when.
    planned: Option<(DisputeStatus, i64)>,
}

impl Resource for Dispute {
    const KIND: &'static str = "dispute";

    fn id(&self) -> &str {
        &self.id
    }

    fn due(&self) -> Option<Moment> {
        self.planned.map(|(_, at_ms)| Moment(at_ms))
    }
}

impl Timed for Dispute {
    fn come_due(tx: &mut Tx<'_>, id: &str) {
        let Some(mut dispute) = tx.get::<Self>(id).cloned() else { return };
        if let Some((outcome, _)) = dispute.planned {
            dispute.is_past_due = dispute.status == DisputeStatus::NeedsResponse;
            close(tx, dispute, outcome);
        }
    }
}

/// What a customer goes to the bank with.
pub(crate) struct Complaint {
    pub(crate) amount: i64,
    pub(crate) reason: DisputeReason,
    pub(crate) is_inquiry: bool,
}

/// Opens the disputes that a test card has in store.
pub(crate) fn open_by_quirk(tx: &mut Tx<'_>, charge: &Charge) {
    let amount = undisputed(tx, charge);
    let whole = |reason, is_inquiry| vec![Complaint { amount, reason, is_inquiry }];
    let complaints = match charge.payment_method.quirk {
        Quirk::DisputedAsFraud => whole(DisputeReason::Fraudulent, false),
        Quirk::DisputedAsNotReceived => whole(DisputeReason::ProductNotReceived, false),
        Quirk::Inquired => whole(DisputeReason::Fraudulent, true),
        Quirk::DisputedTwice => {
            let half = amount / 2;
            let part = |amount, reason| Complaint { amount, reason, is_inquiry: false };
            vec![
                part(amount - half, DisputeReason::ProductUnacceptable),
                part(half, DisputeReason::ProductNotReceived),
            ]
        }
        _ => return,
    };
    for complaint in complaints.iter().filter(|complaint| complaint.amount > 0) {
        open(tx, &charge.id, complaint);
    }
}

/// Opens a dispute of a captured charge.
pub(crate) fn open(tx: &mut Tx<'_>, charge: &str, complaint: &Complaint) -> Option<Dispute> {
    let mut charge = tx.get::<Charge>(charge)?.clone();
    let now = tx.now.seconds();
    let due_by = (now / SECONDS_PER_DAY + DAYS_TO_ANSWER + 1) * SECONDS_PER_DAY - 1;
    let (status, planned) = if complaint.is_inquiry {
        (DisputeStatus::WarningNeedsResponse, (DisputeStatus::WarningClosed, tx.now.after(INQUIRY_TIME).0))
    } else {
        (DisputeStatus::NeedsResponse, (DisputeStatus::Lost, (due_by + 1) * 1_000))
    };
    let mut dispute = Dispute {
        id: ids::object("du"),
        created: now,
        amount: complaint.amount,
        balance_transactions: Vec::new(),
        charge: charge.id.clone(),
        currency: charge.currency.clone(),
        brand: match &charge.payment_method.details {
            Details::Card(card) => Some(card.brand.clone()),
            _ => None,
        },
        due_by,
        evidence: BTreeMap::new(),
        metadata: BTreeMap::new(),
        is_past_due: false,
        payment_intent: charge.payment_intent.clone(),
        reason: complaint.reason,
        status,
        submission_count: 0,
        planned: Some(planned),
    };
    if !complaint.is_inquiry {
        dispute.move_balance(tx, -dispute.amount, DISPUTE_FEE, "dispute");
    }
    charge.disputed = true;
    tx.put(charge);
    tx.put(dispute.clone());
    tx.emit("charge.dispute.created", dispute.render(tx));
    if !complaint.is_inquiry {
        tx.emit("charge.dispute.funds_withdrawn", dispute.render(tx));
    }
    Some(dispute)
}

/// The bank decides, or the shop gives in.
pub(crate) fn close(tx: &mut Tx<'_>, mut dispute: Dispute, outcome: DisputeStatus) -> Dispute {
    dispute.status = outcome;
    dispute.planned = None;
    if outcome == DisputeStatus::Won {
        dispute.move_balance(tx, dispute.amount, 0, "dispute_reversal");
    }
    tx.put(dispute.clone());
    tx.emit("charge.dispute.closed", dispute.render(tx));
    if outcome == DisputeStatus::Won {
        tx.emit("charge.dispute.funds_reinstated", dispute.render(tx));
    }
    dispute
}

/// An inquiry about a charge that has been refunded wholly has nothing more to ask.
pub(crate) fn close_inquiries(tx: &mut Tx<'_>, charge: &str) {
    let open: Vec<Dispute> = of_charge(tx, charge)
        .filter(|one| one.status.is_inquiry() && !one.status.is_closed())
        .cloned()
        .collect();
    for dispute in open {
        close(tx, dispute, DisputeStatus::WarningClosed);
    }
}

fn of_charge<'a>(tx: &'a Tx<'_>, charge: &'a str) -> impl Iterator<Item = &'a Dispute> {
    tx.newest_first::<Dispute>().filter(move |dispute| dispute.charge == charge)
}

/// Whether the bank has taken money of this charge back and not returned it.
pub(crate) fn is_charged_back(tx: &Tx<'_>, charge: &str) -> bool {
    of_charge(tx, charge).any(|one| !one.status.is_inquiry() && one.status != DisputeStatus::Won)
}

/// How much of a charge is not yet disputed, inquired about, or refunded.
pub(crate) fn undisputed(tx: &Tx<'_>, charge: &Charge) -> i64 {
    let taken =
        of_charge(tx, &charge.id).filter(|one| !one.status.is_closed() || one.status == DisputeStatus::Lost);
    charge.refundable() - taken.map(|one| one.amount).sum::<i64>()
}

impl Dispute {
    fn move_balance(&mut self, tx: &mut Tx<'_>, amount: i64, fee: i64, reporting_category: &str) {
        let movement = Movement {
            type_: BalanceTransactionType::Adjustment,
            reporting_category,
            source: &self.id,
            amount,
            fee,
            currency: &self.currency,
            description: Some(format!("Chargeback of charge {}", self.charge)),
            pends_for: Duration::ZERO,
        };
        let id = balance_transactions::record(tx, movement);
        self.balance_transactions.push(id);
    }

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

    pub(crate) fn render(&self, tx: &Tx<'_>) -> Value {
        let movements = self.balance_transactions.iter().filter_map(|id| tx.get::<BalanceTransaction>(id));
        let movements: Vec<Value> = movements.map(|movement| movement.render(tx.now)).collect();
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
            "balance_transactions": movements,
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
            "is_charge_refundable": !is_charged_back(tx, &self.charge),
            "livemode": false,
            "metadata": self.metadata,
            "payment_intent": self.payment_intent,
            "payment_method_details": details,
            "reason": self.reason,
            "status": self.status,
        })
    }

    fn render_evidence(&self) -> Value {
        let texts = endpoints::EVIDENCE_TEXTS.iter().map(|name| (*name, json!(self.evidence.get(*name))));
        let files = endpoints::EVIDENCE_FILES.iter().map(|name| (*name, Value::Null));
        let mut evidence: Map<String, Value> =
            texts.chain(files).map(|(name, value)| (name.to_owned(), value)).collect();
        evidence.insert("enhanced_evidence".to_owned(), json!({}));
        Value::Object(evidence)
    }
}
