//! Orders: their items, prices, customer and status.

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

/// The largest quantity of one line.
pub const MAX_QUANTITY: u32 = 10_000;
/// The maximum number of lines of an order.
pub const MAX_LINES: usize = 100;

/// A quantity from 1 to [`MAX_QUANTITY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Quantity(u32);

/// An error for a number that isn't a valid quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quantity must be a whole number from 1 to {MAX_QUANTITY}")]
pub struct InvalidQuantity;

impl Quantity {
    /// Returns the number.
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

/// One product of an order, with its name and price at the time of the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The product.
    pub product_id: ProductId,
    /// The name at the time of the order.
    pub name: String,
    /// The price of one unit at the time of the order.
    pub unit_price: Money,
    /// The quantity.
    pub quantity: Quantity,
    /// The unit price times the quantity.
    pub amount: Money,
}

/// The reason why items can't be priced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PricingError {
    /// The list of items is empty.
    #[error("an order must have at least one item")]
    Empty,
    /// The product doesn't exist or isn't active.
    #[error("item {line} isn't for sale")]
    NotForSale {
        /// The item's index, starting at 0.
        line: usize,
    },
    /// The product's currency differs from that of the first item.
    #[error("item {line} has another currency than the first item")]
    MixedCurrencies {
        /// The item's index, starting at 0.
        line: usize,
    },
    /// The product's seller differs from that of the first item.
    #[error("item {line} has another seller than the first item")]
    MixedSellers {
        /// The item's index, starting at 0.
        line: usize,
    },
    /// The total is zero. Stripe can't charge that.
    #[error("the total can't be zero")]
    Free,
    /// The total exceeds the largest amount that Stripe accepts.
    #[error("the total is too large")]
    TooLarge,
}

/// Prices items from the catalog. Each item has the product from the catalog, or `None` if it doesn't exist,
/// and the quantity.
///
/// Returns the lines with the current names and prices, and the total. All items must have the same seller and
/// currency.
///
/// ```
/// # use std::collections::BTreeMap;
/// # use chrono::DateTime;
/// # use quittance_domain::id::ProductId;
/// use quittance_domain::catalog::Product;
/// use quittance_domain::money::Money;
/// use quittance_domain::order::{PricingError, Quantity, price};
///
/// let kettle = Product {
///     name: "Kettle".to_owned(),
///     unit_price: Money::new(6400, "eur".parse()?)?,
///     active: true,
///     // …
/// #     id: ProductId::from_uuid(uuid::Uuid::nil()),
/// #     description: None,
/// #     stock: None,
/// #     seller_id: None,
/// #     metadata: BTreeMap::new(),
/// #     created_at: DateTime::UNIX_EPOCH,
/// #     updated_at: DateTime::UNIX_EPOCH,
/// };
/// let two = Quantity::try_from(2)?;
///
/// let (lines, total) = price(&[(Some(kettle), two)])?;
///
/// assert_eq!(lines[0].amount.to_string(), "128.00 EUR");
/// assert_eq!(total, lines[0].amount);
/// assert_eq!(price(&[(None, two)]), Err(PricingError::NotForSale { line: 0 }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

/// The customer of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// The email address to which Stripe sends the receipt.
    pub email: Option<String>,
    /// The customer's name.
    pub name: Option<String>,
    /// The shop's own ID for the customer.
    pub reference: Option<String>,
}

/// The recipient and the shipping address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipping {
    /// The recipient's name.
    pub name: String,
    /// The address.
    pub address: Address,
}

/// A postal address with Stripe's fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Street and number.
    pub line1: String,
    /// Apartment, suite or unit.
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
    /// The status of an order.
    pub enum OrderStatus {
        /// The order isn't paid, and no attempt has an outcome.
        Pending = "pending",
        /// The bank is processing a payment.
        Processing = "processing",
        /// A payment is authorized and can be captured.
        Authorized = "authorized",
        /// The last payment failed. The customer can try again.
        PaymentFailed = "payment_failed",
        /// A payment succeeded and matches the recorded attempt.
        Paid = "paid",
        /// A part of the payment was refunded.
        PartiallyRefunded = "partially_refunded",
        /// The payment was refunded in full.
        Refunded = "refunded",
        /// The customer disputes the charge with their bank.
        Disputed = "disputed",
        /// The shop lost a dispute, and the bank took the money.
        ChargedBack = "charged_back",
        /// A payment succeeded but doesn't match the recorded attempt, or it was late. A person must decide.
        /// Don't fulfill the order before that.
        Review = "review",
        /// The order was canceled without payment.
        Canceled = "canceled",
        /// The order expired without payment.
        Expired = "expired",
    }
}

impl OrderStatus {
    /// Returns whether the customer can still pay and change the shipping address.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::PaymentFailed | Self::Processing | Self::Authorized)
    }

    /// Returns whether a success was accepted, regardless of later refunds and disputes.
    #[must_use]
    pub fn was_paid(self) -> bool {
        matches!(
            self,
            Self::Paid | Self::PartiallyRefunded | Self::Refunded | Self::Disputed | Self::ChargedBack
        )
    }
}

/// The payment to show with an order: the attempt that paid it, or else the latest one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentPayment {
    /// The payment ID.
    pub id: PaymentId,
    /// The payment flow.
    pub flow: PaymentFlow,
    /// The account of the PaymentIntent.
    pub account: Account,
    /// The PaymentIntent ID at Stripe, once known.
    pub payment_intent_id: Option<String>,
    /// The Checkout Session ID at Stripe, once known.
    pub checkout_session_id: Option<String>,
    /// Stripe's status of the PaymentIntent.
    pub status: PaymentStatus,
    /// The failure of the last payment, unless a newer state is known.
    pub last_failure: Option<Failure>,
}

/// An order as the API shows it. Its status is computed from its [`History`](crate::history::History).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The order ID.
    pub id: OrderId,
    /// The ordered products.
    pub lines: Vec<Line>,
    /// The total price.
    pub total: Money,
    /// The seller and the fee, or `None` if the platform is the seller.
    pub seller_terms: Option<SellerTerms>,
    /// The customer.
    pub customer: Customer,
    /// The recipient and the shipping address, once known.
    pub shipping: Option<Shipping>,
    /// The shop's own key-value data.
    pub metadata: Metadata,
    /// The status.
    pub status: OrderStatus,
    /// The reason for the review, if the status is [`OrderStatus::Review`].
    pub review_reason: Option<ReviewReason>,
    /// The amount received by the accepted payment.
    pub amount_paid: Money,
    /// The refunded part of `amount_paid`.
    pub amount_refunded: Money,
    /// The payment to show, once an attempt exists.
    pub payment: Option<CurrentPayment>,
    /// The order's version. It increases with every visible change.
    pub version: i64,
    /// The version at which the outcome of the payment last changed, or 0.
    pub outcome_version: i64,
    /// The version of customer and shipping. Each attempt records the version that was last sent to Stripe.
    pub details_version: i64,
    /// The time when the order expires if it isn't paid.
    pub expires_at: DateTime<Utc>,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The time of the last change.
    pub updated_at: DateTime<Utc>,
}

impl Order {
    /// Returns whether the payment has an outcome to show to a waiting customer. It has one if the payment
    /// succeeded, failed, is processing, is authorized or is closed.
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

/// Returns whether a payment attempt was prepared for a different total or different seller terms than its
/// order has now.
///
/// `destination` is the connected account to which the attempt transfers the money. `total` and `seller_terms`
/// are the order's.
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
