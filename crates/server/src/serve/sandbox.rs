//! The sandbox in the same process, with everything a new user needs: webhooks, a secret key and demo products.

use std::net::SocketAddr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use quittance_api::SecretKeyText;
use quittance_persistence::Store;
use quittance_sandbox::{ChaosConfig, Sandbox};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::connection::Connection;
use crate::commands::secret_key_record;
use crate::config::Config;
use crate::demo;
use crate::error::Error;

/// Binds the sandbox to its address.
pub(super) fn bind(config: &Config, listen: SocketAddr, chaos: ChaosConfig) -> Result<Sandbox, Error> {
    Sandbox::bind(quittance_sandbox::Config {
        listen,
        state_file: Some(config.database.sandbox_state()),
        chaos,
        ..quittance_sandbox::Config::default()
    })
    .map_err(Error::Sandbox)
}

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

/// Returns the configured secrets. If none is configured, derives one.
pub(super) fn secrets_or_derived(
    config: &Config,
    secrets: &[SecretString],
    purpose: &str,
) -> Vec<SecretString> {
    match secrets {
        [] => vec![derived_secret(config, "whsec_", purpose)],
        secrets => secrets.to_vec(),
    }
}

/// Derives a secret from the token key, so that it stays the same after a restart and needs no file.
fn derived_secret(config: &Config, prefix: &str, purpose: &str) -> SecretString {
    let key = config.token_keys.first().map(ExposeSecret::expose_secret).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC accepts keys of any length");
    mac.update(purpose.as_bytes());
    format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())).into()
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
