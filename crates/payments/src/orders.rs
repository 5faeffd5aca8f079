//! Use cases for orders.

mod await_outcome;
mod cancel;
mod capture;
mod change;
mod pay;
mod refund;

pub use await_outcome::LookupTimeout;
pub use pay::{CheckoutRequest, HostedPage, LivePaymentIntent};
pub use refund::RefundRequest;
pub(crate) use refund::refund_span;

/// The number of tries to replace a live attempt that changes in the meantime.
const REPLACE_TRIES: usize = 4;
