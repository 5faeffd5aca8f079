//! Voucher outcomes, selected by the customer's email address
//! (<https://docs.stripe.com/payments/multibanco/accept-a-payment>, "Test your integration").

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::test_data::behavior::DebitFailure;

/// How long a voucher can be paid.
pub(crate) const VOUCHER_LIFE: Duration = Duration::from_hours(7 * 24);

/// What becomes of a voucher, and how long after it was made.
pub(crate) struct VoucherPlan {
    pub(crate) fails_with: Option<DebitFailure>,
    pub(crate) after: Duration,
}

impl VoucherPlan {
    /// By the email's part before the `@`; `soon` and `later` are the sandbox's delays of bank debits.
    pub(crate) fn of_email(email: &str, soon: Duration, later: Duration) -> Self {
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
            expires(VOUCHER_LIFE)
        } else {
            is_paid(later)
        }
    }
}

/// The entity that every test voucher is paid to.
pub(crate) const VOUCHER_ENTITY: &str = "12345";

/// The nine digits by which a PaymentIntent's voucher is paid: the same whenever it is looked at.
pub(crate) fn voucher_reference(intent: &str) -> String {
    let hash = Sha256::digest(intent);
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    format!("{:09}", number % 1_000_000_000)
}
