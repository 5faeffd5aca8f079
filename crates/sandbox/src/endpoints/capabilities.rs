//! Capabilities of connected accounts: <https://docs.stripe.com/api/capabilities>.

use serde_json::{Value, json};

use crate::endpoints::accounts::{find_accessible, require_controlled};
use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::objects::account::ConnectedAccount;
use crate::objects::capability::{self, is_capability};
use crate::operations::accounts;

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/v1/accounts/{id}/capabilities", list),
    Route::get("/v1/accounts/{id}/capabilities/{child}", retrieve),
    Route::post("/v1/accounts/{id}/capabilities/{child}", update),
];

/// Finds the account in the path, if the capability in the path exists.
fn find(call: &Call<'_, '_>) -> Result<ConnectedAccount, ApiError> {
    let account = find_accessible(call)?;
    if call.child.is_empty() || is_capability(call.child) {
        return Ok(account);
    }
    Err(ApiError::not_found("capability", call.child, "capability"))
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let account = find(call)?;
    let data: Vec<Value> =
        account.capabilities.keys().map(|name| capability::render(&account, name)).collect();
    let url = format!("/v1/accounts/{}/capabilities", account.id);
    Ok(json!({ "object": "list", "data": data, "has_more": false, "url": url }))
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let account = find(call)?;
    Ok(capability::render(&account, call.child))
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let is_requested = params.boolean("requested")?;
    params.finish()?;
    let mut account = find(call)?;
    require_controlled(&account)?;
    if let Some(is_requested) = is_requested {
        account.request(call.child, is_requested, call.tx.now.seconds());
        account.update_enabled_flags();
        accounts::save(call.tx, &account);
    }
    Ok(capability::render(&account, call.child))
}
