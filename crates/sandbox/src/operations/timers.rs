//! Changes caused by the clock: debits settle, refunds end, disputes open and close, authorizations and Checkout
//! Sessions expire, and saved responses are deleted.

use crate::objects::charge::Charge;
use crate::objects::checkout_session::CheckoutSession;
use crate::objects::dispute::Dispute;
use crate::objects::refund::Refund;
use crate::objects::saved_response::SavedResponse;
use crate::objects::settlement::Settlement;
use crate::operations::{cancellation, checkout_sessions, disputes, refunds, settlements};
use crate::state::{State, TableAccess, Tx};
use crate::storage::clock::Timestamp;
use crate::storage::table::Resource;

/// Returns the time of the next timer, which may be in the past.
pub(crate) fn next(state: &State) -> Option<Timestamp> {
    [
        state.table::<SavedResponse>().next_due(),
        state.table::<Settlement>().next_due(),
        state.table::<Charge>().next_due(),
        state.table::<Refund>().next_due(),
        state.table::<Dispute>().next_due(),
        state.table::<CheckoutSession>().next_due(),
    ]
    .into_iter()
    .flatten()
    .min()
}

/// Runs all due timers. Their changes belong to no request, even if a request has advanced the clock.
pub(crate) fn run(tx: &mut Tx<'_>) {
    let origin = std::mem::take(&mut tx.origin);
    run_due::<SavedResponse>(tx, delete_response);
    run_due::<Settlement>(tx, settlements::on_due);
    run_due::<Charge>(tx, dispute_or_expire);
    run_due::<Refund>(tx, refunds::on_due);
    run_due::<Dispute>(tx, disputes::on_due);
    run_due::<CheckoutSession>(tx, checkout_sessions::on_due);
    tx.origin = origin;
}

/// Calls `on_due` for every due object of a type. After that, the object must not be due any longer.
fn run_due<T: Resource>(tx: &mut Tx<'_>, on_due: fn(&mut Tx<'_>, &str))
where
    State: TableAccess<T>,
{
    for id in tx.state.table::<T>().due(tx.now).0 {
        let account = tx.state.table::<T>().find(&id).map(|(account, _)| account.clone());
        if let Some(account) = account {
            tx.on_account(account, |tx| on_due(tx, &id));
        }
    }
}

fn delete_response(tx: &mut Tx<'_>, id: &str) {
    tx.delete::<SavedResponse>(id);
}

/// Opens the disputes of a test card, or expires an authorization.
fn dispute_or_expire(tx: &mut Tx<'_>, id: &str) {
    let Some(mut charge) = tx.get::<Charge>(id).cloned() else { return };
    if charge.disputed_at_ms.take().is_some() {
        tx.put(charge.clone());
        disputes::open_for_test_card(tx, &charge);
    } else if cancellation::expire_authorization(tx, &charge.payment_intent).is_none() {
        charge.release();
        tx.put(charge);
    }
}
