//! Terms for sellers.

use quittance_domain::seller::{ChargeType, FeeTerms};

/// The platform's OAuth client, and the terms of new sellers.
#[derive(Debug, Clone, Default)]
pub struct ConnectSettings {
    /// The platform's client ID (`ca_…`). Without it, OAuth is unavailable.
    pub client_id: Option<String>,
    /// The charge type of new sellers.
    pub charge_type: ChargeType,
    /// The platform's fee on orders of new sellers.
    pub fee: FeeTerms,
}
