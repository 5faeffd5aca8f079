//! Refunds and disputes.

use chrono::{DateTime, Utc};
use quittance_domain::dispute::Dispute;
use quittance_domain::id::{OrderId, RefundId};
use quittance_domain::money::Money;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::{Account, Mode};
use quittance_domain::refund::{Refund, RefundReason};

/// A refund to be recorded before Stripe hears of it.
#[derive(Debug, Clone)]
pub struct NewRefund {
    /// The id it will have.
    pub id: RefundId,
    /// Which order's money goes back.
    pub order_id: OrderId,
    /// How much, in minor units of the order's currency; everything that is left if it is not said.
    pub amount: Option<i64>,
    /// Why.
    pub reason: Option<RefundReason>,
    /// What else goes back with it.
    pub terms: RefundTermsRequest,
    /// When.
    pub now: DateTime<Utc>,
    /// When the worker may drive it on, should this process not finish it.
    pub resume_at: DateTime<Utc>,
}

/// What else is asked to go back with a refund; what is not said goes back as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RefundTermsRequest {
    /// Whether what was transferred to the seller comes back to the platform.
    pub reverse_transfer: Option<bool>,
    /// Whether the platform's fee goes back to the seller.
    pub refund_application_fee: Option<bool>,
}

/// What became of a refund to be recorded.
#[derive(Debug)]
pub enum BeginRefundOutcome {
    /// It is recorded; now Stripe is to be asked.
    Recorded(PendingRefund),
    /// There is no such order.
    NotFound,
    /// No money of it can go back as it stands.
    NotPaid(OrderStatus),
    /// Its charge is disputed: the bank decides where the money goes.
    Disputed,
    /// More than is left.
    TooMuch(Money),
    /// Nothing was transferred that could come back.
    NoTransfer,
    /// The platform took no fee that could go back.
    NoApplicationFee,
}

/// A refund as its readers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRefund {
    /// The refund.
    pub refund: Refund,
    /// Its order.
    pub order_id: OrderId,
    /// Whether it gives back what does not count as paid: what came too much, or is under review.
    pub is_surplus: bool,
    /// When it was recorded, or first heard of.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A refund with what is needed to work on it at Stripe.
#[derive(Debug, Clone)]
pub struct PendingRefund {
    /// The refund.
    pub stored: StoredRefund,
    /// The account that the payment was made on.
    pub account: Account,
    /// Whether its money is real.
    pub mode: Mode,
    /// The PaymentIntent whose money goes back.
    pub payment_intent_id: String,
    /// How often it was driven again.
    pub resume_count: i32,
    /// Under which idempotency key Stripe is asked for it.
    pub key: RefundKey,
}

/// Which of a refund's idempotency keys is in use. Whoever works on the refund uses this one, so that Stripe makes one
/// refund of all they ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundKey {
    /// How many were used before it, of which nothing can come any more.
    pub number: i32,
    /// From when on it may have been used.
    pub since: DateTime<Utc>,
}

/// That nothing can come of a refund's key any more, so that it gets the next one.
#[derive(Debug, Clone)]
pub struct SpentRefundKey {
    /// The refund.
    pub id: RefundId,
    /// The number of the key that is spent.
    pub number: i32,
    /// From when on the next one may be used.
    pub next_since: DateTime<Utc>,
    /// When the worker is to take the refund up again.
    pub resume_at: DateTime<Utc>,
}

/// A dispute as its readers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDispute {
    /// The dispute.
    pub dispute: Dispute,
    /// Its order.
    pub order_id: OrderId,
    /// When it was first heard of.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}
