//! The business rules of Quittance: orders, payments and money. This crate does no I/O.
//!
//! Nothing here reads a clock, a network or a database. Stripe's statements arrive as [`payment::Fact`]s. They
//! merge in any order to the same [`payment::Facts`]. [`History::order_state`](history::History::order_state)
//! computes an order's status from these facts and the recorded [`history::Decisions`], and from nothing else.

pub mod catalog;
pub mod checkout;
pub mod dispute;
pub mod event;
pub mod history;
pub mod id;
pub mod money;
pub mod order;
pub mod order_state;
pub mod outbound;
pub mod payment;
pub mod refund;
pub mod seller;
pub mod string_enum;
pub mod stripe;
