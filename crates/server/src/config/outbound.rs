//! Settings of outbound webhooks.

use quittance_outbound::{Guard, Schemes};

use super::access::networks;
use super::retention::retention;
use super::stripe::StripeBackend;
use crate::cli::OutboundArgs;
use crate::error::Error;

/// The settings of outbound webhooks.
pub(crate) struct Outbound {
    pub(crate) guard: Guard,
    pub(crate) retention: chrono::Duration,
}

impl Outbound {
    pub(super) fn from_args(args: &OutboundArgs, stripe: &StripeBackend) -> Result<Self, Error> {
        let allowed = networks("QUITTANCE_WEBHOOK_ALLOW_NETWORKS", &args.webhook_allow_networks)?;
        let guard = match stripe {
            StripeBackend::Sandbox { .. } => Guard::for_sandbox(allowed),
            StripeBackend::Stripe { .. } => Guard::new(Schemes::HttpsOnly, allowed),
        };
        Ok(Self { guard, retention: retention("QUITTANCE_MESSAGE_RETENTION", &args.message_retention)? })
    }
}
