//! Fault injection: API calls that fail before or after they take effect, and webhooks that are dropped, duplicated
//! or delayed.
//!
//! Faults are repeatable. The seed alone selects the fault of the nth call of a route, and of the nth webhook of a
//! type to an endpoint. Time, IDs and calls to other routes have no influence.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::config::ChaosConfig;
use crate::http::string_enum::{StringEnum, string_enum};

/// The maximum number of faults in the log. Tests compare the logs of two runs.
const MAX_LOG_ENTRIES: usize = 10_000;

string_enum! {
    /// A fault of an API call. The call takes effect before a fault named `…_after`.
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
    pub(crate) fn takes_effect(self) -> bool {
        matches!(self, Self::ServerErrorAfter | Self::BadGatewayAfter | Self::HangAfter | Self::CutAfter)
    }
}

string_enum! {
    /// A fault of a webhook delivery.
    DeliveryFault { Drop = "drop", Duplicate = "duplicate", Delay = "delay" }
}

string_enum! {
    /// The mode of all webhook deliveries, independent of the seed.
    DeliveryMode { Normal = "normal", Drop = "drop", Delay = "delay" }
}

/// A scripted fault of one call, independent of the seed.
#[derive(Clone, Debug)]
pub(crate) struct FaultStep {
    pub(crate) route: String,
    pub(crate) call: u64,
    pub(crate) fault: ApiFault,
}

impl FaultStep {
    /// Returns the step in the control API's format.
    pub(crate) fn text(&self) -> String {
        format!("{} {} {}", self.route, self.call, self.fault.as_str())
    }
}

/// The seed, the fault rates, and the scripted faults.
#[derive(Clone, Debug)]
pub(crate) struct ChaosPlan {
    pub(crate) seed: u64,
    pub(crate) api_percent: u8,
    pub(crate) api_faults: Vec<ApiFault>,
    pub(crate) delivery_percent: u8,
    pub(crate) delivery_faults: Vec<DeliveryFault>,
    pub(crate) script: Vec<FaultStep>,
    pub(crate) hang: Duration,
    pub(crate) delay: Duration,
}

impl Default for ChaosPlan {
    /// Returns a plan without faults.
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
    /// Returns a plan with every fault, at the configured rates.
    pub(crate) fn from_config(config: ChaosConfig) -> Self {
        let ChaosConfig { seed, api_percent, delivery_percent } = config;
        Self { seed, api_percent, delivery_percent, ..Self::default() }
    }
}

#[derive(Default)]
pub(crate) struct ChaosState {
    pub(crate) plan: ChaosPlan,
    pub(crate) calls: HashMap<String, u64>,
    pub(crate) log: Vec<Value>,
    pub(crate) deliveries: DeliverySwitch,
}

/// The mode of all deliveries. A new plan doesn't change it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeliverySwitch {
    pub(crate) mode: DeliveryMode,
    pub(crate) delay: Duration,
}

impl Default for DeliverySwitch {
    fn default() -> Self {
        Self { mode: DeliveryMode::Normal, delay: Duration::from_secs(30) }
    }
}

/// The faults of this process. They are not stored: a restart uses the faults of the command line.
pub(crate) struct Chaos {
    state: Mutex<ChaosState>,
    /// All routes, such as `POST /v1/payment_intents/{id}/confirm`.
    routes: BTreeSet<String>,
}

/// Three pseudorandom numbers for one call, derived from the seed.
struct SeededDraw {
    percent: u8,
    choice: usize,
    fraction_permille: u32,
}

impl SeededDraw {
    fn new(seed: u64, what: &str, call: u64) -> Self {
        let hash = Sha256::digest(format!("{seed} {what} {call}"));
        let number = |at: usize| u32::from_be_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]);
        Self {
            percent: u8::try_from(number(0) % 100).unwrap_or(u8::MAX),
            choice: usize::try_from(number(4)).unwrap_or_default(),
            fraction_permille: number(8) % 1000,
        }
    }

    fn pick<F: Copy>(&self, percent: u8, faults: &[F]) -> Option<F> {
        if self.percent >= percent || faults.is_empty() {
            return None;
        }
        faults.get(self.choice % faults.len()).copied()
    }
}

impl ChaosState {
    /// Counts a call of `what`, starting at one.
    fn count(&mut self, what: &str) -> u64 {
        let calls = self.calls.entry(what.to_owned()).or_default();
        *calls += 1;
        *calls
    }

    fn log_fault(&mut self, what: &str, call: u64, fault: &str) {
        if self.log.len() < MAX_LOG_ENTRIES {
            self.log.push(json!({ "what": what, "call": call, "fault": fault }));
        }
    }
}

impl Chaos {
    pub(crate) fn new(plan: ChaosPlan, routes: BTreeSet<String>) -> Self {
        Self { state: Mutex::new(ChaosState { plan, ..ChaosState::default() }), routes }
    }

    pub(crate) fn has_route(&self, route: &str) -> bool {
        self.routes.contains(route)
    }

    pub(crate) fn with_state<R>(&self, work: impl FnOnce(&mut ChaosState) -> R) -> R {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the fault of this call of a route, and the duration of a hang. The control API has no faults.
    pub(crate) fn api_fault(&self, method: &str, path: &str) -> Option<(ApiFault, Duration)> {
        if !path.starts_with("/v1/") {
            return None;
        }
        let route = format!("{method} {path}");
        self.with_state(|state| {
            let call = state.count(&route);
            let scripted = state.plan.script.iter().find(|step| step.route == route && step.call == call);
            let fault = match scripted {
                Some(step) => step.fault,
                None => SeededDraw::new(state.plan.seed, &route, call)
                    .pick(state.plan.api_percent, &state.plan.api_faults)?,
            };
            state.log_fault(&route, call, fault.as_str());
            Some((fault, state.plan.hang))
        })
    }

    /// Returns whether every webhook is dropped, without retries.
    pub(crate) fn drops_all_deliveries(&self) -> bool {
        self.with_state(|state| state.deliveries.mode == DeliveryMode::Drop)
    }

    /// Returns the delay that applies to every webhook.
    pub(crate) fn global_delivery_delay(&self) -> Duration {
        self.with_state(|state| match state.deliveries.mode {
            DeliveryMode::Delay => state.deliveries.delay,
            DeliveryMode::Normal | DeliveryMode::Drop => Duration::ZERO,
        })
    }

    /// Returns the fault of a webhook for an event of this type, and the delay of its first attempt.
    pub(crate) fn delivery_fault(&self, endpoint: &str, type_: &str) -> Option<(DeliveryFault, Duration)> {
        self.with_state(|state| {
            let call = state.count(&format!("{endpoint} {type_}"));
            let draw = SeededDraw::new(state.plan.seed, type_, call);
            let fault = draw.pick(state.plan.delivery_percent, &state.plan.delivery_faults)?;
            state.log_fault(type_, call, fault.as_str());
            let delay = match fault {
                DeliveryFault::Delay => state.plan.delay.saturating_mul(draw.fraction_permille + 1) / 1000,
                DeliveryFault::Drop | DeliveryFault::Duplicate => Duration::ZERO,
            };
            Some((fault, delay))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{ApiFault, SeededDraw};

    #[test]
    fn draw_depends_only_on_seed_and_percent() {
        let faults = [ApiFault::Cut, ApiFault::Hang];
        let run = |seed| -> Vec<_> {
            (1..=1000).map(|call| SeededDraw::new(seed, "GET /v1/events", call).pick(30, &faults)).collect()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let hits = run(7).iter().flatten().count();
        assert!((250..350).contains(&hits), "{hits}");
        assert!((1..100).all(|call| SeededDraw::new(7, "x", call).pick(0, &faults).is_none()));
        assert!((1..100).all(|call| SeededDraw::new(7, "x", call).pick(100, &faults).is_some()));
    }
}
