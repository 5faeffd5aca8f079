//! Who buys, and where the goods go: parts of an order.

use quittance_domain::order as domain;
use quittance_persistence::CustomerChange;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Audience;
use crate::body::{Field, Object, Read};

/// The longest email address (RFC 5321, a path without its brackets).
const MAX_EMAIL_CHARS: usize = 254;

/// The longest name.
const MAX_NAME_CHARS: usize = 200;

/// The longest line of an address.
const MAX_LINE_CHARS: usize = 200;

/// The longest id of a shop's own.
const MAX_REFERENCE_CHARS: usize = 200;

/// Who buys.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Customer {
    /// Where Stripe sends the receipt.
    #[schema(required, example = "ada@example.com")]
    pub(crate) email: Option<String>,
    /// The customer's name.
    #[schema(required, example = "Ada Lovelace")]
    pub(crate) name: Option<String>,
    /// The shop's own id of this user.
    #[schema(required, example = "user-1815")]
    pub(crate) reference: Option<String>,
}

/// What is known, or changes, about who buys. Left out, a thing stays as it is; `null` takes it away.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body")]
pub(crate) struct CustomerInput {
    /// Where Stripe sends the receipt.
    #[schema(format = "email", max_length = 254, example = "ada@example.com")]
    email: Option<String>,
    /// The customer's name.
    #[schema(max_length = 200, example = "Ada Lovelace")]
    name: Option<String>,
    /// The shop's own id of this user. With a secret key only.
    #[schema(max_length = 200)]
    reference: Option<String>,
}

/// Where the goods go.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Shipping {
    /// Who receives them.
    #[schema(max_length = 200, example = "Ada Lovelace")]
    name: String,
    address: Address,
}

/// A postal address.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Address {
    /// Street and number.
    #[schema(max_length = 200, example = "12 St James's Square")]
    line1: String,
    /// Apartment, suite, unit.
    #[schema(max_length = 200)]
    line2: Option<String>,
    /// City, district, suburb, town or village.
    #[schema(max_length = 200, example = "London")]
    city: Option<String>,
    /// State, county, province or region.
    #[schema(max_length = 200)]
    state: Option<String>,
    /// Postal code.
    #[schema(max_length = 20, example = "SW1Y 4JH")]
    postal_code: Option<String>,
    /// ISO 3166-1 alpha-2 code, upper case.
    #[schema(pattern = "^[A-Z]{2}$", example = "GB")]
    country: String,
}

impl From<domain::Customer> for Customer {
    fn from(customer: domain::Customer) -> Self {
        let domain::Customer { email, name, reference } = customer;
        Self { email, name, reference }
    }
}

impl From<domain::Shipping> for Shipping {
    fn from(shipping: domain::Shipping) -> Self {
        let domain::Address { line1, line2, city, state, postal_code, country } = shipping.address;
        Self { name: shipping.name, address: Address { line1, line2, city, state, postal_code, country } }
    }
}

/// Reads what is known, or changes, about who buys. A customer can not say who they are to the shop.
pub(crate) fn read_customer(customer: &mut Object<'_>, by: Audience) -> Read<CustomerChange> {
    let email = customer.change("email", read_email);
    let name = customer.change("name", |field| field.text(MAX_NAME_CHARS));
    let reference = match by {
        Audience::Shop => customer.change("reference", |field| field.text(MAX_REFERENCE_CHARS)),
        Audience::Holder => customer.forbidden("reference").map(|()| None),
    };
    Ok(CustomerChange { email: email?, name: name?, reference: reference? })
}

/// An address that mail could go to: whether somebody reads it, only mail can tell.
pub(crate) fn read_email(field: Field<'_>) -> Read<String> {
    field.checked_text(MAX_EMAIL_CHARS, is_email, "must be an email address")
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

/// Reads where the goods go.
pub(crate) fn read_shipping(shipping: &mut Object<'_>) -> Read<domain::Shipping> {
    let name = shipping.required("name", |field| field.text(MAX_NAME_CHARS));
    let address = shipping.required("address", |field| field.object(read_address));
    Ok(domain::Shipping { name: name?, address: address? })
}

fn read_address(address: &mut Object<'_>) -> Read<domain::Address> {
    let line1 = address.required("line1", |field| field.text(MAX_LINE_CHARS));
    let line2 = address.optional("line2", |field| field.text(MAX_LINE_CHARS));
    let city = address.optional("city", |field| field.text(MAX_LINE_CHARS));
    let state = address.optional("state", |field| field.text(MAX_LINE_CHARS));
    let postal_code = address.optional("postal_code", |field| field.text(20));
    let country = address.required("country", read_country);
    Ok(domain::Address {
        line1: line1?,
        line2: line2?,
        city: city?,
        state: state?,
        postal_code: postal_code?,
        country: country?,
    })
}

/// A country by its code.
pub(crate) fn read_country(field: Field<'_>) -> Read<String> {
    field.checked_text(2, is_country, "must be two upper-case letters (ISO 3166-1)")
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::is_email;

    #[test]
    fn addresses_that_mail_could_go_to() {
        for email in ["ada@example.com", "a.b+c@mail.example.co.uk", "ü@bücher.example", "o'hara@x-y.example"]
        {
            assert!(is_email(email), "{email}");
        }
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
