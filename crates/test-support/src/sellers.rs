//! Sample sellers and events about them.

use bytes::Bytes;
use quittance_domain::catalog::Product;
use quittance_domain::event::{Event, EventContent};
use quittance_domain::id::SellerId;
use quittance_domain::order::Order;
use quittance_domain::payment::{Account, Mode};
use quittance_domain::seller::{
    AccountEvent, AccountState, Capability, ChargeType, FeeTerms, Requirements, Seller,
};
use quittance_persistence::{ConnectSeller, Delivery, ObserveOutcome, PlaceOrderOutcome, Store};
use serde_json::json;
use uuid::Uuid;

use crate::clock::{NOW_S, now};
use crate::payment_event::PaymentEvent;
use crate::samples::{Payment, id, new_order, product};

/// Returns the state of a German account that can accept payments.
#[must_use]
pub fn account_state() -> AccountState {
    AccountState {
        country: Some("DE".to_owned()),
        currency: Some("eur".to_owned()),
        display_name: Some("Teapots of Bremen".to_owned()),
        details_submitted: true,
        charges_enabled: true,
        payouts_enabled: true,
        transfers: Capability::Active,
        requirements: Requirements::default(),
    }
}

/// Returns the connection of an account with a platform fee of 3 %, authorized and read in the second of [`now`].
#[must_use]
pub fn connecting(account_id: &str, charge_type: ChargeType) -> ConnectSeller {
    ConnectSeller {
        new_id: id(SellerId::from_uuid),
        account_id: account_id.to_owned(),
        mode: Mode::Test,
        began_s: NOW_S,
        state: Some(account_state()),
        charge_type,
        fee: FeeTerms::new(300, 0, 0).expect("terms"),
        now: now(),
    }
}

/// Connects a seller that can accept payments.
pub async fn connect(store: &Store, account_id: &str, charge_type: ChargeType) -> Seller {
    store.connect_seller(connecting(account_id, charge_type)).await.expect("a seller")
}

/// Stores a product of this seller and places an order for two units: 25.00 EUR, with a platform fee of 0.75 EUR.
pub async fn place_through(store: &Store, seller: &Seller) -> Order {
    let product = Product { seller_id: Some(seller.id.clone()), ..product() };
    let product = store.insert_product(product, None).await.expect("a product");
    match store.place_order(new_order(&product), None).await.expect("an order") {
        PlaceOrderOutcome::Done(order) => order,
        other => panic!("{other:?}"),
    }
}

impl Payment {
    /// Records Stripe's response in this mode, so that the PaymentIntent ID is known.
    pub async fn is_answered(&self, store: &Store, mode: Mode) {
        let mut answer = PaymentEvent { mode, ..self.created() }.observation();
        answer.fact.provenance.event = String::new();
        let observed =
            store.apply_observation(self.id.clone(), answer, None, None, now()).await.expect("a commit");
        assert!(matches!(observed, ObserveOutcome::Merged(..)), "{observed:?}");
    }
}

/// An event about a connected account. Tests change the fields that they examine.
#[derive(Debug, Clone)]
pub struct SellerEvent {
    /// `id`.
    pub id: String,
    /// `created`.
    pub created: i64,
    /// `account`.
    pub account: Account,
    /// `livemode`.
    pub mode: Mode,
    /// The content of the event.
    pub news: AccountEvent,
}

impl SellerEvent {
    /// Creates an event of this account, this many seconds after [`now`].
    #[must_use]
    pub fn new(account_id: &str, seconds: i64, news: AccountEvent) -> Self {
        Self {
            id: format!("evt_{}", Uuid::now_v7().simple()),
            created: NOW_S + seconds,
            account: Account::connected(account_id),
            mode: Mode::Test,
            news,
        }
    }

    /// Creates an `account.updated` event with this state, this many seconds after [`now`].
    #[must_use]
    pub fn updated(account_id: &str, seconds: i64, state: AccountState) -> Self {
        Self::new(account_id, seconds, AccountEvent::Updated(Box::new(state)))
    }

    /// Returns the event as the gateway parses it, with a placeholder payload.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        let kind = match self.news {
            AccountEvent::Updated(_) => "account.updated",
            AccountEvent::Changed => "capability.updated",
            AccountEvent::Deauthorized => "account.application.deauthorized",
        };
        let payload = json!({ "id": self.id, "type": kind, "account": self.account.as_str() });
        let event = Event {
            id: self.id.clone(),
            kind: kind.to_owned(),
            created: self.created,
            account: self.account.clone(),
            mode: self.mode,
            content: EventContent::Seller(self.news.clone()),
        };
        Delivery { event, payload: Bytes::from(payload.to_string()), received_at: now() }
    }
}
