//! Prepares the sandbox for new users: webhooks, a secret key and demo products.

use std::net::SocketAddr;

use quittance_api::SecretKeyText;
use quittance_persistence::Store;
use quittance_sandbox::Sandbox;
use secrecy::ExposeSecret;

use super::connection::Connection;
use super::derived_secret::derived_secret;
use crate::commands::secret_key_record;
use crate::config::Config;
use crate::demo;
use crate::error::Error;

/// Registers the webhook endpoints with the sandbox, and adds a secret key and demo products. Returns the key.
pub(super) async fn prepare(
    config: &Config,
    connection: &Connection,
    sandbox: &Sandbox,
    store: &Store,
    address: SocketAddr,
) -> Result<SecretKeyText, Error> {
    if let ([secret, ..], [connect_secret, ..]) =
        (connection.webhook_secrets.as_slice(), connection.connect_webhook_secrets.as_slice())
    {
        let endpoint = format!("http://{}:{}/webhooks/stripe", reachable_host(address), address.port());
        let handle = sandbox.handle();
        handle
            .register_connect_webhook_endpoint(format!("{endpoint}/connect"), connect_secret.expose_secret())
            .and_then(|()| handle.register_webhook_endpoint(endpoint, secret.expose_secret()))
            .map_err(Error::SandboxEndpoint)?;
    }
    let key = derived_secret(config, "qsk_", "the sandbox's secret key");
    let key = SecretKeyText::parse(key.expose_secret()).expect("derived keys are valid");
    store.insert_secret_key(secret_key_record("sandbox".to_owned(), &key)).await?;
    demo::seed(store).await?;
    Ok(key)
}

/// Returns the host under which this machine reaches a listener. An unspecified address becomes loopback.
fn reachable_host(address: SocketAddr) -> String {
    match (address.ip().is_unspecified(), address.is_ipv6()) {
        (true, true) => "[::1]".to_owned(),
        (true, false) => "127.0.0.1".to_owned(),
        (false, true) => format!("[{}]", address.ip()),
        (false, false) => address.ip().to_string(),
    }
}
