//! Voucher outcomes, selected by the customer's email address
//! (<https://docs.stripe.com/payments/multibanco/accept-a-payment>, "Test your integration").

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::test_data::behavior::DebitFailure;

/// The lifetime of a voucher.
pub(crate) const VOUCHER_LIFETIME: Duration = Duration::from_hours(7 * 24);

/// A voucher's outcome, and the delay after its creation.
pub(crate) struct VoucherPlan {
    pub(crate) fails_with: Option<DebitFailure>,
    pub(crate) after: Duration,
}

impl VoucherPlan {
    /// Selects a plan by the local part of the email address. `soon` and `later` are the sandbox's debit delays.
    pub(crate) fn for_email(email: &str, soon: Duration, later: Duration) -> Self {
        let user = email.split_once('@').map_or(email, |(user, _)| user);
        let expires = |after| Self { fails_with: Some(DebitFailure::VoucherExpired), after };
        let is_paid = |after| Self { fails_with: None, after };
        if user.ends_with("succeed_immediately") {
            is_paid(soon)
        } else if user.ends_with("expire_immediately") {
            expires(soon)
        } else if user.ends_with("expire_with_delay") {
            expires(later)
        } else if user.ends_with("fill_never") {
            expires(VOUCHER_LIFETIME)
        } else {
            is_paid(later)
        }
    }
}

/// The entity that receives all test voucher payments.
pub(crate) const VOUCHER_ENTITY: &str = "12345";

/// Returns a voucher's nine-digit reference, which depends only on the PaymentIntent's ID.
pub(crate) fn voucher_reference(intent: &str) -> String {
    let hash = Sha256::digest(intent);
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    format!("{:09}", number % 1_000_000_000)
}
