//! The stable words for what can be wrong with a request.

use actix_web::http::StatusCode;

macro_rules! codes {
    ($($code:ident = $word:literal, $status:ident, $title:literal;)*) => {
        /// A kind of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $($code,)*
        }

        impl Code {
            /// Every kind there is.
            pub(crate) const ALL: &[Self] = &[$(Self::$code,)*];

            /// The word for it, which never changes.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$code => $word,)* }
            }

            /// The HTTP status that it always has.
            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$code => StatusCode::$status,)* }
            }

            /// What it means, for people.
            pub(crate) fn title(self) -> &'static str {
                match self { $(Self::$code => $title,)* }
            }
        }
    };
}

codes! {
    BadRequest = "bad_request", BAD_REQUEST, "The request can not be read";
    MalformedJson = "malformed_json", BAD_REQUEST, "The body is no JSON";
    InvalidIdempotencyKey = "invalid_idempotency_key", BAD_REQUEST, "The Idempotency-Key can not be used";
    InvalidSignature = "invalid_signature", BAD_REQUEST, "The event's signature is wrong";
    NotAnEvent = "not_an_event", BAD_REQUEST, "The body is no event";
    OAuthStateUnknown = "oauth_state_unknown", BAD_REQUEST, "Nobody began with this state";
    OAuthStateUsed = "oauth_state_used", BAD_REQUEST, "The state was used before";
    OAuthStateExpired = "oauth_state_expired", BAD_REQUEST, "The state is too old";
    OAuthBindingMismatch = "oauth_binding_mismatch", BAD_REQUEST, "Somebody else began";
    OAuthCodeInvalid = "oauth_code_invalid", BAD_REQUEST, "Stripe does not take the code";
    MissingCredentials = "missing_credentials", UNAUTHORIZED, "Credentials are missing";
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED, "The credentials are not valid here";
    NotFound = "not_found", NOT_FOUND, "There is nothing here";
    UnknownRoute = "unknown_route", NOT_FOUND, "There is no such path";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The path has no such method";
    AlreadyPaid = "already_paid", CONFLICT, "The order is paid";
    OrderCanceled = "order_canceled", CONFLICT, "The order is canceled";
    OrderExpired = "order_expired", CONFLICT, "The order's time is over";
    OrderInReview = "order_in_review", CONFLICT, "The order is under review";
    OrderClosing = "order_closing", CONFLICT, "The order is being closed";
    PaymentProcessing = "payment_processing", CONFLICT, "The payment is on its way";
    PaymentInFlight = "payment_in_flight", CONFLICT, "A payment of the order is in flight";
    InsufficientStock = "insufficient_stock", CONFLICT, "Too few are left";
    NotCancelable = "not_cancelable", CONFLICT, "The order can not be canceled now";
    TooManyAttempts = "too_many_attempts", CONFLICT, "Too many tries have failed";
    CaptureMethodFixed = "capture_method_fixed", CONFLICT, "The capture method can not change";
    OrderNotCapturable = "order_not_capturable", CONFLICT, "Nothing is held for the order";
    CaptureInProgress = "capture_in_progress", CONFLICT, "Another amount is being taken";
    AmountTooLarge = "amount_too_large", CONFLICT, "The amount is more than is held";
    CaptureRefused = "capture_refused", CONFLICT, "Stripe does not make the capture";
    OrderNotRefundable = "order_not_refundable", CONFLICT, "No money of the order can go back";
    OrderDisputed = "order_disputed", CONFLICT, "The charge is disputed";
    RefundTooLarge = "refund_too_large", CONFLICT, "The amount is more than is left";
    RefundRefused = "refund_refused", CONFLICT, "Stripe does not make the refund";
    OAuthNotConfigured = "oauth_not_configured", CONFLICT, "OAuth is not configured";
    SellerNotReady = "seller_not_ready", CONFLICT, "The seller can not be charged through";
    SellerNotConnected = "seller_not_connected", CONFLICT, "The seller is not connected";
    SellerDisconnected = "seller_disconnected", CONFLICT, "The seller's account is out of reach";
    SellerModeMismatch = "seller_mode_mismatch", CONFLICT, "The account is of another mode";
    SellerInUse = "seller_in_use", CONFLICT, "The seller's account works";
    SellerHasOpenPayments = "seller_has_open_payments", CONFLICT, "Money is on its way through the seller";
    NotOnboardedByLink = "not_onboarded_by_link", CONFLICT, "The owner tells Stripe in the dashboard";
    StripeRefused = "stripe_refused", CONFLICT, "Stripe does not do it";
    WebhookEndpointDisabled = "webhook_endpoint_disabled", CONFLICT, "The endpoint is disabled";
    IdempotencyKeyInUse = "idempotency_key_in_use", CONFLICT, "A request with this key is at work";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body must be JSON";
    InvalidRequest = "invalid_request", UNPROCESSABLE_ENTITY, "The body is not as it must be";
    InvalidParameter = "invalid_parameter", UNPROCESSABLE_ENTITY, "A query parameter is not as it must be";
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The key belongs to another request";
    PaymentRefused = "payment_refused", UNPROCESSABLE_ENTITY, "Stripe does not take the payment";
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests";
    TooManyOpenOrders = "too_many_open_orders", TOO_MANY_REQUESTS, "Too many open orders";
    InternalError = "internal_error", INTERNAL_SERVER_ERROR, "Something went wrong here";
    ServiceUnavailable = "service_unavailable", SERVICE_UNAVAILABLE, "The service is not available now";
    StripeUnavailable = "stripe_unavailable", SERVICE_UNAVAILABLE, "Stripe is not available now";
    StripeMisconfigured = "stripe_misconfigured", SERVICE_UNAVAILABLE, "The shop's service is misconfigured";
    ConnectNotConfigured = "connect_not_configured", SERVICE_UNAVAILABLE, "No events of sellers are taken";
}

impl Code {
    /// The URI that stands for this kind (RFC 9457, `type`). A URN, because the service runs at its users' and
    /// has no address on the web at which such a page would stay.
    pub(crate) fn uri(self) -> String {
        format!("urn:quittance:problem:{}", self.as_str())
    }

    /// Whether an answer of this kind belongs to the request itself, so that a repetition gets it again. What
    /// is about the moment, the caller's credentials or a body that was never understood does not.
    pub(crate) fn is_final(self) -> bool {
        match self {
            Self::MissingCredentials
            | Self::InvalidCredentials
            | Self::IdempotencyKeyInUse
            | Self::MalformedJson
            | Self::InvalidRequest
            | Self::InvalidParameter
            | Self::BodyTooLarge
            | Self::UnsupportedMediaType => false,
            _ => self.status().is_client_error() && self.status() != StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    /// The guide, where every code has a line that says what to do.
    const GUIDE: &str = include_str!("../../../docs/API.md");

    #[test]
    fn the_guide_says_what_to_do_about_every_code() {
        for code in Code::ALL {
            let line = format!("| `{}` | {} | ", code.as_str(), code.status().as_u16());
            assert!(GUIDE.contains(&line), "docs/API.md has no line `{line}`");
        }
    }
}
