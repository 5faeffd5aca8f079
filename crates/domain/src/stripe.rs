//! The account, mode and time of an object at Stripe.

use serde::{Deserialize, Serialize};

use crate::string_enum;

string_enum! {
    /// The mode of an object at Stripe: its `livemode`.
    pub enum Mode {
        /// Test data. No money moves.
        Test = "test",
        /// Real money.
        Live = "live",
    }
}

impl Mode {
    /// Returns the mode for Stripe's `livemode`.
    #[must_use]
    pub fn from_livemode(livemode: bool) -> Self {
        if livemode { Self::Live } else { Self::Test }
    }
}

/// The Stripe account that owns an object. The empty string is the platform's own account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account(String);

impl Account {
    /// Returns the platform's own account.
    #[must_use]
    pub fn own() -> Self {
        Self::default()
    }

    /// Returns a connected account with this `acct_…` ID.
    #[must_use]
    pub fn connected(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Returns the `acct_…` ID, or the empty string for the platform's own account.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The source and time of an observation. Open states are ordered by time, then rank, then event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Provenance {
    /// Stripe's clock, in Unix seconds: an event's `created`, or the second in which the read began.
    pub created: i64,
    /// The event ID, or the empty string if Quittance read the object.
    pub event: String,
}
