//! The rate limit for requests without a secret key, by client address.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::web::ThinData;
use actix_web::{Error, HttpMessage, ResponseError};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ipnet::IpNet;

use crate::http::auth::Caller;
use crate::http::client_address::ClientAddress;
use crate::problem::Problem;
use crate::problem::code::Code;

/// The burst size, in seconds of the allowed rate.
const BURST_S: NonZeroU32 = NonZeroU32::new(5).expect("not zero");

/// The interval at which idle addresses are removed.
const CLEANUP_PERIOD: Duration = Duration::from_mins(1);

/// The rate limit, shared by all threads.
#[derive(Clone)]
pub(crate) struct RateLimit {
    by_address: Arc<DefaultKeyedRateLimiter<ClientAddress>>,
    trusted_proxies: Arc<[IpNet]>,
}

impl RateLimit {
    /// Creates a limit of writes per second. 0 means no limit.
    pub(crate) fn new(per_second: u32, trusted_proxies: &[IpNet]) -> Option<Self> {
        let per_second = NonZeroU32::new(per_second)?;
        let burst = per_second.saturating_mul(BURST_S);
        let by_address = Arc::new(RateLimiter::keyed(Quota::per_second(per_second).allow_burst(burst)));
        Some(Self { by_address, trusted_proxies: trusted_proxies.into() })
    }

    /// Starts a task that removes idle addresses while the limit is in use.
    pub(crate) fn start_cleanup(&self) {
        let by_address = Arc::downgrade(&self.by_address);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(CLEANUP_PERIOD).await;
                let Some(by_address) = by_address.upgrade() else { return };
                by_address.retain_recent();
                by_address.shrink_to_fit();
            }
        });
    }

    /// Counts a request, and returns a problem if it exceeds the limit. Reads, secret keys and Stripe's events aren't
    /// counted, except for reads by an ID that anyone may try to guess.
    fn check(&self, request: &ServiceRequest) -> Result<(), Problem> {
        let is_write = request.method() == Method::POST || request.method() == Method::PATCH;
        let has_key = matches!(request.extensions().get::<Caller>(), Some(Caller::Key(_)));
        let is_guessable = request.path().starts_with("/v1/checkout_sessions/");
        if !(is_write || is_guessable) || has_key || !request.path().starts_with("/v1/") {
            return Ok(());
        }
        let address =
            ClientAddress::from_headers(request.peer_addr(), request.headers(), &self.trusted_proxies);
        self.by_address.check_key(&address).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            let detail = format!("Your address sent too many requests. Try again in {seconds} s.");
            Problem::new(Code::RateLimited, detail).retry_after(seconds)
        })
    }
}

/// Rejects requests above the rate limit, if there is one. Runs after authentication.
pub(crate) async fn limit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let limit = request.app_data::<ThinData<RateLimit>>().cloned();
    match limit.map(|ThinData(limit)| limit.check(&request)) {
        Some(Err(problem)) => Ok(request.into_response(problem.error_response())),
        Some(Ok(())) | None => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
    }
}
