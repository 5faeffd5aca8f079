//! Fault injection: API calls that fail before or after they take effect, and webhooks that are dropped, duplicated
//! or delayed.
//!
//! Faults are seeded and repeatable. The fault of the nth call of a route (or the nth webhook of a type to an endpoint)
//! depends on the seed alone, not on time, IDs or calls to other routes.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::config::ChaosConfig;
use crate::http::string_enum::{Word, words};

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
pub(crate) struct Scripted {
    pub(crate) route: String,
    pub(crate) call: u64,
    pub(crate) fault: ApiFault,
}

impl Scripted {
    /// As the control API takes it.
    pub(crate) fn text(&self) -> String {
        format!("{} {} {}", self.route, self.call, self.fault.as_str())
    }
}

/// What goes wrong, how often, and by which seed.
#[derive(Clone, Debug)]
pub(crate) struct ChaosPlan {
    pub(crate) seed: u64,
    pub(crate) api_percent: u8,
    pub(crate) api_faults: Vec<ApiFault>,
    pub(crate) delivery_percent: u8,
    pub(crate) delivery_faults: Vec<DeliveryFault>,
    pub(crate) script: Vec<Scripted>,
    pub(crate) hang: Duration,
    pub(crate) delay: Duration,
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
pub(crate) struct Run {
    pub(crate) plan: ChaosPlan,
    pub(crate) calls: HashMap<String, u64>,
    pub(crate) log: Vec<Value>,
    pub(crate) deliveries: Deliveries,
}

/// The switch for all webhooks: it stays where it is when a plan begins or ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deliveries {
    pub(crate) mode: DeliveryMode,
    pub(crate) delay: Duration,
}

impl Default for Deliveries {
    fn default() -> Self {
        Self { mode: DeliveryMode::Normal, delay: Duration::from_secs(30) }
    }
}

/// The faults of this run of the sandbox. In memory only: a restart begins with those of the command line.
pub(crate) struct Chaos {
    run: Mutex<Run>,
    /// Every route: `POST /v1/payment_intents/{id}/confirm`.
    routes: BTreeSet<String>,
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
    pub(crate) fn new(plan: ChaosPlan, routes: BTreeSet<String>) -> Self {
        Self { run: Mutex::new(Run { plan, ..Run::default() }), routes }
    }

    pub(crate) fn has_route(&self, route: &str) -> bool {
        self.routes.contains(route)
    }

    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Run) -> R) -> R {
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
