//! Pages people see in a browser.

pub(crate) mod checkout;
pub(crate) mod stripe_js;
pub(crate) mod three_d_secure;
