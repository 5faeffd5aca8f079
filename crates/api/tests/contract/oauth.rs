//! The OAuth flow: a callback is accepted once, in time, and only for the user who started it.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, OnceLock};

use actix_web::web::{self, Json};
use actix_web::{App, HttpServer};
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::app::{Answer, Setup, TestApp, contains, text};
use crate::marketplace::{BACK, asks_for_us, parameter, path_of};

const CALLBACK: &str = "/v1/sellers/oauth/callback";

impl TestApp {
    async fn come_back(&self, body: &Value) -> Answer {
        self.post(CALLBACK).shop().json(body).send().await
    }

    /// Expects that no seller exists and that Stripe was never called.
    async fn nobody_is_connected(&self) {
        let sellers = self.get("/v1/sellers").shop().send().await.ok(200);
        assert_eq!(sellers["data"], json!([]));
        assert_eq!(self.times_sent("POST /oauth/token"), 0, "{:?}", self.sent());
        assert!(!contains(&self.database_bytes(), "slr_"), "a seller is in the tables");
        assert!(!contains(&self.database_bytes(), "acct_"), "an account is in the tables");
    }
}

fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn oauth_callback_connects_and_reads_the_account() {
    let app = TestApp::start().await;
    let body = json!({"binding": "session-7", "redirect_uri": BACK});
    let began = app.post("/v1/sellers/oauth/authorize").shop().key("begin").json(&body).send().await;
    assert_eq!(began.header("cache-control"), Some("no-store"));
    assert_eq!(began.header("location"), None);
    let began = began.ok(201);
    assert_eq!(began["object"], "oauth_authorization");
    let url = text(&began["url"]);
    assert!(asks_for_us(&app, &url), "{url}");
    assert!(parameter(&url, "state").len() >= 43, "32 random bytes");
    let left = text(&began["expires_at"]).parse::<DateTime<Utc>>().unwrap() - Utc::now();
    assert!(left > Duration::minutes(9) && left <= Duration::minutes(10), "{left}");
    let again = app.post("/v1/sellers/oauth/authorize").shop().key("begin").json(&body).send().await;
    assert_eq!(again.header("idempotency-replayed"), None, "single-use replies are not stored");
    assert_ne!(again.ok(201)["url"], began["url"]);

    let choices = [("account", "new"), ("business_name", "Ada's Pens"), ("country", "DE")];
    let came_back = app.approve(&url, &choices).await;
    let body = came_back.with("session-7");
    let ask = || app.post(CALLBACK).shop().key("back").json(&body);
    let seller = ask().send().await.ok(200);
    insta::assert_json_snapshot!("connected_seller", seller, {
        ".id" => "[id]", ".account_id" => "[id]", ".checked_at" => "[time]", ".created_at" => "[time]",
        ".updated_at" => "[time]"
    });
    let replayed = ask().send().await;
    assert_eq!(replayed.header("idempotency-replayed"), Some("true"));
    assert_eq!(replayed.ok(200), seller);
    assert_eq!(app.times_sent("POST /oauth/token"), 1);
    assert_eq!(app.get(&path_of(&seller)).shop().send().await.ok(200)["account_id"], seller["account_id"]);

    // Connecting the same account again returns the same seller.
    let url = app.authorize("session-8").await;
    let account = text(&seller["account_id"]);
    let came_back = app.approve(&url, &[("account", &account)]).await;
    let same = app.come_back(&came_back.with("session-8")).await.ok(200);
    assert_eq!(same["id"], seller["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_oauth_state_is_rejected() {
    let app = TestApp::start().await;
    let url = app.authorize("session-7").await;
    let came_back = app.approve(&url, &[("account", "new")]).await;
    for (state, what) in [("", "none"), ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "made up")] {
        let body = json!({"code": came_back.code, "state": state, "binding": "session-7"});
        let refused = app.come_back(&body).await.problem(400, "oauth_state_unknown");
        assert!(refused.get("errors").is_none(), "{what}: {refused}");
    }
    // The stored hash isn't a valid state.
    let body = json!({"code": came_back.code, "state": hash(&came_back.state), "binding": "session-7"});
    app.come_back(&body).await.problem(400, "oauth_state_unknown");
    for body in [
        json!({"code": came_back.code, "binding": "session-7"}),
        json!({"code": came_back.code, "state": null, "binding": "session-7"}),
    ] {
        let refused = app.come_back(&body).await.problem(422, "invalid_request");
        assert_eq!(refused["errors"][0]["pointer"], "/state");
    }
    app.nobody_is_connected().await;
    app.come_back(&came_back.with("session-7")).await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn oauth_state_with_another_binding_is_rejected() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.authorize("ada").await, app.authorize("eve").await);
    let ada = app.approve(&ada, &[("account", "new"), ("business_name", "Ada's Pens")]).await;
    let eve = app.approve(&eve, &[("account", "new"), ("business_name", "Eve's Pens")]).await;
    // Eve lures Ada into returning with Eve's state, and returns with Ada's.
    for (came_back, binding) in [(&eve, "ada"), (&ada, "eve"), (&ada, "Ada"), (&ada, "ada ")] {
        app.come_back(&came_back.with(binding)).await.problem(400, "oauth_binding_mismatch");
    }
    // Eve's code with Ada's state doesn't make Ada's session hers either.
    let mixed = json!({"code": eve.code, "state": ada.state, "binding": "eve"});
    app.come_back(&mixed).await.problem(400, "oauth_binding_mismatch");
    app.nobody_is_connected().await;
    let seller = app.come_back(&ada.with("ada")).await.ok(200);
    assert_eq!(seller["display_name"], "Ada's Pens", "the seller is unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn used_oauth_state_is_rejected() {
    let app = TestApp::start().await;
    let (first, second) = (app.authorize("ada").await, app.authorize("ada").await);
    let first = app.approve(&first, &[("account", "new"), ("business_name", "Ada's Pens")]).await;
    let second = app.approve(&second, &[("account", "new")]).await;
    app.come_back(&first.with("ada")).await.ok(200);
    app.come_back(&first.with("ada")).await.problem(400, "oauth_state_used");
    let fresh_code = json!({"code": second.code, "state": first.state, "binding": "ada"});
    app.come_back(&fresh_code).await.problem(400, "oauth_state_used");
    assert_eq!(app.times_sent("POST /oauth/token"), 1);
    let sellers = app.get("/v1/sellers").shop().send().await.ok(200);
    assert_eq!(sellers["data"].as_array().unwrap().len(), 1);

    // Two concurrent callbacks: one succeeds.
    let body = second.with("ada");
    let (one, other) = tokio::join!(app.come_back(&body), app.come_back(&body));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    assert_eq!(app.times_sent("POST /oauth/token"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_oauth_state_is_rejected() {
    let app = TestApp::start().await;
    let begun_at = Utc::now() - Duration::minutes(11);
    let expires_at = begun_at + Duration::minutes(10);
    app.store.begin_oauth(hash("an old state"), hash("ada"), begun_at, expires_at).await.unwrap();
    let body = json!({"code": "ac_1", "state": "an old state", "binding": "ada"});
    for _ in 0..2 {
        app.come_back(&body).await.problem(400, "oauth_state_expired");
    }
    app.nobody_is_connected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_oauth_code_ends_the_flow() {
    let app = TestApp::start().await;
    let url = app.authorize("ada").await;
    let state = parameter(&url, "state");
    let made_up = json!({"code": "ac_madeup", "state": state, "binding": "ada"});
    app.come_back(&made_up).await.problem(400, "oauth_code_invalid");
    assert!(!contains(&app.database_bytes(), "slr_"));
    let came_back = app.approve(&url, &[("account", "new")]).await;
    app.come_back(&came_back.with("ada")).await.problem(400, "oauth_state_used");
    // The code was exchanged before; the state is valid.
    let url = app.authorize("ada").await;
    let other = app.approve(&url, &[("account", "new")]).await;
    app.come_back(&other.with("ada")).await.ok(200);
    let state = parameter(&app.authorize("ada").await, "state");
    let again = json!({"code": other.code, "state": state, "binding": "ada"});
    app.come_back(&again).await.problem(400, "oauth_code_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn oauth_without_a_client_id_is_rejected() {
    let app = TestApp::start_with(Setup { with_connect: false, ..Setup::default() }).await;
    let body = json!({"binding": "ada", "redirect_uri": BACK});
    let began = app.post("/v1/sellers/oauth/authorize").shop().json(&body).send().await;
    began.problem(409, "oauth_not_configured");
    let body = json!({"code": "ac_1", "state": "x", "binding": "ada"});
    app.come_back(&body).await.problem(409, "oauth_not_configured");
    app.nobody_is_connected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oauth_return_url_outside_the_allowed_origins_is_rejected() {
    let app = TestApp::start().await;
    for (address, code) in [
        ("https://evil.example/connected", "return_origin_not_allowed"),
        ("https://shop.example@evil.example/", "invalid_return_url"),
        ("javascript:alert(1)", "invalid_return_url"),
        ("/connected", "invalid_return_url"),
    ] {
        let body = json!({"binding": "ada", "redirect_uri": address});
        let refused = app.post("/v1/sellers/oauth/authorize").shop().json(&body).send().await;
        let refused = refused.problem(422, "invalid_request");
        assert_eq!(refused["errors"][0]["pointer"], "/redirect_uri", "{address}");
        assert_eq!(refused["errors"][0]["code"], code, "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn return_url_cannot_inject_oauth_parameters() {
    let app = TestApp::start().await;
    let address = "https://shop.example/connected?to=7&state=mine&scope=read_only#client_id=ca_Evil";
    let body = json!({"binding": "ada", "redirect_uri": address});
    let began = app.post("/v1/sellers/oauth/authorize").shop().json(&body).send().await.ok(201);
    let url = reqwest::Url::parse(&text(&began["url"])).unwrap();
    let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["response_type", "client_id", "scope", "redirect_uri", "state"]);
    assert_eq!(parameter(url.as_str(), "redirect_uri"), address);
    assert_eq!((parameter(url.as_str(), "scope"), url.fragment()), ("read_write".to_owned(), None));
}

/// A Stripe server that authorizes the platform on a live account, with keys that must never be stored. It counts
/// its requests.
fn stripe_with_keys(livemode: bool) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&asked);
    let answer = move |request: actix_web::HttpRequest| {
        kept.lock().unwrap().push(format!("{} {}", request.method(), request.path()));
        let body = match request.path() {
            "/oauth/token" => json!({
                "access_token": ACCESS_TOKEN, "refresh_token": REFRESH_TOKEN, "stripe_publishable_key": PUBLISHABLE_KEY,
                "token_type": "bearer", "scope": "read_write", "livemode": livemode, "stripe_user_id": "acct_Keys1"
            }),
            _ => json!({
                "id": "acct_Keys1", "object": "account", "type": "standard", "country": "DE", "default_currency": "eur",
                "details_submitted": true, "charges_enabled": true, "payouts_enabled": true, "created": 1_700_000_000,
                "capabilities": {"card_payments": "active", "transfers": "active"},
                "settings": {"dashboard": {"display_name": "Ada's Pens"}}
            }),
        };
        async move { Json(body) }
    };
    let server = HttpServer::new(move || App::new().default_service(web::to(answer.clone())))
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap();
    tokio::spawn(server.run());
    (base, asked)
}

const ACCESS_TOKEN: &str = "sk_live_51AccessTokenThatNobodyMayKeep";
const REFRESH_TOKEN: &str = "rt_RefreshTokenThatNobodyMayKeep";
const PUBLISHABLE_KEY: &str = "pk_live_51PublishableKeyOfTheAccount";

#[tokio::test(flavor = "multi_thread")]
async fn account_of_another_mode_is_not_connected() {
    let (base, asked) = stripe_with_keys(true);
    let app = TestApp::start_with(Setup { stripe_base: Some(base), ..Setup::default() }).await;
    let state = parameter(&app.authorize("ada").await, "state");
    let body = json!({"code": "ac_live", "state": state, "binding": "ada"});
    app.come_back(&body).await.problem(409, "seller_mode_mismatch");
    assert_eq!(asked.lock().unwrap()[0], "POST /oauth/token");
    let sellers = app.get("/v1/sellers").shop().send().await.ok(200);
    assert_eq!(sellers["data"], json!([]));
    assert!(!contains(&app.database_bytes(), "acct_Keys1"));
    app.come_back(&body).await.problem(400, "oauth_state_used");
}

/// Captures all logs of this process, from the first test that calls this function.
fn log() -> Arc<Mutex<Vec<u8>>> {
    static LOG: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();
    let start = || {
        let kept: Arc<Mutex<Vec<u8>>> = Arc::default();
        let writer = Writer(Arc::clone(&kept));
        let filter = tracing_subscriber::EnvFilter::new("debug,quittance=trace");
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone()).init();
        kept
    };
    Arc::clone(LOG.get_or_init(start))
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oauth_secrets_are_neither_stored_nor_logged() {
    let log = log();
    let (base, asked) = stripe_with_keys(false);
    let app = TestApp::start_with(Setup { stripe_base: Some(base), ..Setup::default() }).await;
    let binding = "Ada's session";
    let (url, other) = (app.authorize(binding).await, app.authorize(binding).await);
    let (state, other_state) = (parameter(&url, "state"), parameter(&other, "state"));
    let code = "ac_CodeThatNobodyMayKeep";
    let body = |state: &str| json!({"code": code, "state": state, "binding": binding});
    let mut answers = Vec::new();
    for state in [state.as_str(), &state, "a state that is made up"] {
        let answer = app.post(CALLBACK).shop().key(&format!("key of {}", hash(state))).json(&body(state));
        answers.push(answer.send().await);
    }
    let mut mismatch = body(&other_state);
    mismatch["binding"] = json!("somebody else");
    answers.push(app.come_back(&mismatch).await);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses, [200, 200, 400, 400]);
    assert_eq!(asked.lock().unwrap().iter().filter(|asked| *asked == "POST /oauth/token").count(), 1);
    let seller = answers[0].json();
    assert_eq!(seller["ready"], true, "{seller}");
    answers.push(app.get(&path_of(&seller)).shop().send().await);
    answers.push(app.post(&format!("{}/refresh", path_of(&seller))).shop().send().await);
    answers.push(app.get("/metrics").send().await);

    let logged = log.lock().unwrap().clone();
    assert!(contains(&logged, "/v1/sellers/oauth/callback"), "the log contains the request");
    let stored = app.database_bytes();
    assert!(
        contains(&stored, &hash(&state)) && contains(&stored, &hash(binding)),
        "the tables are looked at"
    );
    for secret in [
        ACCESS_TOKEN,
        REFRESH_TOKEN,
        PUBLISHABLE_KEY,
        code,
        &state,
        &other_state,
        binding,
        "a state that is made up",
    ] {
        assert!(!contains(&stored, secret), "{secret} is in the tables");
        assert!(!contains(&logged, secret), "{secret} is in the log");
        for answer in &answers {
            assert!(!answer.text.contains(secret), "{secret} is in {answer:?}");
            let in_headers = answer.headers.values().any(|value| contains(value.as_bytes(), secret));
            assert!(!in_headers, "{secret} is in {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn account_link_is_neither_stored_nor_logged() {
    let log = log();
    let app = TestApp::start().await;
    let seller = app.created_seller("merchant-7").await;
    let path = format!("{}/account_link", path_of(&seller));
    let body = json!({"return_url": "https://shop.example/7", "refresh_url": "https://shop.example/7/again"});
    let made = app.post(&path).shop().key("a link").json(&body).send().await;
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let url = text(&made.ok(201)["url"]);
    let secret = url.rsplit('/').next().unwrap();
    assert!(secret.len() >= 12, "{url}");
    let again = app.post(&path).shop().key("a link").json(&body).send().await;
    assert_eq!(again.header("idempotency-replayed"), None, "single-use replies are not stored");
    assert!(!contains(&app.database_bytes(), secret));
    let logged = log.lock().unwrap().clone();
    assert!(contains(&logged, "account_link") && !contains(&logged, secret));
}
