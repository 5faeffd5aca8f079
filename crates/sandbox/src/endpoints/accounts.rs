//! Connected accounts: <https://docs.stripe.com/api/accounts>.

use serde_json::{Value, json};

use crate::endpoints::account_params::{Fields, parse_controller, parse_country};
use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::http::pagination::{Page, created_filter};
use crate::http::string_enum::string_enum;
use crate::objects::account::{self, AccountType, ConnectedAccount, Connection};
use crate::operations::{account_lookup, accounts};
use crate::state::Tx;
use crate::storage::table::Account;

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/v1/account", retrieve_own),
    Route::post("/v1/accounts", create),
    Route::get("/v1/accounts", list),
    Route::get("/v1/accounts/{id}", retrieve),
    Route::post("/v1/accounts/{id}", update),
    Route::delete("/v1/accounts/{id}", delete),
    Route::post("/v1/accounts/{id}/reject", reject_by_platform),
];

/// Account parameters that Stripe supports and the sandbox doesn't.
const UNSUPPORTED: &[&str] = &[
    "account_token",
    "company",
    "documents",
    "external_account",
    "groups",
    "individual",
    "settings",
    "tos_acceptance",
];

string_enum! {
    /// The platform's reason to reject an account.
    RejectReason { Fraud = "fraud", TermsOfService = "terms_of_service", Other = "other" }
}

/// Finds the account in the path, if the caller has access to it.
pub(crate) fn find_accessible(call: &Call<'_, '_>) -> Result<ConnectedAccount, ApiError> {
    let has_access = call.tx.account.is_platform() || call.tx.account.0 == call.id;
    let account = account_lookup::connected(call.tx, call.id).filter(|_| has_access);
    account.cloned().ok_or_else(|| ApiError::account_access_denied(call.redacted_key, call.id))
}

fn retrieve_own(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let account = account_lookup::find(call.tx, &call.tx.account.0);
    let platform_id = &call.tx.settings.platform_id;
    Ok(account.map_or_else(|| account::render_platform(platform_id), ConnectedAccount::render))
}

fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let now = call.tx.now.seconds();
    let type_ = params.enum_value::<AccountType>("type")?;
    let controller = params.nested("controller")?;
    if type_ == Some(AccountType::None) {
        return Err(params.invalid("type", "Invalid type: must be one of custom, express, or standard"));
    }
    if type_.is_some() && controller.is_some() {
        return Err(params.invalid(
            "controller",
            "You may not provide the `type` parameter and `controller` parameters simultaneously. They are \
             mutually exclusive.",
        ));
    }
    let country = parse_country(&mut params)?;
    let fields = Fields::parse(&mut params)?;
    params.reject_unsupported(UNSUPPORTED)?;
    let default_type = if controller.is_some() { AccountType::None } else { AccountType::Standard };
    let mut account =
        ConnectedAccount::new(account::new_id(), type_.unwrap_or(default_type), Connection::Controlled, now);
    if let Some(controller) = controller {
        account.controller = parse_controller(controller)?;
    }
    params.finish()?;
    require_platform(call.tx)?;
    account.set_country(country.as_deref().unwrap_or("US"));
    account.require_details();
    // Only custom accounts start without default capabilities.
    if fields.capabilities.is_empty() && account.type_ != AccountType::Custom {
        account.request_default_capabilities(now);
    }
    fields.apply(&mut account, now)?;
    accounts::put(call.tx, account.clone());
    Ok(account.render())
}

/// Rejects calls by connected accounts, which can't have connected accounts themselves.
fn require_platform(tx: &Tx<'_>) -> Result<(), ApiError> {
    if tx.account.is_platform() {
        return Ok(());
    }
    Err(ApiError::forbidden(
        "You can only create new accounts if you've signed up for Connect, which you can do at \
         https://dashboard.stripe.com/connect.",
    )
    .with_code("platform_account_required"))
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    if call.id == call.tx.settings.platform_id && call.tx.account.is_platform() {
        return Ok(account::render_platform(call.id));
    }
    find_accessible(call).map(|account| account.render())
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let fields = Fields::parse(&mut params)?;
    params.reject_unsupported(UNSUPPORTED)?;
    params.finish()?;
    let mut account = find_accessible(call)?;
    require_controlled(&account)?;
    fields.apply(&mut account, call.tx.now.seconds())?;
    accounts::save(call.tx, &account);
    Ok(account.render())
}

/// Rejects changes of accounts that are connected with OAuth. Only their holders can change them.
pub(crate) fn require_controlled(account: &ConnectedAccount) -> Result<(), ApiError> {
    if account.connection == Connection::Controlled {
        return Ok(());
    }
    Err(ApiError::forbidden(format!(
        "This application does not have the required permissions for this endpoint on account '{}'.",
        account.id
    ))
    .with_code("more_permissions_required"))
}

fn delete(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let account = find_accessible(call)?;
    require_controlled(&account)?;
    let id = account.id.clone();
    accounts::disconnect(call.tx, account);
    Ok(json!({ "id": id, "object": "account", "deleted": true }))
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    params.finish()?;
    // Connected accounts have no connected accounts themselves.
    let is_platform = call.tx.account.is_platform();
    let platform = Account::platform();
    let all = call.tx.state.table::<ConnectedAccount>().newest_first(&platform);
    let accounts: Vec<&ConnectedAccount> = all
        .filter(|account| is_platform && account.is_connected())
        .filter(|account| created.contains(&account.created))
        .collect();
    page.render(&accounts, "account", "/v1/accounts", |account| &account.id, |account| account.render())
}

fn reject_by_platform(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let reason = params.enum_value::<RejectReason>("reason")?.ok_or_else(|| params.missing("reason"))?;
    params.finish()?;
    let account = find_accessible(call)?;
    require_controlled(&account)?;
    let disabled_reason = match reason {
        RejectReason::Fraud => "rejected.platform_fraud",
        RejectReason::TermsOfService => "rejected.platform_terms_of_service",
        RejectReason::Other => "rejected.platform_other",
    };
    Ok(accounts::reject(call.tx, account, disabled_reason).render())
}
