//! The shop's own words beside an object.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// The shop's own words: up to 48 keys of up to 40 characters, without square brackets, and values of up to 500
/// characters. They travel to Stripe with the PaymentIntent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"cart": "7"}))]
pub(crate) struct Metadata(BTreeMap<String, String>);

impl From<quittance_domain::catalog::Metadata> for Metadata {
    fn from(words: quittance_domain::catalog::Metadata) -> Self {
        Self(words)
    }
}
