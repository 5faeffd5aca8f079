//! Sellers and their connected Stripe accounts.

pub(crate) mod account_events;
pub(crate) mod change;
pub(crate) mod checks;
pub(crate) mod locked_seller;
pub(crate) mod oauth_states;
pub(crate) mod onboarding;
pub(crate) mod read;
pub(crate) mod readiness;
pub(crate) mod unlink;
