//! How often one address may write without a secret key.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_governor::governor::NotUntil;
use actix_governor::governor::clock::{Clock, DefaultClock, QuantaInstant};
use actix_governor::governor::middleware::NoOpMiddleware;
use actix_governor::{Governor, GovernorConfig, GovernorConfigBuilder, KeyExtractor};
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::{HttpMessage, HttpResponse, HttpResponseBuilder, ResponseError};
use ipnet::IpNet;

use crate::auth::Caller;
use crate::client_address::ClientAddress;
use crate::code::Code;
use crate::problem::Problem;

/// How many seconds' worth of writes may come at once.
const BURST_S: u32 = 5;

/// How often addresses that have been quiet are forgotten.
const FORGET_PERIOD: Duration = Duration::from_secs(60);

/// Whose writes are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Account {
    /// Nobody's: reads, secret keys, Stripe.
    Exempt,
    /// An address's.
    Address(ClientAddress),
}

/// Says whose a request is.
#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    trusted_proxies: Arc<[IpNet]>,
}

/// The limit, shared by all threads.
#[derive(Clone)]
pub(crate) struct RateLimit(GovernorConfig<Accounts, NoOpMiddleware<QuantaInstant>>);

impl RateLimit {
    /// A limit of so many writes in a second; none for 0.
    pub(crate) fn new(per_second: u32, trusted_proxies: &[IpNet]) -> Option<Self> {
        let period = Duration::from_secs(1).checked_div(per_second)?;
        let accounts = Accounts { trusted_proxies: trusted_proxies.into() };
        let config = GovernorConfigBuilder::default()
            .period(period)
            .burst_size(per_second.saturating_mul(BURST_S))
            .key_extractor(accounts)
            .finish()?;
        Some(Self(config))
    }

    /// The middleware that counts.
    pub(crate) fn middleware(&self) -> Governor<Accounts, NoOpMiddleware<QuantaInstant>> {
        Governor::new(&self.0)
    }

    /// Forgets quiet addresses now and then, as long as the limit is in use.
    pub(crate) fn start_forgetting(&self) {
        let limiter = Arc::downgrade(&self.0.limiter());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(FORGET_PERIOD).await;
                let Some(limiter) = limiter.upgrade() else { return };
                limiter.retain_recent();
                limiter.shrink_to_fit();
            }
        });
    }
}

impl KeyExtractor for Accounts {
    type Key = Account;
    type KeyExtractionError = actix_governor::SimpleKeyExtractionError<Infallible>;

    fn extract(&self, request: &ServiceRequest) -> Result<Account, Self::KeyExtractionError> {
        let writes = request.method() == Method::POST || request.method() == Method::PATCH;
        let has_key = matches!(request.extensions().get::<Caller>(), Some(Caller::Key(_)));
        if !writes || has_key || !request.path().starts_with("/v1/") {
            return Ok(Account::Exempt);
        }
        let address = ClientAddress::of(request.peer_addr(), request.headers(), &self.trusted_proxies);
        Ok(Account::Address(address))
    }

    fn whitelisted_keys(&self) -> Vec<Account> {
        vec![Account::Exempt]
    }

    fn exceed_rate_limit_response(
        &self,
        negative: &NotUntil<QuantaInstant>,
        _: HttpResponseBuilder,
    ) -> HttpResponse {
        let wait = negative.wait_time_from(DefaultClock::default().now());
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        Problem::new(Code::RateLimited, "Too many requests came from this address. Wait, then go on.")
            .retry_after(seconds)
            .error_response()
    }
}
