//! The commands `migrate`, `openapi`, `keys`, `replay` and `sandbox`.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::Utc;
use quittance_api::SecretKeyText;
use quittance_domain::event::EventOutcome;
use quittance_domain::history::{Limits, ReviewRefund};
use quittance_domain::id::KeyId;
use quittance_domain::seller::SupportedSellers;
use quittance_persistence::{Delivery, FailedEvent, SecretKey, Store, StoreConfig};
use quittance_sandbox::Sandbox;
use quittance_stripe_gateway::event;
use uuid::Uuid;

use crate::cli::{DatabaseArgs, KeysAction, LimitArgs, LogArgs, SupportedArgs};
use crate::config::sellers_supported;
use crate::error::Error;
use crate::logging;
use crate::signals::stop_signal;

/// Limits for commands that change neither orders nor sellers.
const NO_LIMITS: Limits =
    Limits { max_declines: usize::MAX, max_open_orders: i64::MAX, review_refund: ReviewRefund::Never };

/// The number of failed events read at once.
const REPLAY_PAGE: u8 = 100;

/// The longest time that a command waits for a database connection.
const DATABASE_WAIT: Duration = Duration::from_secs(10);

pub(crate) async fn migrate(database: DatabaseArgs) -> Result<(), Error> {
    open(database, NO_LIMITS, SupportedSellers::default()).await?.migrate().await?;
    println!("The database schema is up to date.");
    Ok(())
}

pub(crate) fn openapi() {
    print!("{}", quittance_api::openapi_json());
}

pub(crate) async fn keys(action: KeysAction, database: DatabaseArgs) -> Result<(), Error> {
    let store = open(database, NO_LIMITS, SupportedSellers::default()).await?;
    store.migrate().await?;
    match action {
        KeysAction::Create { name } => {
            let key = SecretKeyText::generate();
            store.insert_secret_key(secret_key_record(name, &key)).await?;
            println!("{}", key.expose());
        }
        KeysAction::List => {
            for key in store.secret_keys().await? {
                let created_at = key.created_at.format("%Y-%m-%d %H:%M:%SZ");
                let state = key.revoked_at.map_or("active", |_| "revoked");
                println!("{}  {created_at}  {state:8}  {}", key.id, key.name);
            }
        }
        KeysAction::Revoke { id } => {
            let revoked = match id.parse::<KeyId>() {
                Ok(id) => store.revoke_secret_key(id, Utc::now()).await?,
                Err(_) => false,
            };
            if !revoked {
                return Err(Error::NoSuchKey(id));
            }
            println!("Revoked {id}.");
        }
    }
    Ok(())
}

/// Reprocesses failed events one by one, and prints the number of events for each outcome.
pub(crate) async fn replay(
    database: DatabaseArgs,
    limits: LimitArgs,
    supported: &SupportedArgs,
) -> Result<(), Error> {
    let store = open(database, limits.into(), sellers_supported(supported)?).await?;
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut last = None;
    loop {
        let page = store.failed_events(last.clone(), REPLAY_PAGE).await?;
        let Some(end) = page.last() else { break };
        last = Some(end.event_id.clone());
        for failed in page {
            let outcome = replay_one(&store, failed).await?;
            *outcomes.entry(outcome.as_str()).or_default() += 1;
        }
    }
    if outcomes.is_empty() {
        println!("No failed events.");
    }
    for (outcome, count) in outcomes {
        println!("{outcome:10} {count:6}");
    }
    Ok(())
}

async fn replay_one(store: &Store, failed: FailedEvent) -> Result<EventOutcome, Error> {
    let Ok(mut event) = event::read(&failed.payload) else { return Ok(EventOutcome::Failed) };
    event.id.clone_from(&failed.event_id);
    let delivery = Delivery { event, payload: failed.payload, received_at: failed.received_at };
    match store.replay(delivery).await {
        Err(error) if error.is_data_error() => {
            eprintln!("failed to apply event {}; it stays failed: {error}", failed.event_id);
            Ok(EventOutcome::Failed)
        }
        result => Ok(result?),
    }
}

pub(crate) async fn sandbox(config: quittance_sandbox::Config, log: LogArgs) -> Result<(), Error> {
    logging::init(&log)?;
    let sandbox = Sandbox::bind(config).map_err(Error::Sandbox)?;
    println!("The sandbox, a stand-in for Stripe, listens on {}", sandbox.url());
    println!("Use Stripe's test cards, such as 4242 4242 4242 4242. Never use real cards.");
    println!("Use any key that begins with sk_test_, rk_test_ or pk_test_.");
    sandbox.run(stop_signal()).await.map_err(Error::Sandbox)
}

/// Returns the database record of a secret key, which contains only the key's hash.
pub(crate) fn secret_key_record(name: String, key: &SecretKeyText) -> SecretKey {
    SecretKey {
        id: KeyId::from_uuid(Uuid::now_v7()),
        name,
        hash: key.hash(),
        created_at: Utc::now(),
        revoked_at: None,
    }
}

/// Opens the database with a single connection.
pub(crate) async fn open(
    database: DatabaseArgs,
    limits: Limits,
    sellers_supported: SupportedSellers,
) -> Result<Store, Error> {
    let config = StoreConfig {
        url: database.database_url,
        limits,
        sellers_supported,
        connections: 1,
        wait: DATABASE_WAIT,
    };
    Ok(Store::open(config).await?)
}
