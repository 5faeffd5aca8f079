//! What can go wrong with a call, sorted by what a caller can do about it.

use std::fmt;

/// Why a call to Stripe gave no result.
///
/// Nothing here shows a body, a secret, or Stripe's own message (which may repeat an email address) when it
/// is displayed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Stripe said no, and will say so again.
    #[error("Stripe refused the request ({0})")]
    Refused(Box<Refusal>),
    /// No answer that settles anything: no connection, a timeout, a 409, 429 or 5xx that outlasted the retries, or an
    /// answer that is not Stripe's. What was asked for may have been done all the same.
    #[error("Stripe gave no final answer ({})", Trace { status: *status, request_id: request_id.as_deref() })]
    Unavailable {
        /// The HTTP status, if there was an answer; a 2xx if it was cut off.
        status: Option<u16>,
        /// Stripe's `code`, for example `lock_timeout`, if the answer had one.
        code: Option<String>,
        /// Stripe's id of the request.
        request_id: Option<String>,
        /// Stripe keeps this answer for the idempotency key and gives it again and again: repeating the
        /// request is useless, look the object up instead.
        /// See <https://docs.stripe.com/api/idempotent_requests>.
        replayed: bool,
        /// What went wrong on the way, if there was no answer or it was cut off.
        source: Option<reqwest::Error>,
    },
    /// Stripe did what was asked, and we can not read what it says of it.
    #[error("Stripe's answer can not be read: {reason} ({})",
        Trace { status: Some(*status), request_id: request_id.as_deref() })]
    Unreadable {
        /// The HTTP status, a 2xx.
        status: u16,
        /// Stripe's id of the request.
        request_id: Option<String>,
        /// What about it, in our own words.
        reason: String,
    },
    /// The request was never sent, because HTTP can not carry it: an id, an account or an idempotency key
    /// with characters that none of them has.
    #[error("a request to Stripe can not be written: {0}")]
    Unsendable(&'static str),
}

impl Error {
    /// Stripe's id of the request, for logs and for Stripe's support.
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

    /// The word for it in metrics and logs.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Unavailable { .. } => "unavailable",
            Self::Unreadable { .. } => "unreadable",
            Self::Unsendable(_) => "unsendable",
        }
    }
}

/// Where a PaymentIntent and a Checkout Session name the account to which the money goes.
const DESTINATIONS: [&str; 2] =
    ["transfer_data[destination]", "payment_intent_data[transfer_data][destination]"];

/// Why a refund can never be made as it was asked for, whatever changes at Stripe: what it would give back is gone, or is
/// the bank's to give back, or is no amount. Stripe names what is wrong with an amount beside it by the parameter alone.
/// See <https://docs.stripe.com/error-codes>.
const REFUND_IMPOSSIBLE: [&str; 5] = [
    "charge_already_refunded",
    "charge_disputed",
    "refund_disputed_payment",
    "amount_too_large",
    "amount_too_small",
];

/// A 4xx of Stripe's that says no. See <https://docs.stripe.com/api/errors>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Stripe's `type`, for example `invalid_request_error`; OAuth has none.
    pub kind: Option<String>,
    /// Stripe's `code`, for example `resource_missing`; of OAuth its `error`, for example `invalid_grant`.
    pub code: Option<String>,
    /// The bank's `decline_code`.
    pub decline_code: Option<String>,
    /// The parameter that it is about.
    pub param: Option<String>,
    /// Stripe's words for a developer. They may repeat what was sent, an email address for one: not for logs.
    pub message: Option<String>,
    /// Stripe's id of the request.
    pub request_id: Option<String>,
    /// The second, at Stripe's clock, in which it answered.
    pub answered_s: Option<i64>,
    /// Stripe gave this answer before, to the first request with this idempotency key.
    pub replayed: bool,
}

impl Refusal {
    /// Whether what the request was about does not exist on this account, by its path. A parameter that names what
    /// does not exist is refused with 400. See <https://docs.stripe.com/error-codes#resource-missing>.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.status == 404 && self.has_code("resource_missing")
    }

    /// Whether a refund that was refused so will be refused for ever. Any other refusal of one may pass: a balance is
    /// filled up, a key or an account is mended.
    #[must_use]
    pub fn is_refund_impossible(&self) -> bool {
        REFUND_IMPOSSIBLE.iter().any(|code| self.has_code(code)) || self.param.as_deref() == Some("amount")
    }

    /// Whether the idempotency key was used before with other parameters.
    #[must_use]
    pub fn is_idempotency_mismatch(&self) -> bool {
        self.kind.as_deref() == Some("idempotency_error")
    }

    /// Whether the platform may not use the connected account that the call was for, or there is none of this id:
    /// its owner, or Stripe, has ended the platform's access.
    /// See <https://docs.stripe.com/error-codes#account-invalid>.
    #[must_use]
    pub fn is_account_unreachable(&self) -> bool {
        self.status == 403 && self.has_code("account_invalid")
    }

    /// Whether the platform may not transfer money to the connected account that a payment was to go to, or there is
    /// none of this id: what [`is_account_unreachable`](Self::is_account_unreachable) is where the account is charged.
    #[must_use]
    pub fn is_destination_unreachable(&self) -> bool {
        self.has_code("resource_missing")
            && self.param.as_deref().is_some_and(|param| DESTINATIONS.contains(&param))
    }

    /// Whether an OAuth code can not be exchanged: it is expired, was used before, is another platform's or of the
    /// other mode, or there never was one like it. Its owner has to begin anew.
    /// See <https://docs.stripe.com/connect/oauth-reference#post-token-errors>.
    #[must_use]
    pub fn is_code_invalid(&self) -> bool {
        self.has_code("invalid_grant")
    }

    /// Whether OAuth knows no such client of ours, or no account that is connected to it: it has one word for both.
    pub(crate) fn is_client_invalid(&self) -> bool {
        self.has_code("invalid_client")
    }

    /// Whether it is about our key or client id, which is wrong (401) or may not do this (403), and neither about
    /// this request nor about a connected account: once that is mended, the same request may be fine.
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

/// Which answer an error is about.
struct Trace<'a> {
    status: Option<u16>,
    request_id: Option<&'a str>,
}

impl fmt::Display for Trace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "status {status}")?,
            None => f.write_str("no answer")?,
        }
        match self.request_id {
            Some(request_id) => write!(f, ", request {request_id}"),
            None => Ok(()),
        }
    }
}
