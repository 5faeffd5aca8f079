//! The clock, and repeated deliveries of events.

use std::time::Duration;

use serde_json::{Value, json};

use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::objects::clock_setting::ClockSetting;
use crate::objects::event::Event;
use crate::operations::timers;
use crate::storage::table::Account;

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/_sandbox/events/{id}/resend", resend),
    Route::get("/_sandbox/clock", retrieve_clock),
    Route::post("/_sandbox/clock", advance_clock),
];

/// The maximum step of the clock: ten years.
const MAX_ADVANCE_SECONDS: i64 = 10 * 366 * 24 * 60 * 60;

/// Delivers an event again to every subscribed endpoint.
fn resend(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let event = call.tx.get::<Event>(call.id).cloned();
    let event = event.ok_or_else(|| ApiError::not_found("event", call.id, "id"))?;
    call.tx.resend(&event);
    Ok(call.tx.render_event(&event))
}

fn retrieve_clock(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    Ok(json!({ "object": "clock", "now": call.tx.now.seconds() }))
}

/// Advances the clock and runs all due timers before it responds. Deliveries follow.
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
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use super::advance_clock;
    use crate::chaos::{Chaos, ChaosPlan};
    use crate::endpoints::route::{Call, Role};
    use crate::http::form::Node;
    use crate::http::params::Params;
    use crate::objects::saved_response::SavedResponse;
    use crate::state::{Settings, Store};
    use crate::storage::file::Storage;

    #[test]
    fn advanced_clock_runs_due_timers_before_responding() {
        let settings = Settings {
            public_url: String::new(),
            platform_id: String::new(),
            debit_delay: Duration::ZERO,
            delayed_debit_delay: Duration::ZERO,
            refund_delay: Duration::ZERO,
            dispute_delay: Duration::ZERO,
        };
        let chaos = Chaos::new(ChaosPlan::default(), BTreeSet::new());
        let store = Store::load(settings, chaos, Storage::memory(), Vec::new()).unwrap();
        let count = || store.run_in_memory(|tx| tx.state.table::<SavedResponse>().all().count());
        store.run_in_memory(|tx| {
            let created_ms = tx.now.0;
            tx.put(SavedResponse {
                id: ":k".to_owned(),
                path: "/v1/refunds".to_owned(),
                fingerprint: String::new(),
                status: 200,
                body: "{}".to_owned(),
                request_id: "req_x".to_owned(),
                created_ms,
            });
        });
        let advance = |seconds: &str| {
            let entries = [("advance_seconds".to_owned(), Node::Text(seconds.to_owned()))];
            let params = Params::new(BTreeMap::from(entries));
            store.run_in_memory(|tx| {
                advance_clock(&mut Call {
                    tx,
                    params,
                    id: "",
                    child: "",
                    role: Role::Secret,
                    redacted_key: "",
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
