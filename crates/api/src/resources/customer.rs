//! The customer and the shipping address of an order.

use quittance_domain::order as domain;
use quittance_persistence::CustomerChange;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, Schema, SchemaFormat};

use crate::http::fields::{FieldValue, Optional, SecretKeyOnly, UpdateOrClear, request_body};
use crate::http::json_reader::{Field, ParseResult};
use crate::http::values::{Text, check_length, string_schema};

/// The longest email address (RFC 5321, a path without its brackets).
const EMAIL_CHARS_MAX: usize = 254;

/// The customer of an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Customer {
    /// The address to which Stripe sends the receipt.
    #[schema(required, example = "ada@example.com")]
    pub(crate) email: Option<String>,
    /// The customer's name.
    #[schema(required, example = "Ada Lovelace")]
    pub(crate) name: Option<String>,
    /// Your own customer ID.
    #[schema(required, example = "user-1815")]
    pub(crate) reference: Option<String>,
}

request_body! {
    /// The customer of an order, or changes to it. Omitted fields stay as they are; `null` clears a field.
    #[example({"email": "ada@example.com", "name": "Ada Lovelace"})]
    CustomerInput {
        /// The address to which Stripe sends the receipt.
        email: UpdateOrClear<Email>, example = "ada@example.com";
        /// The customer's name.
        name: UpdateOrClear<Text<200>>, example = "Ada Lovelace";
        /// Your own customer ID. Needs a secret key.
        reference: SecretKeyOnly<UpdateOrClear<Text<200>>>, example = "user-1815";
    }
}

request_body! {
    /// The recipient and the address of a shipment.
    #[derive(Debug, Clone, Serialize)]
    Shipping {
        /// The recipient's name.
        name: Text<200>, example = "Ada Lovelace";
        address: Address;
    }
}

request_body! {
    /// A postal address.
    #[derive(Debug, Clone, Serialize)]
    Address {
        /// The street and house number.
        line1: Text<200>, example = "12 St James's Square";
        /// The apartment, suite or unit.
        line2: Optional<Text<200>>;
        /// The city, district, suburb, town or village.
        city: Optional<Text<200>>, example = "London";
        /// The state, county, province or region.
        state: Optional<Text<200>>;
        /// The postal code.
        postal_code: Optional<Text<20>>, example = "SW1Y 4JH";
        /// The country: ISO 3166-1 alpha-2, upper case.
        country: CountryCode, example = "GB";
    }
}

impl From<domain::Customer> for Customer {
    fn from(customer: domain::Customer) -> Self {
        let domain::Customer { email, name, reference } = customer;
        Self { email, name, reference }
    }
}

impl From<CustomerInput> for CustomerChange {
    fn from(customer: CustomerInput) -> Self {
        let CustomerInput { email, name, reference } = customer;
        Self { email, name, reference }
    }
}

impl From<CustomerInput> for domain::Customer {
    fn from(customer: CustomerInput) -> Self {
        Self {
            email: customer.email.flatten(),
            name: customer.name.flatten(),
            reference: customer.reference.flatten(),
        }
    }
}

impl From<domain::Shipping> for Shipping {
    fn from(shipping: domain::Shipping) -> Self {
        let domain::Address { line1, line2, city, state, postal_code, country } = shipping.address;
        Self { name: shipping.name, address: Address { line1, line2, city, state, postal_code, country } }
    }
}

impl From<Shipping> for domain::Shipping {
    fn from(shipping: Shipping) -> Self {
        let Address { line1, line2, city, state, postal_code, country } = shipping.address;
        let address = domain::Address { line1, line2, city, state, postal_code, country };
        Self { name: shipping.name, address }
    }
}

/// An email address in a plausible form. Only a message to it can show that it exists.
pub(crate) struct Email;

impl FieldValue for Email {
    type Output = String;

    fn read(field: Field<'_>) -> ParseResult<String> {
        field.string(|text| {
            let text = check_length(text, EMAIL_CHARS_MAX)?;
            if is_email(text) {
                return Ok(text.to_owned());
            }
            Err(("invalid", "must be an email address".to_owned()))
        })
    }

    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Email);
        string_schema().format(Some(format)).max_length(Some(EMAIL_CHARS_MAX)).into()
    }
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '@';
    let labels: Vec<&str> = domain.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    (1..=64).contains(&local.len())
        && local.chars().all(is_plain)
        && labels.len() >= 2
        && labels.iter().all(is_label)
}

/// A country code: ISO 3166-1 alpha-2, upper case.
pub(crate) struct CountryCode;

impl FieldValue for CountryCode {
    type Output = String;

    fn read(field: Field<'_>) -> ParseResult<String> {
        field.string(|text| {
            let text = check_length(text, 2)?;
            if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
                return Ok(text.to_owned());
            }
            Err(("invalid", "must be two upper-case letters (ISO 3166-1)".to_owned()))
        })
    }

    fn schema() -> RefOr<Schema> {
        string_schema().pattern(Some("^[A-Z]{2}$")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::is_email;

    #[test]
    fn plausible_email_addresses_are_accepted() {
        for email in ["ada@example.com", "a.b+c@mail.example.co.uk", "ü@bücher.example", "o'hara@x-y.example"]
        {
            assert!(is_email(email), "{email}");
        }
    }

    #[test]
    fn implausible_email_addresses_are_refused() {
        for email in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "a b@example.com",
            "a@b@c.de",
            "a@-x.de",
            "a@x..de",
        ] {
            assert!(!is_email(email), "{email}");
        }
    }
}
