//! 3D Secure challenges.

use serde::{Deserialize, Serialize};

use crate::storage::table::Resource;
use crate::test_data::behavior::AfterAuthentication;

/// A 3D Secure authentication that waits for the customer. Its id is the PaymentIntent's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Challenge {
    pub(crate) id: String,
    /// Makes the page's address unguessable.
    pub(crate) token: String,
    pub(crate) then: AfterAuthentication,
}

impl Resource for Challenge {
    const KIND: &'static str = "challenge";

    fn id(&self) -> &str {
        &self.id
    }
}
