//! Account access checks. The platform may act for itself and for the accounts connected to it. The keys of a
//! connected account act for that account alone. <https://docs.stripe.com/connect/authentication>

use actix_web::http::Method;

use crate::http::error::ApiError;
use crate::objects::account::Connection;
use crate::objects::oauth::OAuthToken;
use crate::operations::account_lookup;
use crate::server::caller::Caller;
use crate::state::Tx;
use crate::storage::table::Account;

/// Checks whether the caller may act for the account, and sets the application.
pub(crate) fn authorize(
    tx: &Tx<'_>,
    mut caller: Caller,
    method: &Method,
    path: &str,
) -> Result<Caller, ApiError> {
    let account_access_denied =
        |caller: &Caller| ApiError::account_access_denied(&caller.redacted_key, &caller.account.0);
    if let Some(token) = tx.state.table::<OAuthToken>().get(&Account::platform(), &caller.key_hash) {
        if token.is_revoked {
            return Err(ApiError::unauthorized(format!("Expired API Key provided: {}", caller.redacted_key))
                .with_code("api_key_expired"));
        }
        let own = Account(token.account.clone());
        if !caller.account.is_platform() && caller.account != own {
            return Err(account_access_denied(&caller));
        }
        let application =
            account_lookup::find(tx, &token.account).map(|account| account.application().to_owned());
        caller.application = application.filter(|_| !token.is_own);
        caller.account = own;
        return Ok(caller);
    }
    if caller.account.is_platform() {
        return Ok(caller);
    }
    let account =
        account_lookup::find(tx, &caller.account.0).ok_or_else(|| account_access_denied(&caller))?;
    // Control API calls for customers and banks work after a disconnect.
    if path.starts_with("/_sandbox/") {
        return Ok(caller);
    }
    match &account.connection {
        Connection::None => Err(account_access_denied(&caller)),
        Connection::Authorized { is_read_only: true, .. } if *method != Method::GET => {
            Err(ApiError::forbidden(format!(
                "This application does not have the required permissions for this endpoint on account '{}'.",
                account.id
            ))
            .with_code("more_permissions_required"))
        }
        Connection::Authorized { .. } | Connection::Controlled => {
            caller.application = Some(account.application().to_owned());
            Ok(caller)
        }
    }
}
