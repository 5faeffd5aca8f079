//! What a shop sells.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::id::{ProductId, SellerId};
use crate::money::Money;

/// Words of the shop's own beside an object, as Stripe has them: up to [`MAX_METADATA_KEYS`] of them.
pub type Metadata = BTreeMap<String, String>;

/// How many keys metadata may have. Stripe takes 50; two of them are ours (`order_id`, `payment_id`).
pub const MAX_METADATA_KEYS: usize = 48;
/// The longest key of metadata, in characters.
pub const MAX_METADATA_KEY_CHARS: usize = 40;
/// The longest value of metadata, in characters.
pub const MAX_METADATA_VALUE_CHARS: usize = 500;

/// A thing for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// What customers call it.
    pub name: String,
    /// What else there is to say of it.
    pub description: Option<String>,
    /// The price of one.
    pub unit_price: Money,
    /// Whether it can be ordered now.
    pub active: bool,
    /// How many can still be sold, without those that open orders hold; `None` where they are not counted.
    pub stock: Option<u32>,
    /// Who sells it; `None` is the platform itself.
    pub seller_id: Option<SellerId>,
    /// The shop's own words about it.
    pub metadata: Metadata,
    /// When it was added to the catalogue.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}
