//! What the tests of several crates need: databases that are thrown away, a fixed clock, and sample orders and
//! events. Used by tests only.
//!
//! A test that is to hold on SQLite and on PostgreSQL is an `async fn(&TestDatabase)`, named in
//! [`on_both_databases!`].

#![allow(clippy::missing_panics_doc, reason = "what goes wrong here fails a test")]

mod clock;
mod database;
mod money_event;
mod payment_event;
mod run;
mod samples;
mod sellers;

pub use clock::{NOW_S, later, now};
pub use database::{Kind, OpenTransaction, TestDatabase};
pub use money_event::MoneyEvent;
pub use payment_event::PaymentEvent;
pub use run::{Probe, run_on, wait_until};
pub use samples::{
    EXPIRY_S, Payment, address_order, attempt_for, customer, id, money, new_attempt, new_order, new_session,
    payment_on, place, place_counted, product, quantity, shipping,
};
pub use sellers::{SellerEvent, account_state, connect, connecting, place_through};
