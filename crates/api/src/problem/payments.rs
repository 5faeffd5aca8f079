//! Problems with payments: why a use case came to nothing, and what is told of it.

use std::error::Error as StdError;

use quittance_domain::money::Money;
use quittance_domain::order::OrderStatus;
use quittance_payments::Error;

use super::{FieldError, Problem, RETRY_AFTER_MISCONFIGURED_S};
use crate::code::Code;

/// Codes of Stripe's that say something about the order, and nothing about this service's account.
const HARMLESS_STRIPE_CODES: &[&str] = &[
    "amount_too_large",
    "amount_too_small",
    "country_unsupported",
    "email_invalid",
    "invalid_characters",
    "postal_code_invalid",
    "shipping_address_invalid",
    "state_unsupported",
];

impl From<Error> for Problem {
    /// Every error by its name, so that a new one is not taken for a fault of our own unseen.
    fn from(error: Error) -> Self {
        match error {
            Error::OrderNotFound | Error::SellerNotFound => Self::not_found(),
            Error::OrderNotPayable(status) => Self::of_order_status(status, Code::PaymentProcessing),
            Error::OrderNotCancelable(OrderStatus::Authorized) => Self::new(
                Code::NotCancelable,
                "The payment is authorized: only the shop can cancel the order now.",
            ),
            Error::OrderNotCancelable(status) => Self::of_order_status(status, Code::OrderClosing),
            Error::OrderClosing => Self::new(Code::OrderClosing, "The order is being closed."),
            Error::PaymentInFlight(status) => Self::in_flight(status),
            Error::TooManyAttempts => {
                Self::new(Code::TooManyAttempts, "Too many tries at paying this order have failed.")
            }
            Error::CaptureMethodConflict => Self::new(
                Code::CaptureMethodFixed,
                "The order has a live payment with another capture method.",
            ),
            Error::OrderNotCapturable(status) => Self::not_capturable(status),
            Error::CaptureInProgress(amount) => Self::capture_begun(amount),
            Error::CaptureTooLarge(held) => {
                Self::amount_exceeds(Code::AmountTooLarge, format!("No more than {held} is held."), held)
            }
            Error::OrderNotRefundable(status) => Self::not_refundable(status),
            Error::ChargeDisputed => Self::disputed(),
            Error::RefundTooLarge(left) => {
                Self::amount_exceeds(Code::RefundTooLarge, format!("No more than {left} can go back."), left)
            }
            Error::NoTransferToReverse => Self::no_transfer_to_reverse(),
            Error::NoApplicationFee => Self::no_application_fee(),
            Error::SellerNotReady { blockers, .. } => Self::seller_not_ready(blockers),
            Error::AccountUnreachable => Self::account_unreachable(),
            Error::InvalidOAuthState(refused) => Self::of_state(refused),
            Error::InvalidOAuthCode => Self::oauth_code_invalid(),
            Error::OAuthNotConfigured => Self::oauth_not_configured(),
            Error::SellerModeMismatch => Self::seller_mode_mismatch(),
            Error::SellerNotConnected => Self::seller_not_connected(),
            Error::AccountLinkNotAllowed => Self::not_onboarded_by_link(),
            Error::SellerInUse(_) => Self::seller_in_use(),
            Error::OpenSellerPayments(count) => Self::seller_has_open_payments(count),
            Error::ProductSellerMismatch => Self::product_not_of_seller(),
            Error::StripeRefusal(refusal) => {
                tracing::info!(error = &refusal as &dyn StdError, "Stripe refused a payment.");
                Self::payment_refused(refusal.0.code)
            }
            Error::Stripe(_) => Self::stripe_away(&error),
            Error::Store(error) => error.into(),
            Error::PaymentIntentMismatch(_) | Error::TaskInterrupted(_) => Self::internal(&error),
        }
    }
}

impl Problem {
    fn not_capturable(status: OrderStatus) -> Self {
        let detail = format!("Nothing is held for an order that is {}.", status.as_str());
        Self::new(Code::OrderNotCapturable, detail)
    }

    fn capture_begun(amount: Money) -> Self {
        Self::new(Code::CaptureInProgress, format!("Another amount, {amount}, is being taken already."))
    }

    fn not_refundable(status: OrderStatus) -> Self {
        let detail = format!("No money of an order that is {} can go back.", status.as_str());
        Self::new(Code::OrderNotRefundable, detail)
    }

    fn disputed() -> Self {
        let detail = "The charge is disputed: the customer's bank decides where the money goes.";
        Self::new(Code::OrderDisputed, detail)
    }

    fn no_transfer_to_reverse() -> Self {
        let detail = "nothing of this payment was transferred";
        Self::invalid_field("/reverse_transfer", "no_transfer_to_reverse", detail)
    }

    fn no_application_fee() -> Self {
        let detail = "the platform took no fee of this payment";
        Self::invalid_field("/refund_application_fee", "no_application_fee", detail)
    }

    /// An amount that is more than there is.
    fn amount_exceeds(code: Code, detail: String, available: Money) -> Self {
        let error = FieldError {
            available: Some(available.minor()),
            ..FieldError::new("/amount", "out_of_range", format!("must be at most {}", available.minor()))
        };
        Self { errors: vec![error], ..Self::new(code, detail) }
    }

    /// Customers are told as much of Stripe's reason as is about their order.
    fn payment_refused(stripe_code: Option<String>) -> Self {
        let mut problem = Self::new(Code::PaymentRefused, "Stripe does not take this payment.");
        problem.stripe_code =
            stripe_code.filter(|code| HARMLESS_STRIPE_CODES.contains(&code.as_str())).map(Into::into);
        problem
    }

    /// An error of a use case that only the shop may ask for: it is told in Stripe's words why Stripe refused.
    pub(crate) fn for_shop(error: Error, refused: Code) -> Self {
        match error {
            Error::StripeRefusal(refusal) => {
                tracing::info!(error = &refusal as &dyn StdError, "Stripe refused what the shop asked for.");
                let detail = match &refusal.0.code {
                    Some(code) => format!("{}: {code}.", refused.title()),
                    None => format!("{}.", refused.title()),
                };
                Self { stripe_code: refusal.0.code.map(Into::into), ..Self::new(refused, detail) }
            }
            error => error.into(),
        }
    }

    /// Stripe gave no answer that settles anything, perhaps because of our own key.
    fn stripe_away(error: &Error) -> Self {
        if error.is_configuration_error() {
            tracing::error!(
                error = error as &dyn StdError,
                "Stripe does not take the key in STRIPE_SECRET_KEY, or the key may not do this. Nobody can pay until \
                 it is mended."
            );
            return Self::new(
                Code::StripeMisconfigured,
                "The shop's service has to be configured anew before it can take payments.",
            )
            .retry_after(RETRY_AFTER_MISCONFIGURED_S);
        }
        Self::outage(
            Code::StripeUnavailable,
            "Stripe could not be asked. What was begun goes on; try again.",
            error,
        )
    }
}
