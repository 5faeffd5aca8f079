//! Signatures, checked with the reference library of the Standard Webhooks specification.

use std::sync::{Arc, Mutex};

use quittance_domain::outbound::AttemptOutcome;
use quittance_outbound::{Guard, Sender, SystemResolver, new_secret, sign};
use reqwest::header::HeaderMap;
use secrecy::ExposeSecret;
use standardwebhooks::Webhook;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const PAYLOAD: &str = r#"{"id":"msg_1","type":"order.paid","data":{"name":"Füller"}}"#;

/// Starts an endpoint that accepts one request. Returns its URL and the received bytes.
async fn start_endpoint() -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let received: Arc<Mutex<Vec<u8>>> = Arc::default();
    let buffer = Arc::clone(&received);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        loop {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).await.unwrap();
            buffer.lock().unwrap().extend_from_slice(&bytes[..count]);
            if count == 0 || buffer.lock().unwrap().ends_with(PAYLOAD.as_bytes()) {
                break;
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nthanks").await.unwrap();
    });
    (url, received)
}

fn parse(request: &[u8]) -> (HeaderMap, Vec<u8>) {
    let text = String::from_utf8(request.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let lines = head.lines().skip(1).map(|line| line.split_once(": ").unwrap());
    let headers = lines
        .map(|(name, value)| (name.parse::<reqwest::header::HeaderName>().unwrap(), value.parse().unwrap()));
    (headers.collect(), body.as_bytes().to_vec())
}

/// Sends the payload, signed with these secrets, and returns the headers and body that the endpoint received.
async fn send_signed(secrets: &[&str]) -> (HeaderMap, Vec<u8>) {
    let (url, received) = start_endpoint().await;
    let sender = Sender::new(Guard::for_sandbox(Vec::new()), SystemResolver).unwrap();
    let response = sender.send(&url, secrets.iter().copied(), "msg_1", PAYLOAD).await;
    assert_eq!(response.outcome, AttemptOutcome::Delivered);
    let request = received.lock().unwrap();
    parse(&request)
}

#[tokio::test]
async fn sent_message_has_its_id_and_exact_payload() {
    let (headers, body) = send_signed(&[new_secret().expose_secret()]).await;

    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["webhook-id"], "msg_1");
    assert_eq!(body, PAYLOAD.as_bytes());
}

#[tokio::test]
async fn message_signed_with_two_secrets_verifies_with_either() {
    let (old, new) = (new_secret(), new_secret());

    let (headers, body) = send_signed(&[new.expose_secret(), old.expose_secret()]).await;

    for secret in [&old, &new] {
        Webhook::new(secret.expose_secret()).unwrap().verify(&body, &headers).unwrap();
    }
}

#[tokio::test]
async fn message_fails_to_verify_with_another_secret() {
    let (headers, body) = send_signed(&[new_secret().expose_secret()]).await;

    let other = Webhook::new(new_secret().expose_secret()).unwrap();

    assert!(other.verify(&body, &headers).is_err());
}

#[tokio::test]
async fn message_with_any_byte_changed_fails_to_verify() {
    let secret = new_secret();
    let (headers, body) = send_signed(&[secret.expose_secret()]).await;
    let webhook = Webhook::new(secret.expose_secret()).unwrap();

    for position in 0..body.len() {
        let mut changed = body.clone();
        changed[position] ^= 1;

        assert!(webhook.verify(&changed, &headers).is_err(), "byte {position}");
    }
}

#[tokio::test]
async fn message_with_another_id_or_time_fails_to_verify() {
    let secret = new_secret();
    let (headers, body) = send_signed(&[secret.expose_secret()]).await;
    let webhook = Webhook::new(secret.expose_secret()).unwrap();

    for (name, value) in [("webhook-id", "msg_2"), ("webhook-timestamp", "1")] {
        let mut changed = headers.clone();
        changed.insert(name, value.parse().unwrap());

        assert!(webhook.verify(&body, &changed).is_err(), "{name}");
    }
}

#[test]
fn signature_equals_the_example_of_the_specification() {
    // The specification's libraries test themselves with this example.
    let signature = sign(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        br#"{"test": 2432232314}"#,
    );

    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn malformed_secret_produces_no_signature() {
    assert_eq!(sign(["whsec_!", "none"], "msg_1", 1, b""), "");
}

#[test]
fn new_secrets_differ() {
    assert_ne!(new_secret().expose_secret(), new_secret().expose_secret());
}
