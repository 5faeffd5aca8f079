//! Account Links: <https://docs.stripe.com/api/account_links>.

use serde::{Deserialize, Serialize};

use crate::storage::table::Resource;

/// An Account Link and the session that starts when it is opened. Its secrets are stored as hashes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AccountLink {
    /// The hash of the link's secret, or of the session's secret.
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
