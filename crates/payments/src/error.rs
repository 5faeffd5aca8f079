//! Errors of the use cases.

use quittance_domain::id::SellerId;
use quittance_domain::money::Money;
use quittance_domain::order::OrderStatus;
use quittance_domain::payment::{Account, Attempt, Mode};
use quittance_domain::seller::{Blocker, Seller};
use quittance_stripe_gateway::Error as StripeError;
use quittance_stripe_gateway::Refusal;

/// The reason why a use case failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The order doesn't exist.
    #[error("the order doesn't exist")]
    OrderNotFound,
    /// The order's status doesn't allow a payment.
    #[error("an order with status {} can't be paid", .0.as_str())]
    OrderNotPayable(OrderStatus),
    /// The order or its attempt is being closed. Retry later.
    #[error("the order is being closed")]
    OrderClosing,
    /// The order's payment is processing or authorized, and can't be replaced.
    #[error("the order has a payment in flight: its status is {}", .0.as_str())]
    PaymentInFlight(OrderStatus),
    /// The order has no authorized payment to capture.
    #[error("an order with status {} has no payment to capture", .0.as_str())]
    OrderNotCapturable(OrderStatus),
    /// Another amount is already being captured.
    #[error("{} is already being captured", .0)]
    CaptureInProgress(Money),
    /// The amount to capture exceeds the authorized amount.
    #[error("the authorized amount is {}", .0)]
    CaptureTooLarge(Money),
    /// The order's status doesn't allow a refund.
    #[error("an order with status {} can't be refunded", .0.as_str())]
    OrderNotRefundable(OrderStatus),
    /// The charge is disputed, so the customer's bank decides about the money.
    #[error("the charge is disputed")]
    ChargeDisputed,
    /// The amount to refund exceeds the remaining amount.
    #[error("the refundable amount is {}", .0)]
    RefundTooLarge(Money),
    /// Too many payment attempts of the order failed.
    #[error("too many payment attempts of the order failed")]
    TooManyAttempts,
    /// The live attempt has a different capture method.
    #[error("the live attempt has a different capture method")]
    CaptureMethodConflict,
    /// The order's status doesn't allow cancellation.
    #[error("an order with status {} can't be canceled", .0.as_str())]
    OrderNotCancelable(OrderStatus),
    /// The seller doesn't exist.
    #[error("the seller doesn't exist")]
    SellerNotFound,
    /// The order's seller can't accept payments now.
    #[error("the seller {seller_id} can't accept payments")]
    SellerNotReady {
        /// The seller.
        seller_id: SellerId,
        /// The reasons.
        blockers: Vec<Blocker>,
    },
    /// The seller's account isn't connected to the platform.
    #[error("the seller isn't connected")]
    SellerNotConnected,
    /// The account belongs to its owner, who completes it in Stripe's Dashboard.
    #[error("account links are available only for accounts created by the platform")]
    AccountLinkNotAllowed,
    /// The platform's client ID (`ca_…`) isn't configured.
    #[error("no OAuth client ID is configured")]
    OAuthNotConfigured,
    /// The OAuth state is invalid.
    #[error("the OAuth state is {}", .0.as_str())]
    InvalidOAuthState(OAuthStateError),
    /// Stripe rejected the authorization code: it was used, has expired, or belongs to another platform.
    #[error("Stripe rejected the authorization code")]
    InvalidOAuthCode,
    /// The account was connected in a different mode.
    #[error("the account was connected in a different mode")]
    SellerModeMismatch,
    /// The seller can accept payments, so unlinking it requires `force`.
    #[error("the seller can accept payments")]
    SellerInUse(Box<Seller>),
    /// This number of the seller's orders has a payment that is processing or authorized.
    #[error("{0} of the seller's orders have a payment in flight")]
    OpenSellerPayments(usize),
    /// The payment has no transfer that could be reversed.
    #[error("the payment has no transfer to reverse")]
    NoTransferToReverse,
    /// The payment has no application fee that could be refunded.
    #[error("the payment has no application fee")]
    NoApplicationFee,
    /// Another seller sells the product.
    #[error("the product doesn't belong to this seller")]
    ProductSellerMismatch,
    /// Stripe no longer allows access to the connected account.
    #[error("the connected account is unreachable")]
    AccountUnreachable,
    /// Stripe refused the request.
    #[error("Stripe refused the request")]
    StripeRefusal(#[source] RefusalError),
    /// Stripe didn't return a final response. Recorded work is resumed by the worker.
    #[error("failed to call Stripe")]
    Stripe(#[source] StripeError),
    /// Stripe returned a PaymentIntent that doesn't belong to the attempt.
    #[error("Stripe returned a PaymentIntent that doesn't belong to this attempt: {}", .0.as_str())]
    PaymentIntentMismatch(quittance_domain::payment::Mismatch),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] quittance_persistence::Error),
    /// The task was stopped by a shutdown or a panic.
    #[error("the task was interrupted")]
    TaskInterrupted(#[source] tokio::task::JoinError),
}

impl Error {
    /// Returns the error for an order whose live attempt can't be replaced: the payment is in flight, or it is being
    /// closed.
    pub(crate) fn payment_in_flight(status: OrderStatus) -> Self {
        match status {
            OrderStatus::Processing | OrderStatus::Authorized => Self::PaymentInFlight(status),
            _ => Self::OrderClosing,
        }
    }

    /// Returns true if the attempt is unreachable: Stripe denies access to its account, its destination account is
    /// disconnected before the attempt was created, or it was [deleted](Self::is_deleted_at_stripe). Attempts on the
    /// platform's own account are always reachable.
    pub(crate) fn is_unreachable(&self, attempt: &Attempt) -> bool {
        self.refusal().is_some_and(|refusal| {
            (refusal.is_account_unreachable() && attempt.expected.account != Account::own())
                || (refusal.is_destination_unreachable() && !attempt.exists_at_stripe())
        }) || self.is_deleted_at_stripe(attempt)
    }

    /// Returns true if the attempt no longer exists at Stripe, because all test data was deleted in the Dashboard. In
    /// live mode this is never true, because Stripe deletes no payments. An operator must examine such an error.
    pub(crate) fn is_deleted_at_stripe(&self, attempt: &Attempt) -> bool {
        self.refusal().is_some_and(|refusal| {
            refusal.is_missing()
                && !refusal.is_destination_unreachable()
                && attempt.exists_at_stripe()
                && attempt.expected.mode == Mode::Test
        })
    }

    /// Returns true if Stripe rejects the secret key. No customer can pay until an operator fixes the configuration.
    #[must_use]
    pub fn is_configuration_error(&self) -> bool {
        matches!(self, Self::Stripe(StripeError::Refused(refusal)) if refusal.is_key_error())
    }

    fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::StripeRefusal(RefusalError(refusal)) | Self::Stripe(StripeError::Refused(refusal)) => {
                Some(refusal)
            }
            _ => None,
        }
    }
}

/// The reason why an OAuth state is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OAuthStateError {
    /// The state doesn't exist.
    Unknown,
    /// The state was used before.
    Used,
    /// The state has expired.
    Expired,
    /// The flow was started with a different binding.
    OtherBinding,
}

impl OAuthStateError {
    /// Returns a name for logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::OtherBinding => "bound to another identifier",
        }
    }
}

/// A refusal as the source of an error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RefusalError(pub Box<Refusal>);

impl From<StripeError> for Error {
    fn from(error: StripeError) -> Self {
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
        Error::Stripe(StripeError::Refused(Box::new(Refusal {
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

    #[test]
    fn missing_test_payment_is_unreachable() {
        let missing = refused(404, "intent");

        assert!(missing.is_unreachable(&attempt(Mode::Test, Some("pi_1"))));
    }

    #[test]
    fn missing_live_payment_is_not_unreachable() {
        let missing = refused(404, "intent");

        assert!(!missing.is_unreachable(&attempt(Mode::Live, Some("pi_1"))));
    }

    #[test]
    fn missing_payment_that_was_never_created_is_not_unreachable() {
        let missing = refused(404, "intent");

        assert!(!missing.is_unreachable(&attempt(Mode::Test, None)));
    }

    #[test]
    fn other_missing_object_leaves_payment_reachable() {
        for other in [refused(400, "customer"), refused(404, "transfer_data[destination]")] {
            assert!(!other.is_unreachable(&attempt(Mode::Test, Some("pi_1"))), "{other:?}");
        }
    }
}
