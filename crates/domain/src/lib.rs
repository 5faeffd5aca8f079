//! Orders, payments and money: the rules of Quittance, without any input or output.
//!
//! Nothing here reads a clock, a network or a database. What Stripe tells us arrives as [`payment::Fact`]s,
//! which merge in any order to the same [`payment::Facts`]; what an order's status is follows from them and
//! from the recorded [`history::Decisions`] alone ([`history::History::standing`]).

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
