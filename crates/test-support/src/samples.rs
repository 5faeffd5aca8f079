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

/// How many seconds after it was placed a sample order expires.
pub const EXPIRY_S: i64 = 35 * 60;

/// A fresh id: `id(OrderId::from_uuid)`.
#[must_use]
pub fn id<Id>(make: impl FnOnce(Uuid) -> Id) -> Id {
    make(Uuid::now_v7())
}

/// An amount: `money(1250, "eur")`.
#[must_use]
pub fn money(minor: i64, currency: &str) -> Money {
    Money::new(minor, currency.parse().expect("a currency")).expect("an amount")
}

/// So many.
#[must_use]
pub fn quantity(number: u32) -> Quantity {
    number.try_into().expect("a quantity")
}

/// A product on sale at 12.50 EUR, not stored yet.
#[must_use]
pub fn product() -> Product {
    Product {
        id: id(quittance_domain::id::ProductId::from_uuid),
        name: "Teapot".to_owned(),
        description: Some("Holds a litre".to_owned()),
        unit_price: money(1250, "eur"),
        active: true,
        stock: None,
        seller_id: None,
        metadata: Metadata::from([("colour".to_owned(), "blue".to_owned())]),
        created_at: now(),
        updated_at: now(),
    }
}

/// Someone who buys.
#[must_use]
pub fn customer() -> Customer {
    Customer {
        email: Some("jenny@example.com".to_owned()),
        name: Some("Jenny Rosen".to_owned()),
        reference: Some("user-7".to_owned()),
    }
}

/// Where the goods go.
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

/// An order of two of a product, by somebody without an address of their own.
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

/// An order that this client address places.
#[must_use]
pub fn address_order(product: &Product, address: &str) -> NewOrder {
    NewOrder { client_address: Some(address.to_owned()), ..new_order(product) }
}

/// An attempt at paying the whole of an order, in test mode, on the account and on the terms that it is sold on.
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

/// Stores a product and places an order of two: 25.00 EUR.
pub async fn place(store: &Store) -> Order {
    let product = store.insert_product(product(), None).await.expect("a product");
    match store.place_order(new_order(&product), None).await.expect("an order") {
        PlaceOrderOutcome::Done(order) => order,
        other => panic!("{other:?}"),
    }
}

/// Stores a product of which there are so many, and places an order of two.
pub async fn place_counted(store: &Store, stock: u32) -> Order {
    let product = Product { stock: Some(stock), ..product() };
    let product = store.insert_product(product, None).await.expect("a product");
    match store.place_order(new_order(&product), None).await.expect("an order") {
        PlaceOrderOutcome::Done(order) => order,
        other => panic!("{other:?}"),
    }
}

/// An attempt at paying the whole of an order on Stripe's page.
#[must_use]
pub fn new_session(order: &Order) -> NewAttempt {
    NewAttempt {
        flow: PaymentFlow::CheckoutSession,
        request_params: "/thanks".to_owned(),
        ..new_attempt(order)
    }
}

/// Records an attempt at paying an order that has none.
pub async fn attempt_for(store: &Store, order: &Order) -> PendingAttempt {
    match store.begin_attempt(new_attempt(order)).await.expect("an attempt") {
        BeginAttemptOutcome::Recorded(attempt) => attempt,
        other => panic!("{other:?}"),
    }
}

/// An order with an attempt at paying it, whose PaymentIntent has this id at Stripe but is not known to us yet.
#[derive(Debug, Clone)]
pub struct Payment {
    /// The order as it was when it was placed.
    pub order: Order,
    /// The attempt.
    pub id: PaymentId,
    /// The PaymentIntent.
    pub payment_intent_id: String,
}

impl Payment {
    /// The account that it is made on.
    #[must_use]
    pub fn account(&self) -> Account {
        self.order.seller_terms.as_ref().map(SellerTerms::charge_account).unwrap_or_default()
    }

    /// The platform's fee that Stripe is told of.
    #[must_use]
    pub fn application_fee(&self) -> Option<i64> {
        self.order.seller_terms.as_ref().and_then(SellerTerms::charged_fee)
    }

    /// Places an order and records an attempt at paying it.
    pub async fn begin(store: &Store) -> Self {
        payment_on(store, place(store).await).await
    }
}

/// Records an attempt at paying this order.
pub async fn payment_on(store: &Store, order: Order) -> Payment {
    let attempt = attempt_for(store, &order).await;
    let id = attempt.attempt.id;
    let payment_intent_id = format!("pi_{}", id.as_str().trim_start_matches("pay_"));
    Payment { order, id, payment_intent_id }
}
