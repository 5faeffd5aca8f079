//! Visits of Account Links, which lead to the onboarding page.

use crate::objects::account::{ConnectedAccount, Onboarding};
use crate::objects::account_link::AccountLink;
use crate::operations::account_lookup::connected;
use crate::operations::accounts;
use crate::state::Tx;
use crate::storage::clock::Moment;
use crate::storage::ids::{self, hash_of_key};
use crate::storage::table::Account;

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
    let open = connected(tx, account).filter(|_| !link.is_over && tx.now < Moment(link.expires_ms));
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
    let account = connected(tx, account).cloned();
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
