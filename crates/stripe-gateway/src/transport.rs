//! How a request reaches Stripe: one pool of connections, timeouts, and retries that never do a thing twice.
//!
//! async-stripe's own client is not used: it opens a connection per request, does not repeat a request whose
//! idempotency key is ours, and loses the request id and the status of answers that are no JSON. Neither is its
//! `StripeClient` trait, because it returns a body alone, and we date what we read by the answer's headers.

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

/// No retry waits longer than this, unless Stripe asks for it.
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// One request. A read changes nothing, and a write has its key: they may be repeated. OAuth knows no keys.
pub(crate) struct ApiCall<'a> {
    /// What it is called in metrics and logs.
    pub(crate) operation: &'static str,
    /// The path; of the API's, with `/v1`.
    pub(crate) path: String,
    /// The account that it acts on.
    pub(crate) account: &'a Account,
    /// What it does.
    pub(crate) method: Method<'a>,
}

/// What a request does.
pub(crate) enum Method<'a> {
    /// Reads.
    Get {
        /// The query, urlencoded; may be empty.
        query: String,
    },
    /// Writes.
    Post {
        /// The form, urlencoded; may be empty.
        body: String,
        /// Under which Stripe does it once.
        idempotency_key: &'a str,
    },
    /// Writes where owners of accounts let the platform in.
    OAuth {
        /// The form, urlencoded. May hold a secret.
        body: String,
        /// Whether it comes to the same if Stripe is asked twice.
        is_repeatable: bool,
    },
}

impl Method<'_> {
    fn is_repeatable(&self) -> bool {
        !matches!(self, Self::OAuth { is_repeatable: false, .. })
    }
}

/// An answer that says yes.
pub(crate) struct Reply {
    /// The HTTP status, a 2xx.
    status: u16,
    /// Stripe's id of the request.
    pub(crate) request_id: Option<String>,
    /// Whether Stripe gave this answer before, to the first request with this key.
    pub(crate) replayed: bool,
    /// The second, at Stripe's clock, in which the request began.
    pub(crate) began_at_stripe_s: i64,
    /// What it says.
    pub(crate) body: Bytes,
}

impl Reply {
    /// That it can not be read, and why, in our own fields.
    pub(crate) fn unreadable(&self, reason: String) -> Error {
        Error::Unreadable { status: self.status, request_id: self.request_id.clone(), reason }
    }
}

/// One attempt that gave no reply.
struct AttemptError {
    error: Error,
    is_repeatable: bool,
    retry_after: Option<Duration>,
}

impl AttemptError {
    /// Whether Stripe can not have heard of it, because there never was a connection.
    fn never_connected(&self) -> bool {
        matches!(&self.error, Error::Unavailable { source: Some(error), .. } if error.is_connect())
    }
}

/// A server of Stripe's, and the connections to it.
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
            // Without TLS there is no need for root certificates, which a slim machine may lack.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self { http: builder.build().map_err(ConfigError::Client)?, base: base.url })
    }
}

/// The connections to Stripe and the rules for using them.
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
        // The process has one provider of cryptography. Where another one was chosen before, it serves too.
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

    /// The address of a page of Stripe's for owners of accounts.
    pub(crate) fn oauth_page(&self, path: &str, query: &str) -> String {
        format!("{}{path}?{query}", self.oauth.base)
    }

    /// Sends a request until there is an answer or no more time, and reads the answer.
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

    /// Returns how many attempts it took, too.
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
            // Of one that is no refusal, the status says enough where the body was cut off.
            (status, body) => {
                let fields = ApiErrorFields::of(&call.method, &body.unwrap_or_default());
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

/// What every request carries.
fn headers(config: &StripeConfig) -> Result<HeaderMap, ConfigError> {
    let bearer = format!("Bearer {}", config.secret_key.expose_secret());
    let mut bearer = HeaderValue::try_from(bearer).map_err(|_| ConfigError::NotASecretKey)?;
    bearer.set_sensitive(true);
    // The version that the request builders were generated for, whatever the account's default is.
    let version = HeaderValue::from_str(stripe_client_core::VERSION.as_str())
        .expect("a version of Stripe's API is printable");
    Ok([(AUTHORIZATION, bearer), (STRIPE_VERSION, version)].into_iter().collect())
}

impl AttemptError {
    /// There was no answer, or only the head of one.
    fn from_transport(error: reqwest::Error, head: Option<(u16, &HeaderMap)>) -> Self {
        if error.is_builder() {
            let error = Error::Unsendable("its address or a header has characters that HTTP does not carry");
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

    /// There was an answer, and it was no 2xx. One without Stripe's fields is somebody else's between Stripe and us, a
    /// proxy's for one, whatever its status: it refuses nothing.
    fn with_answer(status: u16, headers: &HeaderMap, fields: Option<ApiErrorFields>) -> Self {
        let request_id = text(headers, &REQUEST_ID);
        let replayed = is_true(headers, &IDEMPOTENT_REPLAYED);
        // See <https://docs.stripe.com/error-low-level> for which of them may be different the next time.
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

/// An error as Stripe writes it. See <https://docs.stripe.com/api/errors>.
#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorField,
}

/// OAuth writes but a word, and a description beside it, which may repeat a secret and is not read. See
/// <https://docs.stripe.com/connect/oauth-reference>.
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
    /// What an answer says, if it is an error in the shape that Stripe has for such a call.
    fn of(method: &Method<'_>, body: &[u8]) -> Option<Self> {
        let ErrorBody { error } = serde_json::from_slice(body).ok()?;
        match (error, method) {
            // Every error of the API has a type.
            (ErrorField::Api(fields), _) => Some(fields).filter(|fields| fields.r#type.is_some()),
            (ErrorField::OAuth(word), Method::OAuth { .. }) => {
                let is_plain = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                is_plain.then(|| Self { code: Some(word), ..Self::default() })
            }
            (ErrorField::OAuth(_), Method::Get { .. } | Method::Post { .. }) => None,
        }
    }
}

/// How long to wait before the next retry: a random part of a time that doubles, so that many callers who
/// failed together do not come back together, and no less than Stripe asks for.
fn wait(backoff: Duration, retries: u32, random: f64, retry_after: Option<Duration>) -> Duration {
    let most = backoff.saturating_mul(2_u32.saturating_pow(retries)).min(MAX_BACKOFF);
    most.mul_f64(random).max(retry_after.unwrap_or_default())
}

/// The second in which a request began by the clock that wrote the answer's `Date`: rounded down, so that
/// what was read is never taken for newer than it is.
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
    fn waits_double_up_to_a_bound_and_are_never_shorter_than_asked_for() {
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

    /// What was not heard can be said again, whatever it is.
    #[tokio::test]
    async fn where_nobody_listens_a_code_is_sent_again() {
        // Only root may listen on this port.
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
    fn a_read_is_dated_by_the_second_in_which_it_began_at_stripe() {
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
