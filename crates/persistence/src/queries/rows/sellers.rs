//! Rows of `sellers`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use quittance_domain::payment::Mode;
use quittance_domain::seller::{AccountSnapshot, FeeTerms, Seller};
use serde_json::Value;

use super::super::columns::{document, instant, parse, read};
use super::super::dialect::Db;
use super::super::schema::sellers;
use crate::Error;

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = sellers, check_for_backend(Db), treat_none_as_default_value = false)]
#[diesel(treat_none_as_null = true)]
pub(crate) struct SellerRow {
    pub(crate) id: String,
    pub(crate) account_id: Option<String>,
    pub(crate) mode: String,
    pub(crate) origin: String,
    pub(crate) connection_status: String,
    pub(crate) unlink_forced: bool,
    pub(crate) charge_type: String,
    pub(crate) fee_basis_points: i32,
    pub(crate) fee_fixed: i64,
    pub(crate) fee_minimum: i64,
    pub(crate) reference: Option<String>,
    pub(crate) metadata: Value,
    pub(crate) state: Option<Value>,
    pub(crate) snapshot_at_s: i64,
    pub(crate) last_event_at_s: i64,
    pub(crate) connected_at_s: i64,
    pub(crate) request: Option<String>,
    pub(crate) checked_at: Option<DateTime<Utc>>,
    pub(crate) check_at: Option<DateTime<Utc>>,
    pub(crate) check_count: i32,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl SellerRow {
    /// Returns the row of a seller with no work due.
    pub(crate) fn new(seller: &Seller, mode: Mode) -> Result<Self, Error> {
        let snapshot = &seller.snapshot;
        Ok(Self {
            id: seller.id.to_string(),
            account_id: seller.account_id.clone(),
            mode: mode.as_str().to_owned(),
            origin: seller.origin.as_str().to_owned(),
            connection_status: seller.connection_status.as_str().to_owned(),
            unlink_forced: false,
            charge_type: seller.charge_type.as_str().to_owned(),
            fee_basis_points: i32::from(seller.fee.basis_points()),
            fee_fixed: seller.fee.fixed(),
            fee_minimum: seller.fee.minimum(),
            reference: seller.reference.clone(),
            metadata: document("seller", &seller.metadata)?,
            state: snapshot.state.as_ref().map(|state| document("seller", state)).transpose()?,
            snapshot_at_s: snapshot.snapshot_at_s,
            last_event_at_s: snapshot.last_event_at_s,
            connected_at_s: 0,
            request: None,
            checked_at: seller.checked_at.map(instant),
            check_at: None,
            check_count: 0,
            version: seller.version,
            created_at: instant(seller.created_at),
            updated_at: instant(seller.updated_at),
        })
    }

    pub(crate) fn mode(&self) -> Result<Mode, Error> {
        parse("seller", &self.mode)
    }

    pub(crate) fn read(&self) -> Result<Seller, Error> {
        let points = u16::try_from(self.fee_basis_points).map_err(|error| Error::corrupt("seller", error))?;
        Ok(Seller {
            id: parse("seller", &self.id)?,
            account_id: self.account_id.clone(),
            origin: parse("seller", &self.origin)?,
            connection_status: parse("seller", &self.connection_status)?,
            charge_type: parse("seller", &self.charge_type)?,
            fee: FeeTerms::new(points, self.fee_fixed, self.fee_minimum)
                .map_err(|error| Error::corrupt("seller", error))?,
            reference: self.reference.clone(),
            metadata: read("seller", self.metadata.clone())?,
            snapshot: AccountSnapshot {
                state: self.state.clone().map(|state| read("seller", state)).transpose()?,
                snapshot_at_s: self.snapshot_at_s,
                last_event_at_s: self.last_event_at_s,
            },
            checked_at: self.checked_at,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
