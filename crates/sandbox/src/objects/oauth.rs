//! OAuth authorization codes and API keys of connected accounts. Only their hashes are stored.

use serde::{Deserialize, Serialize};

use crate::storage::table::Resource;

/// An authorization code, which can be exchanged for keys once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OAuthCode {
    /// The hash of the code.
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) client_id: String,
    pub(crate) is_read_only: bool,
    pub(crate) is_used: bool,
    pub(crate) expires_ms: i64,
}

impl Resource for OAuthCode {
    const KIND: &'static str = "oauth_code";

    fn id(&self) -> &str {
        &self.id
    }
}

/// A secret, publishable or refresh key of a connected account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OAuthToken {
    /// The hash of the key.
    pub(crate) id: String,
    pub(crate) account: String,
    /// The hash of the authorization code that it was issued for.
    pub(crate) code: String,
    pub(crate) is_revoked: bool,
    /// Whether the account holder created it, so that no application is involved.
    #[serde(default)]
    pub(crate) is_own: bool,
}

impl Resource for OAuthToken {
    const KIND: &'static str = "oauth_token";

    fn id(&self) -> &str {
        &self.id
    }
}
