//! The control API under `/_sandbox/`: what no merchant can do at Stripe, for tests.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::events::Event;
use crate::params::words;
use crate::request::Call;
use crate::resources::payment_intents::attempts::{self, DebitOutcome};
use crate::resources::payment_intents::{PaymentIntent, Status};
use crate::resources::payment_methods::PaymentMethod;
use crate::routes::Route;
use crate::state::{Account, Resource};

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/_sandbox/payment_intents/{id}/settle", settle),
    Route::post("/_sandbox/payment_intents/{id}/succeed", succeed),
    Route::post("/_sandbox/events/{id}/resend", resend),
    Route::get("/_sandbox/clock", read_clock),
    Route::post("/_sandbox/clock", advance_clock),
];

/// The furthest the clock can be moved at once: ten years.
const MAX_ADVANCE_SECONDS: i64 = 10 * 366 * 24 * 60 * 60;

words! {
    /// The outcome a debit is given.
    Outcome { Succeeded = "succeeded", Failed = "failed" }
}

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

/// Ends a debit that is processing: as its test account says, or with the given outcome.
fn settle(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let outcome = match params.word::<Outcome>("outcome")? {
        None => DebitOutcome::AsPlanned,
        Some(Outcome::Succeeded) => DebitOutcome::Succeeded,
        Some(Outcome::Failed) => DebitOutcome::Failed,
    };
    params.finish()?;
    if call.tx.get::<PaymentIntent>(call.id).is_none() {
        return Err(ApiError::missing("payment_intent", call.id, "intent"));
    }
    let settled = attempts::settle(call.tx, call.id, outcome);
    settled
        .map(|intent| intent.render())
        .ok_or_else(|| ApiError::refused("No bank debit of this PaymentIntent is processing."))
}

/// Pays a PaymentIntent whatever its status, also a canceled one.
fn succeed(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let method = params.string("payment_method")?.unwrap_or_else(|| "pm_card_visa".to_owned());
    params.finish()?;
    let intent = call.tx.get::<PaymentIntent>(call.id).cloned();
    let intent = intent.ok_or_else(|| ApiError::missing("payment_intent", call.id, "intent"))?;
    if matches!(intent.status, Status::Succeeded | Status::RequiresCapture) {
        return Err(ApiError::refused("The money of this PaymentIntent has come already."));
    }
    let method = PaymentMethod::resolve(call.tx, &method)?;
    Ok(attempts::force_success(call.tx, intent, &method).render())
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

/// Moves the clock forward: debits settle, retries come due, idempotency keys expire.
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
    Ok(json!({ "object": "clock", "now": call.tx.now.after(by).seconds() }))
}
