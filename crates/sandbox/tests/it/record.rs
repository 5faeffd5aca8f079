//! The record of requests.

use quittance_sandbox::Config;
use serde_json::{Value, json};

use crate::support::{TestSandbox, config};

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_recorded_and_no_card_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("requests.jsonl");
    let sandbox = TestSandbox::start(Config { record_requests: Some(file.clone()), ..config() });
    let api = sandbox.api.with("user-agent", "shop/1");
    let faults = [("script[]", "GET /v1/events 1 server_error")];
    api.post("/_sandbox/chaos", &faults).await.ok();
    api.get("/v1/events", &[("limit", "1")]).await.error(500);
    api.post("/v1/nowhere", &[("a[b]", "c d")]).await.error(404);
    let card = [("type", "card"), ("card[number]", "4111 1111 1111 1111"), ("card[cvc]", "737")];
    api.post("/v1/payment_methods", &card).await.error(400);
    sandbox.stop().await;

    let recorded = std::fs::read_to_string(file).unwrap();
    assert!(!recorded.contains("1111") && !recorded.contains("737"), "{recorded}");
    let lines: Vec<Value> = recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = |method: &str, path: &str, query: &str, body: &str| json!({ "method": method, "path": path, "query": query, "body": body, "user_agent": "shop/1" });
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
    assert_eq!(lines[0]["path"], "/_sandbox/chaos");
}
