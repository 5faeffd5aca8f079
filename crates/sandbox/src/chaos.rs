//! Faults on purpose: API calls that fail before or after they take effect, and webhooks that are lost, doubled or
//! late.
//!
//! Seeded and repeatable: whether and how the nth call of a route (or the nth webhook of a type to an endpoint)
//! goes wrong follows from the seed alone, not from time, ids, or what other routes are called.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header;
use actix_web::web::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::api_error::ApiError;
use crate::config::ChaosConfig;
use crate::params::{Params, Word, words};
use crate::request::Call;
use crate::resources;
use crate::routes::Route;

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/_sandbox/chaos", read),
    Route::post("/_sandbox/chaos", change),
    Route::delete("/_sandbox/chaos", stop),
    Route::post("/_sandbox/chaos/next", plan_next),
    Route::get("/_sandbox/deliveries", read_deliveries),
    Route::post("/_sandbox/deliveries", switch_deliveries),
];

/// How many faults are remembered for whoever compares two runs.
const LOG_MAX: usize = 10_000;

words! {
    /// What can go wrong with a call of the API. `…_after`: once it has taken effect.
    ApiFault {
        Conflict = "conflict",
        RateLimit = "rate_limit",
        ServerError = "server_error",
        ServerErrorAfter = "server_error_after",
        BadGateway = "bad_gateway",
        BadGatewayAfter = "bad_gateway_after",
        Hang = "hang",
        HangAfter = "hang_after",
        Cut = "cut",
        CutAfter = "cut_after",
    }
}

impl ApiFault {
    pub(crate) fn is_after(self) -> bool {
        matches!(self, Self::ServerErrorAfter | Self::BadGatewayAfter | Self::HangAfter | Self::CutAfter)
    }
}

words! {
    /// What can go wrong with a webhook.
    DeliveryFault { Drop = "drop", Duplicate = "duplicate", Delay = "delay" }
}

words! {
    /// What happens to every webhook, whatever the seed says.
    DeliveryMode { Normal = "normal", Drop = "drop", Delay = "delay" }
}

/// A fault at a certain call, whatever the seed says.
#[derive(Clone, Debug)]
struct Scripted {
    route: String,
    call: u64,
    fault: ApiFault,
}

impl Scripted {
    /// As the control API takes it.
    fn text(&self) -> String {
        format!("{} {} {}", self.route, self.call, self.fault.as_str())
    }
}

/// What goes wrong, how often, and by which seed.
#[derive(Clone, Debug)]
pub(crate) struct ChaosPlan {
    seed: u64,
    api_percent: u8,
    api_faults: Vec<ApiFault>,
    delivery_percent: u8,
    delivery_faults: Vec<DeliveryFault>,
    script: Vec<Scripted>,
    hang: Duration,
    delay: Duration,
}

impl Default for ChaosPlan {
    /// Nothing goes wrong.
    fn default() -> Self {
        Self {
            seed: 0,
            api_percent: 0,
            api_faults: ApiFault::ALL.iter().map(|(_, fault)| *fault).collect(),
            delivery_percent: 0,
            delivery_faults: DeliveryFault::ALL.iter().map(|(_, fault)| *fault).collect(),
            script: Vec::new(),
            hang: Duration::from_secs(30),
            delay: Duration::from_secs(2),
        }
    }
}

impl ChaosPlan {
    /// Every fault, so many times in a hundred.
    pub(crate) fn of(config: ChaosConfig) -> Self {
        let ChaosConfig { seed, api_percent, delivery_percent } = config;
        Self { seed, api_percent, delivery_percent, ..Self::default() }
    }
}

#[derive(Default)]
struct Run {
    plan: ChaosPlan,
    calls: HashMap<String, u64>,
    log: Vec<Value>,
    deliveries: Deliveries,
}

/// The switch for all webhooks: it stays where it is when a plan begins or ends.
#[derive(Clone, Copy, Debug)]
struct Deliveries {
    mode: DeliveryMode,
    delay: Duration,
}

impl Default for Deliveries {
    fn default() -> Self {
        Self { mode: DeliveryMode::Normal, delay: Duration::from_secs(30) }
    }
}

/// The faults of this run of the sandbox. In memory only: a restart begins with those of the command line.
pub(crate) struct Chaos {
    run: Mutex<Run>,
}

/// What the seed says of one call: three numbers that look random.
struct Dice {
    percent: u8,
    choice: usize,
    fraction_permille: u32,
}

impl Dice {
    fn roll(seed: u64, what: &str, call: u64) -> Self {
        let hash = Sha256::digest(format!("{seed} {what} {call}"));
        let number = |at: usize| u32::from_be_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]);
        Self {
            percent: u8::try_from(number(0) % 100).unwrap_or(u8::MAX),
            choice: usize::try_from(number(4)).unwrap_or_default(),
            fraction_permille: number(8) % 1000,
        }
    }

    fn choose<F: Copy>(&self, percent: u8, faults: &[F]) -> Option<F> {
        if self.percent >= percent || faults.is_empty() {
            return None;
        }
        faults.get(self.choice % faults.len()).copied()
    }
}

impl Run {
    /// Counts a call of `what`, from one.
    fn count(&mut self, what: &str) -> u64 {
        let calls = self.calls.entry(what.to_owned()).or_default();
        *calls += 1;
        *calls
    }

    fn note(&mut self, what: &str, call: u64, fault: &str) {
        if self.log.len() < LOG_MAX {
            self.log.push(json!({ "what": what, "call": call, "fault": fault }));
        }
    }
}

impl Chaos {
    pub(crate) fn new(plan: ChaosPlan) -> Self {
        Self { run: Mutex::new(Run { plan, ..Run::default() }) }
    }

    fn with<R>(&self, work: impl FnOnce(&mut Run) -> R) -> R {
        work(&mut self.run.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What goes wrong with this call of a route, and how long it hangs if that is it. The control API is spared.
    pub(crate) fn api_fault(&self, method: &str, path: &str) -> Option<(ApiFault, Duration)> {
        if !path.starts_with("/v1/") {
            return None;
        }
        let route = format!("{method} {path}");
        self.with(|run| {
            let call = run.count(&route);
            let scripted = run.plan.script.iter().find(|step| step.route == route && step.call == call);
            let fault = match scripted {
                Some(step) => step.fault,
                None => Dice::roll(run.plan.seed, &route, call)
                    .choose(run.plan.api_percent, &run.plan.api_faults)?,
            };
            run.note(&route, call, fault.as_str());
            Some((fault, run.plan.hang))
        })
    }

    /// Whether every webhook is lost at present, without another try.
    pub(crate) fn drops_all(&self) -> bool {
        self.with(|run| run.deliveries.mode == DeliveryMode::Drop)
    }

    /// How late every webhook is at present.
    pub(crate) fn delay_of_all(&self) -> Duration {
        self.with(|run| match run.deliveries.mode {
            DeliveryMode::Delay => run.deliveries.delay,
            DeliveryMode::Normal | DeliveryMode::Drop => Duration::ZERO,
        })
    }

    /// What goes wrong with the webhook of an event of this type, and how late its first try is.
    pub(crate) fn delivery_fault(&self, endpoint: &str, type_: &str) -> Option<(DeliveryFault, Duration)> {
        self.with(|run| {
            let call = run.count(&format!("{endpoint} {type_}"));
            let dice = Dice::roll(run.plan.seed, type_, call);
            let fault = dice.choose(run.plan.delivery_percent, &run.plan.delivery_faults)?;
            run.note(type_, call, fault.as_str());
            let delay = match fault {
                DeliveryFault::Delay => run.plan.delay.saturating_mul(dice.fraction_permille + 1) / 1000,
                DeliveryFault::Drop | DeliveryFault::Duplicate => Duration::ZERO,
            };
            Some((fault, delay))
        })
    }
}

/// A body that breaks off, and the connection with it.
struct Broken;

impl MessageBody for Broken {
    type Error = std::io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(1)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(Some(Err(std::io::Error::other("cut on purpose"))))
    }
}

fn cut() -> HttpResponse {
    HttpResponse::Ok()
        .message_body(Broken)
        .map_or_else(HttpResponse::from_error, HttpResponse::map_into_boxed_body)
}

fn bad_gateway() -> HttpResponse {
    let page =
        "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>";
    HttpResponse::BadGateway().insert_header((header::CONTENT_TYPE, "text/html")).body(page)
}

fn failed(error: &ApiError, request_id: &str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(error.status).unwrap_or_default();
    let mut answer = HttpResponse::build(status);
    answer.insert_header(("Request-Id", request_id));
    if error.status != 429 {
        answer.insert_header(("Stripe-Should-Retry", "true"));
    }
    answer.json(error.body(request_id, crate::clock::Moment::of_the_machine().seconds()))
}

/// Answers a call that goes wrong.
pub(crate) async fn fail(fault: ApiFault, hang: Duration, request_id: &str) -> HttpResponse {
    match fault {
        ApiFault::Conflict => failed(
            &ApiError::refused(
                "This object cannot be accessed right now because another API request or Stripe process is currently \
                 accessing it. If you see this error intermittently, retry the request.",
            )
            .with_status(409)
            .with_code("lock_timeout"),
            request_id,
        ),
        ApiFault::RateLimit => failed(
            &ApiError::refused("Request rate limit exceeded. Learn more about rate limits: https://stripe.com/docs/rate-limits.")
                .with_status(429)
                .with_code("rate_limit"),
            request_id,
        ),
        ApiFault::ServerError | ApiFault::ServerErrorAfter => {
            failed(&ApiError::internal("An unknown error occurred."), request_id)
        }
        ApiFault::BadGateway | ApiFault::BadGatewayAfter => bad_gateway(),
        ApiFault::Hang | ApiFault::HangAfter => {
            tokio::time::sleep(hang).await;
            cut()
        }
        ApiFault::Cut | ApiFault::CutAfter => cut(),
    }
}

fn read_percent(params: &mut Params, name: &str) -> Result<Option<u8>, ApiError> {
    let Some(percent) = params.integer(name)? else { return Ok(None) };
    let percent = u8::try_from(percent).ok().filter(|percent| *percent <= 100);
    percent.map(Some).ok_or_else(|| params.invalid(name, "Must be between 0 and 100."))
}

fn read_ms(params: &mut Params, name: &str) -> Result<Option<Duration>, ApiError> {
    let Some(ms) = params.integer(name)? else { return Ok(None) };
    let ms = u32::try_from(ms).map_err(|_| params.invalid(name, "Must be a number of milliseconds."))?;
    Ok(Some(Duration::from_millis(ms.into())))
}

fn read_faults<F: Word>(params: &mut Params, name: &str) -> Result<Option<Vec<F>>, ApiError> {
    let Some(given) = params.strings(name)? else { return Ok(None) };
    let known = |word: &String| F::ALL.iter().find(|(name, _)| name == word).map(|(_, fault)| *fault);
    let faults: Option<Vec<F>> = given.iter().map(known).collect();
    let names: Vec<&str> = F::ALL.iter().map(|(word, _)| *word).collect();
    faults.map(Some).ok_or_else(|| params.invalid(name, format!("The faults are {}.", names.join(", "))))
}

/// Reads `POST /v1/payment_intents 1 cut_after`: the first call of this route.
fn read_step(text: &str) -> Option<Scripted> {
    let [method, path, call, fault] = text.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
    let fault = ApiFault::ALL.iter().find(|(word, _)| *word == fault)?.1;
    Some(Scripted { route: format!("{method} {path}"), call: call.parse().ok()?, fault })
}

/// Begins anew with other faults: all counts start from one.
fn change(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let default = ChaosPlan::default();
    let seed = params.integer("seed")?.unwrap_or_default();
    let script = params.strings("script")?.unwrap_or_default();
    let script: Option<Vec<Scripted>> = script.iter().map(|text| read_step(text)).collect();
    let plan = ChaosPlan {
        seed: seed.unsigned_abs(),
        api_percent: read_percent(&mut params, "api_percent")?.unwrap_or_default(),
        api_faults: read_faults(&mut params, "api_faults")?.unwrap_or(default.api_faults),
        delivery_percent: read_percent(&mut params, "delivery_percent")?.unwrap_or_default(),
        delivery_faults: read_faults(&mut params, "delivery_faults")?.unwrap_or(default.delivery_faults),
        script: script.ok_or_else(|| {
            params
                .invalid("script", "A step is written as: POST /v1/payment_intents/{id}/confirm 1 cut_after")
        })?,
        hang: read_ms(&mut params, "hang_ms")?.unwrap_or(default.hang),
        delay: read_ms(&mut params, "delay_ms")?.unwrap_or(default.delay),
    };
    params.finish()?;
    call.tx.chaos.with(|run| *run = Run { plan, deliveries: run.deliveries, ..Run::default() });
    Ok(render(call))
}

fn read(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    Ok(render(call))
}

/// Ends the faults.
fn stop(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    call.tx.chaos.with(|run| run.plan = ChaosPlan::default());
    Ok(render(call))
}

/// Lets one of the next calls of a route go wrong, and leaves everything else as it is.
fn plan_next(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let route = params.required_string("route")?;
    let fault = params.word::<ApiFault>("fault")?.ok_or_else(|| params.missing("fault"))?;
    let nth = params.integer("nth")?.unwrap_or(1);
    let nth = u64::try_from(nth).ok().filter(|nth| *nth > 0);
    let nth =
        nth.ok_or_else(|| params.invalid("nth", "Must be 1 for the next call, 2 for the one after it, …"))?;
    let hang = read_ms(&mut params, "hang_ms")?;
    let known = resources::ROUTES.iter().copied().flatten();
    if !known.map(|known| format!("{} {}", known.method, known.path)).any(|known| known == route) {
        return Err(params.invalid("route", "A route is written as: POST /v1/payment_intents/{id}/confirm"));
    }
    params.finish()?;
    call.tx.chaos.with(|run| {
        let so_far = run.calls.get(&route).copied().unwrap_or_default();
        run.plan.hang = hang.unwrap_or(run.plan.hang);
        // The last word counts.
        run.plan.script.retain(|step| step.route != route || step.call != so_far + nth);
        run.plan.script.push(Scripted { route, call: so_far + nth, fault });
    });
    Ok(render(call))
}

/// Loses or delays all webhooks from now on, or no longer.
fn switch_deliveries(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let mode = params.word::<DeliveryMode>("mode")?.ok_or_else(|| params.missing("mode"))?;
    let delay = read_ms(&mut params, "delay_ms")?;
    params.finish()?;
    call.tx.chaos.with(|run| {
        let delay = delay.unwrap_or(run.deliveries.delay);
        run.deliveries = Deliveries { mode, delay };
    });
    Ok(render_deliveries(call))
}

fn read_deliveries(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    Ok(render_deliveries(call))
}

fn render_deliveries(call: &Call<'_, '_>) -> Value {
    let Deliveries { mode, delay } = call.tx.chaos.with(|run| run.deliveries);
    let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    json!({ "object": "deliveries", "mode": mode, "delay_ms": delay_ms })
}

/// The plan, and what has gone wrong by it so far.
fn render(call: &Call<'_, '_>) -> Value {
    call.tx.chaos.with(|run| {
        json!({
            "object": "chaos",
            "seed": run.plan.seed,
            "api_percent": run.plan.api_percent,
            "api_faults": run.plan.api_faults,
            "delivery_percent": run.plan.delivery_percent,
            "delivery_faults": run.plan.delivery_faults,
            "script": run.plan.script.iter().map(Scripted::text).collect::<Vec<_>>(),
            "faults": run.log,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{ApiFault, Dice};

    #[test]
    fn the_dice_follow_the_seed_and_the_percent() {
        let faults = [ApiFault::Cut, ApiFault::Hang];
        let run = |seed| -> Vec<_> {
            (1..=1000).map(|call| Dice::roll(seed, "GET /v1/events", call).choose(30, &faults)).collect()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let hits = run(7).iter().flatten().count();
        assert!((250..350).contains(&hits), "{hits}");
        assert!((1..100).all(|call| Dice::roll(7, "x", call).choose(0, &faults).is_none()));
        assert!((1..100).all(|call| Dice::roll(7, "x", call).choose(100, &faults).is_some()));
    }
}
