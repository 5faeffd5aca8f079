//! Tests of the request log.

use quittance_sandbox::Config;
use serde_json::{Value, json};

use crate::support::{TestSandbox, config};

/// Sends requests with a fault, an unknown path, and a card. Returns the recorded requests.
async fn record_requests() -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("requests.jsonl");
    let sandbox = TestSandbox::start(Config { record_requests: Some(file.clone()), ..config() });
    let api = sandbox.api.with("user-agent", "shop/1");
    api.post("/_sandbox/chaos", &[("script[]", "GET /v1/events 1 server_error")]).await.ok();
    api.get("/v1/events", &[("limit", "1")]).await.error(500);
    api.post("/v1/nowhere", &[("a[b]", "c d")]).await.error(404);
    let card = [("type", "card"), ("card[number]", "4111 1111 1111 1111"), ("card[cvc]", "737")];
    api.post("/v1/payment_methods", &card).await.error(400);
    sandbox.stop().await;
    std::fs::read_to_string(file).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_recorded() {
    let recorded = record_requests().await;

    let lines: Vec<Value> = recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = |method: &str, path: &str, query: &str, body: &str| json!({ "method": method, "path": path, "query": query, "body": body, "user_agent": "shop/1" });
    assert_eq!(lines[0]["path"], "/_sandbox/chaos");
    assert_eq!(
        lines[1..],
        [
            line("GET", "/v1/events", "limit=1", ""),
            line("POST", "/v1/nowhere", "", "a%5Bb%5D=c+d"),
            line(
                "POST",
                "/v1/payment_methods",
                "",
                "type=card&card%5Bnumber%5D=left-out&card%5Bcvc%5D=left-out"
            ),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn card_details_are_not_recorded() {
    let recorded = record_requests().await;

    assert!(!recorded.contains("1111") && !recorded.contains("737"), "{recorded}");
}
