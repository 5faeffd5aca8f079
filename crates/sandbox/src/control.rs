//! The control API under `/_sandbox/`: what no merchant can do at Stripe, for tests. Here the clock and the events; what
//! customers and banks do is in the module below.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::events::Event;
use crate::request::Call;
use crate::routes::Route;
use crate::state::{Account, Resource};
use crate::timers;

pub(crate) mod accounts;
pub(crate) mod world;

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/_sandbox/events/{id}/resend", resend),
    Route::get("/_sandbox/clock", read_clock),
    Route::post("/_sandbox/clock", advance_clock),
];

/// The furthest the clock can be moved at once: ten years.
const MAX_ADVANCE_SECONDS: i64 = 10 * 366 * 24 * 60 * 60;

/// How far ahead the clock is, kept over a restart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClockSetting {
    advanced_ms: u64,
}

impl ClockSetting {
    const ID: &'static str = "clock";

    pub(crate) fn advanced(&self) -> Duration {
        Duration::from_millis(self.advanced_ms)
    }
}

impl Resource for ClockSetting {
    const KIND: &'static str = "clock_setting";

    fn id(&self) -> &str {
        Self::ID
    }
}

/// Delivers an event once more to every endpoint that listens to it.
fn resend(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let event = call.tx.get::<Event>(call.id).cloned();
    let event = event.ok_or_else(|| ApiError::missing("event", call.id, "id"))?;
    call.tx.resend(&event);
    Ok(call.tx.render_event(&event))
}

fn read_clock(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    Ok(json!({ "object": "clock", "now": call.tx.now.seconds() }))
}

/// Moves the clock forward. What comes due by it has happened when this is answered; deliveries follow.
fn advance_clock(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let seconds = params.required_integer("advance_seconds")?;
    let by = u64::try_from(seconds).ok().filter(|_| seconds <= MAX_ADVANCE_SECONDS);
    let by = by.ok_or_else(|| {
        params.invalid("advance_seconds", format!("Must be between 0 and {MAX_ADVANCE_SECONDS}."))
    })?;
    params.finish()?;
    let by = Duration::from_secs(by);
    let total = call.tx.clock.advanced().saturating_add(by);
    call.tx.clock.set_advanced(total);
    call.tx.on_account(Account::platform(), |tx| {
        tx.put(ClockSetting { advanced_ms: u64::try_from(total.as_millis()).unwrap_or(u64::MAX) });
    });
    call.tx.now = call.tx.now.after(by);
    timers::run(call.tx);
    Ok(json!({ "object": "clock", "now": call.tx.now.seconds() }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::advance_clock;
    use crate::chaos::ChaosPlan;
    use crate::form::Node;
    use crate::idempotency::{IdempotentRequest, SavedResponse};
    use crate::params::Params;
    use crate::request::{Call, Role};
    use crate::state::{Account, Settings, Store};
    use crate::storage::Storage;

    /// Nothing but the call itself is there to do what is due.
    #[test]
    fn what_is_due_has_happened_when_the_clock_has_been_moved() {
        let settings = Settings {
            public_url: String::new(),
            platform_id: String::new(),
            debit_delay: Duration::ZERO,
            delayed_debit_delay: Duration::ZERO,
            refund_delay: Duration::ZERO,
            dispute_delay: Duration::ZERO,
            chaos: ChaosPlan::default(),
        };
        let store = Store::load(settings, Storage::memory(), Vec::new()).unwrap();
        let count = || store.peek(|tx| tx.state.of::<SavedResponse>().all().count());
        let key = IdempotentRequest::new("k", &Account::platform(), "/v1/refunds", b"").unwrap();
        store.peek(|tx| key.save(tx, 200, "{}", "req_x"));
        let advance = |seconds: &str| {
            let entries = [("advance_seconds".to_owned(), Node::Text(seconds.to_owned()))];
            let params = Params::new(BTreeMap::from(entries));
            store.peek(|tx| {
                advance_clock(&mut Call {
                    tx,
                    params,
                    id: "",
                    child: "",
                    role: Role::Secret,
                    shown_key: "",
                    version: "",
                })
                .unwrap()
            });
        };
        advance("86390");
        assert_eq!(count(), 1);
        advance("10");
        assert_eq!(count(), 0);
    }
}
