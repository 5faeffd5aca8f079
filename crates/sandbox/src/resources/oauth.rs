//! OAuth, by which the owner of an account lets the platform act for it: codes, tokens, and the end of it.
//! <https://docs.stripe.com/connect/oauth-reference>. The page the owner sees is in `pages::oauth`.
//!
//! Codes and keys are kept as hashes only.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::clock::Moment;
use crate::ids;
use crate::request::{Call, hash_of_key};
use crate::resources::accounts::{self, Connection};
use crate::routes::Route;
use crate::state::{Account, Resource, Tx};

pub(crate) const ROUTES: &[Route] =
    &[Route::post("/oauth/token", token), Route::post("/oauth/deauthorize", deauthorize)];

/// How long a code can be exchanged.
const CODE_LIFE: Duration = Duration::from_mins(5);

/// What the owner of an account has agreed to, to be exchanged for keys once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OAuthCode {
    /// The hash of the code.
    id: String,
    account: String,
    client_id: String,
    is_read_only: bool,
    is_used: bool,
    expires_ms: i64,
}

impl Resource for OAuthCode {
    const KIND: &'static str = "oauth_code";

    fn id(&self) -> &str {
        &self.id
    }
}

/// A key of a connected account, secret, publishable or for new keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OAuthToken {
    /// The hash of the key.
    id: String,
    pub(crate) account: String,
    /// The hash of the code it was given for.
    code: String,
    pub(crate) is_revoked: bool,
    /// Whether it is the owner's own, which no application has ever had.
    #[serde(default)]
    pub(crate) is_own: bool,
}

impl Resource for OAuthToken {
    const KIND: &'static str = "oauth_token";

    fn id(&self) -> &str {
        &self.id
    }
}

/// Whether a text has the shape of an application's id.
pub(crate) fn is_client_id(text: &str) -> bool {
    text.strip_prefix("ca_").is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|character| character.is_ascii_alphanumeric())
    })
}

/// A new code for an account, whose owner has agreed.
pub(crate) fn issue_code(tx: &mut Tx<'_>, account: &str, client_id: &str, is_read_only: bool) -> String {
    let code = format!("ac_{}", ids::random(32));
    let kept = OAuthCode {
        id: hash_of_key(&code),
        account: account.to_owned(),
        client_id: client_id.to_owned(),
        is_read_only,
        is_used: false,
        expires_ms: tx.now.after(CODE_LIFE).0,
    };
    tx.on_account(Account::platform(), |tx| tx.put(kept));
    code
}

fn issue_token(tx: &mut Tx<'_>, code: &OAuthCode, prefix: &str) -> String {
    let token = format!("{prefix}_{}", ids::random(40));
    let (account, code) = (code.account.clone(), code.id.clone());
    tx.put(OAuthToken { id: hash_of_key(&token), account, code, is_revoked: false, is_own: false });
    token
}

/// A secret key that the owner of an account has for it, connected or not.
pub(crate) fn issue_own_key(tx: &mut Tx<'_>, account: &str) -> String {
    let key = format!("sk_test_{}", ids::random(40));
    let (id, account) = (hash_of_key(&key), account.to_owned());
    let kept = OAuthToken { id, account, code: String::new(), is_revoked: false, is_own: true };
    tx.on_account(Account::platform(), |tx| tx.put(kept));
    key
}

fn revoke(tx: &mut Tx<'_>, is_meant: impl Fn(&OAuthToken) -> bool) {
    tx.on_account(Account::platform(), |tx| {
        let tokens: Vec<OAuthToken> =
            tx.newest_first::<OAuthToken>().filter(|token| is_meant(token)).cloned().collect();
        for token in tokens {
            tx.put(OAuthToken { is_revoked: true, ..token });
        }
    });
}

/// Makes every key void that an application has for an account, and the codes that are out for it.
pub(crate) fn revoke_all(tx: &mut Tx<'_>, account: &str) {
    revoke(tx, |token| token.account == account && !token.is_own);
    tx.on_account(Account::platform(), |tx| {
        let codes: Vec<OAuthCode> =
            tx.newest_first::<OAuthCode>().filter(|code| code.account == account).cloned().collect();
        for code in codes {
            tx.put(OAuthCode { is_used: true, ..code });
        }
    });
}

fn invalid_request(error: &ApiError) -> ApiError {
    ApiError::oauth("invalid_request", error.message())
}

/// The parameters of an OAuth request; what OAuth does not know, it ignores.
fn read<const N: usize>(call: &mut Call<'_, '_>, names: [&str; N]) -> Result<[Option<String>; N], ApiError> {
    let mut params = std::mem::take(&mut call.params);
    // The key, if it did not come in the header, has been taken out; with both, the header counts.
    let mut values = [const { None }; N];
    for (value, name) in values.iter_mut().zip(names) {
        *value = params.string(name).map_err(|error| invalid_request(&error))?;
    }
    Ok(values)
}

fn token(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let [grant_type, code] = read(call, ["grant_type", "code"])?;
    match grant_type.as_deref() {
        Some("authorization_code") => {}
        Some("refresh_token") => {
            return Err(ApiError::oauth(
                "unsupported_grant_type",
                "The sandbox does not support the grant type refresh_token, although Stripe does.",
            ));
        }
        Some(other) => {
            return Err(ApiError::oauth(
                "unsupported_grant_type",
                format!("Grant type not supported: {other}"),
            ));
        }
        None => return Err(ApiError::oauth("invalid_request", "No grant type specified")),
    }
    let code = code.ok_or_else(|| ApiError::oauth("invalid_request", "No authorization code provided"))?;
    if !call.tx.account.is_platform() {
        return Err(ApiError::oauth("invalid_client", "Authorization codes are for platforms only."));
    }
    exchange(call.tx, &code)
}

fn exchange(tx: &mut Tx<'_>, code: &str) -> Result<Value, ApiError> {
    let known = tx.get::<OAuthCode>(&hash_of_key(code)).cloned();
    let known = known.ok_or_else(|| {
        // Of the code itself nothing is repeated: an error may be logged.
        ApiError::oauth("invalid_grant", "This authorization code does not exist.")
    })?;
    if known.is_used {
        revoke(tx, |token| token.code == known.id);
        // The revocation is kept although the answer is an error.
        return Err(ApiError::oauth(
            "invalid_grant",
            "This authorization code has already been used. All tokens issued with this code have been revoked.",
        )
        .into_outcome());
    }
    if Moment(known.expires_ms) <= tx.now {
        return Err(ApiError::oauth("invalid_grant", "This authorization code has expired."));
    }
    let mut account = accounts::find(tx, &known.account)
        .cloned()
        .ok_or_else(|| ApiError::oauth("invalid_grant", "The account of this code does not exist."))?;
    tx.put(OAuthCode { is_used: true, ..known.clone() });
    account.connection =
        Connection::Authorized { client_id: known.client_id.clone(), is_read_only: known.is_read_only };
    let id = account.id.clone();
    accounts::put(tx, account);
    tx.on_account(Account(id.clone()), |tx| {
        tx.emit("account.application.authorized", accounts::render_application(&known.client_id));
    });
    Ok(json!({
        "access_token": issue_token(tx, &known, "sk_test"),
        "livemode": false,
        "refresh_token": issue_token(tx, &known, "rt"),
        "scope": if known.is_read_only { "read_only" } else { "read_write" },
        "stripe_publishable_key": issue_token(tx, &known, "pk_test"),
        "stripe_user_id": id,
        "token_type": "bearer",
    }))
}

fn deauthorize(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let [client_id, user] = read(call, ["client_id", "stripe_user_id"])?;
    let needed = |name| ApiError::oauth("invalid_request", format!("No {name} specified"));
    let client_id = client_id.ok_or_else(|| needed("client_id"))?;
    let user = user.ok_or_else(|| needed("stripe_user_id"))?;
    if !is_client_id(&client_id) {
        return Err(ApiError::oauth("invalid_client", format!("No such application: '{client_id}'")));
    }
    let account = accounts::find(call.tx, &user).cloned();
    match account {
        Some(account)
            if call.tx.account.is_platform()
                && matches!(&account.connection, Connection::Authorized { client_id: own, .. } if *own == client_id) =>
        {
            accounts::disconnect(call.tx, account);
            Ok(json!({ "stripe_user_id": user }))
        }
        _ => Err(ApiError::oauth(
            "invalid_client",
            format!(
                "This application is not connected to stripe account {user}, or that account does not exist."
            ),
        )),
    }
}
