//! Browser pages.

pub(crate) mod checkout;
mod connect;
mod html;
pub(crate) mod oauth;
pub(crate) mod onboarding;
mod palette;
pub(crate) mod stripe_js;
pub(crate) mod three_d_secure;
