//! Tests of retries, time limits and error texts.

use std::io::{Read, Write};
use std::time::Duration;

use quittance_domain::payment::{Account, Mode};
use quittance_stripe_gateway::{ConfigError, Error, FrozenRequest, PaymentIntent, Stripe, StripeConfig};
use secrecy::SecretString;
use serde_json::json;

use crate::stand_in::{Answer, StandIn, account_invalid, payment_intent};

const ID: &str = "pi_3SWabcLkdIwHu7ix0abcdefg";

fn request() -> FrozenRequest {
    FrozenRequest {
        path: "/v1/payment_intents".to_owned(),
        body: "amount=2500&currency=eur&receipt_email=jenny%40example.com".to_owned(),
        idempotency_key: "pay_1".to_owned(),
        account: Account::own(),
    }
}

async fn create(server: &StandIn) -> Result<PaymentIntent, Error> {
    server.stripe().create_payment_intent(&request()).await
}

/// Returns this failure for all requests but the last, which succeeds.
fn failing(first: Vec<Answer>) -> StandIn {
    StandIn::answering(first.into_iter().chain([Answer::ok(&payment_intent())]).collect())
}

fn locked() -> Answer {
    Answer::error(429, &json!({ "type": "invalid_request_error", "code": "lock_timeout" }))
}

#[actix_web::test]
async fn temporary_failure_is_retried_with_same_key_and_body() {
    let in_use =
        Answer::error(409, &json!({ "type": "idempotency_error", "code": "idempotency_key_in_use" }));
    let broken = Answer::error(500, &json!({ "type": "api_error" }));
    let gateway = Answer::Reply(502, vec![], "<html>Bad Gateway</html>".to_owned());
    let server = failing(vec![locked(), in_use, broken, gateway]);
    create(&server).await.expect("made in the end");
    let requests = server.requests();
    assert_eq!(requests.len(), 5);
    for request in &requests {
        assert_eq!(request.header("idempotency-key"), Some("pay_1"));
        assert_eq!(request, &requests[0]);
    }
}

#[actix_web::test]
async fn retries_stop_at_the_limit() {
    let server = StandIn::answering(vec![locked()]);
    match create(&server).await {
        Err(Error::Unavailable { status, code, request_id, replayed, source: None }) => {
            assert_eq!((status, code.as_deref()), (Some(429), Some("lock_timeout")));
            assert_eq!((request_id.as_deref(), replayed), (Some("req_bad"), false));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.requests().len(), 5);
}

#[actix_web::test]
async fn refusal_is_not_retried_and_has_reason() {
    let server = StandIn::answering(vec![Answer::error(
        400,
        &json!({
            "type": "invalid_request_error", "code": "email_invalid", "param": "receipt_email",
            "message": "Invalid email address: jenny@example", "doc_url": "https://docs.stripe.com",
        }),
    )]);
    let error = create(&server).await.expect_err("refused");
    assert_eq!(error.request_id(), Some("req_bad"));
    assert_eq!(
        error.to_string(),
        "Stripe refused the request (status 400, request req_bad, type invalid_request_error, \
         code email_invalid, param receipt_email)"
    );
    let Error::Refused(refusal) = error else { panic!("refused") };
    assert_eq!(refusal.message.as_deref(), Some("Invalid email address: jenny@example"));
    assert!(!refusal.is_missing() && !refusal.is_idempotency_mismatch());
    assert_eq!(server.requests().len(), 1);
}

#[actix_web::test]
async fn refusal_kinds_are_distinguished() {
    let missing = json!({ "type": "invalid_request_error", "code": "resource_missing", "param": "intent" });
    let state = json!({
        "type": "invalid_request_error", "code": "payment_intent_unexpected_state",
        "payment_intent": payment_intent(),
    });
    let mismatch = json!({ "type": "idempotency_error", "message": "Keys for idempotent requests …" });
    for (answer, expected) in [
        (Answer::error(404, &missing), [true, false]),
        (Answer::error(400, &state), [false, false]),
        (Answer::error(400, &mismatch), [false, true]),
    ] {
        let server = StandIn::answering(vec![answer]);
        match server.stripe().cancel_payment_intent(&Account::own(), ID, "key").await {
            Err(Error::Refused(refusal)) => {
                assert_eq!([refusal.is_missing(), refusal.is_idempotency_mismatch()], expected);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(server.requests().len(), 1);
    }
}

/// A proxy may respond in place of Stripe.
#[actix_web::test]
async fn error_from_other_server_is_not_a_refusal() {
    for (status, body) in [
        (400, ""),
        (401, r#"{"error":"unauthorized"}"#),
        (403, "<html>Forbidden</html>"),
        (403, r#"{"error":{"code":403,"message":"Forbidden"}}"#),
        (403, r#"{"error":{"code":"Forbidden","message":"No."}}"#),
        (404, "<html>nginx</html>"),
        (404, r#"{"message":"no Route matched with those values"}"#),
        (407, r#"{"error":{}}"#),
    ] {
        let server = StandIn::answering(vec![Answer::Reply(status, vec![], body.to_owned())]);
        match server.stripe().cancel_payment_intent(&Account::own(), ID, "key").await {
            Err(Error::Unavailable { status: Some(told), replayed: false, .. }) => assert_eq!(told, status),
            other => panic!("{body}: {other:?}"),
        }
        assert_eq!(server.requests().len(), 1);
    }
}

#[actix_web::test]
async fn unreachable_account_is_not_a_key_error() {
    let invalid = |code: &str| json!({ "type": "invalid_request_error", "code": code });
    for (answer, expected) in [
        (account_invalid(), [true, false]),
        (Answer::error(403, &invalid("more_permissions_required")), [false, true]),
        (Answer::error(401, &invalid("api_key_expired")), [false, true]),
        (Answer::error(400, &invalid("account_invalid")), [false, false]),
        (Answer::error(404, &invalid("resource_missing")), [false, false]),
    ] {
        let server = StandIn::answering(vec![answer]);
        let seller = Account::connected("acct_1SWseller");
        match server.stripe().retrieve_payment_intent(&seller, ID).await {
            Err(Error::Refused(refusal)) => {
                assert_eq!([refusal.is_account_unreachable(), refusal.is_key_error()], expected, "{refusal}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[actix_web::test]
async fn unreachable_destination_is_distinguished() {
    let missing =
        |param: &str| json!({ "type": "invalid_request_error", "code": "resource_missing", "param": param });
    for (error, expected) in [
        (missing("transfer_data[destination]"), true),
        (missing("payment_intent_data[transfer_data][destination]"), true),
        (missing("on_behalf_of"), false),
        (
            json!({
                "type": "invalid_request_error", "code": "parameter_invalid_empty",
                "param": "transfer_data[destination]",
            }),
            false,
        ),
    ] {
        match create(&StandIn::answering(vec![Answer::error(400, &error)])).await {
            Err(Error::Refused(refusal)) => {
                assert_eq!(refusal.is_destination_unreachable(), expected, "{refusal}");
                assert!(!refusal.is_missing() && !refusal.is_key_error());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[actix_web::test]
async fn replayed_server_error_is_not_retried() {
    let broken = Answer::error(500, &json!({ "type": "api_error" }));
    let server =
        failing(vec![broken.with("Idempotent-Replayed", "true").with("Stripe-Should-Retry", "true")]);
    match create(&server).await {
        Err(Error::Unavailable { status: Some(500), replayed: true, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(server.requests().len(), 1);
}

#[actix_web::test]
async fn replayed_refusal_is_marked() {
    let refused = Answer::error(400, &json!({ "type": "invalid_request_error" }));
    let server = StandIn::answering(vec![refused.with("Idempotent-Replayed", "true")]);
    match create(&server).await {
        Err(Error::Refused(refusal)) => assert!(refusal.replayed),
        other => panic!("{other:?}"),
    }
}

#[actix_web::test]
async fn should_retry_header_takes_precedence() {
    let broken = || Answer::error(500, &json!({ "type": "api_error" }));
    let server = failing(vec![broken().with("Stripe-Should-Retry", "false")]);
    assert!(matches!(create(&server).await, Err(Error::Unavailable { status: Some(500), .. })));
    assert_eq!(server.requests().len(), 1);

    let refused = Answer::error(400, &json!({ "type": "invalid_request_error" }));
    let server = failing(vec![refused.with("Stripe-Should-Retry", "true")]);
    create(&server).await.expect("made by the second attempt");
    assert_eq!(server.requests().len(), 2);
}

#[actix_web::test]
async fn retry_beyond_time_limit_is_not_started() {
    let server = failing(vec![locked().with("Retry-After", "3600")]);
    assert!(matches!(create(&server).await, Err(Error::Unavailable { status: Some(429), .. })));
    assert_eq!(server.requests().len(), 1);

    let server = failing(vec![locked().with("Retry-After", "0")]);
    create(&server).await.expect("made by the second attempt");
    assert_eq!(server.requests().len(), 2);
}

#[actix_web::test]
async fn error_page_keeps_its_status() {
    let server = StandIn::answering(vec![Answer::Reply(502, vec![], "<html>hush</html>".to_owned())]);
    let error = create(&server).await.expect_err("unavailable");
    assert_eq!(error.to_string(), "Stripe gave no final response (status 502)");
}

#[actix_web::test]
async fn missing_response_is_retried_until_the_limit() {
    let server = StandIn::answering(vec![Answer::Hang]);
    let mut config = server.config();
    config.attempt_timeout = Duration::from_secs(1);
    config.max_retries = 1;
    let stripe = Stripe::new(&config).expect("a good configuration");
    match stripe.create_payment_intent(&request()).await {
        Err(Error::Unavailable {
            status: None,
            request_id: None,
            replayed: false,
            source: Some(source),
            ..
        }) => {
            assert!(source.is_timeout(), "{source:?}");
        }
        other => panic!("{other:?}"),
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0], requests[1]);
}

#[actix_web::test]
async fn call_stops_at_the_total_timeout() {
    let server = StandIn::answering(vec![Answer::Hang]);
    let mut config = server.config();
    config.total_timeout = Duration::from_millis(200);
    let stripe = Stripe::new(&config).expect("a good configuration");
    let result = stripe.retrieve_payment_intent(&Account::own(), ID).await;
    assert!(matches!(result, Err(Error::Unavailable { status: None, .. })), "{result:?}");
    assert!(server.requests().len() <= 1, "the retry would not have been in time");
}

/// A server that sends fewer bytes than it announces, once for each connection.
#[actix_web::test]
async fn truncated_response_is_unavailable() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 4096]);
            let head = "HTTP/1.1 200 OK\r\nRequest-Id: req_cut\r\nContent-Length: 100\r\n\r\n";
            stream.write_all(format!("{head}{{").as_bytes()).expect("sent");
        }
    });
    let mut config = StripeConfig::new(SecretString::from("sk_test_51Abc"), base);
    config.backoff = Duration::from_millis(1);
    let stripe = Stripe::new(&config).expect("a good configuration");
    let error = stripe.retrieve_payment_intent(&Account::own(), ID).await.expect_err("cut off");
    assert!(matches!(error, Error::Unavailable { status: Some(200), source: Some(_), .. }), "{error:?}");
    assert_eq!(error.request_id(), Some("req_cut"));
}

#[actix_web::test]
async fn refused_connection_is_unavailable() {
    // Only root can listen on this port.
    let mut config = StripeConfig::new(SecretString::from("sk_test_51Abc"), "http://127.0.0.1:1".to_owned());
    config.backoff = Duration::from_millis(1);
    let stripe = Stripe::new(&config).expect("a good configuration");
    match stripe.create_payment_intent(&request()).await {
        Err(Error::Unavailable { status: None, source: Some(source), .. }) => assert!(source.is_connect()),
        other => panic!("{other:?}"),
    }
}

#[actix_web::test]
async fn unreadable_response_error_hides_the_body() {
    let mut odd = payment_intent();
    odd["status"] = json!("hushed");
    for body in [odd.to_string(), "<html>hush</html>".to_owned(), r#"{"id":7,"x":"hush"}"#.to_owned()] {
        let ok = Answer::Reply(200, vec![("Request-Id", "req_ok".to_owned())], body);
        let error = create(&StandIn::answering(vec![ok])).await.expect_err("unreadable");
        assert!(matches!(error, Error::Unreadable { status: 200, .. }), "{error:?}");
        assert_eq!(error.request_id(), Some("req_ok"));
        assert!(!error.to_string().contains("hush"), "{error}");
    }
}

#[actix_web::test]
async fn redirect_is_not_followed() {
    let server =
        failing(vec![Answer::Reply(302, vec![("Location", "/elsewhere".to_owned())], String::new())]);
    assert!(matches!(create(&server).await, Err(Error::Unavailable { status: Some(302), .. })));
    assert_eq!(server.requests().len(), 1);
}

#[actix_web::test]
async fn request_with_invalid_characters_is_not_sent() {
    let server = StandIn::answering(vec![Answer::ok(&payment_intent())]);
    let stripe = server.stripe();
    for id in ["", "..", "pi_1/cancel", "pi_1?expand[]=customer", "pi 1", "%2e%2e"] {
        let result = stripe.retrieve_payment_intent(&Account::own(), id).await;
        assert!(matches!(result, Err(Error::Unsendable(_))), "{id}");
    }
    let odd_key = FrozenRequest { idempotency_key: "a\r\nb: c".to_owned(), ..request() };
    assert!(matches!(stripe.create_payment_intent(&odd_key).await, Err(Error::Unsendable(_))));
    let odd_account = Account::connected("acct_1\n");
    let result = stripe.retrieve_payment_intent(&odd_account, ID).await;
    assert!(matches!(result, Err(Error::Unsendable(_))));
    assert_eq!(server.requests().len(), 0);
}

#[actix_web::test]
async fn connections_are_reused() {
    let server = StandIn::answering(vec![Answer::ok(&payment_intent())]);
    let stripe = server.stripe();
    for _ in 0..3 {
        stripe.retrieve_payment_intent(&Account::own(), ID).await.expect("read");
    }
    assert_eq!((server.requests().len(), server.connections()), (3, 1));
}

#[test]
fn invalid_configuration_is_rejected() {
    let new = |key: &str, base: &str| Stripe::new(&StripeConfig::new(SecretString::from(key), base));
    let base = "http://127.0.0.1:12111";
    assert_eq!(new("sk_test_1", base).expect("good").mode(), Mode::Test);
    assert_eq!(new("rk_live_1", base).expect("good").mode(), Mode::Live);
    assert!(matches!(new("pk_test_1", base), Err(ConfigError::NotASecretKey)));
    assert!(matches!(new("sk_test_1", "http://example.com"), Err(ConfigError::PlainHttp)));
    let connect = |connect_base: &str| {
        let mut config = StripeConfig::new(SecretString::from("sk_test_1"), base);
        config.connect_base = connect_base.to_owned();
        Stripe::new(&config)
    };
    assert!(matches!(connect("http://connect.stripe.com"), Err(ConfigError::PlainHttpConnect)));
    assert!(matches!(connect("https://connect.stripe.com/oauth"), Err(ConfigError::NotAConnectBase)));
    connect("http://127.0.0.1:12112").expect("good");
    let https = new("sk_test_1", "https://api.stripe.com");
    assert!(matches!(https, Ok(_) | Err(ConfigError::Client(_))), "{https:?}");
}
