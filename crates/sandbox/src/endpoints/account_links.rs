//! Account Links: <https://docs.stripe.com/api/account_links>. The page is in `pages::onboarding`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::endpoints::accounts::require_controlled;
use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::http::string_enum::string_enum;
use crate::objects::account_link::AccountLink;
use crate::operations::account_lookup;
use crate::storage::ids::{self, hash_secret};

pub(crate) const ROUTES: &[Route] = &[Route::post("/v1/account_links", create)];

/// The lifetime of a link.
const LINK_LIFETIME: Duration = Duration::from_mins(5);

string_enum! {
    /// The purpose of a link.
    LinkType { Onboarding = "account_onboarding", Update = "account_update" }
}

string_enum! {
    /// The requirements to collect.
    CollectFields { CurrentlyDue = "currently_due", EventuallyDue = "eventually_due" }
}

string_enum! {
    /// Whether to collect future requirements.
    FutureRequirements { Include = "include", Omit = "omit" }
}

fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let id = params.required_string("account")?;
    let type_ = params.enum_value::<LinkType>("type")?.ok_or_else(|| params.missing("type"))?;
    let refresh_url = params.required_url("refresh_url")?;
    let return_url = params.required_url("return_url")?;
    params.enum_value::<CollectFields>("collect")?;
    if let Some(mut options) = params.nested("collection_options")? {
        options.enum_value::<CollectFields>("fields")?;
        options.enum_value::<FutureRequirements>("future_requirements")?;
        options.finish()?;
    }
    params.finish()?;
    let account = account_lookup::connected(call.tx, &id).filter(|_| call.tx.account.is_platform());
    let account = account.ok_or_else(|| ApiError::not_found("account", &id, "account").with_status(400))?;
    require_controlled(account)?;
    if type_ == LinkType::Update && account.has_dashboard() {
        return Err(ApiError::refused(
            "You cannot create `account_update` type Account Links for this account.",
        )
        .with_param("type"));
    }
    let secret = ids::random(12);
    let expires = call.tx.now.after(LINK_LIFETIME);
    call.tx.put(AccountLink {
        id: hash_secret(&secret),
        account: id.clone(),
        expires_ms: expires.0,
        refresh_url,
        return_url,
        is_over: false,
    });
    Ok(json!({
        "object": "account_link",
        "created": call.tx.now.seconds(),
        "expires_at": expires.seconds(),
        "url": format!("{}/setup/s/{id}/{secret}", call.tx.settings.public_url),
    }))
}
