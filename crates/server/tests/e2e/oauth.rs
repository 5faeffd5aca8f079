//! OAuth attacks: a `state` works once, for a short time, and for the user who started the flow. The service neither
//! stores nor logs a secret that gives access to an account.

use std::fs;

use quittance_test_support::{Kind, TestDatabase};
use serde_json::{Value, json};

use crate::environment::{
    CONNECT_WEBHOOK_SECRET, Environment, NO_BACKFILL, SECRET_KEY, STRIPE_KEY, TOKEN_KEY, WEBHOOK_SECRET,
    Webhooks,
};
use crate::invariants::wait_until_idle;
use crate::sellers::{ChargeRoute, Platform};
use crate::storefront::Storefront;

quittance_test_support::on_both_databases! {
    foreign_oauth_state_connects_no_seller,
    expired_oauth_state_connects_no_seller,
    used_oauth_state_connects_no_seller,
    oauth_secrets_are_neither_stored_nor_logged,
}

/// Asserts that no seller was connected, and that the service exchanged no code.
async fn assert_no_seller(env: &Environment<'_>, what: &str) {
    assert_eq!(env.count("sellers").await, 0, "{what}");
    assert!(!env.stripe_requests().iter().any(|asked| asked["path"] == "/oauth/token"), "{what}");
}

async fn foreign_oauth_state_connects_no_seller(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let platform = Platform::new(&env);

    let (ada, eve) = (platform.create_account("").await, platform.create_account("").await);
    let of_ada = platform.approve(&platform.authorize("session of ada").await, &ada).await;
    let of_eve = platform.approve(&platform.authorize("session of eve").await, &eve).await;

    for (what, code, state, binding, error) in [
        ("missing", &of_ada.code, "", "session of ada", "oauth_state_unknown"),
        (
            "made up",
            &of_ada.code,
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "session of ada",
            "oauth_state_unknown",
        ),
        ("eve's of ada", &of_eve.code, &of_eve.state, "session of ada", "oauth_binding_mismatch"),
        ("ada's of eve", &of_ada.code, &of_ada.state, "session of eve", "oauth_binding_mismatch"),
        (
            "eve's code with ada's state",
            &of_eve.code,
            &of_ada.state,
            "session of eve",
            "oauth_binding_mismatch",
        ),
    ] {
        let body = json!({ "code": code, "state": state, "binding": binding });
        let refused = platform.complete_oauth(&body).await;
        assert_eq!((refused.status, refused.problem()), (400, error), "{what}");
        assert_no_seller(&env, what).await;
    }
    let refused = platform.complete_oauth(&json!({ "code": of_ada.code, "binding": "session of ada" })).await;

    assert_eq!((refused.status, refused.problem()), (422, "invalid_request"));
    assert_no_seller(&env, "no state").await;

    // The failed attempts don't affect the user who started the flow.
    let seller = platform.complete_oauth(&of_ada.with("session of ada")).await.expect(200);

    assert_eq!(seller.text_of("account_id"), ada);
}

/// An expired state stays expired, even if the clock is set back.
async fn expired_oauth_state_connects_no_seller(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let platform = Platform::new(&env);

    let ada = platform.create_account("").await;
    let late = platform.approve(&platform.authorize("session of ada").await, &ada).await;
    let over = "UPDATE oauth_states SET expires_at = '2020-01-01 00:00:00+00:00' WHERE created_at = (SELECT \
                max(created_at) FROM oauth_states)";
    database.execute(over).await;
    let refused = platform.complete_oauth(&late.with("session of ada")).await;

    assert_eq!((refused.status, refused.problem()), (400, "oauth_state_expired"));
    assert_no_seller(&env, "expired").await;
}

async fn used_oauth_state_connects_no_seller(database: &TestDatabase) {
    let env = Environment::start_with(database, Webhooks::Delivered, &NO_BACKFILL).await;
    let platform = Platform::new(&env);

    let (ada, eve) = (platform.create_account("").await, platform.create_account("").await);
    let of_ada = platform.approve(&platform.authorize("session of ada").await, &ada).await;
    platform.complete_oauth(&of_ada.with("session of ada")).await.expect(200);

    let refused = platform.complete_oauth(&of_ada.with("session of ada")).await;
    assert_eq!((refused.status, refused.problem()), (400, "oauth_state_used"));

    // A used state fails with a new code, too.
    let fresh = platform.approve(&platform.authorize("session of ada").await, &eve).await;
    let replayed = json!({ "code": fresh.code, "state": of_ada.state, "binding": "session of ada" });
    let refused = platform.complete_oauth(&replayed).await;
    assert_eq!((refused.status, refused.problem()), (400, "oauth_state_used"));
    assert_eq!(env.count("sellers").await, 1);
    let exchanged = |asked: &&Value| asked["path"] == "/oauth/token";

    assert_eq!(env.stripe_requests().iter().filter(exchanged).count(), 1);
}

/// Returns every row of every table as text. For SQLite, returns the bytes of its files.
async fn dump(database: &TestDatabase) -> String {
    if database.kind() == Kind::Sqlite {
        let file = database.url().trim_start_matches("sqlite://");
        let files = ["", "-wal"].map(|end| fs::read(format!("{file}{end}")).unwrap_or_default());
        return String::from_utf8_lossy(&files.concat()).into_owned();
    }
    let tables =
        "SELECT table_name::text AS value FROM information_schema.tables WHERE table_schema = 'public'";
    let mut all = String::new();
    for table in database.texts(tables).await {
        let rows = format!("SELECT to_jsonb(found)::text AS value FROM {table} AS found");
        all.extend(database.texts(&rows).await);
        // Payloads are stored as bytes.
        if table == "inbox" {
            let payloads = "SELECT convert_from(payload, 'UTF8') AS value FROM inbox";
            all.extend(database.texts(payloads).await);
        }
    }
    all
}

async fn oauth_secrets_are_neither_stored_nor_logged(database: &TestDatabase) {
    let settings = [NO_BACKFILL[0], ("QUITTANCE_LOG", "trace")];
    let env = Environment::start_with(database, Webhooks::Delivered, &settings).await;
    let platform = Platform::new(&env);

    let account_id = platform.create_account("").await;
    let url = platform.authorize("the session of ada").await;
    let came_back = platform.approve(&url, &account_id).await;
    let callback = platform.api.post("/v1/sellers/oauth/callback");
    let callback = callback.json(&came_back.with("the session of ada")).key("back");
    let connected = callback.send().await.expect(200);
    let replayed = callback.send().await.expect(200);
    let used = platform.complete_oauth(&came_back.with("the session of ada")).await.expect(400);

    // Stripe refuses this code.
    let again = platform.approve(&platform.authorize("the session of ada").await, &account_id).await;
    let refused = json!({ "code": came_back.code, "state": again.state, "binding": "the session of ada" });
    let refused = platform.complete_oauth(&refused).await.expect(400);

    assert_eq!(refused.problem(), "oauth_code_invalid");

    // This account is onboarded on Stripe's pages.
    let body = json!({ "type": "express", "country": "DE", "reference": "merchant-7" });
    let made = platform.api.post("/v1/sellers").json(&body).key("made").send().await.expect(201);
    let body = json!({ "return_url": "https://shop.example/s", "refresh_url": "https://shop.example/r" });
    let link = platform.api.post(format!("/v1/sellers/{}/account_link", made.text_of("id")));
    let link = link.json(&body).key("link").send().await.expect(201);
    let link_url = link.text_of("url");
    let shop = Storefront::open_with_route(&env, ChargeRoute::Direct).await;
    shop.complete_order("paid", crate::storefront::ExpectedEnd::Paid).await;
    wait_until_idle(&env).await;

    let metrics = env.api.get("/metrics").send().await.expect(200).text;
    let answers = [&connected, &replayed, &used, &refused, &made].map(|answer| answer.text.clone()).concat();
    let (tables, logs) = (dump(database).await, env.logs());

    assert!(
        tables.contains(&account_id) && logs.contains("quittance"),
        "the tables or the log are incomplete"
    );

    let secret_of_link = link_url.rsplit('/').next().expect("an end").to_owned();
    let secrets = [
        ("a code", came_back.code.as_str()),
        ("a state", &came_back.state),
        ("another state", &again.state),
        ("another code", &again.code),
        ("a binding", "the session of ada"),
        ("an account link", &secret_of_link),
        ("the platform's key", STRIPE_KEY),
        ("a webhook secret", WEBHOOK_SECRET),
        ("the other webhook secret", CONNECT_WEBHOOK_SECRET),
        ("the shop's key", SECRET_KEY),
        ("the key of tokens", TOKEN_KEY),
    ];
    let places =
        [("the tables", tables), ("the log", logs), ("the metrics", metrics), ("a response", answers)];
    for (what, secret) in secrets {
        for (place, text) in &places {
            assert_absent(text, secret, &format!("{what} is in {place}"));
        }
    }
    for (place, text) in &places {
        assert_no_token(text, place);
    }
}

/// Asserts that a text doesn't contain a secret. A failure shows the text before it.
fn assert_absent(text: &str, secret: &str, message: &str) {
    let found = text.find(secret).map(|at| text[..at].chars().rev().take(80).collect::<String>());
    let before = found.map(|before| before.chars().rev().collect::<String>());
    assert_eq!(before, None, "{message}");
}

/// Asserts that a text doesn't contain a token of a connected account.
fn assert_no_token(text: &str, place: &str) {
    for prefix in ["sk_test_", "rt_"] {
        let token = format!("a {prefix}{} b", "x7".repeat(20));
        assert!(has_token(&token, prefix), "has_token must find this token");
        assert!(!has_token(text, prefix), "a token of an account, {prefix}…, is in {place}");
    }
}

/// Returns whether a text contains a token of a connected account. IDs can end with the same letters, but a token is
/// longer than any of them.
fn has_token(text: &str, prefix: &str) -> bool {
    const TOKEN_LEN_MIN: usize = 24;
    let lengths = text.match_indices(prefix).map(|(at, _)| {
        let rest = text[at + prefix.len()..].chars();
        rest.take_while(char::is_ascii_alphanumeric).count()
    });
    lengths.max() >= Some(TOKEN_LEN_MIN)
}
