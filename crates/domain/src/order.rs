//! Orders: what was bought by whom at which price, and the words for how far it has come.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::catalog::{Metadata, Product};
use crate::checkout::PaymentFlow;
use crate::id::{OrderId, PaymentId, ProductId, SellerId};
use crate::money::{AmountError, Money};
use crate::payment::{ExpectedPayment, Failure, OpenStatus, PaymentStatus, ReviewReason};
use crate::seller::SellerTerms;
use crate::string_enum;
use crate::stripe::Account;

/// How many of one product one line may hold.
pub const MAX_QUANTITY: u32 = 10_000;
/// How many lines an order may have.
pub const MAX_LINES: usize = 100;

/// How many of one product: from 1 to [`MAX_QUANTITY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Quantity(u32);

/// A number that is no quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quantity is a whole number from 1 to {MAX_QUANTITY}")]
pub struct InvalidQuantity;

impl Quantity {
    /// The number itself.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Quantity {
    type Error = InvalidQuantity;

    fn try_from(number: u32) -> Result<Self, InvalidQuantity> {
        if (1..=MAX_QUANTITY).contains(&number) { Ok(Self(number)) } else { Err(InvalidQuantity) }
    }
}

impl From<Quantity> for u32 {
    fn from(quantity: Quantity) -> u32 {
        quantity.0
    }
}

/// One product of an order, with its name and price as they were when the order was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The product.
    pub product_id: ProductId,
    /// Its name when the order was placed.
    pub name: String,
    /// Its price when the order was placed.
    pub unit_price: Money,
    /// How many.
    pub quantity: Quantity,
    /// Price times quantity.
    pub amount: Money,
}

/// Why a basket has no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PricingError {
    /// There is nothing in it.
    #[error("an order has at least one item")]
    Empty,
    /// The product at this place of the basket does not exist or is not sold now.
    #[error("item {line} is not for sale")]
    NotForSale {
        /// Which item, counted from 0.
        line: usize,
    },
    /// The product at this place has a price in another currency than the first.
    #[error("item {line} is priced in another currency than the others")]
    MixedCurrencies {
        /// Which item, counted from 0.
        line: usize,
    },
    /// The product at this place is sold by another seller than the first.
    #[error("item {line} is sold by another seller than the others")]
    MixedSellers {
        /// Which item, counted from 0.
        line: usize,
    },
    /// The total is zero: there is nothing to charge.
    #[error("an order must cost something")]
    Free,
    /// The total has more digits than Stripe takes.
    #[error("the total is too large")]
    TooLarge,
}

/// Prices a basket from the catalogue. `products` holds, item by item, what the catalogue knows of it.
///
/// Returns the lines with their snapshot of name and price, and the total. All of them are sold by one seller.
pub fn price(items: &[(Option<Product>, Quantity)]) -> Result<(Vec<Line>, Money), PricingError> {
    let mut lines = Vec::with_capacity(items.len());
    let mut total: Option<Money> = None;
    let mut seller: Option<&Option<SellerId>> = None;
    for (line, (product, quantity)) in items.iter().enumerate() {
        let product =
            product.as_ref().filter(|product| product.active).ok_or(PricingError::NotForSale { line })?;
        if *seller.get_or_insert(&product.seller_id) != &product.seller_id {
            return Err(PricingError::MixedSellers { line });
        }
        let amount = product.unit_price.checked_mul(quantity.get()).map_err(|_| PricingError::TooLarge)?;
        total = Some(match total {
            None => amount,
            Some(sum) => sum.checked_add(amount).map_err(|error| match error {
                AmountError::MixedCurrencies(..) => PricingError::MixedCurrencies { line },
                _ => PricingError::TooLarge,
            })?,
        });
        lines.push(Line {
            product_id: product.id.clone(),
            name: product.name.clone(),
            unit_price: product.unit_price,
            quantity: *quantity,
            amount,
        });
    }
    let total = total.ok_or(PricingError::Empty)?;
    if total.minor() == 0 { Err(PricingError::Free) } else { Ok((lines, total)) }
}

/// Who buys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Where Stripe sends the receipt.
    pub email: Option<String>,
    /// The customer's name.
    pub name: Option<String>,
    /// The shop's own id of this user.
    pub reference: Option<String>,
}

/// Where the goods go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipping {
    /// Who receives them.
    pub name: String,
    /// Where.
    pub address: Address,
}

/// A postal address, in Stripe's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Street and number.
    pub line1: String,
    /// Apartment, suite, unit.
    pub line2: Option<String>,
    /// City, district, suburb, town or village.
    pub city: Option<String>,
    /// State, county, province or region.
    pub state: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// ISO 3166-1 alpha-2 code, upper case.
    pub country: String,
}

string_enum! {
    /// How far an order has come.
    pub enum OrderStatus {
        /// Placed; no payment has an outcome yet.
        Pending = "pending",
        /// An attempt is in flight at a bank.
        Processing = "processing",
        /// Held for manual capture.
        Authorized = "authorized",
        /// The last attempt failed; the order may be paid again.
        PaymentFailed = "payment_failed",
        /// A success came that is what was asked for.
        Paid = "paid",
        /// Some of the money went back.
        PartiallyRefunded = "partially_refunded",
        /// All of the money went back.
        Refunded = "refunded",
        /// The customer disputes the charge with their bank.
        Disputed = "disputed",
        /// A dispute was lost: the bank took the money back.
        ChargedBack = "charged_back",
        /// A success came that is not what was asked for; a person must look. Never fulfil it unseen.
        Review = "review",
        /// Closed unpaid, by wish.
        Canceled = "canceled",
        /// Closed unpaid, because its time was over.
        Expired = "expired",
    }
}

impl OrderStatus {
    /// Whether a customer may still change where the goods go and start to pay.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::PaymentFailed | Self::Processing | Self::Authorized)
    }

    /// Whether a success was accepted, whatever became of the money since.
    #[must_use]
    pub fn was_paid(self) -> bool {
        matches!(
            self,
            Self::Paid | Self::PartiallyRefunded | Self::Refunded | Self::Disputed | Self::ChargedBack
        )
    }
}

/// How the payment that counts for an order stands: the one that paid it, else the latest attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentPayment {
    /// Our id of the attempt.
    pub id: PaymentId,
    /// Where the customer pays it.
    pub flow: PaymentFlow,
    /// The account that it is made on.
    pub account: Account,
    /// Stripe's id of its PaymentIntent, once known.
    pub payment_intent_id: Option<String>,
    /// Stripe's id of its Checkout Session, once known.
    pub checkout_session_id: Option<String>,
    /// Stripe's word for where it stands.
    pub status: PaymentStatus,
    /// Why the last try failed, if nothing has come after it.
    pub last_failure: Option<Failure>,
}

/// An order as its readers see it. What its status follows from is its [`crate::history::History`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// What was bought.
    pub lines: Vec<Line>,
    /// What it costs.
    pub total: Money,
    /// Through whom it is sold; `None` is the platform itself.
    pub seller_terms: Option<SellerTerms>,
    /// Who buys.
    pub customer: Customer,
    /// Where the goods go, once that is known.
    pub shipping: Option<Shipping>,
    /// The shop's own words about it.
    pub metadata: Metadata,
    /// How far it has come.
    pub status: OrderStatus,
    /// Why a person must look, in [`OrderStatus::Review`].
    pub review_reason: Option<ReviewReason>,
    /// What was received and believed.
    pub amount_paid: Money,
    /// What of it went back by refunds that succeeded.
    pub amount_refunded: Money,
    /// How its payment stands, once there was an attempt.
    pub payment: Option<CurrentPayment>,
    /// Grows with every change that a reader could see.
    pub version: i64,
    /// The version at which its payment was last settled one way or another; 0 before that.
    pub outcome_version: i64,
    /// Grows when customer or shipping change; an attempt remembers the number that Stripe was last told.
    pub details_version: i64,
    /// When it is closed if it is not paid by then.
    pub expires_at: DateTime<Utc>,
    /// When it was placed.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl Order {
    /// Whether there is something to tell a customer who waits: the payment has succeeded, is in flight, is
    /// held, is closed, or has failed.
    #[must_use]
    pub fn has_outcome(&self) -> bool {
        match &self.payment {
            None => !self.status.is_open(),
            Some(payment) => {
                payment.last_failure.is_some()
                    || matches!(
                        payment.status,
                        PaymentStatus::Succeeded
                            | PaymentStatus::Canceled
                            | PaymentStatus::Open(OpenStatus::Processing | OpenStatus::RequiresCapture)
                    )
            }
        }
    }
}

/// Reports whether a payment attempt was prepared for another total, or for other seller terms, than its order has now.
///
/// `destination` is the connected account that the attempt transfers the money to. `total` and `seller_terms` are those
/// of the order.
#[must_use]
pub fn is_outdated(
    expected: &ExpectedPayment,
    destination: Option<&str>,
    total: Money,
    seller_terms: Option<&SellerTerms>,
) -> bool {
    expected.amount != total
        || expected.account != seller_terms.map(SellerTerms::charge_account).unwrap_or_default()
        || expected.application_fee != seller_terms.and_then(SellerTerms::charged_fee)
        || destination != seller_terms.and_then(SellerTerms::destination)
}
