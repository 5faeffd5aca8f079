//! Why a use case came to nothing.

use quittance_domain::id::SellerId;
use quittance_domain::money::Money;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::{Account, Attempt, Mode};
use quittance_domain::seller::{Blocker, Seller};
use quittance_stripe_gateway::Refusal;

/// Why a use case came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such order.
    #[error("there is no such order")]
    OrderNotFound,
    /// The order takes no payment as it stands.
    #[error("an order that is {} takes no payment", .0.as_str())]
    OrderNotPayable(OrderStatus),
    /// The order, or its attempt, is being closed: nothing can be begun at this moment.
    #[error("the order is being closed")]
    OrderClosing,
    /// A payment of the order is on its way or held, and can not be replaced by another.
    #[error("a payment is on its way: the order is {}", .0.as_str())]
    PaymentInFlight(OrderStatus),
    /// Nothing is held for the order that could be taken.
    #[error("nothing is held for an order that is {}", .0.as_str())]
    OrderNotCapturable(OrderStatus),
    /// Another amount is being taken already.
    #[error("{} is being taken already", .0)]
    CaptureInProgress(Money),
    /// More is to be taken than is held.
    #[error("no more than {} is held", .0)]
    CaptureTooLarge(Money),
    /// No money of the order can go back as it stands.
    #[error("no money of an order that is {} can go back", .0.as_str())]
    OrderNotRefundable(OrderStatus),
    /// The charge is disputed: the bank decides where the money goes.
    #[error("the charge is disputed")]
    ChargeDisputed,
    /// More is to go back than is left.
    #[error("no more than {} is left to go back", .0)]
    RefundTooLarge(Money),
    /// Too many tries at paying the order have failed.
    #[error("too many tries at paying this order have failed")]
    TooManyAttempts,
    /// The order's live attempt has another capture method.
    #[error("the live attempt has another capture method")]
    CaptureMethodConflict,
    /// The order can not be canceled as it stands.
    #[error("an order that is {} can not be canceled", .0.as_str())]
    OrderNotCancelable(OrderStatus),
    /// There is no such seller.
    #[error("there is no such seller")]
    SellerNotFound,
    /// Nothing can be charged through the order's seller now.
    #[error("the seller {seller_id} can not be charged through")]
    SellerNotReady {
        /// The seller.
        seller_id: SellerId,
        /// Why.
        blockers: Vec<Blocker>,
    },
    /// The platform may not use the seller's account.
    #[error("the seller is not connected")]
    SellerNotConnected,
    /// The account was connected by its owner, who tells Stripe in its dashboard what it asks for.
    #[error("only an account that the platform made is filled in by links")]
    AccountLinkNotAllowed,
    /// The platform's `ca_…` is not configured.
    #[error("no client id for OAuth is configured")]
    OAuthNotConfigured,
    /// What came back from Stripe's page is not taken.
    #[error("the state of the authorization is {}", .0.as_str())]
    InvalidOAuthState(OAuthStateError),
    /// Stripe does not take the code: it was used, has expired, or was never ours.
    #[error("Stripe does not take the code of the authorization")]
    InvalidOAuthCode,
    /// The account was connected in another mode than ours.
    #[error("the account was connected in another mode")]
    SellerModeMismatch,
    /// The seller's account works: it is let go only by force.
    #[error("the account of the seller works")]
    SellerInUse(Box<Seller>),
    /// Money of so many of the seller's orders is on its way or held.
    #[error("money of {0} of the seller's orders is on its way or held")]
    OpenSellerPayments(usize),
    /// Nothing was transferred that could come back.
    #[error("nothing was transferred of this payment")]
    NoTransferToReverse,
    /// There was no fee that could go back.
    #[error("the platform took no fee of this payment")]
    NoApplicationFee,
    /// The product is not sold by this seller.
    #[error("the product is not sold by this seller")]
    ProductSellerMismatch,
    /// Stripe lets us use the connected account no more.
    #[error("the connected account is out of reach")]
    AccountUnreachable,
    /// Stripe will not do it, and says why.
    #[error("Stripe refused the request")]
    StripeRefusal(#[source] RefusalError),
    /// Stripe gave no final answer. What was begun is recorded, and driven on by the worker.
    #[error("Stripe could not be asked")]
    Stripe(#[source] quittance_stripe_gateway::Error),
    /// Stripe answered with something that is none of ours.
    #[error("Stripe answered with a PaymentIntent that is not this attempt's: {}", .0.as_str())]
    PaymentIntentMismatch(quittance_domain::payment::Mismatch),
    /// The store could not do its part.
    #[error(transparent)]
    Store(#[from] quittance_persistence::Error),
    /// The task was stopped, by a shutdown or a panic.
    #[error("the task was stopped")]
    TaskInterrupted(#[source] tokio::task::JoinError),
}

impl Error {
    /// Why nothing can be begun while an order stands so: because money is on its way, or because it is closed.
    pub(crate) fn in_flight(status: OrderStatus) -> Self {
        match status {
            OrderStatus::Processing | OrderStatus::Authorized => Self::PaymentInFlight(status),
            _ => Self::OrderClosing,
        }
    }

    /// Whether this says that an attempt is out of our reach: Stripe lets us use its account no more, or will not make
    /// it because the account that its money is for has left, or has it [no more](Self::is_deleted_at_stripe). One that is on
    /// our own account stays ours.
    pub(crate) fn is_out_of_reach(&self, attempt: &Attempt) -> bool {
        use quittance_stripe_gateway::Error::Refused;
        match self {
            Self::StripeRefusal(RefusalError(refusal)) | Self::Stripe(Refused(refusal)) => {
                (refusal.is_account_unreachable() && attempt.expected.account != Account::own())
                    || (refusal.is_destination_unreachable() && !attempt.exists_at_stripe())
                    || self.is_deleted_at_stripe(attempt)
            }
            _ => false,
        }
    }

    /// Whether this says that Stripe has an attempt no more: who deletes all test data in the Dashboard deletes it.
    /// Where money is real nothing vanishes, and whatever says so is to be looked at by a person.
    pub(crate) fn is_deleted_at_stripe(&self, attempt: &Attempt) -> bool {
        use quittance_stripe_gateway::Error::Refused;
        match self {
            Self::StripeRefusal(RefusalError(refusal)) | Self::Stripe(Refused(refusal)) => {
                refusal.is_missing()
                    && !refusal.is_destination_unreachable()
                    && attempt.exists_at_stripe()
                    && attempt.expected.mode == Mode::Test
            }
            _ => false,
        }
    }

    /// Whether Stripe does not take our key: nobody can pay until an operator mends the configuration.
    #[must_use]
    pub fn is_configuration_error(&self) -> bool {
        use quittance_stripe_gateway::Error::Refused;
        matches!(self, Self::Stripe(Refused(refusal)) if refusal.is_about_the_key())
    }
}

/// Why what came back from Stripe's authorization page is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OAuthStateError {
    /// Nobody began with this state.
    Unknown,
    /// It was taken before.
    Used,
    /// It was begun too long ago.
    Expired,
    /// Somebody else began with it.
    OtherBinding,
}

impl OAuthStateError {
    /// A word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::OtherBinding => "of another binding",
        }
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

#[cfg(test)]
mod tests {
    use quittance_domain::checkout::PaymentFlow;
    use quittance_domain::id::PaymentId;
    use quittance_domain::payment::{CaptureMethod, ExpectedPayment, Facts};
    use uuid::Uuid;

    use super::*;

    fn attempt(mode: Mode, payment_intent_id: Option<&str>) -> Attempt {
        let amount = Money::new(2500, "eur".parse().expect("a currency")).expect("an amount");
        Attempt {
            id: PaymentId::from_uuid(Uuid::nil()),
            flow: PaymentFlow::PaymentIntent,
            expected: ExpectedPayment { account: Account::own(), mode, amount, application_fee: None },
            destination: None,
            capture_method: CaptureMethod::Automatic,
            payment_intent_id: payment_intent_id.map(str::to_owned),
            checkout_session_id: None,
            facts: Facts::default(),
            capture: None,
            abandoned: false,
            refused: None,
            outdated: false,
        }
    }

    fn refused(status: u16, param: &str) -> Error {
        Error::Stripe(quittance_stripe_gateway::Error::Refused(Box::new(Refusal {
            status,
            kind: Some("invalid_request_error".to_owned()),
            code: Some("resource_missing".to_owned()),
            decline_code: None,
            param: Some(param.to_owned()),
            message: None,
            request_id: None,
            answered_s: None,
            replayed: false,
        })))
    }

    /// Where money is real, that Stripe has a payment no more is never believed.
    #[test]
    fn only_made_test_data_can_have_been_deleted() {
        let missing = refused(404, "intent");
        assert!(missing.is_out_of_reach(&attempt(Mode::Test, Some("pi_1"))));
        assert!(!missing.is_out_of_reach(&attempt(Mode::Live, Some("pi_1"))));
        assert!(!missing.is_out_of_reach(&attempt(Mode::Test, None)));
        for other in [refused(400, "customer"), refused(404, "transfer_data[destination]")] {
            assert!(!other.is_out_of_reach(&attempt(Mode::Test, Some("pi_1"))), "{other:?}");
        }
    }
}
