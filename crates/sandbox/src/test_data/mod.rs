//! Stripe's test payment methods: <https://docs.stripe.com/testing>.

pub(crate) mod banks;
pub(crate) mod behavior;
pub(crate) mod card_effects;
pub(crate) mod cards;
pub(crate) mod vouchers;
