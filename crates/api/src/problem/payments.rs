//! Problems with payments.

use std::error::Error as StdError;

use quittance_domain::money::Money;
use quittance_domain::order::OrderStatus;
use quittance_payments::Error;

use super::code::Code;
use super::{FieldError, Problem, RETRY_AFTER_MISCONFIGURED_S};

/// Stripe error codes that concern the order only. They reveal nothing about the shop's Stripe account.
const PUBLIC_STRIPE_CODES: &[&str] = &[
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
    /// Lists every error, so that a new one isn't silently reported as an internal error.
    fn from(error: Error) -> Self {
        match error {
            Error::OrderNotFound | Error::SellerNotFound => Self::not_found(),
            Error::OrderNotPayable(status) => Self::from_order_status(status, Code::PaymentProcessing),
            Error::OrderNotCancelable(OrderStatus::Authorized) => Self::new(
                Code::NotCancelable,
                "A payment is authorized. Only a caller with a secret key can cancel the order.",
            ),
            Error::OrderNotCancelable(status) => Self::from_order_status(status, Code::OrderClosing),
            Error::OrderClosing => {
                Self::new(Code::OrderClosing, "The order is being closed. Wait, and read its status again.")
            }
            Error::PaymentInFlight(status) => Self::in_flight(status),
            Error::TooManyAttempts => {
                Self::new(Code::TooManyAttempts, "Too many payment attempts failed. Place a new order.")
            }
            Error::CaptureMethodConflict => Self::new(
                Code::CaptureMethodFixed,
                "The order's live payment has another `capture_method`. Repeat the request with that one.",
            ),
            Error::OrderNotCapturable(status) => Self::not_capturable(status),
            Error::CaptureInProgress(amount) => Self::capture_begun(amount),
            Error::CaptureTooLarge(held) => Self::amount_exceeds(
                Code::AmountTooLarge,
                format!("The authorized amount is {held}. Capture at most that."),
                held,
            ),
            Error::OrderNotRefundable(status) => Self::not_refundable(status),
            Error::ChargeDisputed => Self::disputed(),
            Error::RefundTooLarge(left) => Self::amount_exceeds(
                Code::RefundTooLarge,
                format!("The refundable amount is {left}. Refund at most that."),
                left,
            ),
            Error::NoTransferToReverse => Self::no_transfer_to_reverse(),
            Error::NoApplicationFee => Self::no_application_fee(),
            Error::SellerNotReady { blockers, .. } => Self::seller_not_ready(blockers),
            Error::AccountUnreachable => Self::account_unreachable(),
            Error::InvalidOAuthState(refused) => Self::from_oauth_state(refused),
            Error::InvalidOAuthCode => Self::oauth_code_invalid(),
            Error::OAuthNotConfigured => Self::oauth_not_configured(),
            Error::SellerModeMismatch => Self::seller_mode_mismatch(),
            Error::SellerNotConnected => Self::seller_not_connected(),
            Error::AccountLinkNotAllowed => Self::not_onboarded_by_link(),
            Error::SellerInUse(_) => Self::seller_in_use(),
            Error::OpenSellerPayments(count) => Self::seller_has_open_payments(count),
            Error::ProductSellerMismatch => Self::product_not_of_seller(),
            Error::StripeRefusal(refusal) => {
                tracing::info!(error = &refusal as &dyn StdError, "Stripe refused a payment");
                Self::payment_refused(refusal.0.code)
            }
            Error::Stripe(_) => Self::stripe_unavailable(&error),
            Error::Store(error) => error.into(),
            Error::PaymentIntentMismatch(_) | Error::TaskInterrupted(_) => Self::internal(&error),
        }
    }
}

impl Problem {
    fn not_capturable(status: OrderStatus) -> Self {
        let detail = format!("An order with status `{}` can't be captured.", status.as_str());
        Self::new(Code::OrderNotCapturable, detail)
    }

    fn capture_begun(amount: Money) -> Self {
        Self::new(
            Code::CaptureInProgress,
            format!("A capture of {amount} is in progress. Wait for its outcome."),
        )
    }

    fn not_refundable(status: OrderStatus) -> Self {
        let detail = format!("An order with status `{}` can't be refunded.", status.as_str());
        Self::new(Code::OrderNotRefundable, detail)
    }

    fn disputed() -> Self {
        let detail = "The charge is disputed. It can't be refunded until the bank decides.";
        Self::new(Code::OrderDisputed, detail)
    }

    fn no_transfer_to_reverse() -> Self {
        let detail = "must not be true, because this payment has no transfer";
        Self::invalid_field("/reverse_transfer", "no_transfer_to_reverse", detail)
    }

    fn no_application_fee() -> Self {
        let detail = "must not be true, because this payment has no application fee";
        Self::invalid_field("/refund_application_fee", "no_application_fee", detail)
    }

    /// Returns the problem for an amount above the available one.
    fn amount_exceeds(code: Code, detail: String, available: Money) -> Self {
        let error = FieldError {
            available: Some(available.minor()),
            ..FieldError::new("/amount", "out_of_range", format!("must be at most {}", available.minor()))
        };
        Self { errors: vec![error], ..Self::new(code, detail) }
    }

    /// Returns the problem for a payment that Stripe refused. Customers see only codes that concern their order.
    fn payment_refused(stripe_code: Option<String>) -> Self {
        let mut problem =
            Self::new(Code::PaymentRefused, "Stripe refused this payment. Use another payment method.");
        problem.stripe_code =
            stripe_code.filter(|code| PUBLIC_STRIPE_CODES.contains(&code.as_str())).map(Into::into);
        problem
    }

    /// Returns the problem for a request that only the shop may make. It includes Stripe's error code.
    pub(crate) fn for_shop(error: Error, refused: Code) -> Self {
        match error {
            Error::StripeRefusal(refusal) => {
                tracing::info!(error = &refusal as &dyn StdError, "Stripe refused a request of the shop");
                let detail = match &refusal.0.code {
                    Some(code) => format!("Stripe refused the request with the code `{code}`."),
                    None => "Stripe refused the request.".to_owned(),
                };
                Self { stripe_code: refusal.0.code.map(Into::into), ..Self::new(refused, detail) }
            }
            error => error.into(),
        }
    }

    /// Returns the problem for a request that Stripe didn't process.
    fn stripe_unavailable(error: &Error) -> Self {
        if error.is_configuration_error() {
            tracing::error!(
                error = error as &dyn StdError,
                "failed to call Stripe: STRIPE_SECRET_KEY is invalid or lacks a permission; customers can't pay until \
                 it is fixed"
            );
            return Self::new(
                Code::StripeMisconfigured,
                "The service's Stripe key is invalid or lacks a permission. The operator must fix it.",
            )
            .retry_after(RETRY_AFTER_MISCONFIGURED_S);
        }
        Self::outage(
            Code::StripeUnavailable,
            "Stripe is unavailable. Work that has begun continues automatically. Try again.",
            error,
        )
    }
}
