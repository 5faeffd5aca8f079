//! Tests of Account Links: requests and responses.

use quittance_stripe_gateway::{Collection, Error};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::stand_in::{Answer, StandIn, with};

const ID: &str = "acct_1SWseller";
const REFRESH: &str = "https://shop.example/again";
const RETURN: &str = "https://shop.example/back";

fn link() -> Value {
    json!({
        "object": "account_link",
        "created": 1_795_341_600,
        "expires_at": 1_795_341_900,
        "url": "https://connect.stripe.com/setup/e/acct_1SWseller/hushhush",
    })
}

#[actix_web::test]
async fn account_link_request_contains_urls_and_collection() {
    for (collection, word) in [("currently_due", "currently_due"), ("eventually_due", "eventually_due")] {
        let collection = collection.parse::<Collection>().expect("a collection");
        assert_eq!(collection.as_str(), word);
        let server = StandIn::answering(vec![Answer::ok(&link())]);
        let made = server.stripe().create_account_link(ID, REFRESH, RETURN, collection).await.expect("made");
        assert_eq!(made.url.expose_secret(), "https://connect.stripe.com/setup/e/acct_1SWseller/hushhush");
        assert_eq!(
            (made.expires_at.timestamp(), made.request_id.as_deref()),
            (1_795_341_900, Some("req_ok"))
        );
        assert!(!format!("{made:?}").contains("hush"), "{made:?}");
        let [request] = &server.requests()[..] else { panic!("one request") };
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/account_links"));
        assert_eq!(
            request.body,
            format!(
                "account=acct_1SWseller&collection_options[fields]={word}\
                 &refresh_url=https://shop.example/again&return_url=https://shop.example/back\
                 &type=account_onboarding"
            )
        );
        assert_eq!(request.header("stripe-account"), None);
    }
    assert!("all".parse::<Collection>().is_err());
}

/// A link works once, so each call creates another.
#[actix_web::test]
async fn account_link_call_is_retried_with_its_key_and_each_call_has_a_new_key() {
    let broken = Answer::error(500, &json!({ "type": "api_error" }));
    let server = StandIn::answering(vec![broken, Answer::ok(&link())]);
    let stripe = server.stripe();
    for _ in 0..2 {
        stripe.create_account_link(ID, REFRESH, RETURN, Collection::default()).await.expect("made");
    }
    let requests = server.requests();
    let keys: Vec<&str> =
        requests.iter().map(|request| request.header("idempotency-key").expect("a key")).collect();
    assert_eq!((keys.len(), keys[0] == keys[1], keys[1] == keys[2]), (3, true, false), "{keys:?}");
}

#[actix_web::test]
async fn unreadable_account_link_error_hides_the_url() {
    for over in [
        json!({ "url": null }),
        json!({ "expires_at": null }),
        json!({ "expires_at": "hush" }),
        json!({ "object": "login_link" }),
    ] {
        let server = StandIn::answering(vec![Answer::ok(&with(link(), &over))]);
        let made = server.stripe().create_account_link(ID, REFRESH, RETURN, Collection::default()).await;
        let error = made.expect_err("unreadable");
        assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
}
