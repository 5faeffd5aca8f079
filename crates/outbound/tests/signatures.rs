//! What is sent is accepted by the reference library of the Standard Webhooks specification, and nothing else is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use quittance_domain::outbound::AttemptOutcome;
use quittance_outbound::{Guard, Sender, SystemResolver, new_secret, sign};
use secrecy::ExposeSecret;
use standardwebhooks::Webhook;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const PAYLOAD: &str = r#"{"id":"msg_1","type":"order.paid","data":{"name":"Füller"}}"#;

/// How long a test waits for what should have been given up before that.
const TOO_LONG: Duration = Duration::from_mins(1);

type Headers = reqwest::header::HeaderMap;

/// Takes one request, and answers with this.
async fn take_one(answer: &'static str) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let got: Arc<Mutex<Vec<u8>>> = Arc::default();
    let kept = Arc::clone(&got);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        loop {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).await.unwrap();
            kept.lock().unwrap().extend_from_slice(&bytes[..count]);
            if count == 0 || kept.lock().unwrap().ends_with(PAYLOAD.as_bytes()) {
                break;
            }
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    (url, got)
}

fn parse(request: &[u8]) -> (Headers, Vec<u8>) {
    let text = String::from_utf8(request.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let lines = head.lines().skip(1).map(|line| line.split_once(": ").unwrap());
    let headers = lines
        .map(|(name, value)| (name.parse::<reqwest::header::HeaderName>().unwrap(), value.parse().unwrap()));
    (headers.collect(), body.as_bytes().to_vec())
}

#[tokio::test]
async fn the_reference_library_accepts_what_is_sent_and_nothing_else() {
    let (old, new) = (new_secret(), new_secret());
    let (url, got) = take_one("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nthanks").await;
    let sender = Sender::new(Guard::for_sandbox(Vec::new()), SystemResolver).unwrap();
    let secrets = [new.expose_secret(), old.expose_secret()];
    let answered = sender.send(&url, secrets, "msg_1", PAYLOAD).await;
    assert_eq!((answered.outcome, answered.status), (AttemptOutcome::Delivered, Some(200)));
    assert_eq!(answered.answer.as_deref(), Some("thanks"));
    let (headers, body) = parse(&got.lock().unwrap());
    assert_eq!(
        (headers["content-type"].to_str().unwrap(), headers["webhook-id"].to_str().unwrap()),
        ("application/json", "msg_1")
    );
    assert_eq!(body, PAYLOAD.as_bytes());
    for secret in [&old, &new] {
        let webhook = Webhook::new(secret.expose_secret()).unwrap();
        webhook.verify(&body, &headers).unwrap();
        for place in 0..body.len() {
            let mut flipped = body.clone();
            flipped[place] ^= 1;
            assert!(webhook.verify(&flipped, &headers).is_err(), "byte {place}");
        }
        for (name, value) in [("webhook-id", "msg_2"), ("webhook-timestamp", "1")] {
            let mut other = headers.clone();
            other.insert(name, value.parse().unwrap());
            assert!(webhook.verify(&body, &other).is_err(), "{name}");
        }
    }
    let stranger = Webhook::new(new_secret().expose_secret()).unwrap();
    assert!(stranger.verify(&body, &headers).is_err());
}

#[test]
fn the_signature_of_the_specification() {
    // The example that the specification's libraries test themselves with.
    let signature = sign(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        br#"{"test": 2432232314}"#,
    );
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_eq!(sign(["whsec_!", "none"], "msg_1", 1, b""), "");
    let secret = new_secret();
    assert_ne!(secret.expose_secret(), new_secret().expose_secret());
}

#[tokio::test]
async fn what_an_answer_means() {
    let sender = Sender::new(Guard::for_sandbox(Vec::new()), SystemResolver).unwrap();
    let long = Box::leak(
        format!("HTTP/1.1 500 No\r\nContent-Length: 5000\r\n\r\n{}", "ü\0".repeat(800)).into_boxed_str(),
    );
    for (answer, outcome, status) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", AttemptOutcome::Delivered, Some(204)),
        (
            "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
            AttemptOutcome::Refused,
            Some(302),
        ),
        ("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", AttemptOutcome::Gone, Some(410)),
        (
            "HTTP/1.1 429 Slow down\r\nRetry-After: 77\r\nContent-Length: 0\r\n\r\n",
            AttemptOutcome::Refused,
            Some(429),
        ),
        ("nonsense\r\n\r\n", AttemptOutcome::Unreachable, None),
        ("", AttemptOutcome::Unreachable, None),
        (long, AttemptOutcome::Refused, Some(500)),
    ] {
        let (url, _) = take_one(answer).await;
        let answered = sender.send(&url, [], "msg_1", PAYLOAD).await;
        assert_eq!((answered.outcome, answered.status), (outcome, status), "{answer}");
        let expected_wait = (status == Some(429)).then(|| chrono::Duration::seconds(77));
        assert_eq!(answered.retry_after, expected_wait);
        let kept = answered.answer.unwrap_or_default();
        assert!(!kept.contains('\0'));
        assert_eq!(kept.chars().count() > 600, status == Some(500), "the beginning of a long answer is kept");
        assert!(kept.chars().count() <= 1024);
    }
    // Nobody listens on this port, which only root may take.
    let nobody = sender.send("http://127.0.0.1:1/", [], "msg_1", PAYLOAD).await;
    assert_eq!(nobody.outcome, AttemptOutcome::Unreachable);
}

/// Takes one request, says this much of an answer, and leaves it open.
async fn hang_after(beginning: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // An answer that comes before its request is none.
        stream.peek(&mut [0]).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        // Until the sender goes away.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    });
    url
}

#[tokio::test]
async fn an_endpoint_has_its_time_and_no_more() {
    let sender = Sender::new(Guard::for_sandbox(Vec::new()), SystemResolver).unwrap();
    for (patience_ms, beginning, outcome, status, kept) in [
        // Neither a head, nor all of one, nor the end of a body.
        (200, "", AttemptOutcome::TimedOut, None, None),
        (200, "HTTP/1.1 200 OK\r\nContent-Le", AttemptOutcome::TimedOut, None, None),
        // A busy machine needs some time for the head.
        (
            3_000,
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nthan",
            AttemptOutcome::Delivered,
            Some(200),
            Some("than"),
        ),
        (
            3_000,
            "HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nsor",
            AttemptOutcome::Refused,
            Some(500),
            Some("sor"),
        ),
    ] {
        let url = hang_after(beginning).await;
        let patience = Duration::from_millis(patience_ms);
        let sender = sender.clone().with_timeout(patience);
        let sent = sender.send(&url, [], "msg_1", PAYLOAD);
        let answered = tokio::time::timeout(TOO_LONG, sent).await.expect("it waits for ever");
        assert_eq!((answered.outcome, answered.status), (outcome, status), "{beginning:?}");
        assert_eq!(answered.answer.as_deref(), kept, "{beginning:?}");
        assert!(answered.duration >= patience, "{beginning:?}: given up after {:?}", answered.duration);
    }
}
