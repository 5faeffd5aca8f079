//! Receives Stripe's events: verifies signatures, batches events, applies them, and acknowledges them. The crate
//! doesn't depend on an HTTP framework.
//!
//! [`Receiver::receive`] verifies the raw bytes, puts the event into a bounded queue, and returns once the event is
//! committed. Behind the queue, each writer takes all waiting events when its previous commit is done. Under load,
//! many events therefore share one commit. An idle service commits each event immediately. No timer is involved.
//!
//! `Ok` means that the event's bytes and its effects are committed. After an error, Stripe must send the event again.
//! Repeated events have no effect, because each event counts once.
//!
//! [`EventBackfiller`] recovers events that were never delivered, from Stripe's list of events.
//!
//! ```
//! use quittance_webhook::ReceiverConfig;
//!
//! // While you roll a signing secret, configure both: an event signed with either is accepted.
//! let config = ReceiverConfig {
//!     secrets: vec!["whsec_old".into(), "whsec_new".into()],
//!     // SQLite has one writer at a time. A single one makes larger batches.
//!     writers: 1,
//!     ..ReceiverConfig::default()
//! };
//!
//! assert_eq!(config.queue, 1024, "further events are rejected while 1024 wait; Stripe retries them");
//! ```
//!
//! # Modules
//!
//! Each module imports only modules below it:
//!
//! | module | contents |
//! | --- | --- |
//! | `event_backfill` | recovery of undelivered events |
//! | `receiver` | the entry point: verifies events and waits for their commit |
//! | `batch` | writers, which commit batches and isolate events that fail |
//! | `queue` | the bounded queue between receivers and writers |
//! | `metrics` | descriptions and updates of metrics |
//! | `retention` | deletion of old payloads |
//! | `config`, `error` | settings and errors |

mod batch;
mod config;
mod error;
mod event_backfill;
mod metrics;
mod queue;
mod receiver;
mod retention;

pub use config::ReceiverConfig;
pub use error::ReceiveError;
pub use event_backfill::{EventBackfillError, EventBackfillReport, EventBackfiller};
pub use receiver::Receiver;
pub use retention::clear_event_payloads;
