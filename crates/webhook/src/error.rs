//! Why an event was not taken in.

use std::sync::Arc;

use quittance_stripe_gateway::event::NotAnEvent;
use quittance_stripe_gateway::signature::SignatureError;

/// Why an event was not taken in: nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The bytes are not proven to be Stripe's.
    #[error("the event is not signed as it should be")]
    Signature(#[from] SignatureError),
    /// They are Stripe's, but no event.
    #[error("the verified body is no event")]
    NotAnEvent(#[from] NotAnEvent),
    /// Too many events wait already.
    #[error("too many events wait to be stored")]
    Full,
    /// The event could not be stored, or it is not known whether it was.
    #[error("the event could not be stored")]
    Unavailable(#[source] Arc<quittance_persistence::Error>),
    /// The service is being stopped.
    #[error("the service is being stopped")]
    Closed,
}
