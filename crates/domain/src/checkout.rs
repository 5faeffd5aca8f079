//! Where a customer pays, and what Stripe tells us of a Checkout Session.

use serde::{Deserialize, Serialize};

use crate::string_enum;

string_enum! {
    /// Where the customer pays an attempt.
    pub enum PaymentFlow {
        /// On the shop's own page, in Stripe's Payment Element.
        PaymentIntent = "payment_intent",
        /// On Stripe's page.
        CheckoutSession = "checkout_session",
    }
}

/// How a Checkout Session stands. The later in this list, the more is known: the greatest that was seen counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// The customer can pay.
    Open,
    /// Its time is over, or we closed it. Its PaymentIntent, if there was one, is canceled.
    Expired,
    /// The customer has done their part. The money may still be on its way.
    Complete,
    /// The customer has done their part, and the money failed to come: nothing can be paid in it any more. Stripe
    /// says so by `checkout.session.async_payment_failed`, and by a complete unpaid Session whose PaymentIntent,
    /// read together with it, waits for a payment method. It can neither be expired nor its PaymentIntent canceled
    /// (<https://docs.stripe.com/api/payment_intents/cancel>).
    Failed,
}

impl SessionStatus {
    /// Stripe's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Expired => "expired",
            Self::Complete | Self::Failed => "complete",
        }
    }
}
