//! An independent check of the rules: what the documentation promises, stated a second time and in another way
//! than the code does, and compared for facts in every order.
//!
//! The big matrices run as a seeded sample; `QUITTANCE_EXHAUSTIVE=1` runs them whole.

mod announcements;
mod attempts;
mod connected;
mod gate;
mod giving_back;
mod merge;
mod oracle;
mod pricing;
mod scenarios;
mod sellers;
mod stage;
mod states_doc;
mod stripe;
mod tasks;
mod truth;
mod walk;
