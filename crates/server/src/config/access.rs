//! Settings that decide which clients, browsers and networks get access.

use std::net::IpAddr;

use quittance_api::{IpNet, ReturnOrigins, SecretKeyText};
use secrecy::{ExposeSecret, SecretString};

use super::database::Database;
use super::stripe::StripeBackend;
use crate::cli::AccessArgs;
use crate::error::Error;
use crate::token_key::{self, TOKEN_KEY_CHARS_MIN};

/// Checks the URL under which clients reach the service, and strips its trailing slash.
pub(super) fn public_url(url: &str) -> Result<String, Error> {
    if url.starts_with("https://") || url.starts_with("http://") {
        Ok(url.trim_end_matches('/').to_owned())
    } else {
        Err(Error::setting("QUITTANCE_PUBLIC_URL", "must be an http or https URL"))
    }
}

/// Parses the first secret key. An empty value counts as unset.
pub(super) fn secret_key(access: &AccessArgs) -> Result<Option<SecretKeyText>, Error> {
    let Some(key) = access.secret_key.as_ref().filter(|key| !key.expose_secret().is_empty()) else {
        return Ok(None);
    };
    SecretKeyText::parse(key.expose_secret()).map(Some).map_err(|error| {
        let problem = format!("isn't a valid key: {error}. Run `quittance keys create NAME` to create one");
        Error::setting("QUITTANCE_SECRET_KEY", problem)
    })
}

/// Checks the token keys. With SQLite and no key set, loads or generates one.
pub(super) fn token_keys(access: &AccessArgs, database: &Database) -> Result<Vec<SecretString>, Error> {
    let keys = &access.token_key;
    if keys.iter().any(|key| key.expose_secret().len() < TOKEN_KEY_CHARS_MIN) {
        let problem = format!("must have at least {TOKEN_KEY_CHARS_MIN} random characters");
        return Err(Error::setting("QUITTANCE_TOKEN_KEY", problem));
    }
    match (keys.is_empty(), database) {
        (false, _) => Ok(keys.clone()),
        (true, Database::Sqlite(path)) => Ok(vec![token_key::load_or_generate(path)?]),
        (true, Database::Postgres) => Err(Error::setting(
            "QUITTANCE_TOKEN_KEY",
            "isn't set. PostgreSQL requires it, because all replicas share it. Run `openssl rand -base64 48` to \
             generate one",
        )),
    }
}

/// Checks that each origin has the form in which browsers send it: scheme, host and port, without a path.
pub(super) fn cors_origins(origins: Vec<String>) -> Result<Vec<String>, Error> {
    let origins: Vec<_> = origins.into_iter().filter(|origin| !origin.is_empty()).collect();
    for origin in &origins {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['/', '*', ' '])) {
            let problem =
                format!("contains {origin:?}, which isn't an origin. Example: https://shop.example");
            return Err(Error::setting("QUITTANCE_CORS_ORIGINS", problem));
        }
    }
    Ok(origins)
}

/// Parses the origins to which Stripe's pages may redirect customers. The default is the CORS origins.
pub(super) fn return_origins(
    origins: Vec<String>,
    cors_origins: &[String],
    stripe: &StripeBackend,
) -> Result<ReturnOrigins, Error> {
    let origins: Vec<_> = origins.into_iter().filter(|origin| !origin.is_empty()).collect();
    let (variable, texts) = match origins.as_slice() {
        [] => ("QUITTANCE_CORS_ORIGINS", cors_origins),
        origins => ("QUITTANCE_RETURN_ORIGINS", origins),
    };
    let origins = ReturnOrigins::new(texts)
        .map_err(|error| Error::setting(variable, format!("is invalid: {error}")))?;
    Ok(match stripe {
        StripeBackend::Sandbox { .. } => origins.and_loopback(),
        StripeBackend::Stripe { .. } => origins,
    })
}

/// Parses networks and single addresses.
pub(super) fn networks(variable: &'static str, texts: &[String]) -> Result<Vec<IpNet>, Error> {
    let parse = |text: &String| {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| {
            let problem = format!("contains {text:?}, which isn't a network. Example: 10.0.0.0/8");
            Error::setting(variable, problem)
        })
    };
    texts.iter().filter(|text| !text.is_empty()).map(parse).collect()
}
