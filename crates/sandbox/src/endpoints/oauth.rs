//! OAuth token endpoints: <https://docs.stripe.com/connect/oauth-reference>. The page is in `pages::oauth`.

use serde_json::{Value, json};

use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::objects::account::{Connection, render_application};
use crate::objects::oauth::OAuthCode;
use crate::operations::oauth::{issue_token, revoke};
use crate::operations::{account_lookup, accounts};
use crate::state::Tx;
use crate::storage::clock::Timestamp;
use crate::storage::ids::{hash_secret, is_client_id};
use crate::storage::table::Account;

pub(crate) const ROUTES: &[Route] =
    &[Route::post("/oauth/token", token), Route::post("/oauth/deauthorize", deauthorize)];

fn invalid_request(error: &ApiError) -> ApiError {
    ApiError::oauth("invalid_request", error.message())
}

/// Reads the parameters of an OAuth request. Unknown parameters are ignored.
fn parse_params<const N: usize>(
    call: &mut Call<'_, '_>,
    names: [&str; N],
) -> Result<[Option<String>; N], ApiError> {
    let mut params = std::mem::take(&mut call.params);
    // The key was read before. If it is both in the header and in the body, the header wins.
    let mut values = [const { None }; N];
    for (value, name) in values.iter_mut().zip(names) {
        *value = params.string(name).map_err(|error| invalid_request(&error))?;
    }
    Ok(values)
}

fn token(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let [grant_type, code] = parse_params(call, ["grant_type", "code"])?;
    match grant_type.as_deref() {
        Some("authorization_code") => {}
        Some("refresh_token") => {
            return Err(ApiError::oauth(
                "unsupported_grant_type",
                "The sandbox does not support the grant type refresh_token. Stripe does.",
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
        return Err(ApiError::oauth("invalid_client", "Only platforms can exchange authorization codes."));
    }
    exchange(call.tx, &code)
}

fn exchange(tx: &mut Tx<'_>, code: &str) -> Result<Value, ApiError> {
    let stored = tx.get::<OAuthCode>(&hash_secret(code)).cloned();
    let stored = stored.ok_or_else(|| {
        // The message doesn't repeat the code, because errors may be logged.
        ApiError::oauth("invalid_grant", "This authorization code does not exist.")
    })?;
    if stored.is_used {
        revoke(tx, |token| token.code == stored.id);
        // The revocation is committed although the response is an error.
        return Err(ApiError::oauth(
            "invalid_grant",
            "This authorization code has already been used. All tokens issued with this code have been revoked.",
        )
        .into_outcome());
    }
    if Timestamp(stored.expires_ms) <= tx.now {
        return Err(ApiError::oauth("invalid_grant", "This authorization code has expired."));
    }
    let mut account = account_lookup::find(tx, &stored.account)
        .cloned()
        .ok_or_else(|| ApiError::oauth("invalid_grant", "The account of this code does not exist."))?;
    tx.put(OAuthCode { is_used: true, ..stored.clone() });
    account.connection =
        Connection::Authorized { client_id: stored.client_id.clone(), is_read_only: stored.is_read_only };
    let id = account.id.clone();
    accounts::put(tx, account);
    tx.on_account(Account(id.clone()), |tx| {
        tx.emit("account.application.authorized", render_application(&stored.client_id));
    });
    Ok(json!({
        "access_token": issue_token(tx, &stored, "sk_test"),
        "livemode": false,
        "refresh_token": issue_token(tx, &stored, "rt"),
        "scope": if stored.is_read_only { "read_only" } else { "read_write" },
        "stripe_publishable_key": issue_token(tx, &stored, "pk_test"),
        "stripe_user_id": id,
        "token_type": "bearer",
    }))
}

fn deauthorize(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let [client_id, user] = parse_params(call, ["client_id", "stripe_user_id"])?;
    let missing = |name| ApiError::oauth("invalid_request", format!("No {name} specified"));
    let client_id = client_id.ok_or_else(|| missing("client_id"))?;
    let user = user.ok_or_else(|| missing("stripe_user_id"))?;
    if !is_client_id(&client_id) {
        return Err(ApiError::oauth("invalid_client", format!("No such application: '{client_id}'")));
    }
    let account = account_lookup::find(call.tx, &user).cloned();
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
