//! The HTTP transport to Stripe: one connection pool, timeouts, and retries that never execute a request twice.
//!
//! async-stripe's own client isn't used. It opens a connection for each request and doesn't retry requests with
//! a caller's idempotency key. It also loses the request ID and status of responses that aren't JSON. Its
//! `StripeClient` trait returns only the body, but Quittance needs the headers to determine the time of a
//! response.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use quittance_domain::payment::Account;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use secrecy::ExposeSecret;
use serde::Deserialize;

use crate::config::{ApiBase, ConfigError, StripeConfig};
use crate::error::{Error, Refusal};

const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const STRIPE_ACCOUNT: HeaderName = HeaderName::from_static("stripe-account");
const STRIPE_SHOULD_RETRY: HeaderName = HeaderName::from_static("stripe-should-retry");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

const FORM: &str = "application/x-www-form-urlencoded";

/// The longest delay before a retry, unless Stripe requests a longer one.
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// One call. Reads and writes with an idempotency key can be retried. OAuth has no idempotency keys.
pub(crate) struct ApiCall<'a> {
    /// The name for metrics and logs.
    pub(crate) operation: &'static str,
    /// The path. For the API, it starts with `/v1`.
    pub(crate) path: String,
    /// The account to call.
    pub(crate) account: &'a Account,
    /// The method and its parameters.
    pub(crate) method: Method<'a>,
}

/// The method of a call.
pub(crate) enum Method<'a> {
    /// A read.
    Get {
        /// The URL-encoded query, or the empty string.
        query: String,
    },
    /// A write.
    Post {
        /// The URL-encoded form, or the empty string.
        body: String,
        /// The idempotency key, by which Stripe executes the request once.
        idempotency_key: &'a str,
    },
    /// A write to the OAuth server.
    OAuth {
        /// The URL-encoded form. It may contain a secret.
        body: String,
        /// Whether a second request has the same result.
        is_repeatable: bool,
    },
}

impl Method<'_> {
    fn is_repeatable(&self) -> bool {
        !matches!(self, Self::OAuth { is_repeatable: false, .. })
    }
}

/// A successful response.
pub(crate) struct Reply {
    /// The HTTP status, a 2xx.
    status: u16,
    /// Stripe's request ID.
    pub(crate) request_id: Option<String>,
    /// Whether Stripe replayed the response to the first request with this key.
    pub(crate) replayed: bool,
    /// The second in which the request began, by Stripe's clock.
    pub(crate) began_at_stripe_s: i64,
    /// The body.
    pub(crate) body: Bytes,
}

impl Reply {
    /// Returns the error for an unreadable response. The reason repeats nothing from it.
    pub(crate) fn unreadable(&self, reason: String) -> Error {
        Error::Unreadable { status: self.status, request_id: self.request_id.clone(), reason }
    }
}

/// A failed attempt.
struct AttemptError {
    error: Error,
    is_repeatable: bool,
    retry_after: Option<Duration>,
}

impl AttemptError {
    /// Returns whether Stripe can't have received the request, because no connection was made.
    fn never_connected(&self) -> bool {
        matches!(&self.error, Error::Unavailable { source: Some(error), .. } if error.is_connect())
    }
}

/// A Stripe server with its connections.
struct Server {
    http: reqwest::Client,
    base: String,
}

impl Server {
    fn new(config: &StripeConfig, base: ApiBase) -> Result<Self, ConfigError> {
        let mut builder = reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            .default_headers(headers(config)?)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("quittance/", env!("CARGO_PKG_VERSION")));
        if base.is_loopback {
            builder = builder.no_proxy();
        }
        if !base.encrypted {
            // Unencrypted connections need no root certificates, which a slim machine may lack.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self { http: builder.build().map_err(ConfigError::Client)?, base: base.url })
    }
}

/// The connections to Stripe and the limits for calls.
pub(crate) struct Transport {
    api: Server,
    oauth: Server,
    attempt_timeout: Duration,
    total_timeout: Duration,
    max_retries: u32,
    backoff: Duration,
}

impl Transport {
    pub(crate) fn new(config: &StripeConfig) -> Result<Self, ConfigError> {
        let (api, oauth) = (config.base()?, config.oauth_base()?);
        // A process has one cryptography provider. If one is installed already, it works too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            api: Server::new(config, api)?,
            oauth: Server::new(config, oauth)?,
            attempt_timeout: config.attempt_timeout,
            total_timeout: config.total_timeout,
            max_retries: config.max_retries,
            backoff: config.backoff,
        })
    }

    /// Returns the URL of an OAuth page.
    pub(crate) fn oauth_page(&self, path: &str, query: &str) -> String {
        format!("{}{path}?{query}", self.oauth.base)
    }

    /// Sends a request, retries it within the time limit, and reads the response.
    pub(crate) async fn call<T>(
        &self,
        call: &ApiCall<'_>,
        read: impl FnOnce(&Reply) -> Result<T, String>,
    ) -> Result<T, Error> {
        let began = Instant::now();
        let (attempts, sent) = self.send(call, began + self.total_timeout).await;
        let (request_id, result) = match sent {
            Ok(reply) => (reply.request_id.clone(), read(&reply).map_err(|reason| reply.unreadable(reason))),
            Err(error) => (error.request_id().map(str::to_owned), Err(error)),
        };
        let outcome = result.as_ref().map_or_else(Error::outcome, |_| "ok");
        let elapsed = began.elapsed();
        metrics::counter!("quittance_stripe_requests_total",
            "operation" => call.operation, "outcome" => outcome)
        .increment(1);
        metrics::histogram!("quittance_stripe_request_seconds", "operation" => call.operation)
            .record(elapsed);
        tracing::debug!(
            stripe.operation = call.operation,
            stripe.request_id = request_id,
            stripe.outcome = outcome,
            stripe.attempts = attempts,
            duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            "called Stripe"
        );
        result
    }

    /// Returns the number of attempts and the result.
    async fn send(&self, call: &ApiCall<'_>, deadline: Instant) -> (u32, Result<Reply, Error>) {
        let mut retries = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let failed = match self.attempt(call, self.attempt_timeout.min(left)).await {
                Ok(reply) => return (retries + 1, Ok(reply)),
                Err(failed) => failed,
            };
            let wait = wait(self.backoff, retries, rand::random(), failed.retry_after);
            let is_in_time = Instant::now().checked_add(wait).is_some_and(|next| next < deadline);
            let is_repeatable =
                failed.is_repeatable && (call.method.is_repeatable() || failed.never_connected());
            if !is_repeatable || retries == self.max_retries || !is_in_time {
                return (retries + 1, Err(failed.error));
            }
            tokio::time::sleep(wait).await;
            retries += 1;
        }
    }

    async fn attempt(&self, call: &ApiCall<'_>, timeout: Duration) -> Result<Reply, AttemptError> {
        let (began_at, began) = (Utc::now().timestamp(), Instant::now());
        let response = self
            .request(call)
            .timeout(timeout)
            .send()
            .await
            .map_err(|error| AttemptError::from_transport(error, None))?;
        let elapsed = began.elapsed();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await;
        match (status, body) {
            (200..=299, Ok(body)) => Ok(Reply {
                status,
                request_id: text(&headers, &REQUEST_ID),
                replayed: is_true(&headers, &IDEMPOTENT_REPLAYED),
                began_at_stripe_s: began_at_stripe_s(&headers, elapsed).unwrap_or(began_at),
                body,
            }),
            (200..=299, Err(cut_off)) => Err(AttemptError::from_transport(cut_off, Some((status, &headers)))),
            // If the body of an error is truncated, the status is sufficient.
            (status, body) => {
                let fields = ApiErrorFields::from_body(&call.method, &body.unwrap_or_default());
                Err(AttemptError::with_answer(status, &headers, fields))
            }
        }
    }

    fn request(&self, call: &ApiCall<'_>) -> reqwest::RequestBuilder {
        let Server { http, base } = match &call.method {
            Method::Get { .. } | Method::Post { .. } => &self.api,
            Method::OAuth { .. } => &self.oauth,
        };
        let url = format!("{base}{}", call.path);
        let request = match &call.method {
            Method::Get { query } if query.is_empty() => http.get(url),
            Method::Get { query } => http.get(format!("{url}?{query}")),
            Method::Post { body, idempotency_key } => http
                .post(url)
                .header(CONTENT_TYPE, FORM)
                .header(IDEMPOTENCY_KEY, *idempotency_key)
                .body(body.clone()),
            Method::OAuth { body, .. } => http.post(url).header(CONTENT_TYPE, FORM).body(body.clone()),
        };
        if *call.account == Account::own() {
            request
        } else {
            request.header(STRIPE_ACCOUNT, call.account.as_str())
        }
    }
}

/// Returns the headers of all requests.
fn headers(config: &StripeConfig) -> Result<HeaderMap, ConfigError> {
    let bearer = format!("Bearer {}", config.secret_key.expose_secret());
    let mut bearer = HeaderValue::try_from(bearer).map_err(|_| ConfigError::NotASecretKey)?;
    bearer.set_sensitive(true);
    // The version for which the request builders were generated. The account's default version doesn't matter.
    let version = HeaderValue::from_str(stripe_client_core::VERSION.as_str())
        .expect("a version of Stripe's API is printable");
    Ok([(AUTHORIZATION, bearer), (STRIPE_VERSION, version)].into_iter().collect())
}

impl AttemptError {
    /// Creates the error for a missing or truncated response.
    fn from_transport(error: reqwest::Error, head: Option<(u16, &HeaderMap)>) -> Self {
        if error.is_builder() {
            let error = Error::Unsendable("its URL or a header contains invalid characters");
            return Self { error, is_repeatable: false, retry_after: None };
        }
        let error = Error::Unavailable {
            status: head.map(|(status, _)| status),
            code: None,
            request_id: head.and_then(|(_, headers)| text(headers, &REQUEST_ID)),
            replayed: false,
            source: Some(error.without_url()),
        };
        Self { error, is_repeatable: true, retry_after: None }
    }

    /// Creates the error for a response that isn't a 2xx. If the body isn't Stripe's, a proxy or another server
    /// wrote it, so it never counts as a refusal.
    fn with_answer(status: u16, headers: &HeaderMap, fields: Option<ApiErrorFields>) -> Self {
        let request_id = text(headers, &REQUEST_ID);
        let replayed = is_true(headers, &IDEMPOTENT_REPLAYED);
        // These statuses can pass on a retry. See <https://docs.stripe.com/error-low-level>.
        let is_passing = matches!(status, 408 | 409 | 424 | 429 | 500..);
        let is_final = matches!(status, 400..=499) && !is_passing && fields.is_some();
        let fields = fields.unwrap_or_default();
        let error = if is_final {
            Error::Refused(Box::new(Refusal {
                status,
                kind: fields.r#type,
                code: fields.code,
                decline_code: fields.decline_code,
                param: fields.param,
                message: fields.message,
                request_id,
                answered_s: began_at_stripe_s(headers, Duration::ZERO),
                replayed,
            }))
        } else {
            Error::Unavailable { status: Some(status), code: fields.code, request_id, replayed, source: None }
        };
        let advice = text(headers, &STRIPE_SHOULD_RETRY);
        let is_advised = match advice.as_deref() {
            Some("true") => true,
            Some("false") => false,
            _ => is_passing,
        };
        let retry_after = text(headers, &RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
        Self {
            error,
            is_repeatable: is_advised && !replayed,
            retry_after: retry_after.map(Duration::from_secs),
        }
    }
}

/// The body of an error. See <https://docs.stripe.com/api/errors>.
#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorField,
}

/// The `error` field. OAuth has only a code and a description. The description may repeat a secret, so it isn't
/// read. See <https://docs.stripe.com/connect/oauth-reference>.
#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorField {
    Api(ApiErrorFields),
    OAuth(String),
}

#[derive(Default, Deserialize)]
struct ApiErrorFields {
    r#type: Option<String>,
    code: Option<String>,
    decline_code: Option<String>,
    param: Option<String>,
    message: Option<String>,
}

impl ApiErrorFields {
    /// Parses a body, if it has the error format for this method.
    fn from_body(method: &Method<'_>, body: &[u8]) -> Option<Self> {
        let ErrorBody { error } = serde_json::from_slice(body).ok()?;
        match (error, method) {
            // All API errors have a type.
            (ErrorField::Api(fields), _) => Some(fields).filter(|fields| fields.r#type.is_some()),
            (ErrorField::OAuth(word), Method::OAuth { .. }) => {
                let is_plain = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                is_plain.then(|| Self { code: Some(word), ..Self::default() })
            }
            (ErrorField::OAuth(_), Method::Get { .. } | Method::Post { .. }) => None,
        }
    }
}

/// Returns the delay before the next retry: a random part of a duration that doubles, but not less than
/// `Retry-After`. Randomness spreads callers that failed together.
fn wait(backoff: Duration, retries: u32, random: f64, retry_after: Option<Duration>) -> Duration {
    let most = backoff.saturating_mul(2_u32.saturating_pow(retries)).min(MAX_BACKOFF);
    most.mul_f64(random).max(retry_after.unwrap_or_default())
}

/// Returns the second in which a request began, by the clock of the response's `Date`. It is rounded down, so
/// that an observation never seems newer than it is.
fn began_at_stripe_s(headers: &HeaderMap, elapsed: Duration) -> Option<i64> {
    let answered = DateTime::parse_from_rfc2822(&text(headers, &DATE)?).ok()?.timestamp();
    let elapsed_s = i64::try_from(elapsed.as_secs()).ok()? + i64::from(elapsed.subsec_nanos() > 0);
    answered.checked_sub(elapsed_s)
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn is_true(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get(name).is_some_and(|value| value == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_delay_doubles_up_to_a_limit_and_respects_retry_after() {
        let base = Duration::from_millis(500);
        let s = Duration::from_secs_f64;
        assert_eq!(wait(base, 0, 1.0, None), s(0.5));
        assert_eq!(wait(base, 1, 1.0, None), s(1.0));
        assert_eq!(wait(base, 2, 0.5, None), s(1.0));
        assert_eq!(wait(base, 3, 0.0, None), s(0.0));
        assert_eq!(wait(base, 40, 1.0, None), MAX_BACKOFF);
        assert_eq!(wait(base, 0, 1.0, Some(s(7.0))), s(7.0));
        assert_eq!(wait(base, 1, 1.0, Some(s(0.0))), s(1.0));
    }

    #[tokio::test]
    async fn unsent_request_is_retried_even_if_not_repeatable() {
        // Only root can listen on this port.
        let base = "http://127.0.0.1:1".to_owned();
        let mut config = StripeConfig::new("sk_test_51Abc".to_owned().into(), base);
        config.backoff = Duration::from_millis(1);
        let transport = Transport::new(&config).expect("a good configuration");
        let account = Account::own();
        let method = Method::OAuth { body: "code=ac_1".to_owned(), is_repeatable: false };
        let call =
            ApiCall { operation: "oauth.token", path: "/oauth/token".to_owned(), account: &account, method };
        let (attempts, sent) = transport.send(&call, Instant::now() + config.total_timeout).await;
        assert!(matches!(sent, Err(Error::Unavailable { status: None, .. })));
        assert_eq!(attempts, 1 + config.max_retries);
    }

    #[test]
    fn response_time_is_the_second_in_which_the_request_began() {
        let date = |text: &'static str| HeaderMap::from_iter([(DATE, HeaderValue::from_static(text))]);
        let headers = date("Sun, 22 Nov 2026 10:00:00 GMT");
        for (elapsed_ms, second) in
            [(0, 1_795_341_600), (1, 1_795_341_599), (1_000, 1_795_341_599), (2_001, 1_795_341_597)]
        {
            assert_eq!(began_at_stripe_s(&headers, Duration::from_millis(elapsed_ms)), Some(second));
        }
        assert_eq!(began_at_stripe_s(&date("yesterday"), Duration::ZERO), None);
        assert_eq!(began_at_stripe_s(&HeaderMap::new(), Duration::ZERO), None);
    }
}
