//! Rows of `orders`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use quittance_domain::history::CloseReason;
use quittance_domain::id::OrderId;
use quittance_domain::money::Money;
use quittance_domain::order::{CurrentPayment, Customer, Order, OrderStatus};
use quittance_domain::seller::SellerTerms;
use serde_json::Value;

use super::super::columns::{money, parse, read};
use super::super::dialect::Db;
use super::super::schema::orders;
use super::stock::HeldStock;
use crate::Error;

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = orders, check_for_backend(Db), treat_none_as_default_value = false)]
pub(crate) struct OrderRow {
    pub(crate) id: String,
    pub(crate) lines: Value,
    pub(crate) amount_total: i64,
    pub(crate) currency: String,
    pub(crate) seller_id: Option<String>,
    pub(crate) seller_account: Option<String>,
    pub(crate) charge_type: Option<String>,
    pub(crate) application_fee: Option<i64>,
    pub(crate) customer_email: Option<String>,
    pub(crate) customer_name: Option<String>,
    pub(crate) customer_reference: Option<String>,
    pub(crate) shipping: Option<Value>,
    pub(crate) metadata: Value,
    pub(crate) client_address: Option<String>,
    pub(crate) status: String,
    pub(crate) review_reason: Option<String>,
    pub(crate) amount_paid: i64,
    pub(crate) amount_refunded: i64,
    pub(crate) current_payment_id: Option<String>,
    pub(crate) closing: Option<String>,
    pub(crate) version: i64,
    pub(crate) outcome_version: i64,
    pub(crate) details_version: i64,
    pub(crate) held_stock: Value,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) check_at: Option<DateTime<Utc>>,
    /// Whether the order has any refund or dispute.
    pub(crate) has_refunds_or_disputes: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl OrderRow {
    pub(crate) fn order_id(&self) -> Result<OrderId, Error> {
        parse("order", &self.id)
    }

    pub(crate) fn order_status(&self) -> Result<OrderStatus, Error> {
        parse("order", &self.status)
    }

    pub(crate) fn total(&self) -> Result<Money, Error> {
        money("order", self.amount_total, &self.currency)
    }

    pub(crate) fn closing(&self) -> Result<Option<CloseReason>, Error> {
        self.closing.as_deref().map(|text| parse("order", text)).transpose()
    }

    /// Returns the counted stock that the order holds.
    pub(crate) fn held_stock(&self) -> Result<Vec<HeldStock>, Error> {
        read("order", self.held_stock.clone())
    }

    /// Returns the seller terms, or `None` if the platform itself sells the order.
    pub(crate) fn seller_terms(&self) -> Result<Option<SellerTerms>, Error> {
        let (Some(seller_id), Some(account_id), Some(charge_type), Some(application_fee)) =
            (&self.seller_id, &self.seller_account, &self.charge_type, self.application_fee)
        else {
            return Ok(None);
        };
        Ok(Some(SellerTerms {
            seller_id: parse("order", seller_id)?,
            account_id: account_id.clone(),
            charge_type: parse("order", charge_type)?,
            application_fee,
        }))
    }

    pub(crate) fn set_seller_terms(&mut self, seller_terms: Option<&SellerTerms>) {
        self.seller_id = seller_terms.map(|seller_terms| seller_terms.seller_id.to_string());
        self.seller_account = seller_terms.map(|seller_terms| seller_terms.account_id.clone());
        self.charge_type = seller_terms.map(|seller_terms| seller_terms.charge_type.as_str().to_owned());
        self.application_fee = seller_terms.map(|seller_terms| seller_terms.application_fee);
    }

    pub(crate) fn customer(&self) -> Customer {
        Customer {
            email: self.customer_email.clone(),
            name: self.customer_name.clone(),
            reference: self.customer_reference.clone(),
        }
    }

    /// Converts the row to an order with this payment.
    pub(crate) fn read(self, payment: Option<CurrentPayment>) -> Result<Order, Error> {
        Ok(Order {
            id: self.order_id()?,
            total: self.total()?,
            seller_terms: self.seller_terms()?,
            customer: self.customer(),
            status: self.order_status()?,
            review_reason: self.review_reason.as_deref().map(|text| parse("order", text)).transpose()?,
            amount_paid: money("order", self.amount_paid, &self.currency)?,
            amount_refunded: money("order", self.amount_refunded, &self.currency)?,
            payment,
            lines: read("order", self.lines)?,
            shipping: self.shipping.map(|document| read("order", document)).transpose()?,
            metadata: read("order", self.metadata)?,
            version: self.version,
            outcome_version: self.outcome_version,
            details_version: self.details_version,
            expires_at: self.expires_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
