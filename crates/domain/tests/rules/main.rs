//! Independent checks of the business rules. The tests state the documented rules a second time, in a different
//! form than the code, and compare both for facts in any order.
//!
//! The large tables run as a seeded sample. Set `QUITTANCE_EXHAUSTIVE=1` to run them in full.

mod attempts;
mod connected;
mod convergence;
mod fixtures;
mod merge;
mod oracle;
mod order_events;
mod outdated;
mod pricing;
mod refunds;
mod scenarios;
mod sellers;
mod sequences;
mod states_doc;
mod stripe;
mod success_checks;
mod tasks;
