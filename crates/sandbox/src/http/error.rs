//! Stripe's error objects: <https://docs.stripe.com/api/errors>.

use serde_json::{Map, Value, json};

/// The `type` of an error object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorType {
    Api,
    Card,
    Idempotency,
    InvalidRequest,
    /// An error of OAuth's own form: <https://www.rfc-editor.org/rfc/rfc6749#section-5.2>.
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

/// How far a request came before it failed. Stripe keeps the result of a request under its idempotency
/// key only if the endpoint began to execute, and a declined payment is an error that changes objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The request was refused before it was executed: nothing is kept.
    Validation,
    /// The endpoint executed and refused: its answer is replayed, and nothing else changed.
    Execution,
    /// The endpoint executed, changed objects, and the outcome is an error: a declined payment.
    Outcome,
}

/// One error answer. Built by a constructor and the `with_…` methods.
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

    /// A request whose parameters or headers are wrong (400), refused before execution.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, ErrorType::InvalidRequest, Stage::Validation, message)
    }

    /// A well-formed request that the state of the objects does not allow (400).
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(400, ErrorType::InvalidRequest, Stage::Execution, message)
    }

    /// A request without a usable API key (401).
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, ErrorType::InvalidRequest, Stage::Validation, message)
    }

    /// A key that may not do this (403).
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, ErrorType::InvalidRequest, Stage::Validation, message)
    }

    /// A card whose data can not be used (402): nothing was charged and nothing is kept of it.
    pub(crate) fn card_data(message: impl Into<String>, code: &'static str) -> Self {
        Self::new(402, ErrorType::Card, Stage::Validation, message).with_code(code)
    }

    /// A payment that was tried and failed (402).
    pub(crate) fn payment_failed(message: impl Into<String>) -> Self {
        Self::new(402, ErrorType::Card, Stage::Outcome, message)
    }

    /// A misuse of an idempotency key.
    pub(crate) fn idempotency(status: u16, message: impl Into<String>) -> Self {
        Self::new(status, ErrorType::Idempotency, Stage::Validation, message)
    }

    /// An error of the OAuth endpoints, with OAuth's word for it: 401 if it is about the client, else 400.
    pub(crate) fn oauth(error: &'static str, description: impl Into<String>) -> Self {
        let status = if error == "invalid_client" { 401 } else { 400 };
        Self::new(status, ErrorType::OAuth, Stage::Execution, description).with_code(error)
    }

    /// An account that the key may not act for, or that is not there (403).
    pub(crate) fn no_access(shown_key: &str, account: &str) -> Self {
        Self::forbidden(format!(
            "The provided key '{shown_key}' does not have access to account '{account}' (or that account does not \
             exist). Application access may have been revoked."
        ))
        .with_code("account_invalid")
    }

    /// A failure of the sandbox itself (500).
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, ErrorType::Api, Stage::Validation, message)
    }

    /// An object that is not there (404). `noun` as Stripe's message names it, `param` as its error does.
    pub(crate) fn missing(noun: &str, id: &str, param: &str) -> Self {
        Self::new(404, ErrorType::InvalidRequest, Stage::Execution, format!("No such {noun}: '{id}'"))
            .with_code("resource_missing")
            .with_param(param)
    }

    /// A method and path the sandbox does not know (404).
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

    /// What it says.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The same error, of a request that has changed objects nevertheless.
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

    /// The same error, about a parameter of the nested `object`.
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

    /// The answer's body.
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

/// The page of Stripe's documentation that explains an error code.
pub(crate) fn doc_url(code: &str) -> String {
    format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"))
}
