//! Validation of customer IDs.

use crate::http::error::ApiError;
use crate::objects::customer::Customer;
use crate::state::Tx;

/// Rejects a `customer` parameter that names no customer.
pub(crate) fn check(tx: &Tx<'_>, id: &str) -> Result<(), ApiError> {
    match tx.get::<Customer>(id) {
        Some(customer) if !customer.is_deleted => Ok(()),
        _ => Err(ApiError::not_found("customer", id, "customer").with_status(400)),
    }
}
