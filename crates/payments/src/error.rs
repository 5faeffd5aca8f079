//! Why a use case came to nothing.

use quittance_domain::money::Money;
use quittance_domain::order::OrderStatus;
use quittance_stripe_gateway::Refusal;

/// Why a use case came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such order.
    #[error("there is no such order")]
    NotFound,
    /// The order takes no payment as it stands.
    #[error("an order that is {} takes no payment", .0.as_str())]
    NotPayable(OrderStatus),
    /// The order, or its attempt, is being closed: nothing can be begun at this moment.
    #[error("the order is being closed")]
    Closing,
    /// A payment of the order is on its way or held, and can not be replaced by another.
    #[error("a payment is on its way: the order is {}", .0.as_str())]
    InFlight(OrderStatus),
    /// Nothing is held for the order that could be taken.
    #[error("nothing is held for an order that is {}", .0.as_str())]
    NotCapturable(OrderStatus),
    /// Another amount is being taken already.
    #[error("{} is being taken already", .0)]
    CaptureBegun(Money),
    /// More is to be taken than is held.
    #[error("no more than {} is held", .0)]
    CaptureTooLarge(Money),
    /// No money of the order can go back as it stands.
    #[error("no money of an order that is {} can go back", .0.as_str())]
    NotRefundable(OrderStatus),
    /// The charge is disputed: the bank decides where the money goes.
    #[error("the charge is disputed")]
    Disputed,
    /// More is to go back than is left.
    #[error("no more than {} is left to go back", .0)]
    RefundTooLarge(Money),
    /// Too many tries at paying the order have failed.
    #[error("too many tries at paying this order have failed")]
    TooManyAttempts,
    /// The order's live attempt has another capture method.
    #[error("the live attempt has another capture method")]
    CaptureMethodFixed,
    /// The order can not be canceled as it stands.
    #[error("an order that is {} can not be canceled", .0.as_str())]
    NotCancelable(OrderStatus),
    /// Stripe will not do it, and says why.
    #[error("Stripe refused the request")]
    Refused(#[source] RefusalError),
    /// Stripe gave no final answer. What was begun is recorded, and driven on by the worker.
    #[error("Stripe could not be asked")]
    Stripe(#[source] quittance_stripe_gateway::Error),
    /// Stripe answered with something that is none of ours.
    #[error("Stripe answered with a PaymentIntent that is not this attempt's: {}", .0.as_str())]
    Mismatch(quittance_domain::payment::Mismatch),
    /// The store could not do its part.
    #[error(transparent)]
    Store(#[from] quittance_persistence::Error),
    /// The task was stopped, by a shutdown or a panic.
    #[error("the task was stopped")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl Error {
    /// Why nothing can be begun while an order stands so: because money is on its way, or because it is closed.
    pub(crate) fn in_flight(status: OrderStatus) -> Self {
        match status {
            OrderStatus::Processing | OrderStatus::Authorized => Self::InFlight(status),
            _ => Self::Closing,
        }
    }

    /// Whether Stripe does not take our key: nobody can pay until an operator mends the configuration.
    #[must_use]
    pub fn is_of_configuration(&self) -> bool {
        use quittance_stripe_gateway::Error::Refused;
        matches!(self, Self::Stripe(Refused(refusal)) if refusal.is_about_the_key())
    }
}

/// A refusal as the source of an error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RefusalError(pub Box<Refusal>);

impl From<quittance_stripe_gateway::Error> for Error {
    fn from(error: quittance_stripe_gateway::Error) -> Self {
        Self::Stripe(error)
    }
}
