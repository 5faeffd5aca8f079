//! Visits of Account Links, which lead to the onboarding page.

use crate::objects::account::{ConnectedAccount, OnboardingOutcome};
use crate::objects::account_link::AccountLink;
use crate::operations::account_lookup::connected;
use crate::operations::accounts;
use crate::state::Tx;
use crate::storage::clock::Timestamp;
use crate::storage::ids::{self, hash_secret};
use crate::storage::table::Account;

fn find(tx: &Tx<'_>, account: &str, secret: &str) -> Option<AccountLink> {
    let link = tx.state.table::<AccountLink>().get(&Account::platform(), &hash_secret(secret));
    link.filter(|link| link.account == account).cloned()
}

/// The result of opening an Account Link.
pub(crate) enum LinkAccess {
    /// The link is valid. Contains the account and the secret of a new session.
    Granted(Box<ConnectedAccount>, String),
    /// The link is invalid. The platform creates a new one at this URL.
    Expired { refresh_url: String },
}

/// Opens a link, which can be used once. Returns `None` if the link doesn't exist.
pub(crate) fn open(tx: &mut Tx<'_>, account: &str, secret: &str) -> Option<LinkAccess> {
    let link = find(tx, account, secret)?;
    let open = connected(tx, account).filter(|_| !link.is_over && tx.now < Timestamp(link.expires_ms));
    let Some(account) = open.cloned() else {
        return Some(LinkAccess::Expired { refresh_url: link.refresh_url });
    };
    let session = ids::random(24);
    let session_link = AccountLink { id: hash_secret(&session), ..link.clone() };
    tx.on_account(Account::platform(), |tx| {
        tx.put(AccountLink { is_over: true, ..link });
        tx.put(session_link);
    });
    Some(LinkAccess::Granted(Box::new(account), session))
}

/// Ends an onboarding session and applies its outcome, if any. Returns the URL to redirect to.
pub(crate) fn finish_onboarding(
    tx: &mut Tx<'_>,
    account: &str,
    session: &str,
    name: Option<&str>,
    outcome: Option<OnboardingOutcome>,
) -> Option<String> {
    let visit = find(tx, account, session)?;
    let account = connected(tx, account).cloned();
    let Some(mut account) = account.filter(|_| !visit.is_over) else { return Some(visit.refresh_url) };
    if let Some(outcome) = outcome {
        if let Some(name) = name {
            account.set_business_name(name);
        }
        account.complete_onboarding(outcome);
        accounts::save(tx, &account);
    }
    let return_url = visit.return_url.clone();
    tx.on_account(Account::platform(), |tx| tx.put(AccountLink { is_over: true, ..visit }));
    Some(return_url)
}
