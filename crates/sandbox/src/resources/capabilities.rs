//! Capabilities, what a connected account can do: <https://docs.stripe.com/api/capabilities>.

use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::request::Call;
use crate::resources::accounts::{self, CapabilityStatus, ConnectedAccount};
use crate::routes::Route;

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/v1/accounts/{id}/capabilities", list),
    Route::get("/v1/accounts/{id}/capabilities/{child}", retrieve),
    Route::post("/v1/accounts/{id}/capabilities/{child}", update),
];

/// A capability of an account that knows of it.
pub(crate) fn render(account: &ConnectedAccount, name: &str) -> Value {
    let capability = account.capabilities.get(name);
    let status = capability.map_or(CapabilityStatus::Unrequested, |capability| capability.status);
    let requested_at = capability.and_then(|capability| capability.requested_at);
    let account_reason = account.requirements.disabled_reason.as_deref();
    let disabled_reason = match status {
        CapabilityStatus::Active | CapabilityStatus::Unrequested => None,
        CapabilityStatus::Pending => Some("pending.review"),
        CapabilityStatus::Inactive
            if account_reason.is_some_and(|reason| reason.starts_with("rejected.")) =>
        {
            Some("rejected.other")
        }
        CapabilityStatus::Inactive => Some("requirements.fields_needed"),
    };
    json!({
        "id": name,
        "object": "capability",
        "account": account.id,
        "future_requirements": account.future_requirements.of_capability(None),
        "requested": requested_at.is_some(),
        "requested_at": requested_at,
        "requirements": account.requirements.of_capability(disabled_reason),
        "status": status,
    })
}

/// The account of the path, and its capability if there is one of that name.
fn find(call: &Call<'_, '_>) -> Result<ConnectedAccount, ApiError> {
    let account = accounts::visible(call)?;
    if call.child.is_empty() || accounts::is_capability(call.child) {
        return Ok(account);
    }
    Err(ApiError::missing("capability", call.child, "capability"))
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let account = find(call)?;
    let data: Vec<Value> = account.capabilities.keys().map(|name| render(&account, name)).collect();
    let url = format!("/v1/accounts/{}/capabilities", account.id);
    Ok(json!({ "object": "list", "data": data, "has_more": false, "url": url }))
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let account = find(call)?;
    Ok(render(&account, call.child))
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let is_requested = params.boolean("requested")?;
    params.finish()?;
    let mut account = find(call)?;
    accounts::refuse_uncontrolled(&account)?;
    if let Some(is_requested) = is_requested {
        account.request(call.child, is_requested, call.tx.now.seconds());
        account.follow();
        accounts::save(call.tx, &account);
    }
    Ok(render(&account, call.child))
}
