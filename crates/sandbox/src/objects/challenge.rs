//! 3D Secure challenges.

use serde::{Deserialize, Serialize};

use crate::storage::table::Resource;
use crate::test_data::behavior::AfterAuthentication;

/// A pending 3D Secure challenge. Its ID is the PaymentIntent's ID.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Challenge {
    pub(crate) id: String,
    /// Makes the page's URL unguessable.
    pub(crate) token: String,
    pub(crate) then: AfterAuthentication,
}

impl Resource for Challenge {
    const KIND: &'static str = "challenge";

    fn id(&self) -> &str {
        &self.id
    }
}
