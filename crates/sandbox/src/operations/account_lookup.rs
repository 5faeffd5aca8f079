//! Lookup of connected accounts.

use crate::objects::account::ConnectedAccount;
use crate::state::Tx;
use crate::storage::table::Account;

/// The account of this id, connected or not.
pub(crate) fn find<'a>(tx: &'a Tx<'_>, id: &str) -> Option<&'a ConnectedAccount> {
    tx.state.of::<ConnectedAccount>().get(&Account::platform(), id)
}

/// The account of this id, if the platform may act for it.
pub(crate) fn connected<'a>(tx: &'a Tx<'_>, id: &str) -> Option<&'a ConnectedAccount> {
    find(tx, id).filter(|account| account.is_connected())
}
