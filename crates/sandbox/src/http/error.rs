//! Stripe's error objects: <https://docs.stripe.com/api/errors>.

use serde_json::{Map, Value, json};

/// The `type` of an error object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorType {
    Api,
    Card,
    Idempotency,
    InvalidRequest,
    /// An OAuth error response: <https://www.rfc-editor.org/rfc/rfc6749#section-5.2>.
    OAuth,
}

impl ErrorType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api_error",
            Self::Card => "card_error",
            Self::Idempotency => "idempotency_error",
            Self::InvalidRequest | Self::OAuth => "invalid_request_error",
        }
    }
}

/// The stage at which a request failed. Stripe saves the response under the idempotency key only if the endpoint
/// started to execute. A declined payment is an error that changes objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Rejected before execution. Nothing is saved.
    Validation,
    /// Rejected during execution. The response is replayed, and nothing else changed.
    Execution,
    /// Executed with an error as the outcome, such as a declined payment. Objects have changed.
    Outcome,
}

/// An error response. Create it with a constructor and the `with_…` methods.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) stage: Stage,
    type_: ErrorType,
    message: String,
    pub(crate) code: Option<&'static str>,
    fields: Map<String, Value>,
}

impl ApiError {
    fn new(status: u16, type_: ErrorType, stage: Stage, message: impl Into<String>) -> Self {
        Self { status, stage, type_, message: message.into(), code: None, fields: Map::new() }
    }

    /// Returns an error for invalid parameters or headers (400), rejected before execution.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, ErrorType::InvalidRequest, Stage::Validation, message)
    }

    /// Returns an error for a valid request that the objects' state doesn't allow (400).
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(400, ErrorType::InvalidRequest, Stage::Execution, message)
    }

    /// Returns an error for a missing or invalid API key (401).
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, ErrorType::InvalidRequest, Stage::Validation, message)
    }

    /// Returns an error for a key without permission (403).
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, ErrorType::InvalidRequest, Stage::Validation, message)
    }

    /// Returns an error for invalid card data (402). Nothing is charged or stored.
    pub(crate) fn card_data(message: impl Into<String>, code: &'static str) -> Self {
        Self::new(402, ErrorType::Card, Stage::Validation, message).with_code(code)
    }

    /// Returns an error for a failed payment attempt (402).
    pub(crate) fn payment_failed(message: impl Into<String>) -> Self {
        Self::new(402, ErrorType::Card, Stage::Outcome, message)
    }

    /// Returns an error for an invalid use of an idempotency key.
    pub(crate) fn idempotency(status: u16, message: impl Into<String>) -> Self {
        Self::new(status, ErrorType::Idempotency, Stage::Validation, message)
    }

    /// Returns an error of the OAuth endpoints: 401 for `invalid_client`, otherwise 400.
    pub(crate) fn oauth(error: &'static str, description: impl Into<String>) -> Self {
        let status = if error == "invalid_client" { 401 } else { 400 };
        Self::new(status, ErrorType::OAuth, Stage::Execution, description).with_code(error)
    }

    /// Returns an error for an account that doesn't exist or that the key has no access to (403).
    pub(crate) fn account_access_denied(redacted_key: &str, account: &str) -> Self {
        Self::forbidden(format!(
            "The provided key '{redacted_key}' does not have access to account '{account}' (or that account does not \
             exist). Application access may have been revoked."
        ))
        .with_code("account_invalid")
    }

    /// Returns an error for a failure of the sandbox itself (500).
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, ErrorType::Api, Stage::Validation, message)
    }

    /// Returns an error for an object that doesn't exist (404), with Stripe's `noun` in the message.
    pub(crate) fn not_found(noun: &str, id: &str, param: &str) -> Self {
        Self::new(404, ErrorType::InvalidRequest, Stage::Execution, format!("No such {noun}: '{id}'"))
            .with_code("resource_missing")
            .with_param(param)
    }

    /// Returns an error for an unknown method or path (404).
    pub(crate) fn unknown_route(method: &str, path: &str) -> Self {
        Self::new(
            404,
            ErrorType::InvalidRequest,
            Stage::Validation,
            format!(
                "Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can \
                 help at https://support.stripe.com/."
            ),
        )
    }

    /// Returns the message.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Marks the request as one that has changed objects.
    pub(crate) fn into_outcome(mut self) -> Self {
        self.stage = Stage::Outcome;
        self
    }

    pub(crate) fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(crate) fn with_param(self, param: impl Into<String>) -> Self {
        self.with("param", param.into())
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    /// Moves the error's `param` into the nested `object`.
    pub(crate) fn within(self, object: &str) -> Self {
        match self.fields.get("param").and_then(Value::as_str) {
            None => self,
            Some(param) => {
                let param = format!("{object}[{param}]");
                self.with_param(param)
            }
        }
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// Returns the response body.
    pub(crate) fn body(&self, request_id: &str, now_seconds: i64) -> Value {
        if self.type_ == ErrorType::OAuth {
            return json!({ "error": self.code, "error_description": self.message });
        }
        let mut error = self.fields.clone();
        error.insert("type".into(), self.type_.as_str().into());
        error.insert("message".into(), self.message.as_str().into());
        if let Some(code) = self.code {
            error.insert("code".into(), code.into());
            error.insert("doc_url".into(), doc_url(code).into());
        }
        error.insert(
            "request_log_url".into(),
            format!("https://dashboard.stripe.com/test/logs/{request_id}?t={now_seconds}").into(),
        );
        json!({ "error": error })
    }
}

/// Returns the URL of Stripe's documentation for an error code.
pub(crate) fn doc_url(code: &str) -> String {
    format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"))
}
