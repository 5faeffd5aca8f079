//! Tests of products on sellers' accounts: requests and responses.

use quittance_domain::id::ProductId;
use quittance_domain::money::Money;
use quittance_domain::payment::Account;
use quittance_stripe_gateway::{Error, FrozenRequest, Stripe};
use serde_json::json;
use uuid::Uuid;

use crate::stand_in::{Answer, StandIn};

fn product_id(number: u128) -> ProductId {
    ProductId::from_uuid(Uuid::from_u128(number))
}

fn price(minor: i64, currency: &str) -> Money {
    Money::new(minor, currency.parse().expect("a currency")).expect("an amount")
}

fn seller() -> Account {
    Account::connected("acct_1SWseller")
}

fn frozen() -> FrozenRequest {
    Stripe::freeze_product(&seller(), &product_id(4), "Tea & Søn", Some("Green"), price(1000, "eur"))
}

#[test]
fn product_request_contains_price_and_product_id() {
    let frozen = frozen();
    assert_eq!((frozen.path.as_str(), &frozen.account), ("/v1/products", &seller()));
    assert_eq!(
        frozen.body,
        "default_price_data[currency]=eur\
         &default_price_data[unit_amount]=1000\
         &description=Green\
         &metadata[product_id]=prd_00000000000000000000000004\
         &name=Tea+%26+S%C3%B8n"
    );
}

/// The key must change with the content, or Stripe refuses it. A key can have at most 255 characters.
#[test]
fn changed_product_has_another_idempotency_key() {
    let key = frozen().idempotency_key;
    assert!(key.starts_with("prd_00000000000000000000000004:") && key.len() <= 255, "{key}");
    assert_eq!(frozen().idempotency_key, key);
    let new = |account: &Account, number, name, description, price| {
        Stripe::freeze_product(account, &product_id(number), name, description, price).idempotency_key
    };
    let eur = price(1000, "eur");
    for other in [
        new(&Account::connected("acct_1SWother"), 4, "Tea & Søn", Some("Green"), eur),
        new(&seller(), 5, "Tea & Søn", Some("Green"), eur),
        new(&seller(), 4, "Tea", Some("Green"), eur),
        new(&seller(), 4, "Tea & Søn", None, eur),
        new(&seller(), 4, "Tea & Søn", Some("Black"), eur),
        new(&seller(), 4, "Tea & Søn", Some("Green"), price(1001, "eur")),
        new(&seller(), 4, "Tea & Søn", Some("Green"), price(1000, "usd")),
    ] {
        assert_ne!(other, key);
    }
}

#[actix_web::test]
async fn product_is_created_on_the_sellers_account() {
    let answer =
        json!({ "id": "prod_1", "object": "product", "name": "Tea & Søn", "default_price": "price_1" });
    let server = StandIn::answering(vec![Answer::ok(&answer)]);
    let made = server.stripe().create_product(&frozen()).await.expect("made");
    assert_eq!((made.id.as_str(), made.request_id.as_deref()), ("prod_1", Some("req_ok")));
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), &request.body), ("POST", &frozen().body));
    assert_eq!(request.header("stripe-account"), Some("acct_1SWseller"));
    assert_eq!(request.header("idempotency-key"), Some(frozen().idempotency_key.as_str()));
}

#[actix_web::test]
async fn product_response_without_id_is_unreadable() {
    for answer in [json!({ "object": "product" }), json!({ "id": "price_1", "object": "price" })] {
        let server = StandIn::answering(vec![Answer::ok(&answer)]);
        let made = server.stripe().create_product(&frozen()).await;
        assert!(matches!(made, Err(Error::Unreadable { .. })), "{made:?}");
    }
}
