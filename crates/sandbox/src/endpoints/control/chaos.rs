//! Fault injection.

use std::time::Duration;

use serde_json::{Value, json};

use crate::chaos::{ApiFault, ChaosPlan, ChaosState, DeliveryMode, DeliverySwitch, FaultStep};
use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::http::params::Params;
use crate::http::string_enum::StringEnum;

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/_sandbox/chaos", retrieve),
    Route::post("/_sandbox/chaos", start_plan),
    Route::delete("/_sandbox/chaos", end_plan),
    Route::post("/_sandbox/chaos/next", add_fault),
    Route::get("/_sandbox/deliveries", retrieve_deliveries),
    Route::post("/_sandbox/deliveries", set_delivery_mode),
];

fn parse_percent(params: &mut Params, name: &str) -> Result<Option<u8>, ApiError> {
    let Some(percent) = params.integer(name)? else { return Ok(None) };
    let percent = u8::try_from(percent).ok().filter(|percent| *percent <= 100);
    percent.map(Some).ok_or_else(|| params.invalid(name, "Must be between 0 and 100."))
}

fn parse_ms(params: &mut Params, name: &str) -> Result<Option<Duration>, ApiError> {
    let Some(ms) = params.integer(name)? else { return Ok(None) };
    let ms = u32::try_from(ms).map_err(|_| params.invalid(name, "Must be a number of milliseconds."))?;
    Ok(Some(Duration::from_millis(ms.into())))
}

fn parse_faults<F: StringEnum>(params: &mut Params, name: &str) -> Result<Option<Vec<F>>, ApiError> {
    let Some(values) = params.strings(name)? else { return Ok(None) };
    let parse = |value: &String| F::ALL.iter().find(|(name, _)| name == value).map(|(_, fault)| *fault);
    let faults: Option<Vec<F>> = values.iter().map(parse).collect();
    let names: Vec<&str> = F::ALL.iter().map(|(name, _)| *name).collect();
    faults.map(Some).ok_or_else(|| params.invalid(name, format!("Must be a list of {}.", names.join(", "))))
}

/// Parses a step such as `POST /v1/payment_intents 1 cut_after`: the first call of this route.
fn parse_step(text: &str) -> Option<FaultStep> {
    let [method, path, call, fault] = text.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
    let fault = ApiFault::ALL.iter().find(|(name, _)| *name == fault)?.1;
    Some(FaultStep { route: format!("{method} {path}"), call: call.parse().ok()?, fault })
}

/// Starts a new plan. All call counts restart at one.
fn start_plan(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let default = ChaosPlan::default();
    let seed = params.integer("seed")?.unwrap_or_default();
    let script = params.strings("script")?.unwrap_or_default();
    let script: Option<Vec<FaultStep>> = script.iter().map(|text| parse_step(text)).collect();
    let plan = ChaosPlan {
        seed: seed.unsigned_abs(),
        api_percent: parse_percent(&mut params, "api_percent")?.unwrap_or_default(),
        api_faults: parse_faults(&mut params, "api_faults")?.unwrap_or(default.api_faults),
        delivery_percent: parse_percent(&mut params, "delivery_percent")?.unwrap_or_default(),
        delivery_faults: parse_faults(&mut params, "delivery_faults")?.unwrap_or(default.delivery_faults),
        script: script.ok_or_else(|| {
            params.invalid("script", "Write each step as: POST /v1/payment_intents/{id}/confirm 1 cut_after")
        })?,
        hang: parse_ms(&mut params, "hang_ms")?.unwrap_or(default.hang),
        delay: parse_ms(&mut params, "delay_ms")?.unwrap_or(default.delay),
    };
    params.finish()?;
    call.tx.chaos.with_state(|state| {
        *state = ChaosState { plan, deliveries: state.deliveries, ..ChaosState::default() }
    });
    Ok(render(call))
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    Ok(render(call))
}

/// Ends fault injection.
fn end_plan(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    call.tx.chaos.with_state(|state| state.plan = ChaosPlan::default());
    Ok(render(call))
}

/// Adds a fault for an upcoming call of a route. Nothing else changes.
fn add_fault(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let route = params.required_string("route")?;
    let fault = params.enum_value::<ApiFault>("fault")?.ok_or_else(|| params.missing("fault"))?;
    let nth = params.integer("nth")?.unwrap_or(1);
    let nth = u64::try_from(nth).ok().filter(|nth| *nth > 0);
    let nth = nth.ok_or_else(|| params.invalid("nth", "Must be 1 or more: 1 is the next call."))?;
    let hang = parse_ms(&mut params, "hang_ms")?;
    if !call.tx.chaos.has_route(&route) {
        return Err(
            params.invalid("route", "Unknown route. Write it as: POST /v1/payment_intents/{id}/confirm")
        );
    }
    params.finish()?;
    call.tx.chaos.with_state(|state| {
        let so_far = state.calls.get(&route).copied().unwrap_or_default();
        state.plan.hang = hang.unwrap_or(state.plan.hang);
        // The latest fault for a call wins.
        state.plan.script.retain(|step| step.route != route || step.call != so_far + nth);
        state.plan.script.push(FaultStep { route, call: so_far + nth, fault });
    });
    Ok(render(call))
}

/// Sets the mode of all deliveries.
fn set_delivery_mode(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let mode = params.enum_value::<DeliveryMode>("mode")?.ok_or_else(|| params.missing("mode"))?;
    let delay = parse_ms(&mut params, "delay_ms")?;
    params.finish()?;
    call.tx.chaos.with_state(|state| {
        let delay = delay.unwrap_or(state.deliveries.delay);
        state.deliveries = DeliverySwitch { mode, delay };
    });
    Ok(render_deliveries(call))
}

fn retrieve_deliveries(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    Ok(render_deliveries(call))
}

fn render_deliveries(call: &Call<'_, '_>) -> Value {
    let DeliverySwitch { mode, delay } = call.tx.chaos.with_state(|state| state.deliveries);
    let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    json!({ "object": "deliveries", "mode": mode, "delay_ms": delay_ms })
}

/// Renders the plan and the faults so far.
fn render(call: &Call<'_, '_>) -> Value {
    call.tx.chaos.with_state(|state| {
        json!({
            "object": "chaos",
            "seed": state.plan.seed,
            "api_percent": state.plan.api_percent,
            "api_faults": state.plan.api_faults,
            "delivery_percent": state.plan.delivery_percent,
            "delivery_faults": state.plan.delivery_faults,
            "script": state.plan.script.iter().map(FaultStep::text).collect::<Vec<_>>(),
            "faults": state.log,
        })
    })
}
