//! Lookup of connected accounts.

use crate::objects::account::ConnectedAccount;
use crate::state::Tx;
use crate::storage::table::Account;

/// Finds an account, connected or not.
pub(crate) fn find<'a>(tx: &'a Tx<'_>, id: &str) -> Option<&'a ConnectedAccount> {
    tx.state.table::<ConnectedAccount>().get(&Account::platform(), id)
}

/// Finds a connected account.
pub(crate) fn connected<'a>(tx: &'a Tx<'_>, id: &str) -> Option<&'a ConnectedAccount> {
    find(tx, id).filter(|account| account.is_connected())
}
