//! The stable codes of problems.

use actix_web::http::StatusCode;

macro_rules! codes {
    ($($code:ident = $text:literal, $status:ident, $title:literal;)*) => {
        /// The code of a problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $($code,)*
        }

        impl Code {
            /// All codes.
            pub(crate) const ALL: &[Self] = &[$(Self::$code,)*];

            /// Returns the code as clients see it. It never changes.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$code => $text,)* }
            }

            /// Returns the HTTP status, which is always the same for a code.
            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$code => StatusCode::$status,)* }
            }

            /// Returns the title, for people.
            pub(crate) fn title(self) -> &'static str {
                match self { $(Self::$code => $title,)* }
            }
        }
    };
}

codes! {
    BadRequest = "bad_request", BAD_REQUEST, "Invalid request";
    MalformedJson = "malformed_json", BAD_REQUEST, "Malformed JSON";
    InvalidIdempotencyKey = "invalid_idempotency_key", BAD_REQUEST, "Invalid Idempotency-Key";
    InvalidSignature = "invalid_signature", BAD_REQUEST, "Invalid event signature";
    NotAnEvent = "not_an_event", BAD_REQUEST, "Invalid event";
    OAuthStateUnknown = "oauth_state_unknown", BAD_REQUEST, "Unknown OAuth state";
    OAuthStateUsed = "oauth_state_used", BAD_REQUEST, "Used OAuth state";
    OAuthStateExpired = "oauth_state_expired", BAD_REQUEST, "Expired OAuth state";
    OAuthBindingMismatch = "oauth_binding_mismatch", BAD_REQUEST, "OAuth binding mismatch";
    OAuthCodeInvalid = "oauth_code_invalid", BAD_REQUEST, "Invalid OAuth code";
    MissingCredentials = "missing_credentials", UNAUTHORIZED, "Missing credentials";
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED, "Invalid credentials";
    NotFound = "not_found", NOT_FOUND, "Object not found";
    UnknownRoute = "unknown_route", NOT_FOUND, "Unknown path";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Unsupported method";
    AlreadyPaid = "already_paid", CONFLICT, "Paid order";
    OrderCanceled = "order_canceled", CONFLICT, "Canceled order";
    OrderExpired = "order_expired", CONFLICT, "Expired order";
    OrderInReview = "order_in_review", CONFLICT, "Order in review";
    OrderClosing = "order_closing", CONFLICT, "Order being closed";
    PaymentProcessing = "payment_processing", CONFLICT, "Payment in progress";
    PaymentInFlight = "payment_in_flight", CONFLICT, "Payment in flight";
    InsufficientStock = "insufficient_stock", CONFLICT, "Insufficient stock";
    NotCancelable = "not_cancelable", CONFLICT, "Order not cancelable";
    TooManyAttempts = "too_many_attempts", CONFLICT, "Too many payment attempts";
    CaptureMethodFixed = "capture_method_fixed", CONFLICT, "Fixed capture method";
    OrderNotCapturable = "order_not_capturable", CONFLICT, "Order not capturable";
    CaptureInProgress = "capture_in_progress", CONFLICT, "Capture in progress";
    AmountTooLarge = "amount_too_large", CONFLICT, "Amount above the authorized amount";
    CaptureRefused = "capture_refused", CONFLICT, "Capture refused by Stripe";
    OrderNotRefundable = "order_not_refundable", CONFLICT, "Order not refundable";
    OrderDisputed = "order_disputed", CONFLICT, "Disputed order";
    RefundTooLarge = "refund_too_large", CONFLICT, "Amount above the refundable amount";
    RefundRefused = "refund_refused", CONFLICT, "Refund refused by Stripe";
    OAuthNotConfigured = "oauth_not_configured", CONFLICT, "OAuth not configured";
    SellerNotReady = "seller_not_ready", CONFLICT, "Seller not ready for payments";
    SellerNotConnected = "seller_not_connected", CONFLICT, "Seller not connected";
    SellerDisconnected = "seller_disconnected", CONFLICT, "Disconnected seller account";
    SellerModeMismatch = "seller_mode_mismatch", CONFLICT, "Account in another mode";
    SellerInUse = "seller_in_use", CONFLICT, "Seller in use";
    SellerHasOpenPayments = "seller_has_open_payments", CONFLICT, "Seller with open payments";
    NotOnboardedByLink = "not_onboarded_by_link", CONFLICT, "Account without onboarding links";
    StripeRefused = "stripe_refused", CONFLICT, "Request refused by Stripe";
    WebhookEndpointDisabled = "webhook_endpoint_disabled", CONFLICT, "Disabled webhook endpoint";
    IdempotencyKeyInUse = "idempotency_key_in_use", CONFLICT, "Idempotency-Key in use";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "Request body too large";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type";
    InvalidRequest = "invalid_request", UNPROCESSABLE_ENTITY, "Invalid request body";
    InvalidParameter = "invalid_parameter", UNPROCESSABLE_ENTITY, "Invalid query parameter";
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "Reused Idempotency-Key";
    PaymentRefused = "payment_refused", UNPROCESSABLE_ENTITY, "Payment refused by Stripe";
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests";
    TooManyOpenOrders = "too_many_open_orders", TOO_MANY_REQUESTS, "Too many open orders";
    InternalError = "internal_error", INTERNAL_SERVER_ERROR, "Internal error";
    ServiceUnavailable = "service_unavailable", SERVICE_UNAVAILABLE, "Service unavailable";
    StripeUnavailable = "stripe_unavailable", SERVICE_UNAVAILABLE, "Stripe unavailable";
    StripeMisconfigured = "stripe_misconfigured", SERVICE_UNAVAILABLE, "Invalid Stripe configuration";
    ConnectNotConfigured = "connect_not_configured", SERVICE_UNAVAILABLE, "Connect webhooks not configured";
}

impl Code {
    /// Returns the URI of the code (RFC 9457, `type`). It is a URN, because the service has no public address where a
    /// documentation page could stay.
    pub(crate) fn uri(self) -> String {
        format!("urn:quittance:problem:{}", self.as_str())
    }

    /// Returns whether a repeated request gets the same problem. Problems with credentials, unreadable bodies or
    /// temporary conditions aren't final.
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

    /// The API guide, which has a row for every code.
    const GUIDE: &str = include_str!("../../../../docs/API.md");

    #[test]
    fn every_code_has_row_in_the_guide() {
        for code in Code::ALL {
            let line = format!("| `{}` | {} | ", code.as_str(), code.status().as_u16());
            assert!(GUIDE.contains(&line), "docs/API.md has no row `{line}`");
        }
    }
}
