//! Refunds and disputes.

use chrono::{DateTime, Utc};
use quittance_domain::dispute::Dispute;
use quittance_domain::id::{OrderId, RefundId};
use quittance_domain::money::Money;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::{Account, Mode};
use quittance_domain::refund::{Refund, RefundReason};

/// A refund to record before Stripe creates it.
#[derive(Debug, Clone)]
pub struct NewRefund {
    /// The new refund ID.
    pub id: RefundId,
    /// The order to refund.
    pub order_id: OrderId,
    /// The amount in minor units of the order's currency. `None` refunds the rest.
    pub amount: Option<i64>,
    /// The reason.
    pub reason: Option<RefundReason>,
    /// The effect on the seller's transfer and the platform's fee.
    pub terms: RefundTermsRequest,
    /// The current time.
    pub now: DateTime<Utc>,
    /// When a worker may continue the refund, in case this process doesn't.
    pub resume_at: DateTime<Utc>,
}

/// The requested terms of a refund. By default, a refund reverses the transfer and refunds the fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RefundTermsRequest {
    /// Whether to reverse the transfer to the seller.
    pub reverse_transfer: Option<bool>,
    /// Whether to refund the platform's fee to the seller.
    pub refund_application_fee: Option<bool>,
}

/// The outcome of beginning a refund.
#[derive(Debug)]
pub enum BeginRefundOutcome {
    /// The refund is recorded and can be sent to Stripe.
    Recorded(PendingRefund),
    /// The order doesn't exist.
    NotFound,
    /// An order with this status can't be refunded.
    NotPaid(OrderStatus),
    /// The charge is disputed. The bank decides who gets the money.
    Disputed,
    /// Only this amount can be refunded.
    TooMuch(Money),
    /// The payment has no transfer to reverse.
    NoTransfer,
    /// The platform charged no fee to refund.
    NoApplicationFee,
}

/// A refund with the columns that clients see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRefund {
    /// The refund.
    pub refund: Refund,
    /// The order.
    pub order_id: OrderId,
    /// Whether it refunds money that doesn't count as paid: a surplus, or a payment under review.
    pub is_surplus: bool,
    /// When it was recorded or first reported.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A refund with everything needed to continue it at Stripe.
#[derive(Debug, Clone)]
pub struct PendingRefund {
    /// The refund.
    pub stored: StoredRefund,
    /// The account of the payment.
    pub account: Account,
    /// The mode of the payment.
    pub mode: Mode,
    /// The PaymentIntent to refund.
    pub payment_intent_id: String,
    /// The number of times that a worker has resumed it.
    pub resume_count: i32,
    /// The idempotency key of the request to Stripe.
    pub key: RefundKey,
}

/// The current idempotency key of a refund. All workers use it, so Stripe creates one refund for all their requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundKey {
    /// The number of earlier keys. They can no longer create a refund.
    pub number: i32,
    /// When the key may first have been used.
    pub since: DateTime<Utc>,
}

/// A refund key that can no longer create a refund, so the refund gets the next one.
#[derive(Debug, Clone)]
pub struct SpentRefundKey {
    /// The refund.
    pub id: RefundId,
    /// The number of the spent key.
    pub number: i32,
    /// When the next key may first be used.
    pub next_since: DateTime<Utc>,
    /// When a worker resumes the refund.
    pub resume_at: DateTime<Utc>,
}

/// A dispute with the columns that clients see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDispute {
    /// The dispute.
    pub dispute: Dispute,
    /// The order.
    pub order_id: OrderId,
    /// When it was first reported.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}
