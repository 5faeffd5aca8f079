//! Every command but `serve`.

use std::time::Duration;

use chrono::Utc;
use quittance_api::SecretKeyText;
use quittance_domain::history::Limits;
use quittance_domain::id::KeyId;
use quittance_persistence::{SecretKey, Store, StoreConfig};
use quittance_sandbox::Sandbox;
use tokio::signal;
use uuid::Uuid;

use crate::cli::{DatabaseArgs, KeysAction, LogArgs};
use crate::error::Error;
use crate::logging;

/// How long a command waits for a connection.
const WAIT: Duration = Duration::from_secs(10);

pub(crate) async fn migrate(database: DatabaseArgs) -> Result<(), Error> {
    open(database).await?.migrate().await?;
    println!("The database's schema is up to date.");
    Ok(())
}

pub(crate) fn openapi() {
    print!("{}", quittance_api::openapi_json());
}

pub(crate) async fn keys(action: KeysAction, database: DatabaseArgs) -> Result<(), Error> {
    let store = open(database).await?;
    store.migrate().await?;
    match action {
        KeysAction::Create { name } => {
            let key = SecretKeyText::generate();
            store.insert_secret_key(record_of(name, &key)).await?;
            println!("{}", key.expose());
        }
        KeysAction::List => {
            for key in store.secret_keys().await? {
                let made = key.created_at.format("%Y-%m-%d %H:%M:%SZ");
                let state = key.revoked_at.map_or("active", |_| "revoked");
                println!("{}  {made}  {state:8}  {}", key.id, key.name);
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
            println!("{id} is revoked.");
        }
    }
    Ok(())
}

pub(crate) async fn sandbox(config: quittance_sandbox::Config, log: LogArgs) -> Result<(), Error> {
    logging::start(&log)?;
    let sandbox = Sandbox::bind(config).map_err(Error::Sandbox)?;
    println!("The sandbox, a stand-in for Stripe, listens on {}", sandbox.url());
    println!("It is no place for real cards: use Stripe's test cards, such as 4242 4242 4242 4242.");
    println!("Any key that begins with sk_test_ or pk_test_ is taken.");
    let stop = async {
        let _ = signal::ctrl_c().await;
    };
    sandbox.run(stop).await.map_err(Error::Sandbox)
}

/// The record of a secret key.
pub(crate) fn record_of(name: String, key: &SecretKeyText) -> SecretKey {
    SecretKey {
        id: KeyId::from_uuid(Uuid::now_v7()),
        name,
        hash: key.hash(),
        created_at: Utc::now(),
        revoked_at: None,
    }
}

async fn open(database: DatabaseArgs) -> Result<Store, Error> {
    let config = StoreConfig {
        url: database.database_url,
        // A command places no orders.
        limits: Limits { max_declines: 0, max_open_orders: 0 },
        connections: 1,
        wait: WAIT,
    };
    Ok(Store::open(config).await?)
}
