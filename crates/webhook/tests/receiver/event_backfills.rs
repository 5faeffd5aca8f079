//! The time up to which a backfill records an account's events as seen.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::time::Duration;

use chrono::{DateTime, Utc};
use quittance_domain::payment::{Account, Mode};
use quittance_domain::seller::ChargeType;
use quittance_persistence::{Store, WorkClaim};
use quittance_stripe_gateway::{Stripe, StripeConfig};
use quittance_test_support::{
    NOW_S, TestDatabase, account_state, connect, on_both_databases, payment_on, place_through, wait_until,
};
use quittance_webhook::EventBackfiller;
use tokio::sync::watch;

use crate::{Service, config};

on_both_databases! {
    backfill_records_the_time_of_stripes_clock,
    backfill_of_an_unreachable_account_records_no_progress,
    backfill_of_an_unreachable_account_schedules_a_refresh,
}

/// The `Date` header of every response, years after any test's clock.
const DATE: &str = "Sun, 22 Nov 2037 10:00:00 GMT";
const DATE_S: i64 = 2_142_496_800;

/// The most seconds between a request and `Date` that count as the same time.
const TOLERANCE_S: i64 = 60;

const EMPTY: &str = r#"{"object":"list","data":[],"has_more":false}"#;
const REFUSED: &str = r#"{"error":{"type":"invalid_request_error","code":"account_invalid"}}"#;

/// Starts a stand-in for Stripe without events. With `refuses_connected`, it refuses requests for connected accounts.
fn stripe(refuses_connected: bool) -> Stripe {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            let is_connected = String::from_utf8_lossy(&head).to_lowercase().contains("stripe-account:");
            let (status, body) = if is_connected && refuses_connected {
                ("403 Forbidden", REFUSED)
            } else {
                ("200 OK", EMPTY)
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nDate: {DATE}\r\nContent-Length: {length}\r\nConnection: close\r\n"
            );
            stream.write_all(format!("{head}\r\n{body}").as_bytes()).expect("a client");
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    Stripe::new(&StripeConfig::new("sk_test_backfills".to_owned().into(), base)).expect("a client")
}

/// Runs one backfill of the platform's account and of connected accounts.
async fn backfill_once(service: &Service, stripe: Stripe) {
    let (stop, stopped) = watch::channel(false);
    let backfiller = EventBackfiller::new(service.store.clone(), stripe, service.receiver.clone());
    let running = tokio::spawn(backfiller.run(Duration::from_hours(1), stopped));
    wait_until("connected accounts are backfilled", async || {
        service.store.accounts_due_for_backfill(9, Utc::now()).await.expect("a read").is_empty()
    })
    .await;
    stop.send_replace(true);
    running.await.expect("a backfill");
}

async fn seen_until(store: &Store, account: Account) -> Option<DateTime<Utc>> {
    let after_the_lease = Utc::now() + chrono::TimeDelta::hours(2);
    let backfill =
        store.claim_event_backfill(account, after_the_lease, after_the_lease).await.expect("an answer");
    backfill.expect("no other process runs a backfill").seen_until
}

fn is_stripes_time(seen_until: Option<DateTime<Utc>>) -> bool {
    seen_until.is_some_and(|seen| (DATE_S - TOLERANCE_S..=DATE_S).contains(&seen.timestamp()))
}

/// Creates a ready seller with a charge on its account, and no refresh due soon.
async fn ready_seller(store: &Store) -> Account {
    let seller = connect(store, "acct_1", ChargeType::Direct).await;
    let payment = payment_on(store, place_through(store, &seller).await).await;
    payment.is_answered(store, Mode::Test).await;
    store.record_account_snapshot(seller.id, NOW_S + 3, account_state(), Utc::now()).await.expect("a commit");
    Account::connected("acct_1")
}

/// Returns the number of sellers whose account refresh is due.
async fn refreshes_due(store: &Store) -> usize {
    let now = Utc::now();
    let claim = WorkClaim { now, lease_until: now, limit: 9 };
    store.claim_seller_checks(claim).await.expect("a commit").len()
}

async fn backfill_records_the_time_of_stripes_clock(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let account = ready_seller(&service.store).await;

    backfill_once(&service, stripe(false)).await;

    assert!(is_stripes_time(seen_until(&service.store, Account::own()).await));
    assert!(is_stripes_time(seen_until(&service.store, account).await));
}

async fn backfill_of_an_unreachable_account_records_no_progress(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let account = ready_seller(&service.store).await;

    backfill_once(&service, stripe(true)).await;

    assert!(is_stripes_time(seen_until(&service.store, Account::own()).await));
    assert_eq!(seen_until(&service.store, account).await, None);
}

async fn backfill_of_an_unreachable_account_schedules_a_refresh(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    ready_seller(&service.store).await;
    assert_eq!(refreshes_due(&service.store).await, 0);

    backfill_once(&service, stripe(true)).await;

    assert_eq!(refreshes_due(&service.store).await, 1);
}
