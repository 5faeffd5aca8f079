//! What the platform takes of an order.

use crate::money::Money;

/// All of it: one basis point is a hundredth of a per cent.
pub const MAX_BASIS_POINTS: u16 = 10_000;

/// What the platform takes of an order: a part of the total, something fixed, and no less than a minimum.
///
/// The fixed part and the minimum are in minor units of the order's currency, whichever that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeeTerms {
    basis_points: u16,
    fixed: i64,
    minimum: i64,
}

/// Numbers that are no terms of a fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFee {
    /// More than the whole, or less than nothing.
    #[error("basis points are a whole number from 0 to {MAX_BASIS_POINTS}")]
    BasisPoints,
    /// Less than nothing.
    #[error("the fixed part of a fee is not negative")]
    Fixed,
    /// Less than nothing.
    #[error("the minimum of a fee is not negative")]
    Minimum,
}

impl FeeTerms {
    /// These terms, if they are some.
    pub fn new(basis_points: u16, fixed: i64, minimum: i64) -> Result<Self, InvalidFee> {
        match (basis_points, fixed, minimum) {
            (points, ..) if points > MAX_BASIS_POINTS => Err(InvalidFee::BasisPoints),
            (_, ..0, _) => Err(InvalidFee::Fixed),
            (.., ..0) => Err(InvalidFee::Minimum),
            _ => Ok(Self { basis_points, fixed, minimum }),
        }
    }

    /// The part of the total, in hundredths of a per cent.
    #[must_use]
    pub fn basis_points(self) -> u16 {
        self.basis_points
    }

    /// What comes on top of the part, in minor units.
    #[must_use]
    pub fn fixed(self) -> i64 {
        self.fixed
    }

    /// The least that is taken, in minor units.
    #[must_use]
    pub fn minimum(self) -> i64 {
        self.minimum
    }

    /// The fee of an order with this total, in minor units: rounded once, half up, to the step in which amounts of the
    /// currency are charged, and never more than the total.
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
