//! Account Links: <https://docs.stripe.com/api/account_links>.

use serde::{Deserialize, Serialize};

use crate::storage::table::Resource;

/// A link, from its making to the end of the visit. Its secrets are kept as hashes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AccountLink {
    /// The hash of the secret in its address, and of the visit's once it has begun.
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) expires_ms: i64,
    pub(crate) refresh_url: String,
    pub(crate) return_url: String,
    pub(crate) is_over: bool,
}

impl Resource for AccountLink {
    const KIND: &'static str = "account_link";

    fn id(&self) -> &str {
        &self.id
    }
}
