//! Behavior shared by all requests: request IDs, routes and methods, CORS, limits, metrics, outages.

use reqwest::Method;

use crate::app::{Setup, TestApp, basket};

#[tokio::test(flavor = "multi_thread")]
async fn every_response_has_a_request_id() {
    let app = TestApp::start().await;
    let answer = app.get("/healthz").header("x-request-id", "from-the-proxy_1.2:3").send().await;
    assert_eq!(answer.header("x-request-id"), Some("from-the-proxy_1.2:3"));
    for strange in ["", "with space", "<script>", &"x".repeat(129)] {
        let answer = app.get("/healthz").header("x-request-id", strange).send().await;
        let id = answer.header("x-request-id").unwrap();
        assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 7, "{strange}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_route_and_wrong_method_are_rejected() {
    let app = TestApp::start().await;
    for path in ["/", "/v1", "/v1/", "/v2/orders", "/v1/orders/", "/v1/orders/ord_1/receipts", "/V1/ORDERS"] {
        app.get(path).send().await.problem(404, "unknown_route");
    }
    for (method, path, allow) in [
        (Method::DELETE, "/v1/orders", "GET, HEAD, POST, OPTIONS"),
        (Method::PUT, "/v1/orders/ord_1", "GET, HEAD, PATCH, OPTIONS"),
        (Method::POST, "/v1/config", "GET, HEAD, OPTIONS"),
        (Method::GET, "/v1/orders/ord_1/cancel", "POST, OPTIONS"),
        (Method::HEAD, "/webhooks/stripe", "POST, OPTIONS"),
        (Method::TRACE, "/healthz", "GET, HEAD, OPTIONS"),
    ] {
        let answer = app.call(method.clone(), path).send().await;
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
        assert_eq!(answer.status, 405);
        if method != Method::HEAD {
            answer.problem(405, "method_not_allowed");
        }
    }
    let options = app.call(Method::OPTIONS, "/v1/orders").send().await;
    assert_eq!((options.status.as_u16(), options.header("allow")), (204, Some("GET, HEAD, POST, OPTIONS")));

    let got = app.get("/v1/config").send().await;
    let head = app.call(Method::HEAD, "/v1/config").send().await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), got.header("content-length"));
}

#[tokio::test(flavor = "multi_thread")]
async fn cors_allows_configured_origins() {
    let setup = Setup { cors_origins: vec!["https://shop.example".to_owned()], ..Setup::default() };
    let app = TestApp::start_with(setup).await;
    let preflight = |origin: &str| {
        app.call(Method::OPTIONS, "/v1/orders")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization, content-type, idempotency-key, stripe-client-secret, x-request-id",
            )
    };
    let answer = preflight("https://shop.example").send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
    let allowed = answer.header("access-control-allow-headers").unwrap().to_lowercase();
    for header in ["authorization", "content-type", "idempotency-key", "stripe-client-secret", "x-request-id"]
    {
        assert!(allowed.contains(header), "{allowed}");
    }
    assert!(answer.header("access-control-allow-methods").unwrap().contains("PATCH"));
    let answer = preflight("https://other.example").send().await;
    assert_eq!(answer.header("access-control-allow-origin"), None);

    // Browsers can read failures and their headers too.
    let answer = app.get("/v1/orders").header("origin", "https://shop.example").send().await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
    let exposed = answer.header("access-control-expose-headers").unwrap().to_lowercase();
    for header in ["x-request-id", "idempotency-replayed", "retry-after"] {
        assert!(exposed.contains(header), "{exposed}");
    }
    answer.problem(401, "missing_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn cors_headers_are_absent_without_origins() {
    let app = TestApp::start().await;
    let answer = app.get("/v1/config").header("origin", "https://shop.example").send().await;
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
    answer.ok(200);
}

/// A number of requests that exceeds a limit of one per second, regardless of their duration.
const MANY: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn writes_from_one_address_are_rate_limited() {
    let setup = Setup {
        rate_limit_per_second: 1,
        trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()],
        cors_origins: vec!["https://shop.example".to_owned()],
        ..Setup::default()
    };
    let app = TestApp::start_with(setup).await;
    let body = basket(&app.product(100).await);
    let from = |address: &'static str| {
        app.post("/v1/orders").header("x-forwarded-for", address).header("origin", "https://shop.example")
    };
    // The burst is five seconds' worth of requests; each second that the loop takes adds one more.
    let storm = (0..MANY).map(|_| from("198.51.100.1").json(&body).send());
    let answers = futures_util::future::join_all(storm).await;
    let (placed, limited): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert!(placed.len() >= 5 && !limited.is_empty(), "{} of {MANY} were accepted", placed.len());
    for limited in limited {
        assert_eq!(limited.header("access-control-allow-origin"), Some("https://shop.example"));
        limited.problem(429, "rate_limited");
    }
    from("198.51.100.2").json(&body).send().await.ok(201);
    from("198.51.100.1").shop().json(&body).send().await.ok(201);
    app.get("/v1/products").header("x-forwarded-for", "198.51.100.1").send().await.ok(200);
    let guess = from("198.51.100.1").bearer("qsk_0123456789012345678901234567890123456789012");
    guess.json(&body).send().await.problem(401, "invalid_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_route() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    app.get(&format!("/v1/orders/{order_id}?secret=hush")).bearer(&token).send().await;
    app.get("/nowhere").send().await;
    let metrics = app.get("/metrics").send().await;
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    for line in [
        "quittance_http_requests_total{route=\"/v1/orders\",method=\"POST\",status=\"201\"}",
        "quittance_http_requests_total{route=\"/v1/orders/{id}\",method=\"GET\",status=\"",
        "quittance_http_requests_total{route=\"unmatched\",method=\"GET\",status=\"404\"}",
        "quittance_http_request_seconds",
        "quittance_pool_connections{state=\"open\"}",
        "quittance_pool_waiting",
    ] {
        assert!(metrics.text.contains(line), "{line}\n{}", metrics.text);
    }
    assert!(!metrics.text.contains(&order_id) && !metrics.text.contains("nowhere"));
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_database_returns_503() {
    let app = TestApp::start().await;
    let (order_id, token) = app.order().await;
    let body = basket("prd_01kb3m9q4e8v2tz6h0rxw5ncy7");
    app.store.close();
    app.post("/v1/orders").json(&body).send().await.problem(503, "service_unavailable");
    let keyed = app.post("/v1/orders").key("a-key-of-some-length").json(&body).send().await;
    keyed.problem(503, "service_unavailable");
    let path = format!("/v1/orders/{order_id}");
    app.get(&path).bearer(&token).send().await.problem(503, "service_unavailable");
    app.get(&format!("{path}/payment?wait=5"))
        .bearer(&token)
        .send()
        .await
        .problem(503, "service_unavailable");
    app.get("/v1/products").send().await.problem(503, "service_unavailable");
    app.get("/readyz").send().await.problem(503, "service_unavailable");
    app.get("/healthz").send().await.ok(200);
    app.get("/v1/config").send().await.ok(200);
}
