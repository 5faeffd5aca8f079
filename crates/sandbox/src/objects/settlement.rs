//! Pending outcomes of bank debits and vouchers.

use serde::{Deserialize, Serialize};

use crate::storage::clock::Timestamp;
use crate::storage::table::Resource;
use crate::test_data::behavior::DebitFailure;

/// A pending settlement. Its ID is the PaymentIntent's ID.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settlement {
    pub(crate) id: String,
    /// The pending charge. A voucher has no charge until it is paid.
    pub(crate) charge: Option<String>,
    pub(crate) fails_with: Option<DebitFailure>,
    /// If absent, the settlement never ends.
    pub(crate) due_ms: Option<i64>,
}

impl Resource for Settlement {
    const KIND: &'static str = "settlement";

    fn id(&self) -> &str {
        &self.id
    }

    fn due(&self) -> Option<Timestamp> {
        self.due_ms.map(Timestamp)
    }
}
