//! Use cases against a SQLite store and the sandbox in place of Stripe.

mod canceling;
mod capturing;
mod paying;
mod recovery;
mod refunding;
mod sellers;
mod waiting;
mod world;
