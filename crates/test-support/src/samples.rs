//! Sample products, orders and attempts.

use quittance_domain::catalog::{Metadata, Product};
use quittance_domain::checkout::PaymentFlow;
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::money::Money;
use quittance_domain::order::{Address, Customer, Order, Quantity, Shipping};
use quittance_domain::payment::{Account, CaptureMethod, ExpectedPayment, Mode};
use quittance_domain::seller::SellerTerms;
use quittance_persistence::{
    BeginAttemptOutcome, NewAttempt, NewOrder, PendingAttempt, PlaceOrderOutcome, Store,
};
use uuid::Uuid;

use crate::clock::{later, now};

/// The lifetime of a sample order, in seconds.
pub const EXPIRY_S: i64 = 35 * 60;

/// Creates a new ID: `id(OrderId::from_uuid)`.
#[must_use]
pub fn id<Id>(make: impl FnOnce(Uuid) -> Id) -> Id {
    make(Uuid::now_v7())
}

/// Returns an amount: `money(1250, "eur")`.
#[must_use]
pub fn money(minor: i64, currency: &str) -> Money {
    Money::new(minor, currency.parse().expect("a currency")).expect("an amount")
}

/// Returns a quantity.
#[must_use]
pub fn quantity(number: u32) -> Quantity {
    number.try_into().expect("a quantity")
}

/// Returns an active product at 12.50 EUR that isn't stored yet.
#[must_use]
pub fn product() -> Product {
    Product {
        id: id(quittance_domain::id::ProductId::from_uuid),
        name: "Teapot".to_owned(),
        description: Some("Holds a liter".to_owned()),
        unit_price: money(1250, "eur"),
        active: true,
        stock: None,
        seller_id: None,
        metadata: Metadata::from([("color".to_owned(), "blue".to_owned())]),
        created_at: now(),
        updated_at: now(),
    }
}

/// Returns a customer.
#[must_use]
pub fn customer() -> Customer {
    Customer {
        email: Some("jenny@example.com".to_owned()),
        name: Some("Jenny Rosen".to_owned()),
        reference: Some("user-7".to_owned()),
    }
}

/// Returns a shipping address.
#[must_use]
pub fn shipping() -> Shipping {
    Shipping {
        name: "Jenny Rosen".to_owned(),
        address: Address {
            line1: "Torstraße 1".to_owned(),
            line2: None,
            city: Some("Berlin".to_owned()),
            state: None,
            postal_code: Some("10119".to_owned()),
            country: "DE".to_owned(),
        },
    }
}

/// Returns an order for two units of a product, from an unknown client address.
#[must_use]
pub fn new_order(product: &Product) -> NewOrder {
    NewOrder {
        id: id(OrderId::from_uuid),
        items: vec![(product.id.clone(), quantity(2))],
        customer: customer(),
        shipping: None,
        metadata: Metadata::from([("campaign".to_owned(), "autumn".to_owned())]),
        client_address: None,
        now: now(),
        expires_at: later(EXPIRY_S),
    }
}

/// Returns an order from this client address.
#[must_use]
pub fn address_order(product: &Product, address: &str) -> NewOrder {
    NewOrder { client_address: Some(address.to_owned()), ..new_order(product) }
}

/// Returns a payment attempt for the full total of an order, in test mode, on the account and terms of its seller.
#[must_use]
pub fn new_attempt(order: &Order) -> NewAttempt {
    let seller_terms = order.seller_terms.as_ref();
    NewAttempt {
        id: id(PaymentId::from_uuid),
        order_id: order.id.clone(),
        flow: PaymentFlow::PaymentIntent,
        request_params: String::new(),
        expected: ExpectedPayment {
            account: seller_terms.map(SellerTerms::charge_account).unwrap_or_default(),
            mode: Mode::Test,
            amount: order.total,
            application_fee: seller_terms.and_then(SellerTerms::charged_fee),
        },
        destination: seller_terms.and_then(SellerTerms::destination).map(str::to_owned),
        capture_method: CaptureMethod::Automatic,
        request: r#"{"amount":2500}"#.to_owned(),
        sent_details_version: order.details_version,
        now: now(),
        resume_at: later(30),
        live_until: None,
    }
}

/// Stores a product and places an order for two units: 25.00 EUR.
pub async fn place(store: &Store) -> Order {
    let product = store.insert_product(product(), None).await.expect("a product");
    match store.place_order(new_order(&product), None).await.expect("an order") {
        PlaceOrderOutcome::Done(order) => order,
        other => panic!("{other:?}"),
    }
}

/// Stores a product with this stock, and places an order for two units.
pub async fn place_counted(store: &Store, stock: u32) -> Order {
    let product = Product { stock: Some(stock), ..product() };
    let product = store.insert_product(product, None).await.expect("a product");
    match store.place_order(new_order(&product), None).await.expect("an order") {
        PlaceOrderOutcome::Done(order) => order,
        other => panic!("{other:?}"),
    }
}

/// Returns a payment attempt for the full total of an order by a Checkout Session.
#[must_use]
pub fn new_session(order: &Order) -> NewAttempt {
    NewAttempt {
        flow: PaymentFlow::CheckoutSession,
        request_params: "/thanks".to_owned(),
        ..new_attempt(order)
    }
}

/// Records the first payment attempt of an order.
pub async fn attempt_for(store: &Store, order: &Order) -> PendingAttempt {
    match store.begin_attempt(new_attempt(order)).await.expect("an attempt") {
        BeginAttemptOutcome::Recorded(attempt) => attempt,
        other => panic!("{other:?}"),
    }
}

/// An order with a payment attempt. Its PaymentIntent has this ID at Stripe, but Quittance doesn't know it yet.
#[derive(Debug, Clone)]
pub struct Payment {
    /// The order as it was placed.
    pub order: Order,
    /// The payment ID.
    pub id: PaymentId,
    /// The PaymentIntent ID at Stripe.
    pub payment_intent_id: String,
}

impl Payment {
    /// Returns the account of the PaymentIntent.
    #[must_use]
    pub fn account(&self) -> Account {
        self.order.seller_terms.as_ref().map(SellerTerms::charge_account).unwrap_or_default()
    }

    /// Returns the platform's fee in the request to Stripe.
    #[must_use]
    pub fn application_fee(&self) -> Option<i64> {
        self.order.seller_terms.as_ref().and_then(SellerTerms::charged_fee)
    }

    /// Places an order and records a payment attempt.
    pub async fn begin(store: &Store) -> Self {
        payment_on(store, place(store).await).await
    }
}

/// Records a payment attempt for this order.
pub async fn payment_on(store: &Store, order: Order) -> Payment {
    let attempt = attempt_for(store, &order).await;
    let id = attempt.attempt.id;
    let payment_intent_id = format!("pi_{}", id.as_str().trim_start_matches("pay_"));
    Payment { order, id, payment_intent_id }
}
