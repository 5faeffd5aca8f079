//! OAuth, by which an account's owner authorizes the platform. Quittance stores no key of the account, because
//! the platform's own key suffices. See <https://docs.stripe.com/connect/oauth-reference>.

use quittance_domain::payment::{Account, Mode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::Stripe;
use crate::error::Error;
use crate::request::checked_id;
use crate::transport::{ApiCall, Method, Reply};
use crate::view::{require_id, shape_error};

const AUTHORIZE: &str = "/oauth/authorize";
const DEAUTHORIZE: &str = "/oauth/deauthorize";
const TOKEN: &str = "/oauth/token";

/// The requested scope. It allows charges.
const READ_WRITE: &str = "read_write";

/// An account whose owner authorized the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthAccount {
    /// The account's ID at Stripe, `acct_…`.
    pub account_id: String,
    /// The mode of the authorization.
    pub mode: Mode,
    /// Whether the platform can create charges, not only read.
    pub can_write: bool,
    /// Stripe's request ID.
    pub request_id: Option<String>,
}

impl Stripe {
    /// Returns the URL where an account's owner authorizes the platform with this `client_id` (`ca_…`). Stripe
    /// then redirects the owner to `redirect_uri`, with the `state` and a code or an error. The Dashboard lists
    /// the allowed URIs. `None` means the first of them.
    #[must_use]
    pub fn authorize_url(&self, client_id: &str, state: &str, redirect_uri: Option<&str>) -> String {
        #[derive(Serialize)]
        struct AuthorizeQuery<'a> {
            response_type: &'a str,
            client_id: &'a str,
            scope: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            redirect_uri: Option<&'a str>,
            state: &'a str,
        }
        let query =
            AuthorizeQuery { response_type: "code", client_id, scope: READ_WRITE, redirect_uri, state };
        let query = RequestBuilder::new(StripeMethod::Get, AUTHORIZE).query(&query).query;
        self.transport.oauth_page(AUTHORIZE, &query.unwrap_or_default())
    }

    /// Exchanges an OAuth code, which connects the account.
    ///
    /// The request isn't retried, because a second use revokes the code and the authorization. After
    /// [`Error::Unavailable`], the account may be connected or not, and the owner must start again. If the code
    /// is invalid, the refusal is [`is_code_invalid`](crate::Refusal::is_code_invalid).
    pub async fn exchange_code(&self, code: &SecretString) -> Result<OAuthAccount, Error> {
        #[derive(Serialize)]
        struct TokenForm<'a> {
            grant_type: &'a str,
            code: &'a str,
        }
        let form = TokenForm { grant_type: "authorization_code", code: code.expose_secret() };
        let own = Account::own();
        self.transport.call(&call("oauth.token", TOKEN, &own, &form, false), OAuthGrant::read).await
    }

    /// Disconnects an account that was connected by OAuth. It succeeds if the account is already disconnected.
    /// If the `client_id` isn't the platform's, the refusal is [`is_key_error`](crate::Refusal::is_key_error).
    pub async fn deauthorize(&self, client_id: &str, account_id: &str) -> Result<(), Error> {
        #[derive(Serialize)]
        struct DeauthorizeForm<'a> {
            client_id: &'a str,
            stripe_user_id: &'a str,
        }
        let form = DeauthorizeForm { client_id, stripe_user_id: checked_id(account_id)? };
        let own = Account::own();
        let call = call("oauth.deauthorize", DEAUTHORIZE, &own, &form, true);
        let refused = match self.transport.call(&call, |_| Ok(())).await {
            Err(Error::Refused(refusal)) if refusal.is_client_invalid() => refusal,
            result => return result,
        };
        // Stripe uses one code for a wrong client ID and for an account that isn't connected.
        match self.retrieve_account(account_id).await {
            Err(Error::Refused(gone)) if gone.is_account_unreachable() => Ok(()),
            Ok(_) | Err(Error::Refused(_)) => Err(Error::Refused(refused)),
            Err(unknown) => Err(unknown),
        }
    }
}

fn call<'a>(
    operation: &'static str,
    path: &str,
    own: &'a Account,
    form: &impl Serialize,
    is_repeatable: bool,
) -> ApiCall<'a> {
    let body = RequestBuilder::new(StripeMethod::Post, path).form(form).body.unwrap_or_default();
    ApiCall { operation, path: path.to_owned(), account: own, method: Method::OAuth { body, is_repeatable } }
}

/// The fields that Quittance reads. It doesn't keep the keys in the response.
#[derive(Deserialize)]
struct OAuthGrant {
    stripe_user_id: Option<String>,
    livemode: Option<bool>,
    scope: Option<String>,
}

impl OAuthGrant {
    fn read(reply: &Reply) -> Result<OAuthAccount, String> {
        let grant: Self =
            serde_json::from_slice(&reply.body).map_err(|error| shape_error("OAuth grant", &error))?;
        let livemode = grant.livemode.ok_or("the OAuth grant has no livemode")?;
        Ok(OAuthAccount {
            account_id: require_id(grant.stripe_user_id, "account of the OAuth grant")?,
            mode: Mode::from_livemode(livemode),
            can_write: grant.scope.is_none_or(|scope| scope == READ_WRITE),
            request_id: reply.request_id.clone(),
        })
    }
}
