//! What happens by the clock alone: debits settle, refunds end, disputes are opened and decided, authorisations and
//! Checkout Sessions expire, idempotency keys are forgotten.

use crate::clock::Moment;
use crate::idempotency::SavedResponse;
use crate::resources::charges::Charge;
use crate::resources::checkout_sessions::CheckoutSession;
use crate::resources::disputes::Dispute;
use crate::resources::payment_intents::settlements::Settlement;
use crate::resources::refunds::Refund;
use crate::state::{Has, Resource, State, Tx};

/// Something that changes when its moment has come.
pub(crate) trait Timed: Resource {
    /// Does what is due. Afterwards it is no longer due, or only later.
    fn come_due(tx: &mut Tx<'_>, id: &str);
}

/// Calls a function for each type that has timers.
macro_rules! for_each_timed {
    ($function:ident ( $($argument:expr),* )) => {
        $function::<SavedResponse>($($argument),*);
        $function::<Settlement>($($argument),*);
        $function::<Charge>($($argument),*);
        $function::<Refund>($($argument),*);
        $function::<Dispute>($($argument),*);
        $function::<CheckoutSession>($($argument),*);
    };
}

/// The moment at which the next thing is due, be it past.
pub(crate) fn next(state: &State) -> Option<Moment> {
    let mut next = None;
    for_each_timed!(look(state, &mut next));
    next
}

fn look<T: Timed>(state: &State, next: &mut Option<Moment>)
where
    State: Has<T>,
{
    *next = next.iter().copied().chain(state.of::<T>().next_due()).min();
}

/// Does everything that is due. No request has caused it, whoever has moved the clock.
pub(crate) fn run(tx: &mut Tx<'_>) {
    let origin = std::mem::take(&mut tx.origin);
    for_each_timed!(run_of(tx));
    tx.origin = origin;
}

fn run_of<T: Timed>(tx: &mut Tx<'_>)
where
    State: Has<T>,
{
    for id in tx.state.of::<T>().due(tx.now).0 {
        let account = tx.state.of::<T>().find(&id).map(|(account, _)| account.clone());
        if let Some(account) = account {
            tx.on_account(account, |tx| T::come_due(tx, &id));
        }
    }
}
