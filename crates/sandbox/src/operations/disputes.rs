//! Opening and closing of disputes.
//!
//! A dispute withdraws its amount and a fee from the balance when it opens. If it is won, the amount is returned. An
//! inquiry withdraws nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::objects::balance_transaction::{BalanceTransaction, BalanceTransactionType};
use crate::objects::charge::Charge;
use crate::objects::dispute::{Dispute, DisputeReason, DisputeStatus};
use crate::objects::payment_method::Details;
use crate::operations::balance::{self, BalanceChange, DISPUTE_FEE};
use crate::state::Tx;
use crate::storage::ids;
use crate::test_data::card_effects::CardEffect;

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// The number of days to respond. The last day counts in full.
const DAYS_TO_ANSWER: i64 = 9;

/// The time after which an inquiry closes.
const INQUIRY_TIME: Duration = Duration::from_hours(120 * 24);

/// A dispute or inquiry to open.
pub(crate) struct DisputeClaim {
    pub(crate) amount: i64,
    pub(crate) reason: DisputeReason,
    pub(crate) is_inquiry: bool,
}

/// Opens the disputes of a test card.
pub(crate) fn open_for_test_card(tx: &mut Tx<'_>, charge: &Charge) {
    let amount = disputable_amount(tx, charge);
    let whole = |reason, is_inquiry| vec![DisputeClaim { amount, reason, is_inquiry }];
    let claims = match charge.payment_method.effect {
        CardEffect::FraudulentDispute => whole(DisputeReason::Fraudulent, false),
        CardEffect::NotReceivedDispute => whole(DisputeReason::ProductNotReceived, false),
        CardEffect::Inquiry => whole(DisputeReason::Fraudulent, true),
        CardEffect::TwoDisputes => {
            let half = amount / 2;
            let part = |amount, reason| DisputeClaim { amount, reason, is_inquiry: false };
            vec![
                part(amount - half, DisputeReason::ProductUnacceptable),
                part(half, DisputeReason::ProductNotReceived),
            ]
        }
        _ => return,
    };
    for claim in claims.iter().filter(|claim| claim.amount > 0) {
        open(tx, &charge.id, claim);
    }
}

/// Opens a dispute of a captured charge.
pub(crate) fn open(tx: &mut Tx<'_>, charge: &str, claim: &DisputeClaim) -> Option<Dispute> {
    let mut charge = tx.get::<Charge>(charge)?.clone();
    let now = tx.now.seconds();
    let due_by = (now / SECONDS_PER_DAY + DAYS_TO_ANSWER + 1) * SECONDS_PER_DAY - 1;
    let (status, scheduled_outcome) = if claim.is_inquiry {
        (DisputeStatus::WarningNeedsResponse, (DisputeStatus::WarningClosed, tx.now.after(INQUIRY_TIME).0))
    } else {
        (DisputeStatus::NeedsResponse, (DisputeStatus::Lost, (due_by + 1) * 1_000))
    };
    let mut dispute = Dispute {
        id: ids::object("du"),
        created: now,
        amount: claim.amount,
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
        reason: claim.reason,
        status,
        submission_count: 0,
        scheduled_outcome: Some(scheduled_outcome),
    };
    if !claim.is_inquiry {
        move_balance(tx, &mut dispute, -claim.amount, DISPUTE_FEE, "dispute");
    }
    charge.disputed = true;
    tx.put(charge);
    tx.put(dispute.clone());
    tx.emit("charge.dispute.created", render(tx, &dispute));
    if !claim.is_inquiry {
        tx.emit("charge.dispute.funds_withdrawn", render(tx, &dispute));
    }
    Some(dispute)
}

/// Closes a dispute with the given outcome.
pub(crate) fn close(tx: &mut Tx<'_>, mut dispute: Dispute, outcome: DisputeStatus) -> Dispute {
    dispute.status = outcome;
    dispute.scheduled_outcome = None;
    if outcome == DisputeStatus::Won {
        let amount = dispute.amount;
        move_balance(tx, &mut dispute, amount, 0, "dispute_reversal");
    }
    tx.put(dispute.clone());
    tx.emit("charge.dispute.closed", render(tx, &dispute));
    if outcome == DisputeStatus::Won {
        tx.emit("charge.dispute.funds_reinstated", render(tx, &dispute));
    }
    dispute
}

/// Closes the inquiries of a fully refunded charge.
pub(crate) fn close_inquiries(tx: &mut Tx<'_>, charge: &str) {
    let open: Vec<Dispute> = for_charge(tx, charge)
        .filter(|one| one.status.is_inquiry() && !one.status.is_closed())
        .cloned()
        .collect();
    for dispute in open {
        close(tx, dispute, DisputeStatus::WarningClosed);
    }
}

fn for_charge<'a>(tx: &'a Tx<'_>, charge: &'a str) -> impl Iterator<Item = &'a Dispute> {
    tx.newest_first::<Dispute>().filter(move |dispute| dispute.charge == charge)
}

/// Returns whether the charge has a dispute that is open or lost. Inquiries don't count.
pub(crate) fn is_charged_back(tx: &Tx<'_>, charge: &str) -> bool {
    for_charge(tx, charge).any(|one| !one.status.is_inquiry() && one.status != DisputeStatus::Won)
}

/// Returns the amount of a charge that isn't refunded, disputed or under inquiry.
pub(crate) fn disputable_amount(tx: &Tx<'_>, charge: &Charge) -> i64 {
    let counted =
        for_charge(tx, &charge.id).filter(|one| !one.status.is_closed() || one.status == DisputeStatus::Lost);
    charge.refundable() - counted.map(|one| one.amount).sum::<i64>()
}

fn move_balance(tx: &mut Tx<'_>, dispute: &mut Dispute, amount: i64, fee: i64, reporting_category: &str) {
    let change = BalanceChange {
        type_: BalanceTransactionType::Adjustment,
        reporting_category,
        source: &dispute.id,
        amount,
        fee,
        currency: &dispute.currency,
        description: Some(format!("Chargeback of charge {}", dispute.charge)),
        pends_for: Duration::ZERO,
    };
    let id = balance::record(tx, change);
    dispute.balance_transactions.push(id);
}

pub(crate) fn render(tx: &Tx<'_>, dispute: &Dispute) -> Value {
    let transactions = dispute.balance_transactions.iter().filter_map(|id| tx.get::<BalanceTransaction>(id));
    let transactions: Vec<Value> = transactions.map(|transaction| transaction.render(tx.now)).collect();
    dispute.render(&transactions, !is_charged_back(tx, &dispute.charge))
}

/// Closes a dispute with its scheduled outcome.
pub(crate) fn on_due(tx: &mut Tx<'_>, id: &str) {
    let Some(mut dispute) = tx.get::<Dispute>(id).cloned() else { return };
    if let Some((outcome, _)) = dispute.scheduled_outcome {
        dispute.is_past_due = dispute.status == DisputeStatus::NeedsResponse;
        close(tx, dispute, outcome);
    }
}
