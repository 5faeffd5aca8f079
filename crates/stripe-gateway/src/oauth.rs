//! OAuth, by which the owner of an account lets the platform act for it. No key of the account is kept: the platform's
//! own is enough, in the account's name. See <https://docs.stripe.com/connect/oauth-reference>.

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

/// What is asked for: to charge, and not only to look.
const READ_WRITE: &str = "read_write";

/// An account whose owner has let the platform in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthAccount {
    /// Stripe's id of it, `acct_…`.
    pub account_id: String,
    /// Whether money is real there, for the platform that was let in.
    pub mode: Mode,
    /// Whether the platform may charge, and not only look.
    pub can_write: bool,
    /// Stripe's id of the request.
    pub request_id: Option<String>,
}

impl Stripe {
    /// Where the owner of an account goes to let the platform in, which is known by its `client_id` (`ca_…`). Stripe
    /// sends them on to `redirect_uri`, one of those named in the dashboard (the first if none is given), with the
    /// `state` and a code, or why there is none.
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

    /// Exchanges the code that an owner came back with, which connects the account.
    ///
    /// Asks Stripe once: a code that comes twice is void, with all that it brought. So after
    /// [`Error::Unavailable`] the account may be connected or not, and its owner has to begin anew. A code that can
    /// not be exchanged is refused with [`is_code_invalid`](crate::Refusal::is_code_invalid).
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

    /// Ends the platform's use of an account that its owner let in. One that is not connected any more is done with.
    /// A `client_id` that is not the platform's is refused with
    /// [`is_key_error`](crate::Refusal::is_key_error).
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
        // Stripe has one word for a client id that is not ours and for an account that is not connected to it.
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

/// What we look at. The keys beside it are nobody's to keep.
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
