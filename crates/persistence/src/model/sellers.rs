//! Sellers and OAuth states.

use chrono::{DateTime, Utc};
use quittance_domain::catalog::Metadata;
use quittance_domain::id::SellerId;
use quittance_domain::payment::Mode;
use quittance_domain::seller::{AccountState, ChargeType, FeeTerms, InvalidFee, Seller};

/// A seller to record before Stripe creates its account.
#[derive(Debug, Clone)]
pub struct NewSeller {
    /// The new seller ID.
    pub id: SellerId,
    /// The mode of its account.
    pub mode: Mode,
    /// The frozen request that creates its account.
    pub request: String,
    /// The account that charges its customers.
    pub charge_type: ChargeType,
    /// The platform's fee.
    pub fee: FeeTerms,
    /// The platform's identifier for this seller.
    pub reference: Option<String>,
    /// The platform's metadata.
    pub metadata: Metadata,
    /// The current time.
    pub now: DateTime<Utc>,
    /// When a worker may continue, in case this process doesn't.
    pub resume_at: DateTime<Utc>,
}

/// An account whose owner connected it to the platform.
#[derive(Debug, Clone)]
pub struct ConnectSeller {
    /// The new seller ID, used if no seller has this account.
    pub new_id: SellerId,
    /// The account's ID, `acct_…`.
    pub account_id: String,
    /// The mode of the account.
    pub mode: Mode,
    /// A second of Stripe's clock in which the account was read after it was connected. Events before it cannot
    /// disconnect the seller.
    pub began_s: i64,
    /// The state of the account. `None` if it couldn't be read; a worker then reads it immediately.
    pub state: Option<AccountState>,
    /// The charge type of a new seller. A known seller keeps its own.
    pub charge_type: ChargeType,
    /// The fee of a new seller. A known seller keeps its own.
    pub fee: FeeTerms,
    /// The current time.
    pub now: DateTime<Utc>,
}

/// Filters for a list of sellers. Each is optional.
#[derive(Debug, Clone, Default)]
pub struct SellerFilter {
    /// Sellers with this identifier of the platform.
    pub reference: Option<String>,
    /// The seller with this account, `acct_…`.
    pub account_id: Option<String>,
    /// Sellers that can accept payments, or those that can't.
    pub ready: Option<bool>,
}

/// A change to a seller. `None` leaves a field unchanged.
#[derive(Debug, Clone)]
pub struct SellerChange {
    /// The seller.
    pub id: SellerId,
    /// The new charge type.
    pub charge_type: Option<ChargeType>,
    /// The new percentage fee, in hundredths of a percent.
    pub fee_basis_points: Option<u16>,
    /// The new fixed fee, in minor units.
    pub fee_fixed: Option<i64>,
    /// The new minimum fee, in minor units.
    pub fee_minimum: Option<i64>,
    /// The platform's new identifier for this seller. `Some(None)` removes it.
    pub reference: Option<Option<String>>,
    /// The new metadata. It replaces all of the old.
    pub metadata: Option<Metadata>,
    /// The current time.
    pub now: DateTime<Utc>,
}

/// The outcome of changing a seller.
#[derive(Debug)]
pub enum ChangeSellerOutcome {
    /// The changed seller.
    Done(Seller),
    /// The seller doesn't exist.
    NotFound,
    /// The fee is invalid.
    Fee(InvalidFee),
}

/// The work due for a seller at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SellerWork {
    /// Send this recorded request, which creates the account.
    Make(String),
    /// Read the account.
    Read,
    /// Close the seller's open orders, then end the platform's access to the account.
    Unlink {
        /// Whether to proceed even if payments are processing.
        force: bool,
    },
}

/// A seller with work due at Stripe.
#[derive(Debug, Clone)]
pub struct PendingSeller {
    /// The seller. 24 hours after its creation, Stripe may have forgotten the idempotency key that creates its
    /// account.
    pub seller: Seller,
    /// The mode of its account.
    pub mode: Mode,
    /// The work.
    pub work: SellerWork,
    /// The number of claims since Stripe last answered, including this one.
    pub check_count: i32,
}

/// The outcome of starting to unlink a seller.
#[derive(Debug)]
pub enum BeginUnlinkOutcome {
    /// The seller doesn't exist.
    NotFound,
    /// The seller can accept payments, and `force` wasn't set.
    NotAllowed(Seller),
    /// The seller is unlinked, now or before.
    Done(Seller),
    /// No payment through the seller can begin anymore. Its open orders and the platform's access must be closed
    /// next.
    Begun(Seller),
}

/// The outcome of using an OAuth state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumeStateOutcome {
    /// The state was valid, and is now used.
    Consumed,
    /// The state was never issued, or has been deleted.
    Unknown,
    /// The state was used before.
    Used,
    /// The state has expired.
    Expired,
    /// The state was issued for a different binding. Nothing changed.
    OtherBinding,
}
