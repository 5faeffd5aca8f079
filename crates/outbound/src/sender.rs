//! One attempt to deliver a message.

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

/// How long an endpoint has to take a message, at most.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How much is kept of what was answered, in bytes.
const ANSWER_KEPT: usize = 1024;

/// How long an idle connection is kept for the next message.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// How many idle connections are kept for each endpoint.
const IDLE_CONNECTIONS: usize = 16;

/// The HTTP client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for messages could not be made")]
pub struct SenderError(#[source] reqwest::Error);

/// Sends messages. Clones share connections.
#[derive(Clone)]
pub struct Sender {
    http: Client,
    guard: Guard,
    timeout: Duration,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryResponse {
    /// What it means.
    pub outcome: AttemptOutcome,
    /// The status.
    pub status: Option<u16>,
    /// The first KB of the answer.
    pub answer: Option<String>,
    /// How long the endpoint asks to wait before the next attempt.
    pub retry_after: Option<chrono::Duration>,
    /// How long it took.
    pub duration: Duration,
}

impl Sender {
    /// A sender that goes where the guard lets it, by the addresses that are looked up so.
    pub fn new(guard: Guard, lookup: impl Resolver) -> Result<Self, SenderError> {
        // The process has one provider of cryptography. Where another one was chosen before, it serves too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let lookup: Arc<dyn Resolver> = Arc::new(lookup);
        let builder = || {
            let resolver = GuardedResolver { guard: guard.clone(), lookup: Arc::clone(&lookup) };
            Client::builder()
                // A proxy would resolve names itself, and connect to what it likes.
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
                "This machine has no root certificates: endpoints of https can not be reached."
            );
            builder().tls_certs_only([]).build()
        });
        Ok(Self { http: http.map_err(SenderError)?, guard, timeout: TIMEOUT })
    }

    /// The same sender, with less patience than the 15 seconds that an endpoint has to take a message. It can not have
    /// more: a delivery is leased for no longer.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout: timeout.min(TIMEOUT), ..self }
    }

    /// Sends a message once, and waits for the answer. An address that may not be reached is not connected to, and a
    /// redirect is not followed.
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
            answer: None,
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
            Ok(Err(error)) => failed(outcome_of(&error)),
            Ok(Ok(response)) => {
                let status = response.status().as_u16();
                DeliveryResponse {
                    retry_after: retry_after(response.headers(), SystemTime::now()),
                    // The status is what counts, also of an answer that does not end.
                    answer: Some(beginning(response, deadline).await),
                    status: Some(status),
                    ..failed(AttemptOutcome::of_status(status))
                }
            }
        }
    }
}

fn outcome_of(error: &reqwest::Error) -> AttemptOutcome {
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

/// The first KB of an answer, as text that every database can keep.
async fn beginning(mut response: Response, deadline: tokio::time::Instant) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_KEPT {
        match tokio::time::timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk),
            Ok(Ok(None) | Err(_)) | Err(_) => break,
        }
    }
    bytes.truncate(ANSWER_KEPT);
    String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}")
}

/// What `Retry-After` asks for, in seconds or as a date (RFC 9110, 10.2.3).
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

    #[test]
    fn how_long_an_endpoint_asks_to_wait() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(300_000);
        let date = httpdate::fmt_http_date(now + Duration::from_mins(2));
        for (given, expected) in [
            ("120", Some(chrono::Duration::minutes(2))),
            (" 0 ", Some(chrono::Duration::zero())),
            (date.as_str(), Some(chrono::Duration::minutes(2))),
            ("Fri, 31 Dec 1999 23:59:59 GMT", Some(chrono::Duration::zero())),
            ("soon", None),
            ("-1", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(given).unwrap())]);
            assert_eq!(retry_after(&headers, now), expected, "{given}");
        }
        assert!(retry_after(&HeaderMap::new(), now).is_none());
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("99999999999999999999"))]);
        assert_eq!(retry_after(&headers, now), None);
    }
}
