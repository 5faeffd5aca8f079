//! How often one address may write without a secret key.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, ResponseError};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ipnet::IpNet;

use crate::Api;
use crate::auth::Caller;
use crate::client_address::ClientAddress;
use crate::code::Code;
use crate::problem::Problem;

/// How many seconds' worth of writes may come at once.
const BURST_S: NonZeroU32 = NonZeroU32::new(5).expect("not zero");

/// How often addresses that have been quiet are forgotten.
const FORGET_PERIOD: Duration = Duration::from_mins(1);

/// The limit, shared by all threads.
pub(crate) struct RateLimit {
    of_address: Arc<DefaultKeyedRateLimiter<ClientAddress>>,
    trusted_proxies: Vec<IpNet>,
}

impl RateLimit {
    /// A limit of so many writes in a second; none for 0.
    pub(crate) fn new(per_second: u32, trusted_proxies: &[IpNet]) -> Option<Self> {
        let per_second = NonZeroU32::new(per_second)?;
        let burst = per_second.saturating_mul(BURST_S);
        let of_address = Arc::new(RateLimiter::keyed(Quota::per_second(per_second).allow_burst(burst)));
        Some(Self { of_address, trusted_proxies: trusted_proxies.to_vec() })
    }

    /// Forgets quiet addresses now and then, as long as the limit is in use.
    pub(crate) fn start_forgetting(&self) {
        let of_address = Arc::downgrade(&self.of_address);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(FORGET_PERIOD).await;
                let Some(of_address) = of_address.upgrade() else { return };
                of_address.retain_recent();
                of_address.shrink_to_fit();
            }
        });
    }

    /// Counts a request, and says why it is not served if it is one too many. Reads, secret keys and Stripe are
    /// not counted, but for reads by an id that anybody may try to guess.
    fn count(&self, request: &ServiceRequest) -> Result<(), Problem> {
        let writes = request.method() == Method::POST || request.method() == Method::PATCH;
        let has_key = matches!(request.extensions().get::<Caller>(), Some(Caller::Key(_)));
        let guesses = request.path().starts_with("/v1/checkout_sessions/");
        if !(writes || guesses) || has_key || !request.path().starts_with("/v1/") {
            return Ok(());
        }
        let address = ClientAddress::of(request.peer_addr(), request.headers(), &self.trusted_proxies);
        self.of_address.check_key(&address).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            Problem::new(Code::RateLimited, "Too many requests came from this address. Wait, then go on.")
                .retry_after(seconds)
        })
    }
}

/// Lets a request through that is within the limit, if there is one. Comes after it is known who calls.
pub(crate) async fn limit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let api = Api::of(request.request());
    match api.rate_limit().map(|limit| limit.count(&request)) {
        Some(Err(problem)) => Ok(request.into_response(problem.error_response())),
        Some(Ok(())) | None => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
    }
}
