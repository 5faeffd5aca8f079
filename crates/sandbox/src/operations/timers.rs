//! Changes caused by the clock: debits settle, refunds end, disputes open and close, authorizations and Checkout Sessions
//! expire, and saved responses are deleted.

use crate::objects::charge::Charge;
use crate::objects::checkout_session::CheckoutSession;
use crate::objects::dispute::Dispute;
use crate::objects::refund::Refund;
use crate::objects::saved_response::SavedResponse;
use crate::objects::settlement::Settlement;
use crate::operations::{cancellation, checkout_sessions, disputes, refunds, settlements};
use crate::state::{Has, State, Tx};
use crate::storage::clock::Moment;
use crate::storage::table::Resource;

/// Returns the time of the next timer, which may be in the past.
pub(crate) fn next(state: &State) -> Option<Moment> {
    [
        state.of::<SavedResponse>().next_due(),
        state.of::<Settlement>().next_due(),
        state.of::<Charge>().next_due(),
        state.of::<Refund>().next_due(),
        state.of::<Dispute>().next_due(),
        state.of::<CheckoutSession>().next_due(),
    ]
    .into_iter()
    .flatten()
    .min()
}

/// Runs every timer that is due. The changes belong to no request, even if a request has moved the clock.
pub(crate) fn run(tx: &mut Tx<'_>) {
    let origin = std::mem::take(&mut tx.origin);
    run_due::<SavedResponse>(tx, delete_response);
    run_due::<Settlement>(tx, settlements::come_due);
    run_due::<Charge>(tx, dispute_or_expire);
    run_due::<Refund>(tx, refunds::come_due);
    run_due::<Dispute>(tx, disputes::come_due);
    run_due::<CheckoutSession>(tx, checkout_sessions::come_due);
    tx.origin = origin;
}

/// Calls `on_due` for each object of a type that is due. Afterwards the object must not be due any more.
fn run_due<T: Resource>(tx: &mut Tx<'_>, on_due: fn(&mut Tx<'_>, &str))
where
    State: Has<T>,
{
    for id in tx.state.of::<T>().due(tx.now).0 {
        let account = tx.state.of::<T>().find(&id).map(|(account, _)| account.clone());
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
        disputes::open_by_quirk(tx, &charge);
    } else if cancellation::expire_authorization(tx, &charge.payment_intent).is_none() {
        charge.release();
        tx.put(charge);
    }
}
