//! Addresses, billing details and shipping, shared by several objects.

use serde::{Deserialize, Serialize};

use crate::http::error::ApiError;
use crate::http::params::{Change, MAX_TEXT_CHARS, Params};

/// A postal address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) city: Option<String>,
    pub(crate) country: Option<String>,
    pub(crate) line1: Option<String>,
    pub(crate) line2: Option<String>,
    pub(crate) postal_code: Option<String>,
    pub(crate) state: Option<String>,
}

impl Address {
    /// Changes the fields that the parameters contain.
    pub(crate) fn update(&mut self, mut params: Params) -> Result<(), ApiError> {
        for (name, slot) in [
            ("city", &mut self.city),
            ("country", &mut self.country),
            ("line1", &mut self.line1),
            ("line2", &mut self.line2),
            ("postal_code", &mut self.postal_code),
            ("state", &mut self.state),
        ] {
            params.text(name, MAX_TEXT_CHARS)?.apply(slot);
        }
        params.finish()
    }
}

/// The payer's details, part of payment methods and charges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BillingDetails {
    pub(crate) address: Address,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) tax_id: Option<String>,
}

impl BillingDetails {
    /// Returns the details of the named test accounts.
    pub(crate) fn for_test_account() -> Self {
        Self {
            email: Some("jenny.rosen@example.com".to_owned()),
            name: Some("Jenny Rosen".to_owned()),
            ..Self::default()
        }
    }

    pub(crate) fn update(&mut self, mut params: Params) -> Result<(), ApiError> {
        match params.object("address")? {
            Change::Unchanged => {}
            Change::Unset => self.address = Address::default(),
            Change::Set(address) => self.address.update(address)?,
        }
        for (name, slot) in [
            ("email", &mut self.email),
            ("name", &mut self.name),
            ("phone", &mut self.phone),
            ("tax_id", &mut self.tax_id),
        ] {
            params.text(name, MAX_TEXT_CHARS)?.apply(slot);
        }
        params.finish()
    }
}

/// Shipping details, part of PaymentIntents, charges and customers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shipping {
    pub(crate) address: Address,
    pub(crate) carrier: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) tracking_number: Option<String>,
}

impl Shipping {
    /// Reads `shipping`, with the required fields `address` and `name`.
    pub(crate) fn parse(params: &mut Params) -> Result<Change<Self>, ApiError> {
        let mut fields = match params.object("shipping")? {
            Change::Unchanged => return Ok(Change::Unchanged),
            Change::Unset => return Ok(Change::Unset),
            Change::Set(fields) => fields,
        };
        let mut shipping = Self::default();
        shipping.address.update(fields.nested("address")?.ok_or_else(|| fields.missing("address"))?)?;
        shipping.name = Some(fields.required_string("name")?);
        for (name, slot) in [
            ("carrier", &mut shipping.carrier),
            ("phone", &mut shipping.phone),
            ("tracking_number", &mut shipping.tracking_number),
        ] {
            fields.text(name, MAX_TEXT_CHARS)?.apply(slot);
        }
        fields.finish()?;
        Ok(Change::Set(shipping))
    }
}
