//! The ways to pay, and the status of a Checkout Session.

use serde::{Deserialize, Serialize};

use crate::string_enum;

string_enum! {
    /// The way in which the customer pays an attempt.
    pub enum PaymentFlow {
        /// A PaymentIntent in the shop's own page, with Stripe's Payment Element.
        PaymentIntent = "payment_intent",
        /// A Checkout Session on Stripe's page.
        CheckoutSession = "checkout_session",
    }
}

/// The status of a Checkout Session. Later variants are more final, so the greatest observed value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// The customer can pay.
    Open,
    /// The Session expired, or Quittance closed it. Its PaymentIntent, if any, is canceled.
    Expired,
    /// The customer has finished. The payment may still be processing.
    Complete,
    /// The customer has finished and the payment failed, so the Session can't be paid anymore. Stripe reports
    /// this with `checkout.session.async_payment_failed`. A complete, unpaid Session whose PaymentIntent waits
    /// for a payment method means the same. Such a Session can't be expired, and its PaymentIntent can't be
    /// canceled (<https://docs.stripe.com/api/payment_intents/cancel>).
    Failed,
}

impl SessionStatus {
    /// Returns Stripe's `status`. A failed Session is `complete` at Stripe.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Expired => "expired",
            Self::Complete | Self::Failed => "complete",
        }
    }
}
