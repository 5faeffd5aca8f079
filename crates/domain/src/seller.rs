//! Sellers of a marketplace: connected Stripe accounts through which a platform sells, and takes its fee.
//!
//! A seller is one connected account. What Stripe says of it arrives as [`AccountState`]s, by events that come in any
//! order and by reads; [`AccountSnapshot`] keeps the newest. Whether money can be charged through it, why not, and what its
//! owner should do is a pure function of that: [`Seller::readiness`].

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
    /// On whose account a seller's customers are charged.
    /// See <https://docs.stripe.com/connect/charges>.
    #[derive(Default, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum ChargeType {
        /// On the seller's: the seller is the merchant, pays Stripe's fees and bears refunds and disputes.
        #[default]
        Direct = "direct",
        /// On the platform's, from which the money less the platform's fee is transferred to the seller at once.
        Destination = "destination",
    }
}

string_enum! {
    /// How a seller came to the platform: it says how it leaves.
    pub enum Origin {
        /// The owner of an account let the platform in, by OAuth: to leave, that is taken back at Stripe.
        OAuth = "oauth",
        /// The platform made the account, which its owner fills in by Account Links: to leave, it is not used any more.
        Created = "created",
    }
}

string_enum! {
    /// Whether the platform may use a seller's account.
    pub enum ConnectionStatus {
        /// It may.
        Connected = "connected",
        /// It is about to end: open orders are closed first, and none is paid any more.
        Unlinking = "unlinking",
        /// The platform has ended it.
        Unlinked = "unlinked",
        /// It was ended at Stripe, by the account's owner or by Stripe.
        Disconnected = "disconnected",
    }
}

/// What Stripe still wants to know of an account's owner, by the names of Stripe's fields.
/// See <https://docs.stripe.com/api/accounts/object#account_object-requirements>.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirements {
    /// Needed by `current_deadline`, or the account is restricted.
    pub currently_due: Vec<String>,
    /// Needed once the account has taken more money.
    pub eventually_due: Vec<String>,
    /// Was not given in time: the account is restricted.
    pub past_due: Vec<String>,
    /// Was given, and Stripe looks at it.
    pub pending_verification: Vec<String>,
    /// Why the account is restricted, in Stripe's words, for example `requirements.past_due`.
    pub disabled_reason: Option<String>,
    /// By when `currently_due` must be given.
    pub current_deadline: Option<DateTime<Utc>>,
}

/// Whether an account may do a kind of thing.
/// See <https://docs.stripe.com/connect/account-capabilities>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Asked for, and it may.
    Active,
    /// Asked for, and it may not, or not yet.
    Inactive,
    /// Asked for, and Stripe looks at it.
    Pending,
    /// Nobody asked for it.
    Unrequested,
}

/// What Stripe says of a connected account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// ISO 3166-1 alpha-2 code of its country, upper case.
    pub country: Option<String>,
    /// Its `default_currency`, lower case.
    pub currency: Option<String>,
    /// What customers may know it as: the name shown in its dashboard, or else that of its business profile.
    pub display_name: Option<String>,
    /// Whether its owner has told Stripe all that it asked for at first.
    pub details_submitted: bool,
    /// Whether it can take payments.
    pub charges_enabled: bool,
    /// Whether Stripe pays out to its bank.
    pub payouts_enabled: bool,
    /// Whether money can be transferred to it: what destination charges need.
    pub transfers: Capability,
    /// What Stripe still wants to know.
    pub requirements: Requirements,
}

/// What is known of an account, and from when. Events come late, twice and in any order, and only to the second: so
/// an event never replaces what is newer, and what an event has touched is settled only by a read that began later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountSnapshot {
    /// What Stripe said, last.
    pub state: Option<AccountState>,
    /// The second, at Stripe's clock, from which that is.
    pub snapshot_at_s: i64,
    /// The second of the latest event about the account.
    pub last_event_at_s: i64,
}

impl AccountSnapshot {
    /// Takes in what an event of this second says, if it carries the account.
    pub fn apply_event(&mut self, created_s: i64, state: Option<AccountState>) {
        self.last_event_at_s = self.last_event_at_s.max(created_s);
        if let Some(state) = state {
            self.replace_if_newer(created_s, state);
        }
    }

    /// Takes in what was read, by a request that began in this second. Returns whether that settles it: if not, the
    /// account has to be read once more, because an event may be newer than what was read.
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
    /// Ours of it.
    pub id: SellerId,
    /// Stripe's id of the account, `acct_…`; none as long as Stripe was only asked to make it.
    pub account_id: Option<String>,
    /// How it came to the platform.
    pub origin: Origin,
    /// Whether the platform may use the account.
    pub connection_status: ConnectionStatus,
    /// On whose account its customers are charged.
    pub charge_type: ChargeType,
    /// What the platform takes.
    pub fee: FeeTerms,
    /// The platform's own id of it.
    pub reference: Option<String>,
    /// The platform's own words about it.
    pub metadata: Metadata,
    /// What is known of the account.
    pub snapshot: AccountSnapshot,
    /// When Stripe was last asked about it.
    pub checked_at: Option<DateTime<Utc>>,
    /// Grows with every change that a reader could see.
    pub version: i64,
    /// When it came.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Through whom an order is sold, and on which terms: as they were when its items were priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SellerTerms {
    /// The seller.
    pub seller_id: SellerId,
    /// Stripe's id of the seller's account, `acct_…`.
    pub account_id: String,
    /// On whose account the customer is charged.
    pub charge_type: ChargeType,
    /// What of the total the platform takes, in minor units.
    pub application_fee: i64,
}

impl SellerTerms {
    /// The account on which the customer is charged.
    #[must_use]
    pub fn charge_account(&self) -> Account {
        match self.charge_type {
            ChargeType::Direct => Account::connected(&self.account_id),
            ChargeType::Destination => Account::own(),
        }
    }

    /// The account to which the money is transferred, if it is not charged there.
    #[must_use]
    pub fn destination(&self) -> Option<&str> {
        (self.charge_type == ChargeType::Destination).then_some(&*self.account_id)
    }

    /// The fee that Stripe is told: it takes none of zero.
    #[must_use]
    pub fn charged_fee(&self) -> Option<i64> {
        (self.application_fee > 0).then_some(self.application_fee)
    }
}

/// What an event says of a seller's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountEvent {
    /// How it stood: `account.updated`.
    Updated(Box<AccountState>),
    /// That something about it has changed: Stripe is to be asked.
    Changed,
    /// That its owner, or Stripe, has ended the platform's access: `account.application.deauthorized`.
    Deauthorized,
}

string_enum! {
    /// What the platform's systems are told of a change to a seller, by comparing how it stood with how it stands.
    pub enum SellerEventKind {
        /// It can be charged through now.
        Ready = "seller.ready",
        /// It can not be charged through any more.
        Restricted = "seller.restricted",
        /// The platform may not use the account any more.
        Disconnected = "seller.disconnected",
        /// Something else changed that its readers see.
        Updated = "seller.updated",
    }
}

impl Seller {
    /// Whether the platform may use the account.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.connection_status, ConnectionStatus::Connected | ConnectionStatus::Unlinking)
            && self.account_id.is_some()
    }

    /// Whether it can be charged through, why not, and what its owner should do.
    #[must_use]
    pub fn readiness(&self, supported: &SupportedSellers) -> Readiness {
        Readiness::new(self, supported)
    }

    /// What there is to tell of a change from `before` to how it stands now.
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

    /// By when Stripe is to be asked again: at least every four weeks, and before and after a deadline.
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
        // Once on the day before, once right after: then Stripe has restricted the account, or has not.
        let checks = [deadline - DEADLINE_NOTICE, deadline + AFTER_DEADLINE];
        Some(checks.into_iter().filter(|check| *check > now).chain([regular]).min().unwrap_or(regular))
    }
}

/// How long a seller may go without Stripe being asked about it.
pub const CHECK_PERIOD: chrono::Duration = chrono::Duration::weeks(4);

/// How long before a deadline Stripe is asked once more.
const DEADLINE_NOTICE: chrono::Duration = chrono::Duration::days(1);

/// How long after a deadline Stripe is asked once more.
const AFTER_DEADLINE: chrono::Duration = chrono::Duration::minutes(10);
