//! Errors of receiving an event.

use std::sync::Arc;

use quittance_stripe_gateway::event::NotAnEvent;
use quittance_stripe_gateway::signature::SignatureError;

/// The reason why an event wasn't accepted.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The signature doesn't prove that Stripe sent the bytes.
    #[error("invalid event signature")]
    Signature(#[from] SignatureError),
    /// The signature is valid, but the body isn't an event.
    #[error("the verified body isn't an event")]
    NotAnEvent(#[from] NotAnEvent),
    /// The queue is full.
    #[error("too many events are waiting to be stored")]
    Full,
    /// The event wasn't stored, or its commit is uncertain.
    #[error("failed to store the event")]
    Unavailable(#[source] Arc<quittance_persistence::Error>),
    /// The receiver is closed.
    #[error("the receiver is closed")]
    Closed,
}
