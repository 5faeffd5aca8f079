//! A database belongs to one Stripe account. With the key of another account, the service does nothing.

use std::sync::{Arc, Mutex};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use quittance_test_support::{TestDatabase, wait_until};
use serde_json::json;

use crate::client::Client;
use crate::environment::{ACCOUNT, Environment, STRIPE_KEY, TOKEN_KEY, Webhooks};
use crate::process::{free_port, text};
use crate::storefront::Storefront;

quittance_test_support::on_both_databases! {
    start_with_other_stripe_account_is_refused,
    service_stops_when_key_belongs_to_other_account,
    unknown_account_blocks_other_stripe_requests,
    account_confirmed_late_starts_background_work,
    key_without_account_permission_is_accepted,
    sandbox_on_database_of_real_account_is_refused,
}

const OTHER: &str = "acct_1Other";

/// Runs the event backfill as often as possible.
const FREQUENT_BACKFILL: (&str, &str) = ("QUITTANCE_EVENT_BACKFILL_PERIOD", "1s");

/// Returns a client for a free address.
fn unused_address() -> Client {
    Client::new(&format!("http://127.0.0.1:{}", free_port()), Some(STRIPE_KEY))
}

/// Asserts that the message names the cause and the settings to change.
#[track_caller]
fn assert_names_cause(said: &str, known: &str, given: &str) {
    for part in ["STRIPE_SECRET_KEY", "DATABASE_URL", known, given] {
        assert!(said.contains(part), "the message does not name {part}: {said}");
    }
}

/// Returns the paths of the service's requests to a sandbox, except for the account itself.
fn requests_besides_account(env: &Environment<'_>, at: &Client) -> Vec<String> {
    let asked = env.requests_to(at);
    let paths = asked.iter().map(|asked| asked["path"].as_str().expect("a path").to_owned());
    paths.filter(|path| path != "/v1/account").collect()
}

async fn start_with_other_stripe_account_is_refused(database: &TestDatabase) {
    let mut env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;

    let payable = shop.intent_order("before").await;
    let other = unused_address();
    let _sandbox = env.start_other_sandbox(&other, OTHER).await;
    env.kill();

    let settings = [("STRIPE_API_BASE", other.base()), FREQUENT_BACKFILL];
    let status = env.spawn(&settings).wait_for_exit().await;

    assert_eq!(status.code(), Some(1));
    assert_names_cause(&env.logs(), ACCOUNT, OTHER);

    for arguments in [&["reconcile"][..], &["reconcile", "--dry-run"]] {
        let refused = env.run(arguments, &settings[..1]);
        assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
        assert_names_cause(&text(&refused.stderr), ACCOUNT, OTHER);
    }

    assert_eq!(requests_besides_account(&env, &other), [""; 0]);

    env.restart(&[FREQUENT_BACKFILL]).await;
    shop.confirm(&payable.payment_intent_id).await;
    shop.wait_until_paid(&payable.order_id).await;
}

async fn service_stops_when_key_belongs_to_other_account(database: &TestDatabase) {
    let mut env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;

    let order_id = shop.place("before").await;
    env.kill();
    let other = unused_address();
    env.restart(&[("STRIPE_API_BASE", other.base()), FREQUENT_BACKFILL]).await;
    assert_eq!(shop.order(&order_id).await["status"], "pending", "requests without Stripe must succeed");
    let _sandbox = env.start_other_sandbox(&other, OTHER).await;
    let status = env.service().wait_for_exit().await;
    assert_eq!(status.code(), Some(1), "the service must stop gracefully");
    let logs = env.logs();
    assert_names_cause(&logs, ACCOUNT, OTHER);
    assert!(logs.contains("stopped"), "{logs}");
    assert_eq!(requests_besides_account(&env, &other), [""; 0]);
    env.restart(&[]).await;

    assert_eq!(shop.order(&order_id).await["status"], "pending");
}

/// Stripe answers the account request late, but answers every other request.
async fn unknown_account_blocks_other_stripe_requests(database: &TestDatabase) {
    let mut env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;

    let payable = shop.intent_order("open").await;
    env.kill();
    let overdue = "UPDATE orders SET check_at = '2020-01-01 00:00:00+00:00'";
    database.execute(&format!("{overdue} WHERE id = '{}'", payable.order_id)).await;
    let late = late_stripe();
    env.restart(&[("STRIPE_API_BASE", &*late.base), FREQUENT_BACKFILL]).await;
    let status = env.service().wait_for_exit().await;

    assert_eq!(status.code(), Some(1));
    assert_names_cause(&env.logs(), ACCOUNT, OTHER);

    let asked = late.asked.lock().expect("the requests").clone();

    assert_eq!(asked, ["/v1/account"; FAILED_ACCOUNT_REQUESTS + 1]);
}

/// The number of failed account requests. They take longer than the service waits at startup.
const FAILED_ACCOUNT_REQUESTS: usize = 6;

struct LateStripe {
    base: String,
    /// The paths of the requests.
    asked: Arc<Mutex<Vec<String>>>,
}

/// Starts a partly available Stripe: at first, it fails the account request.
fn late_stripe() -> LateStripe {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let shared = Arc::clone(&asked);
    let server = HttpServer::new(move || {
        let asked = Arc::clone(&shared);
        App::new().default_service(web::to(move |request: HttpRequest| {
            let mut asked = asked.lock().expect("the requests");
            asked.push(request.path().to_owned());
            let is_late = asked.len() <= FAILED_ACCOUNT_REQUESTS;
            std::future::ready(match request.path() {
                "/v1/account" if is_late => HttpResponse::ServiceUnavailable().finish(),
                "/v1/account" => HttpResponse::Ok().json(json!({ "object": "account", "id": OTHER })),
                _ => HttpResponse::Ok().json(json!({ "object": "list", "data": [], "has_more": false })),
            })
        }))
    });
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", server.addrs()[0]);
    tokio::spawn(server.run());
    LateStripe { base, asked }
}

async fn account_confirmed_late_starts_background_work(database: &TestDatabase) {
    let mut env = Environment::start_with(database, Webhooks::Lost, &[FREQUENT_BACKFILL]).await;
    let shop = Storefront::open(&env).await;

    shop.place("before").await;
    env.kill();
    let later = unused_address();
    env.restart(&[("STRIPE_API_BASE", later.base()), FREQUENT_BACKFILL]).await;
    let _sandbox = env.start_other_sandbox(&later, ACCOUNT).await;
    let shop = Storefront { stripe: later.clone(), ..shop };
    let payable = shop.intent_order("after").await;
    shop.confirm(&payable.payment_intent_id).await;

    // The event is lost, and no lookup asks for the order. Only the backfill can find it, after the account check.
    shop.wait_for_status(&payable.order_id, "paid").await;
    wait_until("the event backfill runs", async || {
        requests_besides_account(&env, &later).iter().any(|path| path == "/v1/events")
    })
    .await;
}

/// The live key gets a 401, like any wrong key. A restricted key would get a 403.
async fn key_without_account_permission_is_accepted(database: &TestDatabase) {
    let mut env = Environment::start(database, Webhooks::Lost).await;

    env.kill();
    let live = [("STRIPE_SECRET_KEY", "sk_live_e2e"), ("STRIPE_PUBLISHABLE_KEY", "pk_live_e2e")];
    env.restart(&live).await;
    let logs = env.logs();

    assert_eq!(logs.matches("Restricted keys need permission to read Accounts").count(), 1, "{logs}");
    assert_eq!(env.count("stripe_accounts").await, 1);

    let account = env.texts("SELECT mode || ' ' || account_id AS value FROM stripe_accounts").await;

    assert_eq!(account, [format!("test {ACCOUNT}")]);
}

async fn sandbox_on_database_of_real_account_is_refused(database: &TestDatabase) {
    let mut env = Environment::start(database, Webhooks::Lost).await;

    env.kill();
    database.execute(&format!("UPDATE stripe_accounts SET account_id = '{OTHER}'")).await;
    let settings = [
        ("STRIPE_SECRET_KEY", ""),
        ("STRIPE_PUBLISHABLE_KEY", ""),
        ("QUITTANCE_SANDBOX_LISTEN", "127.0.0.1:0"),
        ("QUITTANCE_TOKEN_KEY", TOKEN_KEY),
    ];
    let status = env.spawn(&settings).wait_for_exit().await;

    assert_eq!(status.code(), Some(1));
    assert_names_cause(&env.logs(), OTHER, ACCOUNT);
    assert_eq!(env.count("products").await, 0, "nothing of the sandbox's is in the database");
}
