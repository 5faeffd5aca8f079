//! The wire format: form bodies, parameters, errors, lists, and Stripe's rules for amounts.

pub(crate) mod amounts;
pub(crate) mod error;
pub(crate) mod form;
pub(crate) mod pagination;
pub(crate) mod params;
pub(crate) mod string_enum;
pub(crate) mod url;
pub(crate) mod version;
