//! Issuing and revoking authorization codes and API keys.

use std::time::Duration;

use crate::objects::oauth::{OAuthCode, OAuthToken};
use crate::state::Tx;
use crate::storage::ids::{self, hash_secret};
use crate::storage::table::Account;

/// The lifetime of an authorization code.
const CODE_LIFETIME: Duration = Duration::from_mins(5);

/// Issues an authorization code for an account whose holder has consented.
pub(crate) fn issue_code(tx: &mut Tx<'_>, account: &str, client_id: &str, is_read_only: bool) -> String {
    let code = format!("ac_{}", ids::random(32));
    let stored = OAuthCode {
        id: hash_secret(&code),
        account: account.to_owned(),
        client_id: client_id.to_owned(),
        is_read_only,
        is_used: false,
        expires_ms: tx.now.after(CODE_LIFETIME).0,
    };
    tx.on_account(Account::platform(), |tx| tx.put(stored));
    code
}

pub(crate) fn issue_token(tx: &mut Tx<'_>, code: &OAuthCode, prefix: &str) -> String {
    let token = format!("{prefix}_{}", ids::random(40));
    let (account, code) = (code.account.clone(), code.id.clone());
    tx.put(OAuthToken { id: hash_secret(&token), account, code, is_revoked: false, is_own: false });
    token
}

/// Issues a secret key for the account holder. The account needn't be connected.
pub(crate) fn issue_own_key(tx: &mut Tx<'_>, account: &str) -> String {
    let key = format!("sk_test_{}", ids::random(40));
    let (id, account) = (hash_secret(&key), account.to_owned());
    let stored = OAuthToken { id, account, code: String::new(), is_revoked: false, is_own: true };
    tx.on_account(Account::platform(), |tx| tx.put(stored));
    key
}

pub(crate) fn revoke(tx: &mut Tx<'_>, is_revoked_key: impl Fn(&OAuthToken) -> bool) {
    tx.on_account(Account::platform(), |tx| {
        let tokens: Vec<OAuthToken> =
            tx.newest_first::<OAuthToken>().filter(|token| is_revoked_key(token)).cloned().collect();
        for token in tokens {
            tx.put(OAuthToken { is_revoked: true, ..token });
        }
    });
}

/// Revokes all keys and codes that applications have for an account.
pub(crate) fn revoke_all(tx: &mut Tx<'_>, account: &str) {
    revoke(tx, |token| token.account == account && !token.is_own);
    tx.on_account(Account::platform(), |tx| {
        let codes: Vec<OAuthCode> =
            tx.newest_first::<OAuthCode>().filter(|code| code.account == account).cloned().collect();
        for code in codes {
            tx.put(OAuthCode { is_used: true, ..code });
        }
    });
}
