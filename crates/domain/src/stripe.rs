//! The account, mode and time of an object at Stripe.

use serde::{Deserialize, Serialize};

use crate::string_enum;

string_enum! {
    /// Whether money is real: Stripe's `livemode`.
    pub enum Mode {
        /// Test data: no money moves.
        Test = "test",
        /// Real money.
        Live = "live",
    }
}

impl Mode {
    /// The mode that Stripe's `livemode` means.
    #[must_use]
    pub fn from_livemode(livemode: bool) -> Self {
        if livemode { Self::Live } else { Self::Test }
    }
}

/// The Stripe account that a PaymentIntent lives on; empty for the platform's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account(String);

impl Account {
    /// The platform's own account.
    #[must_use]
    pub fn own() -> Self {
        Self::default()
    }

    /// A connected account, by its `acct_…` id.
    #[must_use]
    pub fn connected(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The `acct_…` id, or the empty text for the platform's own account.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a fact was seen: orders what is open by time, then by rank, then by this.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Provenance {
    /// The second at Stripe's clock: an event's `created`, or the second in which our read began.
    pub created: i64,
    /// The event's id; empty for an object that we read ourselves.
    pub event: String,
}
