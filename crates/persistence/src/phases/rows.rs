//! Rows, and how they become what the domain speaks of.

use chrono::{DateTime, SubsecRound, Utc};
use diesel::prelude::*;
use quittance_domain::catalog::Product;
use quittance_domain::history::{CloseReason, DetailsVersions};
use quittance_domain::id::{OrderId, PaymentId, ProductId};
use quittance_domain::money::{Currency, Money};
use quittance_domain::order::{CurrentPayment, Customer, Order, OrderStatus};
use quittance_domain::payment::{Account, Attempt, ExpectedPayment};
use quittance_domain::seller::SellerTerms;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::dialect::Db;
use super::schema::{decisions, inbox, orders, outbox, payments, products};
use crate::Error;

/// A stored document as what it means.
pub(crate) fn read<T: DeserializeOwned>(what: &'static str, document: Value) -> Result<T, Error> {
    serde_json::from_value(document).map_err(|error| Error::corrupt(what, error))
}

/// What is to be stored as a document.
pub(crate) fn document<T: Serialize>(what: &'static str, value: &T) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::corrupt(what, error))
}

/// A stored text as what it means.
pub(crate) fn parse<T>(what: &'static str, text: &str) -> Result<T, Error>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error| Error::corrupt(what, error))
}

/// A time as both databases keep it: with microseconds. What is answered at once must be what is read later.
pub(crate) fn instant(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}

pub(crate) fn money(what: &'static str, minor: i64, currency: &str) -> Result<Money, Error> {
    Money::new(minor, parse::<Currency>(what, currency)?).map_err(|error| Error::corrupt(what, error))
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = products, check_for_backend(Db), treat_none_as_default_value = false)]
pub(crate) struct ProductRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) unit_amount: i64,
    pub(crate) currency: String,
    pub(crate) active: bool,
    pub(crate) stock: Option<i64>,
    pub(crate) seller_id: Option<String>,
    pub(crate) metadata: Value,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl ProductRow {
    pub(crate) fn of(product: &Product) -> Result<Self, Error> {
        Ok(Self {
            id: product.id.to_string(),
            name: product.name.clone(),
            description: product.description.clone(),
            unit_amount: product.unit_price.minor(),
            currency: product.unit_price.currency().to_string(),
            active: product.active,
            stock: product.stock.map(i64::from),
            seller_id: product.seller_id.as_ref().map(ToString::to_string),
            metadata: document("product", &product.metadata)?,
            created_at: product.created_at,
            updated_at: product.updated_at,
        })
    }

    pub(crate) fn read(self) -> Result<Product, Error> {
        Ok(Product {
            id: parse("product", &self.id)?,
            name: self.name,
            description: self.description,
            unit_price: money("product", self.unit_amount, &self.currency)?,
            active: self.active,
            // What was given back may add up to more than anybody can order.
            stock: self.stock.map(|left| u32::try_from(left).unwrap_or(u32::MAX)),
            seller_id: self.seller_id.as_deref().map(|id| parse("product", id)).transpose()?,
            metadata: read("product", self.metadata)?,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// So many of a counted product that an order took from the stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) product_id: ProductId,
    pub(crate) quantity: i64,
}

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
    pub(crate) holds: Value,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) check_at: Option<DateTime<Utc>>,
    /// Whether there is any refund or dispute of it.
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

    pub(crate) fn closing(&self) -> Result<Option<CloseReason>, Error> {
        self.closing.as_deref().map(|text| parse("order", text)).transpose()
    }

    /// The counted stock that the order took.
    pub(crate) fn holds(&self) -> Result<Vec<Hold>, Error> {
        read("order", self.holds.clone())
    }

    /// Through whom it is sold; none of the columns is set for what the platform sells itself.
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

    pub(crate) fn sell_by(&mut self, seller_terms: Option<&SellerTerms>) {
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

    /// The order with how its current payment stands.
    pub(crate) fn read(self, payment: Option<&PaymentRow>) -> Result<Order, Error> {
        Ok(Order {
            id: self.order_id()?,
            total: money("order", self.amount_total, &self.currency)?,
            seller_terms: self.seller_terms()?,
            customer: self.customer(),
            status: self.order_status()?,
            review_reason: self.review_reason.as_deref().map(|text| parse("order", text)).transpose()?,
            amount_paid: money("order", self.amount_paid, &self.currency)?,
            amount_refunded: money("order", self.amount_refunded, &self.currency)?,
            payment: payment.map(PaymentRow::current).transpose()?,
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

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = payments, check_for_backend(Db), treat_none_as_default_value = false)]
pub(crate) struct PaymentRow {
    pub(crate) id: String,
    pub(crate) order_id: String,
    pub(crate) flow: String,
    pub(crate) request_params: String,
    pub(crate) account: String,
    pub(crate) mode: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) application_fee: Option<i64>,
    pub(crate) destination: Option<String>,
    pub(crate) capture_method: String,
    pub(crate) payment_intent_id: Option<String>,
    pub(crate) checkout_session_id: Option<String>,
    pub(crate) client_secret_hash: Option<String>,
    pub(crate) facts: Value,
    pub(crate) capture: Option<i64>,
    pub(crate) abandoned: bool,
    pub(crate) refused: Option<String>,
    pub(crate) closed: bool,
    pub(crate) request: String,
    pub(crate) sent_details_version: i64,
    pub(crate) resume_at: Option<DateTime<Utc>>,
    pub(crate) resume_count: i32,
    pub(crate) created_at: DateTime<Utc>,
}

impl PaymentRow {
    /// The attempt, by itself: whether it is what its order costs is for whoever has the order to say.
    pub(crate) fn attempt(&self) -> Result<Attempt, Error> {
        Ok(Attempt {
            id: parse::<PaymentId>("payment", &self.id)?,
            flow: parse("payment", &self.flow)?,
            expected: ExpectedPayment {
                account: Account::connected(self.account.clone()),
                mode: parse("payment", &self.mode)?,
                amount: money("payment", self.amount, &self.currency)?,
                application_fee: self.application_fee,
            },
            destination: self.destination.clone(),
            capture_method: parse("payment", &self.capture_method)?,
            payment_intent_id: self.payment_intent_id.clone(),
            checkout_session_id: self.checkout_session_id.clone(),
            facts: read("payment", self.facts.clone())?,
            capture: self.capture,
            abandoned: self.abandoned,
            refused: self.refused.clone(),
            outdated: false,
        })
    }

    pub(crate) fn details(&self, order: &OrderRow) -> DetailsVersions {
        DetailsVersions { current: order.details_version, sent: self.sent_details_version }
    }

    fn current(&self) -> Result<CurrentPayment, Error> {
        let attempt = self.attempt()?;
        Ok(CurrentPayment {
            status: attempt.facts.status(),
            last_failure: attempt.facts.last_failure().cloned(),
            id: attempt.id,
            flow: attempt.flow,
            account: attempt.expected.account,
            payment_intent_id: attempt.payment_intent_id,
            checkout_session_id: attempt.checkout_session_id,
        })
    }
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = decisions, check_for_backend(Db))]
pub(crate) struct DecisionRow {
    pub(crate) order_id: String,
    pub(crate) kind: String,
    pub(crate) subject: String,
    pub(crate) created_at: DateTime<Utc>,
}

/// When an order is to be looked at.
#[derive(Debug, Clone)]
pub(crate) struct CheckRow {
    pub(crate) id: String,
    pub(crate) check_at: DateTime<Utc>,
}

/// An order of which there is a refund or a dispute from now on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReturnsRow {
    pub(crate) id: String,
}

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = outbox, treat_none_as_default_value = false)]
pub(crate) struct OutboxRow {
    pub(crate) id: String,
    pub(crate) order_id: Option<String>,
    pub(crate) seller_id: Option<String>,
    pub(crate) kind: &'static str,
    pub(crate) subject: String,
    pub(crate) sequence: i64,
    pub(crate) created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = inbox, treat_none_as_default_value = false)]
pub(crate) struct InboxRow {
    pub(crate) event_id: String,
    pub(crate) kind: String,
    pub(crate) account: String,
    pub(crate) mode: &'static str,
    pub(crate) created: i64,
    pub(crate) payload: Vec<u8>,
    pub(crate) outcome: &'static str,
    pub(crate) reason: Option<String>,
    pub(crate) order_id: Option<String>,
    pub(crate) received_at: DateTime<Utc>,
}
