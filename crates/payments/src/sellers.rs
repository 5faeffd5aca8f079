//! Sellers: how they come, how it is known whether they can be charged through, and how they leave.

mod checking;
mod onboarding;
mod products;
mod unlinking;

use chrono::{DateTime, Utc};
use quittance_domain::catalog::Metadata;
use quittance_domain::seller::{ChargeType, FeeTerms};
use quittance_stripe_gateway::{AccountKind, BusinessType, Collection};
use secrecy::SecretString;

pub use products::CreatedStripeProduct;

/// How sellers are connected, and on which terms they begin.
#[derive(Debug, Clone, Default)]
pub struct ConnectSettings {
    /// The platform's `ca_…` for OAuth. Without it nobody is connected that way.
    pub client_id: Option<String>,
    /// On whose account the customers of a new seller are charged.
    pub charge_type: ChargeType,
    /// What the platform takes of the orders of a new seller.
    pub fee: FeeTerms,
}

/// Where the owner of an account is to be sent, to let the platform in.
#[derive(Debug)]
pub struct Authorization {
    /// A page of Stripe's. Holds the `state`: never stored, never logged.
    pub url: SecretString,
    /// Until when what comes back of it is taken.
    pub expires_at: DateTime<Utc>,
}

/// What came back from Stripe's page, and who brings it.
#[derive(Debug, Clone)]
pub struct OAuthCallback {
    /// Stripe's code. Works once, for five minutes.
    pub code: SecretString,
    /// What was in the URL, unchanged.
    pub state: SecretString,
    /// Who began, in the platform's own words: must be the same as then.
    pub binding: String,
}

/// An account that the platform makes for a seller.
#[derive(Debug, Clone)]
pub struct SellerRequest {
    /// Which kind of account.
    pub kind: AccountKind,
    /// ISO 3166-1 alpha-2 code; the platform's own country if it is not said.
    pub country: Option<String>,
    /// Its owner's address.
    pub email: Option<String>,
    /// What its owner is.
    pub business_type: Option<BusinessType>,
    /// The platform's own id of the seller.
    pub reference: Option<String>,
    /// The platform's own words.
    pub metadata: Metadata,
    /// Another charge type than new sellers have.
    pub charge_type: Option<ChargeType>,
    /// Other terms than new sellers have.
    pub fee: Option<FeeTerms>,
}

/// Where Stripe's onboarding page sends the owner of an account back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLinkRequest {
    /// When they are done, or leave. It proves nothing: ask how the seller stands.
    pub return_url: String,
    /// When the link has expired or was used: make another.
    pub refresh_url: String,
    /// What they are asked for.
    pub collection: Collection,
}
