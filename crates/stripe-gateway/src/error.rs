//! The errors of a call, by what the caller can do about them.

use std::fmt;

/// The reason why a call to Stripe gave no result.
///
/// The displayed text never contains a body, a secret or Stripe's own message, which may repeat an email
/// address.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Stripe refused the request, and would refuse it again.
    #[error("Stripe refused the request ({0})")]
    Refused(Box<Refusal>),
    /// No final response: no connection, a timeout, a 409, 429 or 5xx after all retries, or a response from
    /// another server. Stripe may have executed the request anyway.
    #[error("Stripe gave no final response ({})", Trace { status: *status, request_id: request_id.as_deref() })]
    Unavailable {
        /// The HTTP status, if a response arrived. A truncated response may have a 2xx.
        status: Option<u16>,
        /// Stripe's `code`, for example `lock_timeout`, if the response has one.
        code: Option<String>,
        /// Stripe's request ID.
        request_id: Option<String>,
        /// Whether Stripe repeats this stored response for the idempotency key. A retry is useless then, so
        /// find the object instead. See <https://docs.stripe.com/api/idempotent_requests>.
        replayed: bool,
        /// The error of the connection, if no complete response arrived.
        source: Option<reqwest::Error>,
    },
    /// Stripe executed the request, but the response is unreadable.
    #[error("Stripe's response is unreadable: {reason} ({})",
        Trace { status: Some(*status), request_id: request_id.as_deref() })]
    Unreadable {
        /// The HTTP status, a 2xx.
        status: u16,
        /// Stripe's request ID.
        request_id: Option<String>,
        /// The reason. It repeats nothing from the response.
        reason: String,
    },
    /// The request was never sent, because HTTP can't transmit it. An ID, account or idempotency key contains
    /// invalid characters.
    #[error("a request to Stripe can't be sent: {0}")]
    Unsendable(&'static str),
}

impl Error {
    /// Returns Stripe's request ID, for logs and for Stripe's support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.request_id.as_deref(),
            Self::Unavailable { request_id, .. } | Self::Unreadable { request_id, .. } => {
                request_id.as_deref()
            }
            Self::Unsendable(_) => None,
        }
    }

    /// Returns the name for metrics and logs.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Unavailable { .. } => "unavailable",
            Self::Unreadable { .. } => "unreadable",
            Self::Unsendable(_) => "unsendable",
        }
    }
}

/// The parameters that name the destination account of a PaymentIntent and of a Checkout Session.
const DESTINATIONS: [&str; 2] =
    ["transfer_data[destination]", "payment_intent_data[transfer_data][destination]"];

/// The error codes of refunds that can never succeed: the money is already refunded or disputed, or the amount
/// is invalid. Stripe reports other errors of the amount by the parameter's name only. See
/// <https://docs.stripe.com/error-codes>.
const REFUND_IMPOSSIBLE: [&str; 5] = [
    "charge_already_refunded",
    "charge_disputed",
    "refund_disputed_payment",
    "amount_too_large",
    "amount_too_small",
];

/// A final 4xx response of Stripe. See <https://docs.stripe.com/api/errors>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Stripe's `type`, for example `invalid_request_error`. OAuth errors don't have it.
    pub kind: Option<String>,
    /// Stripe's `code`, for example `resource_missing`, or the `error` of OAuth, for example `invalid_grant`.
    pub code: Option<String>,
    /// The bank's `decline_code`.
    pub decline_code: Option<String>,
    /// The name of the invalid parameter.
    pub param: Option<String>,
    /// Stripe's message for developers. It may repeat the request's values, such as an email address, so it
    /// must not be logged.
    pub message: Option<String>,
    /// Stripe's request ID.
    pub request_id: Option<String>,
    /// The second of the response by Stripe's clock.
    pub answered_s: Option<i64>,
    /// Whether Stripe replayed the response to the first request with this idempotency key.
    pub replayed: bool,
}

impl Refusal {
    /// Returns whether the object named in the path doesn't exist on this account. For an object named in a
    /// parameter, Stripe returns 400. See <https://docs.stripe.com/error-codes#resource-missing>.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.status == 404 && self.has_code("resource_missing")
    }

    /// Returns whether the refund can never succeed. Other refusals may pass later, for example when the
    /// balance is sufficient.
    #[must_use]
    pub fn is_refund_impossible(&self) -> bool {
        REFUND_IMPOSSIBLE.iter().any(|code| self.has_code(code)) || self.param.as_deref() == Some("amount")
    }

    /// Returns whether the idempotency key was used before with other parameters.
    #[must_use]
    pub fn is_idempotency_mismatch(&self) -> bool {
        self.kind.as_deref() == Some("idempotency_error")
    }

    /// Returns whether the platform can't access the call's connected account. The owner or Stripe disconnected
    /// it, or it doesn't exist. See <https://docs.stripe.com/error-codes#account-invalid>.
    #[must_use]
    pub fn is_account_unreachable(&self) -> bool {
        self.status == 403 && self.has_code("account_invalid")
    }

    /// Returns whether the platform can't transfer to the destination account of a payment. It corresponds to
    /// [`is_account_unreachable`](Self::is_account_unreachable) for destination charges.
    #[must_use]
    pub fn is_destination_unreachable(&self) -> bool {
        self.has_code("resource_missing")
            && self.param.as_deref().is_some_and(|param| DESTINATIONS.contains(&param))
    }

    /// Returns whether an OAuth code can't be exchanged: it expired, was used before, belongs to another
    /// platform or mode, or never existed. The owner must start again. See
    /// <https://docs.stripe.com/connect/oauth-reference#post-token-errors>.
    #[must_use]
    pub fn is_code_invalid(&self) -> bool {
        self.has_code("invalid_grant")
    }

    /// Returns whether the client ID is unknown or the account isn't connected to it. OAuth uses one code for
    /// both.
    pub(crate) fn is_client_invalid(&self) -> bool {
        self.has_code("invalid_client")
    }

    /// Returns whether the secret key or client ID is wrong (401) or lacks permission (403). The request itself
    /// may be valid. Errors about a connected account don't count.
    #[must_use]
    pub fn is_key_error(&self) -> bool {
        (matches!(self.status, 401 | 403) || self.is_client_invalid()) && !self.is_account_unreachable()
    }

    fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Trace { status: Some(self.status), request_id: self.request_id.as_deref() })?;
        let words = [("type", &self.kind), ("code", &self.code), ("decline_code", &self.decline_code)];
        for (name, word) in words.into_iter().chain([("param", &self.param)]) {
            if let Some(word) = word {
                write!(f, ", {name} {word}")?;
            }
        }
        Ok(())
    }
}

/// The response that an error is about.
struct Trace<'a> {
    status: Option<u16>,
    request_id: Option<&'a str>,
}

impl fmt::Display for Trace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "status {status}")?,
            None => f.write_str("no response")?,
        }
        match self.request_id {
            Some(request_id) => write!(f, ", request {request_id}"),
            None => Ok(()),
        }
    }
}
