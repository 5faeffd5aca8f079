//! Outcomes of delivery attempts, by the endpoint's response.

use std::time::Duration;

use quittance_domain::outbound::AttemptOutcome;
use quittance_outbound::{DeliveryResponse, Guard, Sender, SystemResolver};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The time after which a test fails instead of waiting for an attempt to end.
const TEST_TIMEOUT: Duration = Duration::from_mins(1);

/// A timeout that leaves a busy machine enough time to receive response headers.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(3);

fn sender() -> Sender {
    Sender::new(Guard::for_sandbox(Vec::new()), SystemResolver).unwrap()
}

/// Sends a message to an endpoint that responds with these bytes and closes the connection.
async fn send_to_endpoint_responding(response: impl Into<Vec<u8>>) -> DeliveryResponse {
    let response = response.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"{}") {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "the request ended early");
        }
        stream.write_all(&response).await.unwrap();
    });
    sender().send(&url, [], "msg_1", "{}").await
}

/// Sends a message to an endpoint that responds with these bytes and then keeps the connection open.
async fn send_to_hanging_endpoint(timeout: Duration, start: &'static str) -> DeliveryResponse {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // The client ignores a response that arrives before the request is sent.
        stream.peek(&mut [0]).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        // Ends when the client closes the connection.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    });
    let sender = sender().with_timeout(timeout);
    let sending = sender.send(&url, [], "msg_1", "{}");
    let response = tokio::time::timeout(TEST_TIMEOUT, sending).await.expect("the attempt ends");
    assert!(response.duration >= timeout, "ended after {:?}", response.duration);
    response
}

#[tokio::test]
async fn status_204_is_delivered() {
    let response = send_to_endpoint_responding("HTTP/1.1 204 No Content\r\n\r\n").await;

    assert_eq!((response.outcome, response.status), (AttemptOutcome::Delivered, Some(204)));
}

#[tokio::test]
async fn redirect_is_refused() {
    let redirect = "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n";

    let response = send_to_endpoint_responding(redirect).await;

    assert_eq!((response.outcome, response.status), (AttemptOutcome::Refused, Some(302)));
}

#[tokio::test]
async fn status_410_is_gone() {
    let response = send_to_endpoint_responding("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n").await;

    assert_eq!((response.outcome, response.status), (AttemptOutcome::Gone, Some(410)));
}

#[tokio::test]
async fn retry_after_is_reported() {
    let busy = "HTTP/1.1 429 Slow down\r\nRetry-After: 77\r\nContent-Length: 0\r\n\r\n";

    let response = send_to_endpoint_responding(busy).await;

    assert_eq!((response.outcome, response.status), (AttemptOutcome::Refused, Some(429)));
    assert_eq!(response.retry_after, Some(chrono::Duration::seconds(77)));
}

#[tokio::test]
async fn response_without_retry_after_asks_for_no_wait() {
    let response = send_to_endpoint_responding("HTTP/1.1 204 No Content\r\n\r\n").await;

    assert_eq!(response.retry_after, None);
}

#[tokio::test]
async fn malformed_response_is_unreachable() {
    for malformed in ["nonsense\r\n\r\n", ""] {
        let response = send_to_endpoint_responding(malformed).await;

        assert_eq!((response.outcome, response.status), (AttemptOutcome::Unreachable, None), "{malformed:?}");
    }
}

#[tokio::test]
async fn refused_connection_is_unreachable() {
    // Only root can listen on port 1.
    let response = sender().send("http://127.0.0.1:1/", [], "msg_1", "{}").await;

    assert_eq!(response.outcome, AttemptOutcome::Unreachable);
}

#[tokio::test]
async fn response_body_is_stored() {
    let response = send_to_endpoint_responding("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nthanks").await;

    assert_eq!(response.body.as_deref(), Some("thanks"));
}

#[tokio::test]
async fn long_body_is_cut_to_1024_bytes_without_nul() {
    let long = format!("HTTP/1.1 500 Error\r\nContent-Length: 5000\r\n\r\n{}", "ü\0".repeat(800));

    let response = send_to_endpoint_responding(long).await;

    assert_eq!((response.outcome, response.status), (AttemptOutcome::Refused, Some(500)));
    let body = response.body.unwrap();
    assert!((600..=1024).contains(&body.chars().count()), "{} characters", body.chars().count());
    assert!(!body.contains('\0'));
}

#[tokio::test]
async fn missing_response_times_out() {
    let timeout = Duration::from_millis(200);

    let response = send_to_hanging_endpoint(timeout, "").await;

    assert_eq!((response.outcome, response.status), (AttemptOutcome::TimedOut, None));
    assert_eq!(response.body, None);
}

#[tokio::test]
async fn incomplete_headers_time_out() {
    let timeout = Duration::from_millis(200);

    let response = send_to_hanging_endpoint(timeout, "HTTP/1.1 200 OK\r\nContent-Le").await;

    assert_eq!((response.outcome, response.status), (AttemptOutcome::TimedOut, None));
}

#[tokio::test]
async fn endless_body_with_status_200_is_delivered() {
    let start = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nthan";

    let response = send_to_hanging_endpoint(HEADERS_TIMEOUT, start).await;

    assert_eq!((response.outcome, response.status), (AttemptOutcome::Delivered, Some(200)));
    assert_eq!(response.body.as_deref(), Some("than"));
}

#[tokio::test]
async fn endless_body_with_status_500_is_refused() {
    let start = "HTTP/1.1 500 Error\r\nContent-Length: 9\r\n\r\nsor";

    let response = send_to_hanging_endpoint(HEADERS_TIMEOUT, start).await;

    assert_eq!((response.outcome, response.status), (AttemptOutcome::Refused, Some(500)));
    assert_eq!(response.body.as_deref(), Some("sor"));
}
