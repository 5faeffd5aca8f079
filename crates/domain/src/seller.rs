//! Sellers of a marketplace. Each seller is one connected Stripe account.
//!
//! Stripe's statements about an account arrive as [`AccountState`]s, in events of any order and in API
//! responses. [`AccountSnapshot`] keeps the newest one. [`Seller::readiness`] computes from it whether the
//! seller can accept payments, the blockers, and the next step for the account's owner.

mod fee;
mod readiness;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::catalog::Metadata;
use crate::id::SellerId;
use crate::string_enum;
use crate::stripe::Account;

pub use fee::{FeeTerms, InvalidFee, MAX_BASIS_POINTS};
pub use readiness::{Blocker, NextAction, Readiness, SupportedSellers};

string_enum! {
    /// The account on which a seller's customers are charged. See <https://docs.stripe.com/connect/charges>.
    #[derive(Default, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum ChargeType {
        /// The seller's account. The seller is the merchant, pays Stripe's fees, and bears refunds and
        /// disputes.
        #[default]
        Direct = "direct",
        /// The platform's account. The amount minus the platform fee is transferred to the seller immediately.
        Destination = "destination",
    }
}

string_enum! {
    /// The way in which a seller's account was connected. It determines how to disconnect it.
    pub enum Origin {
        /// The account's owner authorized the platform by OAuth. To disconnect it, Quittance revokes that
        /// access at Stripe.
        OAuth = "oauth",
        /// The platform created the account, and its owner completes it through Account Links. To disconnect
        /// it, the platform stops using it.
        Created = "created",
    }
}

string_enum! {
    /// The connection between the platform and a seller's account.
    pub enum ConnectionStatus {
        /// The platform can use the account.
        Connected = "connected",
        /// The platform is disconnecting the account. Open orders are closed first and can't be paid.
        Unlinking = "unlinking",
        /// The platform disconnected the account.
        Unlinked = "unlinked",
        /// The account's owner or Stripe disconnected the account.
        Disconnected = "disconnected",
    }
}

/// The information that Stripe requires from an account's owner, as names of Stripe's fields. See
/// <https://docs.stripe.com/api/accounts/object#account_object-requirements>.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirements {
    /// Fields that are due by `current_deadline`. If they are missing then, Stripe restricts the account.
    pub currently_due: Vec<String>,
    /// Fields that are due once the account has received more money.
    pub eventually_due: Vec<String>,
    /// Fields that are overdue. Stripe has restricted the account.
    pub past_due: Vec<String>,
    /// Fields that Stripe is verifying.
    pub pending_verification: Vec<String>,
    /// Stripe's reason for restricting the account, for example `requirements.past_due`.
    pub disabled_reason: Option<String>,
    /// The deadline for `currently_due`.
    pub current_deadline: Option<DateTime<Utc>>,
}

/// The status of an account's capability. See <https://docs.stripe.com/connect/account-capabilities>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Requested and enabled.
    Active,
    /// Requested, but not enabled.
    Inactive,
    /// Requested, and Stripe is verifying the account.
    Pending,
    /// Not requested.
    Unrequested,
}

/// The state of a connected account at Stripe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// The country's ISO 3166-1 alpha-2 code, upper case.
    pub country: Option<String>,
    /// Stripe's `default_currency`, lower case.
    pub currency: Option<String>,
    /// The name that customers see: the Dashboard's display name, or else the name of the business profile.
    pub display_name: Option<String>,
    /// Whether the owner has submitted the initial information.
    pub details_submitted: bool,
    /// Whether the account can accept payments.
    pub charges_enabled: bool,
    /// Whether Stripe pays out to the account's bank.
    pub payouts_enabled: bool,
    /// The transfers capability, which destination charges need.
    pub transfers: Capability,
    /// The information that Stripe requires.
    pub requirements: Requirements,
}

/// The newest known state of an account, and its time. Events may be late, duplicated or out of order, and
/// their times are in seconds. So an event never replaces newer data. After an event, only a read that began in
/// a later second is certain to be current.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountSnapshot {
    /// The newest known state.
    pub state: Option<AccountState>,
    /// The time of `state` by Stripe's clock, in Unix seconds.
    pub snapshot_at_s: i64,
    /// The time of the latest event about the account, in Unix seconds.
    pub last_event_at_s: i64,
}

impl AccountSnapshot {
    /// Applies an event of this second, with the account's state if the event has it.
    pub fn apply_event(&mut self, created_s: i64, state: Option<AccountState>) {
        self.last_event_at_s = self.last_event_at_s.max(created_s);
        if let Some(state) = state {
            self.replace_if_newer(created_s, state);
        }
    }

    /// Applies an API response whose request began in this second. Returns `false` if an event may be newer, so
    /// the account must be read again.
    pub fn apply_read(&mut self, began_s: i64, state: AccountState) -> bool {
        self.replace_if_newer(began_s, state);
        began_s > self.last_event_at_s
    }

    fn replace_if_newer(&mut self, second: i64, state: AccountState) {
        if second >= self.snapshot_at_s || self.state.is_none() {
            self.snapshot_at_s = second;
            self.state = Some(state);
        }
    }
}

/// A seller: one connected account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seller {
    /// The seller ID.
    pub id: SellerId,
    /// The account's ID at Stripe, `acct_…`. It is `None` until Stripe has created the account.
    pub account_id: Option<String>,
    /// The way in which the account was connected.
    pub origin: Origin,
    /// The connection status.
    pub connection_status: ConnectionStatus,
    /// The account on which the seller's customers are charged.
    pub charge_type: ChargeType,
    /// The platform fee.
    pub fee: FeeTerms,
    /// The platform's own ID for the seller.
    pub reference: Option<String>,
    /// The platform's own key-value data.
    pub metadata: Metadata,
    /// The newest known state of the account.
    pub snapshot: AccountSnapshot,
    /// The time when Quittance last read the account.
    pub checked_at: Option<DateTime<Utc>>,
    /// The seller's version. It increases with every visible change.
    pub version: i64,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The time of the last change.
    pub updated_at: DateTime<Utc>,
}

/// The seller of an order and the terms of the sale, at the time when its items were priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SellerTerms {
    /// The seller.
    pub seller_id: SellerId,
    /// The account ID at Stripe, `acct_…`.
    pub account_id: String,
    /// The account on which the customer is charged.
    pub charge_type: ChargeType,
    /// The platform fee, in minor units.
    pub application_fee: i64,
}

impl SellerTerms {
    /// Returns the account on which the customer is charged.
    #[must_use]
    pub fn charge_account(&self) -> Account {
        match self.charge_type {
            ChargeType::Direct => Account::connected(&self.account_id),
            ChargeType::Destination => Account::own(),
        }
    }

    /// Returns the account to which the money is transferred, for destination charges.
    #[must_use]
    pub fn destination(&self) -> Option<&str> {
        (self.charge_type == ChargeType::Destination).then_some(&*self.account_id)
    }

    /// Returns the fee to send to Stripe. Stripe doesn't accept a fee of zero.
    #[must_use]
    pub fn charged_fee(&self) -> Option<i64> {
        (self.application_fee > 0).then_some(self.application_fee)
    }
}

/// An event about a seller's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountEvent {
    /// The account's state, from `account.updated`.
    Updated(Box<AccountState>),
    /// A change without the account's state. Quittance must read the account.
    Changed,
    /// The owner or Stripe disconnected the account: `account.application.deauthorized`.
    Deauthorized,
}

string_enum! {
    /// The kind of an event about a seller. It depends on the seller's state before and after a change.
    pub enum SellerEventKind {
        /// The seller can accept payments now.
        Ready = "seller.ready",
        /// The seller can no longer accept payments.
        Restricted = "seller.restricted",
        /// The account was disconnected.
        Disconnected = "seller.disconnected",
        /// Another visible change.
        Updated = "seller.updated",
    }
}

impl Seller {
    /// Returns whether the platform can use the account.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.connection_status, ConnectionStatus::Connected | ConnectionStatus::Unlinking)
            && self.account_id.is_some()
    }

    /// Returns whether the seller can accept payments, the blockers and the next step.
    #[must_use]
    pub fn readiness(&self, supported: &SupportedSellers) -> Readiness {
        Readiness::new(self, supported)
    }

    /// Returns the event for the change from `before` to this state, if any.
    #[must_use]
    pub fn event_since(&self, before: &Self, supported: &SupportedSellers) -> Option<SellerEventKind> {
        let (was, is) = (before.readiness(supported), self.readiness(supported));
        if before.is_connected() && !self.is_connected() {
            Some(SellerEventKind::Disconnected)
        } else if is.ready != was.ready {
            Some(if is.ready { SellerEventKind::Ready } else { SellerEventKind::Restricted })
        } else {
            let changed = self.snapshot.state != before.snapshot.state
                || self.connection_status != before.connection_status
                || is != was;
            changed.then_some(SellerEventKind::Updated)
        }
    }

    /// Returns the time of the next read of the account. It is read at least every four weeks, and before and
    /// after a deadline.
    #[must_use]
    pub fn check_due_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if !self.is_connected() {
            return None;
        }
        let regular = now + CHECK_PERIOD;
        let requirements = self.snapshot.state.as_ref().map(|state| &state.requirements);
        let Some(deadline) = requirements.and_then(|requirements| requirements.current_deadline) else {
            return Some(regular);
        };
        // One check is a day before the deadline. The other is right after it, when Stripe may have restricted
        // the account.
        let checks = [deadline - DEADLINE_NOTICE, deadline + AFTER_DEADLINE];
        Some(checks.into_iter().filter(|check| *check > now).chain([regular]).min().unwrap_or(regular))
    }
}

/// The longest time between two reads of a seller's account.
pub const CHECK_PERIOD: chrono::Duration = chrono::Duration::weeks(4);

/// The time between the check before a deadline and the deadline.
const DEADLINE_NOTICE: chrono::Duration = chrono::Duration::days(1);

/// The time between a deadline and the check after it.
const AFTER_DEADLINE: chrono::Duration = chrono::Duration::minutes(10);
