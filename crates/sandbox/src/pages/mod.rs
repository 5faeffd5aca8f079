//! Pages people see in a browser.

pub(crate) mod three_d_secure;
