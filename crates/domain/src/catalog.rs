//! The shop's catalog.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::id::{ProductId, SellerId};
use crate::money::Money;

/// The shop's own key-value data on an object, as on Stripe. It has at most [`MAX_METADATA_KEYS`] keys.
pub type Metadata = BTreeMap<String, String>;

/// The maximum number of metadata keys. Stripe allows 50, and Quittance uses two of them (`order_id` and
/// `payment_id`).
pub const MAX_METADATA_KEYS: usize = 48;
/// The maximum length of a metadata key, in characters.
pub const MAX_METADATA_KEY_CHARS: usize = 40;
/// The maximum length of a metadata value, in characters.
pub const MAX_METADATA_VALUE_CHARS: usize = 500;

/// A product for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// The product ID.
    pub id: ProductId,
    /// The name that customers see.
    pub name: String,
    /// The description that customers see.
    pub description: Option<String>,
    /// The price of one unit.
    pub unit_price: Money,
    /// Whether customers can order it.
    pub active: bool,
    /// The number of units for sale, without those reserved by open orders. `None` means that stock isn't
    /// tracked.
    pub stock: Option<u32>,
    /// The seller, or `None` for the platform.
    pub seller_id: Option<SellerId>,
    /// The shop's own key-value data.
    pub metadata: Metadata,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The time of the last change.
    pub updated_at: DateTime<Utc>,
}
