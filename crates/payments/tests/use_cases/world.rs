//! A store, a running sandbox and the use cases between them.

use chrono::{DateTime, TimeDelta, Utc};
use quittance_domain::catalog::Product;
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::order::Order;
use quittance_domain::payment::CaptureMethod;
use quittance_domain::seller::{ChargeType, Seller};
use quittance_payments::{ConnectSettings, OutcomeWaiters, Payments, ReconcileScope, RefundRequest};
use quittance_persistence::{NewOrder, PendingAttempt, PlaceOrderOutcome, RefundTermsRequest, Store};
use quittance_sandbox::{Config, Sandbox};
use quittance_stripe_gateway::{Stripe, StripeConfig};
use quittance_test_support::{Kind, TestDatabase, connect, new_order, product, run_on};
use serde_json::Value;

const STRIPE_KEY: &str = "sk_test_payments";

/// The total of a sample order: two products at 12.50 EUR.
pub(crate) const TOTAL: i64 = 2500;

/// A connected account at the sandbox.
pub(crate) const ACCOUNT: &str = "acct_1Seller";

/// Accepts any card payment.
pub(crate) const CARD: &str = "pm_card_visa";

/// Stays `processing` for minutes.
pub(crate) const SLOW_DEBIT: &str = "pm_sepaDebit_successDelayed_de";

/// The use cases with a store and a sandbox. The sandbox delivers no webhooks, so that only calls to Stripe update the store.
pub(crate) struct World<'a> {
    pub(crate) payments: Payments,
    pub(crate) store: Store,
    database: &'a TestDatabase,
    sandbox_url: String,
    http: reqwest::Client,
}

/// Runs a test in a new world.
pub(crate) fn run(test: impl AsyncFnOnce(&World<'_>)) {
    run_on(Kind::Sqlite, async |database| test(&World::start(database).await).await);
}

impl<'a> World<'a> {
    async fn start(database: &'a TestDatabase) -> Self {
        let config = Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::default() };
        let sandbox = Sandbox::bind(config).expect("a sandbox");
        let sandbox_url = sandbox.url();
        tokio::spawn(sandbox.run(std::future::pending()));
        let store = database.store().await;
        let mut config = StripeConfig::new(STRIPE_KEY.to_owned().into(), sandbox_url.clone());
        // Injected faults must reach the use cases.
        config.max_retries = 0;
        let stripe = Stripe::new(&config).expect("a client");
        let connect = ConnectSettings { client_id: Some("ca_Test".to_owned()), ..ConnectSettings::default() };
        let waiters = OutcomeWaiters::start(store.clone());
        let payments = Payments::new(store.clone(), stripe, waiters).with_connect(connect);
        Self { payments, store, database, sandbox_url, http: reqwest::Client::new() }
    }

    /// Places an order of the platform.
    pub(crate) async fn place(&self) -> Order {
        self.place_product(product()).await
    }

    /// Places an order of a seller.
    pub(crate) async fn place_through(&self, seller: &Seller) -> Order {
        self.place_product(Product { seller_id: Some(seller.id.clone()), ..product() }).await
    }

    async fn place_product(&self, product: Product) -> Order {
        let product = self.store.insert_product(product, None).await.expect("a product");
        let now = Utc::now();
        let new = NewOrder { now, expires_at: now + TimeDelta::minutes(35), ..new_order(&product) };
        match self.store.place_order(new, None).await.expect("an order") {
            PlaceOrderOutcome::Done(order) => order,
            other => panic!("{other:?}"),
        }
    }

    /// Creates a seller with a direct charge account, both in the store and at the sandbox.
    pub(crate) async fn connect_seller(&self) -> Seller {
        self.post("/_sandbox/accounts", &[("id", ACCOUNT)]).await;
        connect(&self.store, ACCOUNT, ChargeType::Direct).await
    }

    pub(crate) async fn order(&self, id: &OrderId) -> Order {
        self.store.order(id.clone()).await.expect("a read").expect("an order")
    }

    pub(crate) async fn attempt(&self, id: &PaymentId) -> PendingAttempt {
        self.store.attempt(id.clone()).await.expect("a read").expect("an attempt")
    }

    /// Places an order and confirms its PaymentIntent at the sandbox. The store doesn't know the result yet.
    pub(crate) async fn confirmed(&self, capture_method: CaptureMethod, payment_method: &str) -> Order {
        let order = self.place().await;
        let live = self.payments.pay(order.id.clone(), Some(capture_method)).await.expect("a PaymentIntent");
        self.confirm(&live.payment_intent_id, payment_method).await;
        order
    }

    /// Places an order, confirms its PaymentIntent at the sandbox, and updates the store.
    pub(crate) async fn with_outcome(&self, capture_method: CaptureMethod, payment_method: &str) -> Order {
        let order = self.confirmed(capture_method, payment_method).await;
        self.reconcile().await;
        self.order(&order.id).await
    }

    pub(crate) async fn confirm(&self, payment_intent_id: &str, payment_method: &str) {
        let form = [("payment_method", payment_method), ("return_url", "https://shop.example/done")];
        self.post(&format!("/v1/payment_intents/{payment_intent_id}/confirm"), &form).await;
    }

    /// Compares all orders with the sandbox.
    pub(crate) async fn reconcile(&self) -> quittance_payments::ReconcileReport {
        let scope = ReconcileScope { since: DateTime::UNIX_EPOCH, dry_run: false };
        self.payments.reconcile(scope, |_| ()).await.expect("a report")
    }

    /// Makes the next call of a route fail, for example with `cut`.
    pub(crate) async fn fail_next(&self, route: &str, fault: &str) {
        self.post("/_sandbox/chaos/next", &[("route", route), ("fault", fault)]).await;
    }

    /// Makes all recorded work due, as if the process had stopped and its time limit had passed.
    pub(crate) async fn make_work_due(&self) {
        for table in ["payments", "refunds"] {
            let past = "strftime('%Y-%m-%d %H:%M:%S+00:00', 'now', '-1 minute')";
            let sql = format!("UPDATE {table} SET resume_at = {past} WHERE resume_at IS NOT NULL");
            self.database.execute(&sql).await;
        }
    }

    /// Returns the objects of a Stripe list.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let request = self.http.get(format!("{}{path}", self.sandbox_url)).bearer_auth(STRIPE_KEY);
        let text = request.send().await.expect("a response").text().await.expect("a body");
        let list: Value = serde_json::from_str(&text).expect("JSON");
        list["data"].as_array().unwrap_or_else(|| panic!("not a list: {text}")).clone()
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let body: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let request = self
            .http
            .post(format!("{}{path}", self.sandbox_url))
            .bearer_auth(STRIPE_KEY)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.join("&"));
        let response = request.send().await.expect("a response");
        let status = response.status();
        let text = response.text().await.expect("a body");
        assert!(status.is_success(), "{path}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }
}

/// Returns a refund request for an amount, or for the remaining amount.
pub(crate) fn refund_of(order: &Order, amount: Option<i64>) -> RefundRequest {
    RefundRequest {
        order_id: order.id.clone(),
        amount,
        reason: None,
        terms: RefundTermsRequest { reverse_transfer: None, refund_application_fee: None },
    }
}

/// Percent-encodes a form value.
fn encode(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let bytes = value.bytes();
    bytes.map(|b| if is_plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
