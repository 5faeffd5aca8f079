//! Sellers, and letting them in.

use chrono::{DateTime, Utc};
use quittance_domain::catalog::Metadata;
use quittance_domain::id::SellerId;
use quittance_domain::payment::Mode;
use quittance_domain::seller::{AccountState, ChargeType, FeeTerms, InvalidFee, Seller};

/// A seller to be recorded before Stripe hears that it is to make its account.
#[derive(Debug, Clone)]
pub struct NewSeller {
    /// The id it will have.
    pub id: SellerId,
    /// Whether its money is real.
    pub mode: Mode,
    /// The request to Stripe that makes its account, frozen.
    pub request: String,
    /// On whose account its customers are charged.
    pub charge_type: ChargeType,
    /// What the platform takes.
    pub fee: FeeTerms,
    /// The platform's own id of it.
    pub reference: Option<String>,
    /// The platform's own words about it.
    pub metadata: Metadata,
    /// When.
    pub now: DateTime<Utc>,
    /// When the worker may drive it on, should this process not finish it.
    pub resume_at: DateTime<Utc>,
}

/// An account whose owner has let the platform in.
#[derive(Debug, Clone)]
pub struct ConnectSeller {
    /// The id of its seller, if there is none yet.
    pub fresh_id: SellerId,
    /// Stripe's id of it, `acct_…`.
    pub account_id: String,
    /// Whether its money is real.
    pub mode: Mode,
    /// The second, at Stripe's clock, after which nobody has ended the platform's access, as far as is known: the one
    /// in which the account was read after it was let in.
    pub began_s: i64,
    /// What was read of it; `None` if it could not be, and is to be read at once.
    pub state: Option<AccountState>,
    /// On whose account the customers of a new seller are charged. A known one keeps what it has.
    pub charge_type: ChargeType,
    /// What the platform takes of a new seller's orders. A known one keeps what it has.
    pub fee: FeeTerms,
    /// When.
    pub now: DateTime<Utc>,
}

/// Which sellers are wanted.
#[derive(Debug, Clone, Default)]
pub struct SellerFilter {
    /// Only those with this id of the platform's own.
    pub reference: Option<String>,
    /// Only the one with this account, `acct_…`.
    pub account_id: Option<String>,
    /// Only those that can be charged through, or only those that can not.
    pub ready: Option<bool>,
}

/// What is to be changed about a seller. `None` leaves a thing as it is.
#[derive(Debug, Clone)]
pub struct SellerChange {
    /// Which seller.
    pub id: SellerId,
    /// On whose account its customers are charged from now on.
    pub charge_type: Option<ChargeType>,
    /// The part of a total that the platform takes, in hundredths of a per cent.
    pub fee_basis_points: Option<u16>,
    /// What comes on top of the part, in minor units.
    pub fee_fixed: Option<i64>,
    /// The least that is taken, in minor units.
    pub fee_minimum: Option<i64>,
    /// The platform's own id of it, or none any more.
    pub reference: Option<Option<String>>,
    /// The whole of the metadata.
    pub metadata: Option<Metadata>,
    /// When.
    pub now: DateTime<Utc>,
}

/// What became of a change to a seller.
#[derive(Debug)]
pub enum ChangeSellerOutcome {
    /// The seller as it is now.
    Done(Seller),
    /// There is no such seller.
    NotFound,
    /// These are no terms of a fee.
    Fee(InvalidFee),
}

/// What is to be done at Stripe about a seller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SellerWork {
    /// Send this recorded request, which makes its account.
    Make(String),
    /// Read its account.
    Read,
    /// End the platform's use of its account: close its open orders, and then what it was let in by.
    Unlink {
        /// Whether that is done although money of its orders is on its way.
        force: bool,
    },
}

/// A seller about which something is to be done at Stripe.
#[derive(Debug, Clone)]
pub struct PendingSeller {
    /// The seller. After 24 hours since it came, Stripe may have forgotten the idempotency key that makes its account.
    pub seller: Seller,
    /// Whether its money is real.
    pub mode: Mode,
    /// What is to be done.
    pub work: SellerWork,
    /// How often it was taken on since Stripe last answered about it, this time included.
    pub checks: i32,
}

/// What became of the wish to end the use of an account.
#[derive(Debug)]
pub enum BeginUnlinkOutcome {
    /// There is no such seller.
    NotFound,
    /// The account works, and nobody insisted.
    NotAllowed(Seller),
    /// It has ended, now or before.
    Done(Seller),
    /// Nobody can begin to pay through it any more; now its open orders and its access are to be closed.
    BeginAttemptOutcome(Seller),
}

/// What became of what somebody brought back from Stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumeStateOutcome {
    /// It is ours, and is used up now.
    Taken,
    /// We never gave it out, or have forgotten it.
    Unknown,
    /// It was used before.
    Used,
    /// Its time was over.
    Expired,
    /// It was given to somebody else. Nothing was changed.
    OtherBinding,
}
