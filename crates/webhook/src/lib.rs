//! Stripe's events, from raw bytes to a commit: verify, batch, apply, acknowledge. Knows no HTTP framework.
//!
//! [`Receiver::receive`] verifies the bytes, puts the event into a bounded queue, and returns once the event is
//! committed. The writers behind the queue batch naturally: each takes whatever waits when its previous commit
//! is done, so that under load many events share one commit, and an idle service commits each at once. No timer
//! is involved.
//!
//! What a caller may rely on: `Ok` means that the event's bytes and what follows from them are on disk. Anything
//! else means that Stripe must send the event again, which does no harm: an event counts once.
//!
//! [`EventBackfiller`] finds the events that never arrived, in Stripe's own list of them.

mod batch;
mod config;
mod error;
mod event_backfill;
mod figures;
mod queue;
mod receiver;
mod retention;

pub use config::ReceiverConfig;
pub use error::ReceiveError;
pub use event_backfill::{EventBackfillError, EventBackfillReport, EventBackfiller};
pub use receiver::Receiver;
pub use retention::forget_payloads;
