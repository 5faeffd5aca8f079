//! One attempt to deliver a message over HTTP.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use chrono::Utc;
use quittance_domain::outbound::AttemptOutcome;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use crate::guard::{Guard, GuardedResolver, ResolveError, Resolver};
use crate::signature::sign;

/// The time in which an endpoint must respond.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);

/// The time in which a connection must be established.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The bytes of a response body that are stored.
const STORED_BODY_BYTES: usize = 1024;

/// The time after which an idle connection is closed.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// The most idle connections per endpoint.
const IDLE_CONNECTIONS: usize = 16;

/// The HTTP client couldn't be created.
#[derive(Debug, thiserror::Error)]
#[error("failed to create the HTTP client for messages")]
pub struct SenderError(#[source] reqwest::Error);

/// Sends messages. Clones share connections.
#[derive(Clone)]
pub struct Sender {
    http: Client,
    guard: Guard,
    timeout: Duration,
}

/// The result of a delivery attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryResponse {
    /// The outcome.
    pub outcome: AttemptOutcome,
    /// The HTTP status, if the endpoint responded.
    pub status: Option<u16>,
    /// The first 1024 bytes of the response body, as text.
    pub body: Option<String>,
    /// The time to wait before the next attempt, from `Retry-After`.
    pub retry_after: Option<chrono::Duration>,
    /// The duration of the attempt.
    pub duration: Duration,
}

impl Sender {
    /// Creates a sender that connects only to addresses that the guard allows.
    pub fn new(guard: Guard, resolver: impl Resolver) -> Result<Self, SenderError> {
        // A process has one TLS crypto provider. If another one is installed already, it is used instead.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let resolver: Arc<dyn Resolver> = Arc::new(resolver);
        let builder = || {
            let resolver = GuardedResolver { guard: guard.clone(), resolver: Arc::clone(&resolver) };
            Client::builder()
                // A proxy would resolve names and bypass the guard.
                .no_proxy()
                .redirect(Policy::none())
                .dns_resolver(Arc::new(resolver))
                .connect_timeout(CONNECT_TIMEOUT)
                .pool_idle_timeout(IDLE_MAX)
                .pool_max_idle_per_host(IDLE_CONNECTIONS)
                .user_agent(concat!("quittance/", env!("CARGO_PKG_VERSION")))
        };
        let http = builder().build().or_else(|error| {
            tracing::warn!(
                error = &error as &dyn StdError,
                "failed to load root certificates; deliveries to https endpoints will fail"
            );
            builder().tls_certs_only([]).build()
        });
        Ok(Self { http: http.map_err(SenderError)?, guard, timeout: TIMEOUT })
    }

    /// Shortens the time in which an endpoint must respond. The maximum is 15 seconds, because deliveries are leased for
    /// a limited time.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout: timeout.min(TIMEOUT), ..self }
    }

    /// Sends a message once and waits for the response. The sender never connects to a forbidden address and never
    /// follows a redirect.
    pub async fn send<'a>(
        &self,
        url: &str,
        secrets: impl IntoIterator<Item = &'a str>,
        message_id: &str,
        payload: &str,
    ) -> DeliveryResponse {
        let began = Instant::now();
        let deadline = tokio::time::Instant::now() + self.timeout;
        let timestamp_s = Utc::now().timestamp();
        let signature = sign(secrets, message_id, timestamp_s, payload.as_bytes());
        let failed = |outcome| DeliveryResponse {
            outcome,
            status: None,
            body: None,
            retry_after: None,
            duration: began.elapsed(),
        };
        let Ok(url) = self.guard.check_url(url) else { return failed(AttemptOutcome::Forbidden) };
        let request = self
            .http
            .post(url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header("webhook-id", message_id)
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", signature)
            .body(payload.to_owned())
            .send();
        match tokio::time::timeout_at(deadline, request).await {
            Err(_) => failed(AttemptOutcome::TimedOut),
            Ok(Err(error)) => failed(failure_outcome(&error)),
            Ok(Ok(response)) => {
                let status = response.status().as_u16();
                DeliveryResponse {
                    retry_after: retry_after(response.headers(), SystemTime::now()),
                    // The status decides, even if the body never ends.
                    body: Some(read_body_start(response, deadline).await),
                    status: Some(status),
                    ..failed(AttemptOutcome::from_status(status))
                }
            }
        }
    }
}

fn failure_outcome(error: &reqwest::Error) -> AttemptOutcome {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(current) = cause {
        match current.downcast_ref::<ResolveError>() {
            Some(ResolveError::Forbidden) => return AttemptOutcome::Forbidden,
            Some(ResolveError::Unresolved) => return AttemptOutcome::Unresolved,
            None => cause = current.source(),
        }
    }
    if error.is_timeout() { AttemptOutcome::TimedOut } else { AttemptOutcome::Unreachable }
}

/// Reads the first 1024 bytes of a response body as text. NUL characters are replaced, because PostgreSQL can't store
/// them.
async fn read_body_start(mut response: Response, deadline: tokio::time::Instant) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < STORED_BODY_BYTES {
        match tokio::time::timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk),
            Ok(Ok(None) | Err(_)) | Err(_) => break,
        }
    }
    bytes.truncate(STORED_BODY_BYTES);
    String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}")
}

/// Parses `Retry-After`, which is a number of seconds or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<chrono::Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds.min(u64::from(u32::MAX))),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    chrono::Duration::from_std(wait).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &'static str, now: SystemTime) -> Option<chrono::Duration> {
        retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]), now)
    }

    #[test]
    fn retry_after_in_seconds_is_a_duration() {
        let now = SystemTime::UNIX_EPOCH;

        assert_eq!(parse("120", now), Some(chrono::Duration::minutes(2)));
        assert_eq!(parse(" 0 ", now), Some(chrono::Duration::zero()));
    }

    #[test]
    fn retry_after_as_a_date_is_the_time_until_then() {
        let now = httpdate::parse_http_date("Sun, 22 Nov 2037 10:00:00 GMT").unwrap();

        assert_eq!(parse("Sun, 22 Nov 2037 10:02:00 GMT", now), Some(chrono::Duration::minutes(2)));
        assert_eq!(parse("Fri, 31 Dec 1999 23:59:59 GMT", now), Some(chrono::Duration::zero()));
    }

    #[test]
    fn invalid_retry_after_is_ignored() {
        let now = SystemTime::UNIX_EPOCH;

        for value in ["soon", "-1", "99999999999999999999"] {
            assert_eq!(parse(value, now), None, "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
