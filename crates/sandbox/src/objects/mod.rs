//! Stored objects, one file per type: fields, enums, and rendering as Stripe's JSON.
//!
//! Objects are plain data. Code that reads or changes other objects is in `operations`.

pub(crate) mod account;
pub(crate) mod account_link;
pub(crate) mod address;
pub(crate) mod application_fee;
pub(crate) mod balance_transaction;
pub(crate) mod capability;
pub(crate) mod challenge;
pub(crate) mod charge;
pub(crate) mod checkout_session;
pub(crate) mod clock_setting;
pub(crate) mod customer;
pub(crate) mod delivery;
pub(crate) mod destination_payment;
pub(crate) mod dispute;
pub(crate) mod event;
pub(crate) mod line_item;
pub(crate) mod oauth;
pub(crate) mod payment_intent;
pub(crate) mod payment_method;
pub(crate) mod payment_method_type;
pub(crate) mod price;
pub(crate) mod product;
pub(crate) mod refund;
pub(crate) mod requirements;
pub(crate) mod saved_response;
pub(crate) mod settlement;
pub(crate) mod transfer;
pub(crate) mod webhook_endpoint;
