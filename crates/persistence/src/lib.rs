//! The store: every atomic operation of Quittance, on SQLite and on PostgreSQL.
//!
//! Each operation is a method of [`Store`] and runs in one transaction. It completes even if the caller is canceled.
//!
//! The queries are written once, in `queries/`, and compiled for both databases: `postgres/` and `sqlite/` each mount
//! that folder and define its dialect. Only code that differs exists twice. No other crate contains SQL.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//!
//! use quittance_domain::history::{Limits, ReviewRefund};
//! use quittance_domain::seller::SupportedSellers;
//! use quittance_persistence::{Cursor, OrderFilter, Store, StoreConfig};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), quittance_persistence::Error> {
//! let path = std::env::temp_dir().join(format!("quittance-example-{}.db", std::process::id()));
//! let store = Store::open(StoreConfig {
//!     url: format!("sqlite://{}", path.display()),
//!     limits: Limits { max_declines: 10, max_open_orders: 20, review_refund: ReviewRefund::Never },
//!     sellers_supported: SupportedSellers::default(),
//!     connections: 4,
//!     wait: Duration::from_secs(5),
//! })
//! .await?;
//! store.migrate().await?;
//!
//! let orders = store.orders(OrderFilter::default(), Cursor { limit: 10, starting_after: None }).await?;
//! assert!(orders.data.is_empty());
//!
//! store.close();
//! # std::fs::remove_file(path).ok();
//! # Ok(())
//! # }
//! ```

mod error;
mod model;
mod postgres;
mod sqlite;
mod store;

pub use error::Error;
pub use model::*;
pub use store::Store;
