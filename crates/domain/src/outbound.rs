//! Events to the shop's own systems: which there are, who wants which, and when one is sent again.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::string_enum;

/// What an event's snapshot is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventObject {
    /// An order.
    Order,
    /// A product of the catalogue.
    Product,
    /// A refund.
    Refund,
    /// A dispute.
    Dispute,
    /// A seller.
    Seller,
    /// An endpoint of the shop's own systems.
    WebhookEndpoint,
}

/// A type of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventType {
    /// The word for it: the object, a dot, and what happened to it.
    pub name: &'static str,
    /// What its snapshot is of.
    pub object: EventObject,
    /// What happened, for people.
    pub meaning: &'static str,
}

macro_rules! event_types {
    ($($name:literal of $object:ident: $meaning:literal;)*) => {
        /// Every type of event there is. Rows of the outbox with another word are told all the same: this list is
        /// for who reads the documentation, and against mistakes in filters.
        pub const EVENT_TYPES: &[EventType] =
            &[$(EventType { name: $name, object: EventObject::$object, meaning: $meaning },)*];
    };
}

event_types! {
    "order.created" of Order: "An order was placed.";
    "order.processing" of Order: "A payment is in flight at a bank.";
    "order.authorized" of Order: "Money is held for manual capture.";
    "order.paid" of Order: "An order is paid: fulfil it. It is told once, whatever happens later.";
    "order.payment_failed" of Order: "A try at paying has failed; the order may be paid again.";
    "order.canceled" of Order: "An order has ended unpaid.";
    "order.expired" of Order: "An order has ended because nobody paid it in time.";
    "order.review_required" of Order: "Money came that is not what was requested for: a person must look.";
    "refund.succeeded" of Refund: "Money went back to the customer.";
    "refund.failed" of Refund: "Money could not go back to the customer.";
    "dispute.opened" of Dispute: "A customer disputes a payment at their bank, or a dispute is open again.";
    "dispute.closed" of Dispute: "A dispute is decided. It is told again if the bank decides otherwise later.";
    "seller.ready" of Seller: "A seller can be charged through now.";
    "seller.restricted" of Seller: "A seller can not be charged through any more.";
    "seller.disconnected" of Seller: "The platform may not use a seller's account any more.";
    "seller.updated" of Seller: "Something else about a seller changed, for example what Stripe wants to know.";
    "product.out_of_stock" of Product: "The last unit of a product that is counted was taken.";
    "webhook_endpoint.disabled" of WebhookEndpoint: "An endpoint was disabled, because it failed for days or answered \
        410; told to the other endpoints.";
    "webhook_endpoint.ping" of WebhookEndpoint: "A test that was requested for; told to that endpoint alone.";
}

/// The type of an event that says that an endpoint was disabled.
pub const ENDPOINT_DISABLED: &str = "webhook_endpoint.disabled";

/// The type of an event that tests an endpoint.
pub const ENDPOINT_PING: &str = "webhook_endpoint.ping";

/// What stands for every type of event, or for every type about one kind of object behind a dot.
const ANY: &str = "*";

/// Which types of event an endpoint wants: one, all about a kind of object (`refund.*`), or all (`*`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventPattern(String);

/// A text that is no pattern of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither *, nor a type of event, nor the beginning of some with .* behind it")]
pub struct InvalidPattern;

impl EventPattern {
    /// Every type.
    #[must_use]
    pub fn any() -> Self {
        Self(ANY.to_owned())
    }

    /// Whether an event of this type is wanted.
    #[must_use]
    pub fn matches(&self, kind: &str) -> bool {
        match self.0.strip_suffix(ANY) {
            Some(beginning) => kind.starts_with(beginning),
            None => kind == self.0,
        }
    }

    /// It, as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EventPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let pattern = Self(text.to_owned());
        let is_well_formed = text == ANY || text.ends_with(".*") || !text.contains(ANY);
        let matches_any = EVENT_TYPES.iter().any(|known| pattern.matches(known.name));
        if is_well_formed && matches_any { Ok(pattern) } else { Err(InvalidPattern) }
    }
}

/// Whether an endpoint with these patterns wants an event of this type.
#[must_use]
pub fn wants(patterns: &[EventPattern], kind: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(kind))
}

/// How long to wait after each failed try, in seconds: 5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 3 h, 6 h, and then
/// every 10 h, 2.9 days in all.
const RETRY_AFTER_S: [i64; 14] =
    [5, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 36_000, 36_000, 36_000, 36_000, 36_000, 36_000];

/// How much of a wait chance may add, as a part of it: receivers that were down together are not called together.
const JITTER_PARTS: i64 = 10;

/// The longest wait that a receiver may ask for.
const MAX_RETRY_AFTER: Duration = Duration::hours(10);

/// After how long without a success an endpoint is disabled. Longer than one message is tried.
const DISABLED_AFTER: Duration = Duration::days(5);

/// How long both secrets sign after one was rolled, unless something else is said.
pub const SECRET_OVERLAP: Duration = Duration::hours(24);

/// How long to wait after so many failed tries, the first being 1; `None` when it was the last.
///
/// `chance` is a number from 0 to 1000 and adds up to a tenth. What the receiver asks for in `Retry-After` is waited
/// for, up to 10 hours.
#[must_use]
pub fn retry_after(tries: i32, chance: u16, requested: Option<Duration>) -> Option<Duration> {
    let place = usize::try_from(tries.max(1) - 1).unwrap_or(usize::MAX);
    let seconds = RETRY_AFTER_S.get(place)?;
    let jitter_ms = seconds * 1000 / JITTER_PARTS * i64::from(chance.min(1000)) / 1000;
    let wait = Duration::seconds(*seconds) + Duration::milliseconds(jitter_ms);
    Some(requested.map_or(wait, |requested| wait.max(requested.min(MAX_RETRY_AFTER))))
}

string_enum! {
    /// What came of one attempt to deliver a message.
    pub enum AttemptOutcome {
        /// A 2xx.
        Delivered = "delivered",
        /// Another status, redirects among them: they are not followed.
        Refused = "refused",
        /// 410: the receiver wants nothing any more.
        Gone = "gone",
        /// No answer in time.
        TimedOut = "timed_out",
        /// No connection, or it broke, or TLS failed.
        Unreachable = "unreachable",
        /// The host name has no address.
        Unresolved = "unresolved",
        /// It may not be connected to.
        Forbidden = "forbidden",
    }
}

impl AttemptOutcome {
    /// What an answer of this status means.
    #[must_use]
    pub fn from_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Delivered,
            410 => Self::Gone,
            _ => Self::Refused,
        }
    }
}

string_enum! {
    /// How far a delivery has come.
    pub enum DeliveryState {
        /// It waits for an attempt.
        Pending = "pending",
        /// The endpoint took it.
        Delivered = "delivered",
        /// No more attempts are made.
        Failed = "failed",
    }
}

/// Where a delivery stands after an attempt, and when the next one may begin.
#[must_use]
pub fn after_attempt(
    outcome: AttemptOutcome,
    tries: i32,
    chance: u16,
    requested: Option<Duration>,
    now: DateTime<Utc>,
) -> (DeliveryState, Option<DateTime<Utc>>) {
    match outcome {
        AttemptOutcome::Delivered => (DeliveryState::Delivered, None),
        AttemptOutcome::Gone => (DeliveryState::Failed, None),
        _ => match retry_after(tries, chance, requested) {
            Some(wait) => (DeliveryState::Pending, Some(now + wait)),
            None => (DeliveryState::Failed, None),
        },
    }
}

string_enum! {
    /// Why an endpoint was disabled.
    pub enum DisabledReason {
        /// The shop requested for it.
        Requested = "requested",
        /// It answered 410.
        Gone = "gone",
        /// It failed for days.
        Failing = "failing",
    }
}

/// Since when an endpoint fails without a success between, and whether it is disabled for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// When the first failure after the last success was.
    pub failing_since: Option<DateTime<Utc>>,
    /// Why it is to be disabled, if it is.
    pub disabled: Option<DisabledReason>,
}

impl Health {
    /// What one more outcome makes of it.
    #[must_use]
    pub fn after(failing_since: Option<DateTime<Utc>>, outcome: AttemptOutcome, now: DateTime<Utc>) -> Self {
        match outcome {
            AttemptOutcome::Delivered => Self { failing_since: None, disabled: None },
            AttemptOutcome::Gone => {
                Self { failing_since: failing_since.or(Some(now)), disabled: Some(DisabledReason::Gone) }
            }
            _ => {
                let since = failing_since.unwrap_or(now);
                let disabled = (now - since >= DISABLED_AFTER).then_some(DisabledReason::Failing);
                Self { failing_since: Some(since), disabled }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order_state::OrderEventKind;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_348_800, 0).unwrap()
    }

    #[test]
    fn whatever_is_told_of_an_order_is_a_type_of_event() {
        for kind in OrderEventKind::ALL {
            assert!(EVENT_TYPES.iter().any(|known| known.name == kind.as_str()), "{kind:?}");
        }
    }

    #[test]
    fn a_message_is_tried_for_three_days() {
        let waits: Vec<Duration> = (1..).map_while(|tries| retry_after(tries, 0, None)).collect();
        assert_eq!((waits[0], *waits.last().unwrap()), (Duration::seconds(5), Duration::hours(10)));
        assert!(waits.is_sorted());
        let all: Duration = waits.iter().sum();
        let latest: Duration = (1..).map_while(|tries| retry_after(tries, 1000, None)).sum();
        assert!(all > Duration::hours(70) && latest < Duration::hours(78), "{all} {latest}");
        assert_eq!(retry_after(15, 0, None), None);
        assert_eq!(retry_after(15, 0, Some(Duration::seconds(1))), None);
    }

    #[test]
    fn a_receiver_may_ask_for_patience_but_not_for_ever() {
        let requested = |wait| retry_after(1, 0, Some(wait)).unwrap();
        assert_eq!(requested(Duration::seconds(1)), Duration::seconds(5));
        assert_eq!(requested(Duration::minutes(3)), Duration::minutes(3));
        assert_eq!(requested(Duration::days(9)), Duration::hours(10));
        assert_eq!(requested(Duration::seconds(-1)), Duration::seconds(5));
    }

    #[test]
    fn chance_adds_a_tenth_at_most() {
        assert_eq!(retry_after(6, 500, None), Some(Duration::minutes(63)));
        assert_eq!(retry_after(6, u16::MAX, None), Some(Duration::minutes(66)));
    }

    #[test]
    fn what_a_pattern_wants() {
        for (pattern, kind, wanted) in [
            ("*", "order.paid", true),
            ("*", "seller.updated", true),
            ("order.*", "order.paid", true),
            ("order.*", "refund.failed", false),
            ("order.paid", "order.paid", true),
            ("order.paid", "order.payment_failed", false),
        ] {
            let pattern: EventPattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(kind), wanted, "{pattern} {kind}");
        }
        for wrong in ["", "order", "order.payed", "or*", "order.pa*", "*.paid", "**", "ORDER.PAID", "x.*"] {
            assert_eq!(wrong.parse::<EventPattern>(), Err(InvalidPattern), "{wrong}");
        }
    }

    #[test]
    fn an_endpoint_is_disabled_after_days_without_a_success() {
        let since = now() - DISABLED_AFTER;
        let refused = AttemptOutcome::Refused;
        let fresh = Health::after(None, refused, now());
        assert_eq!(fresh, Health { failing_since: Some(now()), disabled: None });
        let almost = Health::after(Some(since + Duration::seconds(1)), refused, now());
        assert_eq!(almost.disabled, None);
        assert_eq!(Health::after(Some(since), refused, now()).disabled, Some(DisabledReason::Failing));
        assert_eq!(Health::after(Some(since), AttemptOutcome::Delivered, now()).failing_since, None);
        assert_eq!(Health::after(None, AttemptOutcome::Gone, now()).disabled, Some(DisabledReason::Gone));
    }
}
