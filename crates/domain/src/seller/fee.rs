//! The platform fee of an order.

use crate::money::Money;

/// The whole amount in basis points. One basis point is a hundredth of a percent.
pub const MAX_BASIS_POINTS: u16 = 10_000;

/// The terms of the platform fee: a share of the total, a fixed amount, and a minimum.
///
/// The fixed amount and the minimum are in minor units of the order's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeeTerms {
    basis_points: u16,
    fixed: i64,
    minimum: i64,
}

/// The reason why fee terms are invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFee {
    /// The share is more than 100 percent.
    #[error("basis points must be a whole number from 0 to {MAX_BASIS_POINTS}")]
    BasisPoints,
    /// The fixed amount is negative.
    #[error("the fixed amount of a fee can't be negative")]
    Fixed,
    /// The minimum is negative.
    #[error("the minimum of a fee can't be negative")]
    Minimum,
}

impl FeeTerms {
    /// Creates the terms, if all values are valid.
    pub fn new(basis_points: u16, fixed: i64, minimum: i64) -> Result<Self, InvalidFee> {
        match (basis_points, fixed, minimum) {
            (points, ..) if points > MAX_BASIS_POINTS => Err(InvalidFee::BasisPoints),
            (_, ..0, _) => Err(InvalidFee::Fixed),
            (.., ..0) => Err(InvalidFee::Minimum),
            _ => Ok(Self { basis_points, fixed, minimum }),
        }
    }

    /// Returns the share of the total, in basis points.
    #[must_use]
    pub fn basis_points(self) -> u16 {
        self.basis_points
    }

    /// Returns the fixed amount, in minor units.
    #[must_use]
    pub fn fixed(self) -> i64 {
        self.fixed
    }

    /// Returns the minimum fee, in minor units.
    #[must_use]
    pub fn minimum(self) -> i64 {
        self.minimum
    }

    /// Returns the fee for an order with this total, in minor units. It is rounded once, half up, to the
    /// currency's step, and never exceeds the total.
    #[must_use]
    pub fn fee_for(self, total: Money) -> i64 {
        let whole = i128::from(MAX_BASIS_POINTS);
        let part = i128::from(total.minor()) * i128::from(self.basis_points);
        let exact = (part + i128::from(self.fixed) * whole).max(i128::from(self.minimum) * whole);
        let step = i128::from(total.currency().minor_unit().step());
        let steps = (exact + step * whole / 2) / (step * whole);
        let fee = (steps * step).min(i128::from(total.minor()));
        i64::try_from(fee).unwrap_or(total.minor())
    }
}
