//! Tests of OAuth: the authorization URL, the code exchange and the disconnect.

use std::io::Read;

use quittance_domain::payment::Mode;
use quittance_stripe_gateway::{Error, OAuthAccount, Stripe, StripeConfig};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::stand_in::{Answer, StandIn, account, account_invalid, with};

const CLIENT: &str = "ca_1SWplatform";
const SELLER: &str = "acct_1SWseller";

fn code() -> SecretString {
    SecretString::from("ac_hush&hush")
}

/// Stripe's full response, with its secrets.
fn granted() -> Value {
    json!({
        "access_token": "sk_test_hushhush",
        "livemode": false,
        "refresh_token": "rt_hushhush",
        "scope": "read_write",
        "stripe_publishable_key": "pk_test_hushhush",
        "stripe_user_id": SELLER,
        "token_type": "bearer",
    })
}

/// An error in OAuth's format.
fn oauth_error(status: u16, word: &str) -> Answer {
    let body =
        json!({ "error": word, "error_description": "Authorization code does not exist: ac_hush&hush" });
    Answer::Reply(status, vec![("Request-Id", "req_bad".to_owned())], body.to_string())
}

#[test]
fn authorize_url_contains_all_parameters() {
    let stripe = |api_base: &str, connect_base: &str| {
        let mut config = StripeConfig::new(SecretString::from("sk_test_51Abc"), api_base);
        config.connect_base = connect_base.to_owned();
        Stripe::new(&config).expect("a good configuration")
    };
    let stripe = stripe("http://127.0.0.1:12111", "http://127.0.0.1:12112/");
    let back = "https://shop.example/back?a=b&c=d";
    assert_eq!(
        stripe.authorize_url(CLIENT, "a+b/c", Some(back)),
        "http://127.0.0.1:12112/oauth/authorize?response_type=code&client_id=ca_1SWplatform&scope=read_write\
         &redirect_uri=https://shop.example/back?a%3Db%26c%3Dd&state=a%2Bb/c"
    );
    assert_eq!(
        stripe.authorize_url(CLIENT, "s", None),
        "http://127.0.0.1:12112/oauth/authorize?response_type=code&client_id=ca_1SWplatform&scope=read_write&state=s"
    );
}

#[actix_web::test]
async fn code_is_exchanged_for_the_account_only() {
    let server = StandIn::answering(vec![Answer::ok(&granted())]);
    let exchanged = server.stripe().exchange_code(&code()).await.expect("exchanged");
    let expected = OAuthAccount {
        account_id: SELLER.to_owned(),
        mode: Mode::Test,
        can_write: true,
        request_id: Some("req_ok".to_owned()),
    };
    assert_eq!(exchanged, expected);
    assert!(!format!("{exchanged:?}").contains("hush"));

    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/oauth/token"));
    assert_eq!(request.body, "grant_type=authorization_code&code=ac_hush%26hush");
    assert_eq!(request.header("authorization"), Some("Bearer sk_test_51Abc"));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!((request.header("idempotency-key"), request.header("stripe-account")), (None, None));
}

#[actix_web::test]
async fn oauth_and_api_calls_use_their_own_base() {
    let (api, oauth) =
        (StandIn::answering(vec![Answer::ok(&account())]), StandIn::answering(vec![Answer::ok(&granted())]));
    let mut config = api.config();
    config.connect_base = oauth.config().api_base;
    let stripe = Stripe::new(&config).expect("a good configuration");
    stripe.exchange_code(&code()).await.expect("exchanged");
    stripe.retrieve_account(SELLER).await.expect("read");
    let paths =
        |server: &StandIn| server.requests().into_iter().map(|request| request.path).collect::<Vec<_>>();
    assert_eq!(paths(&oauth), ["/oauth/token"]);
    assert_eq!(paths(&api), ["/v1/accounts/acct_1SWseller"]);
}

#[actix_web::test]
async fn oauth_account_has_mode_and_scope() {
    for (over, expected) in [
        (json!({ "livemode": true }), (Mode::Live, true)),
        (json!({ "scope": "read_only" }), (Mode::Test, false)),
        (json!({ "scope": null }), (Mode::Test, true)),
    ] {
        let server = StandIn::answering(vec![Answer::ok(&with(granted(), &over))]);
        let exchanged = server.stripe().exchange_code(&code()).await.expect("exchanged");
        assert_eq!((exchanged.mode, exchanged.can_write), expected);
    }
}

#[actix_web::test]
async fn invalid_code_differs_from_key_error() {
    let bad_key =
        json!({ "type": "invalid_request_error", "message": "Invalid API Key provided: sk_test_***" });
    for (answer, expected) in [
        (oauth_error(400, "invalid_grant"), [true, false]),
        (oauth_error(401, "invalid_client"), [false, true]),
        (oauth_error(400, "invalid_client"), [false, true]),
        (oauth_error(400, "invalid_request"), [false, false]),
        (Answer::error(401, &bad_key), [false, true]),
    ] {
        let server = StandIn::answering(vec![answer]);
        let error = server.stripe().exchange_code(&code()).await.expect_err("refused");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
        let Error::Refused(refusal) = error else { panic!("refused") };
        assert_eq!([refusal.is_code_invalid(), refusal.is_key_error()], expected, "{refusal}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[actix_web::test]
async fn oauth_refusal_has_only_stripes_code() {
    for (word, shown) in [
        ("invalid_grant", "Stripe refused the request (status 400, request req_bad, code invalid_grant)"),
        // The text of a proxy isn't an OAuth error code.
        ("Denied for jenny@example.com", "Stripe gave no final response (status 400, request req_bad)"),
    ] {
        let server = StandIn::answering(vec![oauth_error(400, word)]);
        let error = server.stripe().exchange_code(&code()).await.expect_err("refused");
        assert_eq!(error.to_string(), shown);
    }
}

/// A second use of a code revokes the authorization.
#[actix_web::test]
async fn code_exchange_is_not_retried() {
    let broken = || Answer::error(500, &json!({ "type": "api_error" })).with("Stripe-Should-Retry", "true");
    for answer in [broken(), oauth_error(429, "rate_limit"), Answer::Reply(502, vec![], String::new())] {
        let server = StandIn::answering(vec![answer, Answer::ok(&granted())]);
        let error = server.stripe().exchange_code(&code()).await.expect_err("unavailable");
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        assert_eq!(server.requests().len(), 1);
    }
}

/// The connection breaks after the request was sent and before a response.
#[actix_web::test]
async fn code_exchange_without_response_is_not_retried() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    let (heard, requests) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut bytes = [0; 4096];
            let length = stream.read(&mut bytes).expect("readable");
            heard.send(bytes[..length].to_vec()).expect("the test waits");
        }
    });
    let mut config = StripeConfig::new(SecretString::from("sk_test_51Abc"), base);
    config.backoff = std::time::Duration::from_millis(1);
    let stripe = Stripe::new(&config).expect("a good configuration");
    let error = stripe.exchange_code(&code()).await.expect_err("unavailable");
    assert!(matches!(error, Error::Unavailable { status: None, source: Some(_), .. }), "{error:?}");
    assert!(!format!("{error:?}").contains("hush"), "{error:?}");
    assert_eq!(requests.try_iter().count(), 1);
}

#[actix_web::test]
async fn unreadable_grant_error_hides_secrets() {
    for body in [
        with(granted(), &json!({ "stripe_user_id": null })).to_string(),
        with(granted(), &json!({ "livemode": null })).to_string(),
        with(granted(), &json!({ "stripe_user_id": ["sk_test_hushhush"] })).to_string(),
        "sk_test_hushhush".to_owned(),
    ] {
        let server = StandIn::answering(vec![Answer::Reply(200, vec![], body)]);
        let error = server.stripe().exchange_code(&code()).await.expect_err("unreadable");
        assert!(matches!(error, Error::Unreadable { status: 200, .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
}

#[actix_web::test]
async fn deauthorize_disconnects_the_account() {
    let server = StandIn::answering(vec![
        Answer::error(500, &json!({ "type": "api_error" })),
        Answer::ok(&json!({ "stripe_user_id": SELLER })),
    ]);
    server.stripe().deauthorize(CLIENT, SELLER).await.expect("ended by the second attempt");
    let [first, second] = &server.requests()[..] else { panic!("two requests") };
    assert_eq!(first, second);
    assert_eq!((first.method.as_str(), first.path.as_str()), ("POST", "/oauth/deauthorize"));
    assert_eq!(first.body, "client_id=ca_1SWplatform&stripe_user_id=acct_1SWseller");
}

#[actix_web::test]
async fn deauthorize_of_disconnected_account_succeeds() {
    let server = StandIn::answering(vec![oauth_error(401, "invalid_client"), account_invalid()]);
    server.stripe().deauthorize(CLIENT, SELLER).await.expect("done with");
    let paths: Vec<String> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/oauth/deauthorize", "/v1/accounts/acct_1SWseller"]);
}

/// Stripe returns the same error for a foreign client ID and for a disconnected account.
#[actix_web::test]
async fn deauthorize_failure_is_reported() {
    let forbidden = json!({ "type": "invalid_request_error", "code": "more_permissions_required" });
    for second in [Answer::ok(&account()), Answer::error(403, &forbidden)] {
        let server = StandIn::answering(vec![oauth_error(401, "invalid_client"), second]);
        match server.stripe().deauthorize("ca_other", SELLER).await {
            Err(Error::Refused(refusal)) => {
                assert!(refusal.is_key_error());
                assert_eq!(refusal.code.as_deref(), Some("invalid_client"));
            }
            other => panic!("{other:?}"),
        }
    }
    let server = StandIn::answering(vec![
        oauth_error(401, "invalid_client"),
        Answer::Reply(502, vec![], String::new()),
    ]);
    let unknown = server.stripe().deauthorize(CLIENT, SELLER).await;
    assert!(matches!(unknown, Err(Error::Unavailable { .. })), "{unknown:?}");
    let server = StandIn::answering(vec![oauth_error(400, "invalid_request")]);
    let refused = server.stripe().deauthorize(CLIENT, SELLER).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert_eq!(server.requests().len(), 1);
}

#[actix_web::test]
async fn deauthorize_with_malformed_id_is_not_sent() {
    let server = StandIn::answering(vec![Answer::ok(&json!({}))]);
    let stripe = server.stripe();
    for id in ["", "acct_1/persons", "..", "acct 1"] {
        assert!(matches!(stripe.deauthorize(CLIENT, id).await, Err(Error::Unsendable(_))), "{id}");
        assert!(matches!(stripe.retrieve_account(id).await, Err(Error::Unsendable(_))), "{id}");
    }
    assert_eq!(server.requests().len(), 0);
}
