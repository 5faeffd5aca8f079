//! Stripe calls for one payment attempt: a PaymentIntent or a Checkout Session.

mod capture;
mod close;
mod create;
mod resume;
mod stripe_calls;
mod stripe_object;
mod update_details;

pub(crate) use resume::payment_span;
pub(crate) use stripe_object::StripeObject;

/// The reason recorded for attempts and refunds on an unreachable account.
pub(crate) const UNREACHABLE: &str = "seller_disconnected";
