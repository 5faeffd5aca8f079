//! Changes of connected accounts, and the events that report them.

use serde_json::{Map, Value};

use crate::objects::account::{ConnectedAccount, Connection, render_application};
use crate::objects::capability;
use crate::operations::account_lookup::find;
use crate::operations::oauth;
use crate::state::Tx;
use crate::storage::table::Account;

/// Saves an account and emits events for its changes.
pub(crate) fn save(tx: &mut Tx<'_>, account: &ConnectedAccount) {
    let before = find(tx, &account.id).cloned();
    put(tx, account.clone());
    let Some(before) = before else { return };
    let changed: Vec<String> = account
        .capabilities
        .iter()
        .filter(|(name, now)| before.capabilities.get(*name) != Some(*now))
        .map(|(name, _)| name.clone())
        .collect();
    let (old, new) = (before.render(), account.render());
    if old == new && changed.is_empty() {
        return;
    }
    tx.on_account(Account(account.id.clone()), |tx| {
        tx.emit_with_previous("account.updated", new.clone(), Some(difference(&old, &new)));
        for name in changed {
            tx.emit("capability.updated", capability::render(account, &name));
        }
    });
}

pub(crate) fn put(tx: &mut Tx<'_>, account: ConnectedAccount) {
    tx.on_account(Account::platform(), |tx| tx.put(account));
}

/// Returns the old values of changed fields. Objects are compared field by field.
fn difference(old: &Value, new: &Value) -> Value {
    let (Some(before), Some(after)) = (old.as_object(), new.as_object()) else { return old.clone() };
    let mut changed = Map::new();
    for (name, value) in before {
        let now = after.get(name).unwrap_or(&Value::Null);
        if now != value {
            changed.insert(name.clone(), difference(value, now));
        }
    }
    for name in after.keys().filter(|name| !before.contains_key(*name)) {
        changed.insert(name.clone(), Value::Null);
    }
    Value::Object(changed)
}

/// Ends the connection and revokes the keys that the application has for the account.
pub(crate) fn disconnect(tx: &mut Tx<'_>, mut account: ConnectedAccount) {
    let application = render_application(account.application());
    // Emitted before the connection ends, so that the platform receives it.
    tx.on_account(Account(account.id.clone()), |tx| {
        tx.emit("account.application.deauthorized", application);
    });
    account.connection = Connection::None;
    put(tx, account.clone());
    oauth::revoke_all(tx, &account.id);
}

/// Rejects an account with a `disabled_reason`.
pub(crate) fn reject(tx: &mut Tx<'_>, mut account: ConnectedAccount, reason: &str) -> ConnectedAccount {
    account.disable(reason);
    save(tx, &account);
    account
}
