//! The rows that a transaction writes back.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::rows::decisions::DecisionRow;
use super::rows::disputes::DisputeRow;
use super::rows::orders::OrderRow;
use super::rows::outbox::OutboxRow;
use super::rows::payments::PaymentRow;
use super::rows::refunds::RefundRow;
use super::rows::stock::Quantities;

/// The rows that a transaction writes back.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) orders: Vec<OrderRow>,
    pub(crate) checks: Vec<CheckRow>,
    pub(crate) payments: Vec<PaymentRow>,
    pub(crate) new_refunds: Vec<RefundRow>,
    pub(crate) refunds: Vec<RefundRow>,
    pub(crate) new_disputes: Vec<DisputeRow>,
    pub(crate) disputes: Vec<DisputeRow>,
    pub(crate) decisions: Vec<DecisionRow>,
    pub(crate) outbox: Vec<OutboxRow>,
    /// The stock that closed orders release. It is written separately, in product order.
    pub(crate) released_stock: Quantities,
}

/// The time of an order's next check.
#[derive(Debug, Clone)]
pub(crate) struct CheckRow {
    pub(crate) id: String,
    pub(crate) check_at: DateTime<Utc>,
}

/// An order that gets its first refund or dispute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OrderMarkRow {
    pub(crate) id: String,
}

impl Changes {
    /// Returns the orders of new refunds and disputes, in ID order. They must be marked in the same transaction:
    /// refunds and disputes are read for marked orders only.
    pub(crate) fn marked_orders(&self) -> Vec<OrderMarkRow> {
        let refunds = self.new_refunds.iter().map(|row| &row.order_id);
        let disputes = self.new_disputes.iter().map(|row| &row.order_id);
        let ids: BTreeSet<&String> = refunds.chain(disputes).collect();
        ids.into_iter().map(|id| OrderMarkRow { id: id.clone() }).collect()
    }
}
