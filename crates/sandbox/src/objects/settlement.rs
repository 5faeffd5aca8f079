//! Pending outcomes of bank debits and vouchers.

use serde::{Deserialize, Serialize};

use crate::storage::clock::Moment;
use crate::storage::table::Resource;
use crate::test_data::behavior::DebitFailure;

/// A payment whose outcome is to come. Its id is the PaymentIntent's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settlement {
    pub(crate) id: String,
    /// The charge that is pending; a voucher has none before it is paid.
    pub(crate) charge: Option<String>,
    pub(crate) fails_with: Option<DebitFailure>,
    /// Never, if absent.
    pub(crate) due_ms: Option<i64>,
}

impl Resource for Settlement {
    const KIND: &'static str = "settlement";

    fn id(&self) -> &str {
        &self.id
    }

    fn due(&self) -> Option<Moment> {
        self.due_ms.map(Moment)
    }
}
