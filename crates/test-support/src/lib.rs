//! Test fixtures that several crates share: temporary databases, a fixed clock, and sample orders and events.
//!
//! Write a test for SQLite and PostgreSQL as an `async fn(&TestDatabase)`, and list it in [`on_both_databases!`]. To
//! wait for something that happens concurrently, call [`wait_until`].

#![allow(clippy::missing_panics_doc, reason = "an error here fails a test")]

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
