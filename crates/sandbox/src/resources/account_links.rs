//! Account Links, by which a person comes to the onboarding of an account: <https://docs.stripe.com/api/account_links>.
//! The page is in `pages::onboarding`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::clock::Moment;
use crate::config::is_http_url;
use crate::ids;
use crate::params::{Params, words};
use crate::request::{Call, hash_of_key};
use crate::resources::accounts::{self, ConnectedAccount, Onboarding};
use crate::routes::Route;
use crate::state::{Account, Resource, Tx};

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

/// A link, from its making to the end of the visit. Its secrets are kept as hashes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AccountLink {
    /// The hash of the secret in its address, and of the visit's once it has begun.
    id: String,
    pub(crate) account: String,
    expires_ms: i64,
    pub(crate) refresh_url: String,
    pub(crate) return_url: String,
    is_over: bool,
}

impl Resource for AccountLink {
    const KIND: &'static str = "account_link";

    fn id(&self) -> &str {
        &self.id
    }
}

fn read_url(params: &mut Params, name: &str) -> Result<String, ApiError> {
    let url = params.required_string(name)?;
    if is_http_url(&url) {
        Ok(url)
    } else {
        Err(params.invalid(name, "Not a valid URL").with_code("url_invalid"))
    }
}

fn create(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let id = params.required_string("account")?;
    let type_ = params.word::<LinkType>("type")?.ok_or_else(|| params.missing("type"))?;
    let refresh_url = read_url(&mut params, "refresh_url")?;
    let return_url = read_url(&mut params, "return_url")?;
    params.word::<Collected>("collect")?;
    if let Some(mut options) = params.nested("collection_options")? {
        options.word::<Collected>("fields")?;
        options.word::<FutureRequirements>("future_requirements")?;
        options.finish()?;
    }
    params.finish()?;
    let account = accounts::connected(call.tx, &id).filter(|_| call.tx.account.is_platform());
    let account = account.ok_or_else(|| ApiError::missing("account", &id, "account").with_status(400))?;
    accounts::refuse_uncontrolled(account)?;
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

fn find(tx: &Tx<'_>, account: &str, secret: &str) -> Option<AccountLink> {
    let link = tx.state.of::<AccountLink>().get(&Account::platform(), &hash_of_key(secret));
    link.filter(|link| link.account == account).cloned()
}

/// How a visit begins.
pub(crate) enum Visit {
    /// The link is good: the account, and the secret by which the visit goes on.
    Begun(Box<ConnectedAccount>, String),
    /// It is not, and the platform gives a new one here.
    Stale { refresh_url: String },
}

/// A person follows a link, which is used up by it; `None` if there is none.
pub(crate) fn visit(tx: &mut Tx<'_>, account: &str, secret: &str) -> Option<Visit> {
    let link = find(tx, account, secret)?;
    let open = accounts::connected(tx, account).filter(|_| !link.is_over && tx.now < Moment(link.expires_ms));
    let Some(account) = open.cloned() else {
        return Some(Visit::Stale { refresh_url: link.refresh_url });
    };
    let session = ids::random(24);
    let begun = AccountLink { id: hash_of_key(&session), ..link.clone() };
    tx.on_account(Account::platform(), |tx| {
        tx.put(AccountLink { is_over: true, ..link });
        tx.put(begun);
    });
    Some(Visit::Begun(Box::new(account), session))
}

/// A person leaves the onboarding, having done it in some way or not; where to is answered.
pub(crate) fn leave(
    tx: &mut Tx<'_>,
    account: &str,
    session: &str,
    name: Option<&str>,
    how: Option<Onboarding>,
) -> Option<String> {
    let visit = find(tx, account, session)?;
    let account = accounts::connected(tx, account).cloned();
    let Some(mut account) = account.filter(|_| !visit.is_over) else { return Some(visit.refresh_url) };
    if let Some(how) = how {
        if let Some(name) = name {
            account.set_business_name(name);
        }
        account.onboard(how);
        accounts::save(tx, &account);
    }
    let return_url = visit.return_url.clone();
    tx.on_account(Account::platform(), |tx| tx.put(AccountLink { is_over: true, ..visit }));
    Some(return_url)
}
