//! Settings of the receiver.

use secrecy::SecretString;

/// Settings of the receiver.
#[derive(Debug, Clone)]
pub struct ReceiverConfig {
    /// The signing secrets of the endpoint for your own account. While you roll a secret, there are two. Other
    /// endpoints have their own secrets; see [`Receiver::for_endpoint`](crate::Receiver::for_endpoint).
    pub secrets: Vec<SecretString>,
    /// The number of batches that are written concurrently. Two keep PostgreSQL busy while one waits for its commit.
    /// SQLite has one writer at a time, so a single one makes larger batches.
    pub writers: usize,
    /// The most events in one transaction.
    pub max_batch_events: usize,
    /// The most payload bytes in one transaction. A single larger event still gets a transaction.
    pub max_batch_bytes: usize,
    /// The most events that may wait for a writer. Further events are rejected, and Stripe retries them.
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
