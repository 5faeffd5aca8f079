//! How far a walk of Stripe's list of events says that everything was seen.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::time::Duration;

use chrono::{DateTime, Utc};
use quittance_domain::payment::{Account, Mode};
use quittance_domain::seller::ChargeType;
use quittance_persistence::{Store, WorkClaim};
use quittance_stripe_gateway::{Stripe, StripeConfig};
use quittance_test_support::{
    NOW_S, TestDatabase, account_state, connect, on_both_databases, payment_on, place_through,
};
use quittance_webhook::EventBackfiller;
use tokio::sync::watch;

use crate::{Service, config};

on_both_databases! { what_was_seen_is_said_by_stripes_clock, what_stripe_would_not_show_is_not_seen }

/// `Date` of every answer: years away from any clock that a test runs by.
const DATE: &str = "Sun, 22 Nov 2037 10:00:00 GMT";
const DATE_S: i64 = 2_142_496_800;

/// Longer than any answer takes.
const PATIENCE_S: i64 = 60;

const EMPTY: &str = r#"{"object":"list","data":[],"has_more":false}"#;
const REFUSED: &str = r#"{"error":{"type":"invalid_request_error","code":"account_invalid"}}"#;

/// A Stripe that has no events, and refuses what is asked for a connected account if it is told to.
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
            stream.write_all(format!("{head}\r\n{body}").as_bytes()).expect("somebody who reads");
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    Stripe::new(&StripeConfig::new("sk_test_walks".to_owned().into(), base)).expect("a client")
}

/// Walks once, our own account and connected ones.
async fn walk_once(service: &Service, stripe: Stripe) {
    let (stop, stopped) = watch::channel(false);
    let walker = EventBackfiller::new(service.store.clone(), stripe, service.receiver.clone());
    let walking = tokio::spawn(walker.run(Duration::from_hours(1), stopped));
    quittance_test_support::wait_until("the connected accounts to be walked", async || {
        service.store.accounts_due_for_backfill(9, Utc::now()).await.expect("a read").is_empty()
    })
    .await;
    stop.send_replace(true);
    walking.await.expect("a walk");
}

async fn seen_until(store: &Store, account: Account) -> Option<DateTime<Utc>> {
    let after_the_lease = Utc::now() + chrono::TimeDelta::hours(2);
    let walk =
        store.claim_event_backfill(account, after_the_lease, after_the_lease).await.expect("an answer");
    walk.expect("nobody walks").seen_until
}

fn is_by_stripes_clock(seen_until: Option<DateTime<Utc>>) -> bool {
    seen_until.is_some_and(|seen| (DATE_S - PATIENCE_S..=DATE_S).contains(&seen.timestamp()))
}

/// A seller that is ready, on whose account something was charged, and whose account nobody is to read soon.
async fn seller(store: &Store) -> Account {
    let seller = connect(store, "acct_1", ChargeType::Direct).await;
    let payment = payment_on(store, place_through(store, &seller).await).await;
    payment.is_answered(store, Mode::Test).await;
    store.record_account_snapshot(seller.id, NOW_S + 3, account_state(), Utc::now()).await.expect("a commit");
    Account::connected("acct_1")
}

/// How many sellers' accounts are to be read by now.
async fn to_read(store: &Store) -> usize {
    let now = Utc::now();
    let claim = WorkClaim { now, lease_until: now, limit: 9 };
    store.claim_seller_checks(claim).await.expect("a commit").len()
}

async fn what_was_seen_is_said_by_stripes_clock(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let account = seller(&service.store).await;
    walk_once(&service, stripe(false)).await;
    assert!(is_by_stripes_clock(seen_until(&service.store, Account::own()).await));
    assert!(is_by_stripes_clock(seen_until(&service.store, account).await));
}

async fn what_stripe_would_not_show_is_not_seen(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let account = seller(&service.store).await;
    let before = to_read(&service.store).await;
    walk_once(&service, stripe(true)).await;
    assert!(is_by_stripes_clock(seen_until(&service.store, Account::own()).await));
    assert_eq!(seen_until(&service.store, account).await, None, "what was not shown counts as seen");
    assert_eq!((before, to_read(&service.store).await), (0, 1), "nobody is to find out whether it has left");
}
