//! An independent check of the rules: what the documentation promises, stated a second time and in another way
//! than the code does, and compared for facts in every order.
//!
//! The big matrices run as a seeded sample; `QUITTANCE_EXHAUSTIVE=1` runs them whole.

mod attempts;
mod connected;
mod gate;
mod merge;
mod oracle;
mod order_events;
mod outdated;
mod pricing;
mod refunds;
mod scenarios;
mod sellers;
mod stage;
mod states_doc;
mod stripe;
mod tasks;
mod truth;
mod walk;
