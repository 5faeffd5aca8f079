//! Authentication: API keys and the account that a request acts for.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine;

use crate::endpoints::route::Role;
use crate::http::error::ApiError;
use crate::http::params::Params;
use crate::storage::ids::hash_secret;
use crate::storage::table::Account;

/// The authenticated caller of a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) role: Role,
    pub(crate) account: Account,
    /// The key as shown in errors.
    pub(crate) redacted_key: String,
    /// The application that acts for a connected account. Set by `access::authorize`.
    pub(crate) application: Option<String>,
    /// The hash of the key. Keys of connected accounts are found by it.
    pub(crate) key_hash: String,
}

impl Caller {
    /// Reads the key and the account from the headers, or from the parameters that Stripe.js uses.
    pub(crate) fn identify(
        request: &HttpRequest,
        params: &mut Params,
        platform_id: &str,
    ) -> Result<Self, ApiError> {
        let in_body = params.string("key")?;
        let account_in_body = params.string("_stripe_account")?;
        // Stripe.js repeats the version in the body. The sandbox has only one version.
        params.string("_stripe_version")?;
        // OAuth requests can send the key as `client_secret`. Elsewhere, `client_secret` is a different parameter.
        let is_oauth = request.path().starts_with("/oauth/");
        let client_secret = if is_oauth { params.string("client_secret")? } else { None };
        let key = key_in_header(request.headers()).or(in_body).or(client_secret).ok_or_else(missing_key)?;
        let role = parse_role(&key)?;
        let header = request.headers().get("stripe-account").and_then(|value| value.to_str().ok());
        let account = match header.map(str::to_owned).or(account_in_body) {
            Some(id) if id != platform_id => Account(id),
            _ => Account::platform(),
        };
        Ok(Self { role, account, redacted_key: redact(&key), application: None, key_hash: hash_secret(&key) })
    }
}

fn key_in_header(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    Some(text.split(':').next().unwrap_or_default().to_owned())
}

fn parse_role(key: &str) -> Result<Role, ApiError> {
    let has = |prefix: &str| key.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
    if has("sk_test_") || has("rk_test_") {
        return Ok(Role::Secret);
    }
    if has("pk_test_") {
        return Ok(Role::Publishable);
    }
    if key.contains("_live_") {
        return Err(ApiError::unauthorized(
            "This is the Quittance sandbox, not Stripe. It accepts test keys only. Never send it a live key.",
        )
        .with_code("livemode_mismatch"));
    }
    if key.is_empty() {
        return Err(missing_key());
    }
    Err(ApiError::unauthorized(format!("Invalid API Key provided: {}", redact(key))))
}

fn missing_key() -> ApiError {
    ApiError::unauthorized(
        "You did not provide an API key. You need to provide your API key in the Authorization header, using \
         Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See \
         https://stripe.com/docs/api#authentication for details, or we can help at \
         https://support.stripe.com/.",
    )
}

/// Returns the first and last characters of a key, as Stripe shows it in errors.
fn redact(key: &str) -> String {
    let chars: Vec<char> = key.chars().collect();
    if chars.len() < 12 {
        return "*".repeat(chars.len());
    }
    let text = |part: &[char]| part.iter().collect::<String>();
    format!("{}{}{}", text(&chars[..7]), "*".repeat(chars.len() - 11), text(&chars[chars.len() - 4..]))
}

#[cfg(test)]
mod tests {
    use super::{Role, parse_role, redact};

    #[test]
    fn live_and_malformed_keys_are_rejected() {
        assert_eq!(parse_role("sk_test_x").unwrap(), Role::Secret);
        assert_eq!(parse_role("pk_test_x").unwrap(), Role::Publishable);
        for key in ["sk_live_x", "sk_test_", "", "hello"] {
            assert_eq!(parse_role(key).unwrap_err().status, 401, "{key}");
        }
        assert_eq!(redact("sk_test_abcdefgh"), "sk_test*****efgh");
        assert_eq!(redact("short"), "*****");
    }
}
