//! The rules for values of a body that depend on the caller or on the configuration.

use quittance_outbound::Guard;

use crate::audience::Audience;
use crate::http::return_origins::ReturnOrigins;

/// The rules for the values of one body.
#[derive(Clone, Copy)]
pub(crate) struct BodyRules<'a> {
    /// The caller, for fields that need a secret key.
    pub(crate) audience: Audience,
    /// The origins that customers may return to.
    pub(crate) return_origins: &'a ReturnOrigins,
    /// The guard for the URLs of webhook endpoints.
    pub(crate) webhook_guard: &'a Guard,
}
