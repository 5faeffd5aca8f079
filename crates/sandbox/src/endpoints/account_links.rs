//! Account Links: <https://docs.stripe.com/api/account_links>. The page is in `pages::onboarding`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::endpoints::accounts::refuse_uncontrolled;
use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::http::string_enum::words;
use crate::objects::account_link::AccountLink;
use crate::operations::account_lookup;
use crate::storage::ids::{self, hash_of_key};

pub(crate) const ROUTES: &[Route] = &[Route::post("/v1/account_links", create)];

/// How long a link can be used.
const LIFE: Duration = Duration::from_mins(5);

words! {
    /// What a link is for.
    LinkType { Onboarding = "account_onboarding", Update = "account_update" }
}

words! {
    /// How much is asked for.
    Collected { CurrentlyDue = "currently_due", EventuallyDue = "eventually_due" }
}

words! {
    /// Whether what will be asked for later is asked for now.
    FutureRequirements { Include = "include", Omit = "omit" }
}

fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let id = params.required_string("account")?;
    let type_ = params.word::<LinkType>("type")?.ok_or_else(|| params.missing("type"))?;
    let refresh_url = params.required_url("refresh_url")?;
    let return_url = params.required_url("return_url")?;
    params.word::<Collected>("collect")?;
    if let Some(mut options) = params.nested("collection_options")? {
        options.word::<Collected>("fields")?;
        options.word::<FutureRequirements>("future_requirements")?;
        options.finish()?;
    }
    params.finish()?;
    let account = account_lookup::connected(call.tx, &id).filter(|_| call.tx.account.is_platform());
    let account = account.ok_or_else(|| ApiError::missing("account", &id, "account").with_status(400))?;
    refuse_uncontrolled(account)?;
    if type_ == LinkType::Update && account.has_dashboard() {
        return Err(ApiError::refused(
            "You cannot create `account_update` type Account Links for this account.",
        )
        .with_param("type"));
    }
    let secret = ids::random(12);
    let expires = call.tx.now.after(LIFE);
    call.tx.put(AccountLink {
        id: hash_of_key(&secret),
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
