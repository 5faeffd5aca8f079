//! Lookup of payment methods.

use crate::http::error::ApiError;
use crate::objects::payment_method::PaymentMethod;
use crate::state::Tx;

/// Finds a payment method, or creates one from a test name. A new one still has to be stored.
pub(crate) fn resolve(tx: &Tx<'_>, id: &str) -> Result<PaymentMethod, ApiError> {
    tx.get::<PaymentMethod>(id)
        .cloned()
        .or_else(|| PaymentMethod::from_test_name(id, tx.now.seconds()))
        .ok_or_else(|| ApiError::not_found("PaymentMethod", id, "payment_method").with_status(400))
}
