//! Use cases for sellers.

mod accounts;
mod oauth;
mod products;
mod refresh;
mod unlink;

use chrono::{DateTime, Utc};
use quittance_domain::catalog::Metadata;
use quittance_domain::seller::{ChargeType, FeeTerms};
use quittance_stripe_gateway::{AccountKind, BusinessType, Collection};
use secrecy::SecretString;

pub use products::CreatedStripeProduct;

/// Stripe's page on which the owner of an account authorizes the platform.
#[derive(Debug)]
pub struct Authorization {
    /// The page's URL. It contains the `state`, so it is never stored or logged.
    pub url: SecretString,
    /// The time until which the callback is accepted.
    pub expires_at: DateTime<Utc>,
}

/// The parameters with which Stripe redirects the owner back to the platform.
#[derive(Debug, Clone)]
pub struct OAuthCallback {
    /// Stripe's authorization code. It can be used once, within five minutes.
    pub code: SecretString,
    /// The unchanged `state` of the URL.
    pub state: SecretString,
    /// The identifier of the user or session that started the flow. It must equal the one passed at the start.
    pub binding: String,
}

/// The parameters of a connected account that the platform creates.
#[derive(Debug, Clone)]
pub struct SellerRequest {
    /// The kind of account.
    pub kind: AccountKind,
    /// The ISO 3166-1 alpha-2 country code. The default is the platform's country.
    pub country: Option<String>,
    /// The owner's email address.
    pub email: Option<String>,
    /// The owner's business type.
    pub business_type: Option<BusinessType>,
    /// The platform's own ID for the seller.
    pub reference: Option<String>,
    /// The platform's metadata.
    pub metadata: Metadata,
    /// The charge type. The default is that of new sellers.
    pub charge_type: Option<ChargeType>,
    /// The platform's fee. The default is that of new sellers.
    pub fee: Option<FeeTerms>,
}

/// The parameters of a link to Stripe's onboarding page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLinkRequest {
    /// The page to which Stripe redirects the owner when they finish or leave. The redirect doesn't prove completion;
    /// refresh the seller instead.
    pub return_url: String,
    /// The page to which Stripe redirects the owner if the link has expired or was used. Create another link there.
    pub refresh_url: String,
    /// The information that the page collects.
    pub collection: Collection,
}
