//! Actions of account owners, and of Stripe on accounts.

use serde_json::{Value, json};

use crate::endpoints::account_params;
use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::http::params::{Change, MAX_TEXT_CHARS, Params};
use crate::http::string_enum::{StringEnum, string_enum};
use crate::objects::account::{
    self, AccountType, Capability, CapabilityStatus, ConnectedAccount, Connection, OnboardingOutcome,
};
use crate::objects::capability::is_capability;
use crate::objects::requirements::Requirements;
use crate::operations::{account_lookup, accounts, oauth};
use crate::storage::ids::{is_account_id, is_client_id};

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/_sandbox/accounts", create),
    Route::post("/_sandbox/accounts/{id}", change),
    Route::post("/_sandbox/accounts/{id}/disconnect", disconnect),
    Route::post("/_sandbox/accounts/{id}/reject", reject),
    Route::post("/_sandbox/accounts/{id}/keys", create_key),
];

string_enum! {
    /// Stripe's reason to reject an account.
    Rejection {
        Fraud = "rejected.fraud",
        IncompleteVerification = "rejected.incomplete_verification",
        Listed = "rejected.listed",
        Other = "rejected.other",
        TermsOfService = "rejected.terms_of_service",
    }
}

string_enum! {
    /// The way in which an account is connected to the platform.
    ConnectionSource { Platform = "platform", OAuth = "oauth", None = "nobody" }
}

/// Creates an account that is ready to sell, except as the parameters specify.
fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let now = call.tx.now.seconds();
    let id = params.string("id")?.unwrap_or_else(account::new_id);
    let type_ = params.enum_value::<AccountType>("type")?.unwrap_or(AccountType::Standard);
    let by = params.enum_value::<ConnectionSource>("connected_by")?.unwrap_or(ConnectionSource::Platform);
    let client_id = params.string("client_id")?;
    let country = params.string("country")?;
    if !is_account_id(&id) || id == call.tx.settings.platform_id {
        return Err(
            params.invalid("id", "Invalid id: an account ID is acct_ followed by letters and digits.")
        );
    }
    if let Some(country) = country.as_ref().filter(|country| !account::is_country(country)) {
        return Err(params.invalid("country", format!("Country '{country}' is unknown.")));
    }
    if client_id.as_ref().is_some_and(|client_id| !is_client_id(client_id)) {
        return Err(params
            .invalid("client_id", "Invalid client_id: a client ID is ca_ followed by letters and digits."));
    }
    let connection = match by {
        ConnectionSource::Platform => Connection::Controlled,
        ConnectionSource::None => Connection::None,
        ConnectionSource::OAuth => Connection::Authorized {
            client_id: client_id.unwrap_or_else(|| "ca_Sandbox".to_owned()),
            is_read_only: false,
        },
    };
    let mut account = ConnectedAccount::new(id.clone(), type_, connection, now);
    account.set_country(country.as_deref().unwrap_or("US"));
    account.set_business_name("Test Seller");
    account.request_default_capabilities(now);
    account.complete_onboarding(OnboardingOutcome::Complete);
    apply(&mut account, params, now)?;
    if account_lookup::find(call.tx, &id).is_some() {
        return Err(ApiError::refused(format!("The account {id} already exists.")).with_param("id"));
    }
    accounts::put(call.tx, account.clone());
    Ok(account.render())
}

fn find(call: &Call<'_, '_>) -> Result<ConnectedAccount, ApiError> {
    let account = account_lookup::find(call.tx, call.id).cloned();
    account.ok_or_else(|| ApiError::not_found("account", call.id, "account"))
}

/// Applies the parameters, even if the result is inconsistent.
fn apply(account: &mut ConnectedAccount, mut params: Params, now: i64) -> Result<(), ApiError> {
    account_params::apply_update(account, &mut params, now)?;
    if let Some(mut statuses) = params.nested("capability_status")? {
        for name in statuses.names().into_iter().filter(|name| is_capability(name)) {
            if let Some(status) = statuses.enum_value::<CapabilityStatus>(&name)? {
                let requested_at = (status != CapabilityStatus::Unrequested).then_some(now);
                account.capabilities.insert(name, Capability { status, requested_at });
            }
        }
        statuses.finish()?;
    }
    for (name, flag) in [
        ("charges_enabled", &mut account.charges_enabled),
        ("payouts_enabled", &mut account.payouts_enabled),
        ("details_submitted", &mut account.details_submitted),
    ] {
        *flag = params.boolean(name)?.unwrap_or(*flag);
    }
    params.text("display_name", MAX_TEXT_CHARS)?.apply(&mut account.display_name);
    for (name, requirements) in [
        ("requirements", &mut account.requirements),
        ("future_requirements", &mut account.future_requirements),
    ] {
        match params.object(name)? {
            Change::Unchanged => {}
            Change::Unset => *requirements = Requirements::default(),
            Change::Set(params) => requirements.update(params)?,
        }
    }
    params.finish()
}

fn change(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let params = std::mem::take(&mut call.params);
    let mut account = find(call)?;
    apply(&mut account, params, call.tx.now.seconds())?;
    accounts::save(call.tx, &account);
    Ok(account.render())
}

/// Disconnects the platform, as the account holder can in Stripe's Dashboard.
fn disconnect(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let account = find(call)?;
    if !account.is_connected() {
        return Err(ApiError::refused("This account is not connected."));
    }
    accounts::disconnect(call.tx, account.clone());
    Ok(account.render())
}

/// Creates an API key, as the account holder can in Stripe's Dashboard. The platform isn't involved.
fn create_key(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let id = find(call)?.id;
    let key = oauth::issue_own_key(call.tx, &id);
    Ok(json!({ "object": "account_key", "account": id, "secret_key": key }))
}

fn reject(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let reason = params.enum_value::<Rejection>("reason")?.unwrap_or(Rejection::Fraud);
    params.finish()?;
    let account = find(call)?;
    Ok(accounts::reject(call.tx, account, reason.as_str()).render())
}
