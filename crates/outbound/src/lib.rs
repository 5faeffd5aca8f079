//! Events to the shop's own systems: published, signed by the Standard Webhooks specification, delivered, and tried
//! again.
//!
//! What is to be told is written in the transaction that changed an order. The [`Worker`] makes messages of it, takes
//! deliveries on with leases, sends them, and records what came of it; any number of processes may each run one. Where
//! it may connect to is the [`Guard`]'s to say, after names are resolved and for the very connection that is made.

mod guard;
mod lanes;
mod sender;
mod signature;
mod worker;

pub use guard::{Guard, Resolver, Schemes, SystemResolver, UrlError};
pub use ipnet::IpNet;
pub use sender::{DeliveryResponse, Sender, SenderError};
pub use signature::{new_secret, sign};
pub use worker::{OutboundConfig, Wakeup, Worker};
