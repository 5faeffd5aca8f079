//! One database is of one Stripe account: with the key of another, nothing is done.

use std::sync::{Arc, Mutex};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use quittance_test_support::{TestDatabase, wait_until};
use serde_json::json;

use crate::client::Client;
use crate::process::{free_port, text};
use crate::shop::Shop;
use crate::world::{ACCOUNT, STRIPE_KEY, TOKEN_KEY, Webhooks, World};

quittance_test_support::on_both_databases! {
    another_account_is_refused_at_the_start,
    another_account_is_refused_once_stripe_says_whose_the_key_is,
    nothing_is_asked_before_it_is_known_whose_the_key_is,
    the_right_account_is_waited_for,
    a_key_that_may_not_say_whose_it_is_is_taken,
    the_sandbox_is_refused_where_a_real_account_was,
}

const OTHER: &str = "acct_1Other";

/// Somebody walks Stripe's events all the time, if anybody may.
const WALKING: (&str, &str) = ("QUITTANCE_EVENT_WALK_PERIOD", "1s");

/// A place where a sandbox can be started.
fn elsewhere() -> Client {
    Client::new(&format!("http://127.0.0.1:{}", free_port()), Some(STRIPE_KEY))
}

/// Checks that it is said what is wrong and what is to be done.
#[track_caller]
fn says_what_to_do(said: &str, known: &str, given: &str) {
    for part in ["STRIPE_SECRET_KEY", "DATABASE_URL", known, given] {
        assert!(said.contains(part), "{part} is not named: {said}");
    }
}

/// What the service has asked of the sandbox there, beside whose account it is.
fn asked_beside_the_account(world: &World<'_>, at: &Client) -> Vec<String> {
    let asked = world.asked_at(at);
    let paths = asked.iter().map(|asked| asked["path"].as_str().expect("a path").to_owned());
    paths.filter(|path| path != "/v1/account").collect()
}

async fn another_account_is_refused_at_the_start(database: &TestDatabase) {
    let mut world = World::start(database, Webhooks::Lost).await;
    let shop = Shop::open(&world).await;
    let payable = shop.payable("before").await;
    let other = elsewhere();
    let _sandbox = world.another_sandbox(&other, OTHER).await;
    world.kill();

    let settings = [("STRIPE_API_BASE", other.base()), WALKING];
    let status = world.begin(&settings).end().await;
    assert_eq!(status.code(), Some(1));
    says_what_to_do(&world.logs(), ACCOUNT, OTHER);
    for arguments in [&["reconcile"][..], &["reconcile", "--dry-run"]] {
        let refused = world.run(arguments, &settings[..1]);
        assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
        says_what_to_do(&text(&refused.stderr), ACCOUNT, OTHER);
    }
    assert_eq!(asked_beside_the_account(&world, &other), [""; 0]);

    world.revive(&[WALKING]).await;
    shop.confirm(&payable.payment_intent_id).await;
    shop.see_paid(&payable.order_id).await;
}

async fn another_account_is_refused_once_stripe_says_whose_the_key_is(database: &TestDatabase) {
    let mut world = World::start(database, Webhooks::Lost).await;
    let shop = Shop::open(&world).await;
    let order_id = shop.place("before").await;
    world.kill();
    let other = elsewhere();
    world.revive(&[("STRIPE_API_BASE", other.base()), WALKING]).await;
    assert_eq!(shop.order(&order_id).await["status"], "pending", "what needs no Stripe is answered");
    let _sandbox = world.another_sandbox(&other, OTHER).await;
    let status = world.service().end().await;
    assert_eq!(status.code(), Some(1), "it ends by itself, in good order");
    let logs = world.logs();
    says_what_to_do(&logs, ACCOUNT, OTHER);
    assert!(logs.contains("stopped"), "{logs}");
    assert_eq!(asked_beside_the_account(&world, &other), [""; 0]);
    world.revive(&[]).await;
    assert_eq!(shop.order(&order_id).await["status"], "pending");
}

/// Stripe says late whose the key is, and would answer all else.
async fn nothing_is_asked_before_it_is_known_whose_the_key_is(database: &TestDatabase) {
    let mut world = World::start(database, Webhooks::Lost).await;
    let shop = Shop::open(&world).await;
    let payable = shop.payable("open").await;
    world.kill();
    let overdue = "UPDATE orders SET check_at = '2020-01-01 00:00:00+00:00'";
    database.execute(&format!("{overdue} WHERE id = '{}'", payable.order_id)).await;
    let late = late_stripe();
    world.revive(&[("STRIPE_API_BASE", &*late.base), WALKING]).await;
    let status = world.service().end().await;
    assert_eq!(status.code(), Some(1));
    says_what_to_do(&world.logs(), ACCOUNT, OTHER);
    let asked = late.asked.lock().expect("what was asked").clone();
    assert_eq!(asked, ["/v1/account"; TIMES_LATE + 1]);
}

/// How often it is asked in vain whose a key is: longer than a start waits.
const TIMES_LATE: usize = 6;

struct Late {
    base: String,
    /// The paths that were asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

/// Answers like a Stripe that is up in part: not at first whose the key is.
fn late_stripe() -> Late {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let shared = Arc::clone(&asked);
    let server = HttpServer::new(move || {
        let asked = Arc::clone(&shared);
        App::new().default_service(web::to(move |request: HttpRequest| {
            let mut asked = asked.lock().expect("what was asked");
            asked.push(request.path().to_owned());
            let is_late = asked.len() <= TIMES_LATE;
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
    Late { base, asked }
}

async fn the_right_account_is_waited_for(database: &TestDatabase) {
    let mut world = World::start_with(database, Webhooks::Lost, &[WALKING]).await;
    let shop = Shop::open(&world).await;
    shop.place("before").await;
    world.kill();
    let later = elsewhere();
    world.revive(&[("STRIPE_API_BASE", later.base()), WALKING]).await;
    let _sandbox = world.another_sandbox(&later, ACCOUNT).await;
    let shop = Shop { stripe: later.clone(), ..shop };
    let payable = shop.payable("after").await;
    shop.confirm(&payable.payment_intent_id).await;
    // The event is lost, and nobody asks for the order: it is the walk that finds it, which was held back till then.
    shop.see_become(&payable.order_id, "paid").await;
    wait_until("the event backfill runs", async || {
        asked_beside_the_account(&world, &later).iter().any(|path| path == "/v1/events")
    })
    .await;
}

/// What a wrong key is told: 401. So is a restricted one, by 403.
async fn a_key_that_may_not_say_whose_it_is_is_taken(database: &TestDatabase) {
    let mut world = World::start(database, Webhooks::Lost).await;
    world.kill();
    let live = [("STRIPE_SECRET_KEY", "sk_live_e2e"), ("STRIPE_PUBLISHABLE_KEY", "pk_live_e2e")];
    world.revive(&live).await;
    let logs = world.logs();
    assert_eq!(logs.matches("Restricted keys need permission to read Accounts").count(), 1, "{logs}");
    assert_eq!(world.count("stripe_accounts").await, 1);
    let account = world.texts("SELECT mode || ' ' || account_id AS value FROM stripe_accounts").await;
    assert_eq!(account, [format!("test {ACCOUNT}")]);
}

async fn the_sandbox_is_refused_where_a_real_account_was(database: &TestDatabase) {
    let mut world = World::start(database, Webhooks::Lost).await;
    world.kill();
    database.execute(&format!("UPDATE stripe_accounts SET account_id = '{OTHER}'")).await;
    let settings = [
        ("STRIPE_SECRET_KEY", ""),
        ("STRIPE_PUBLISHABLE_KEY", ""),
        ("QUITTANCE_SANDBOX_LISTEN", "127.0.0.1:0"),
        ("QUITTANCE_TOKEN_KEY", TOKEN_KEY),
    ];
    let status = world.begin(&settings).end().await;
    assert_eq!(status.code(), Some(1));
    says_what_to_do(&world.logs(), OTHER, ACCOUNT);
    assert_eq!(world.count("products").await, 0, "nothing of the sandbox's is in the database");
}
