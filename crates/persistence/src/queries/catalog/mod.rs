//! The product catalog and its stock.

pub(crate) mod products;
pub(crate) mod stock;
