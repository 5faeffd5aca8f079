//! How events are received.

use secrecy::SecretString;

/// How events are received.
#[derive(Debug, Clone)]
pub struct ReceiverConfig {
    /// The signing secrets of the endpoint for our own account: more than one while they are rolled. Other endpoints
    /// have secrets of their own: see [`Receiver::for_endpoint`](crate::Receiver::for_endpoint).
    pub secrets: Vec<SecretString>,
    /// How many batches may be on their way to the database at once. Two keep PostgreSQL busy while one waits
    /// for its commit; SQLite writes one at a time, so there one makes the larger batches.
    pub writers: usize,
    /// How many events one transaction takes at most.
    pub max_batch_events: usize,
    /// How many bytes of payload one transaction takes at most, unless a single event has more.
    pub max_batch_bytes: usize,
    /// How many events may wait for their batch. Beyond that, events are turned away and come again later.
    pub queue: usize,
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self {
            secrets: Vec::new(),
            writers: 2,
            max_batch_events: 256,
            max_batch_bytes: 1024 * 1024,
            queue: 1024,
        }
    }
}
