//! Events for the shop's systems: their types, subscriptions and retry schedule.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::string_enum;

/// The type of the object in an event's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventObject {
    /// An order.
    Order,
    /// A product.
    Product,
    /// A refund.
    Refund,
    /// A dispute.
    Dispute,
    /// A seller.
    Seller,
    /// A webhook endpoint of the shop's systems.
    WebhookEndpoint,
}

/// A type of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventType {
    /// The name: the object, a dot, and the change.
    pub name: &'static str,
    /// The type of the object in the payload.
    pub object: EventObject,
    /// The description for the API documentation.
    pub meaning: &'static str,
}

macro_rules! event_types {
    ($($name:literal of $object:ident: $meaning:literal;)*) => {
        /// All types of events. The list serves the documentation and the validation of subscriptions. Rows of
        /// the outbox with other names are sent too.
        pub const EVENT_TYPES: &[EventType] =
            &[$(EventType { name: $name, object: EventObject::$object, meaning: $meaning },)*];
    };
}

event_types! {
    "order.created" of Order: "An order was created.";
    "order.processing" of Order: "The bank is processing a payment.";
    "order.authorized" of Order: "A payment is authorized and can be captured.";
    "order.paid" of Order: "An order is paid and can be fulfilled. Sent once for each order.";
    "order.payment_failed" of Order: "A payment failed. The customer can try again.";
    "order.canceled" of Order: "An order was canceled without payment.";
    "order.expired" of Order: "An order expired without payment.";
    "order.review_required" of Order: "A payment doesn't match the order or was late. A person must review it.";
    "refund.succeeded" of Refund: "A refund succeeded.";
    "refund.failed" of Refund: "A refund failed.";
    "dispute.opened" of Dispute: "A bank opened a dispute about a payment, or reopened one.";
    "dispute.closed" of Dispute: "A dispute was decided. Sent again if the bank changes the decision.";
    "seller.ready" of Seller: "A seller can accept payments now.";
    "seller.restricted" of Seller: "A seller can no longer accept payments.";
    "seller.disconnected" of Seller: "A seller's account was disconnected.";
    "seller.updated" of Seller: "Another change of a seller, for example new requirements from Stripe.";
    "product.out_of_stock" of Product: "The last unit of a product with tracked stock was reserved.";
    "webhook_endpoint.disabled" of WebhookEndpoint: "An endpoint was disabled, because it failed for days or returned \
        status 410. Sent to the other endpoints.";
    "webhook_endpoint.ping" of WebhookEndpoint: "A test message that you requested. Sent to that endpoint only.";
}

/// The event type for a disabled endpoint.
pub const ENDPOINT_DISABLED: &str = "webhook_endpoint.disabled";

/// The event type for testing an endpoint.
pub const ENDPOINT_PING: &str = "webhook_endpoint.ping";

/// The wildcard for all event types, or after a dot, for all types about one object.
const ANY: &str = "*";

/// A pattern for event types: one type, all types about one object (`refund.*`), or all types (`*`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventPattern(String);

/// An error for text that isn't a valid pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be *, an event type, or an object with .*, such as order.*")]
pub struct InvalidPattern;

impl EventPattern {
    /// Returns the pattern that matches all types.
    #[must_use]
    pub fn any() -> Self {
        Self(ANY.to_owned())
    }

    /// Returns whether the pattern matches this event type.
    #[must_use]
    pub fn matches(&self, kind: &str) -> bool {
        match self.0.strip_suffix(ANY) {
            Some(beginning) => kind.starts_with(beginning),
            None => kind == self.0,
        }
    }

    /// Returns the pattern as text.
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

/// Returns whether an endpoint with these patterns subscribes to this event type.
#[must_use]
pub fn wants(patterns: &[EventPattern], kind: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(kind))
}

/// The time after each failed attempt, in seconds: 5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 3 h, 6 h, and then 10
/// h each. The sum is 2.9 days.
const RETRY_AFTER_S: [i64; 14] =
    [5, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 36_000, 36_000, 36_000, 36_000, 36_000, 36_000];

/// The random extra time is at most this fraction of the delay: one tenth. It spreads retries to receivers that
/// failed together.
const JITTER_PARTS: i64 = 10;

/// The longest `Retry-After` that is respected.
const MAX_RETRY_AFTER: Duration = Duration::hours(10);

/// The time without a success after which an endpoint is disabled. It is longer than the retries of one
/// message.
const DISABLED_AFTER: Duration = Duration::days(5);

/// The default time during which Quittance signs with both secrets after a rotation.
pub const SECRET_OVERLAP: Duration = Duration::hours(24);

/// Returns the delay after `tries` failed attempts, or `None` after the last attempt.
///
/// `chance` is a random number from 0 to 1000 that adds up to a tenth. `requested` is the receiver's
/// `Retry-After`. Quittance respects it up to 10 hours.
#[must_use]
pub fn retry_after(tries: i32, chance: u16, requested: Option<Duration>) -> Option<Duration> {
    let place = usize::try_from(tries.max(1) - 1).unwrap_or(usize::MAX);
    let seconds = RETRY_AFTER_S.get(place)?;
    let jitter_ms = seconds * 1000 / JITTER_PARTS * i64::from(chance.min(1000)) / 1000;
    let wait = Duration::seconds(*seconds) + Duration::milliseconds(jitter_ms);
    Some(requested.map_or(wait, |requested| wait.max(requested.min(MAX_RETRY_AFTER))))
}

string_enum! {
    /// The outcome of one delivery attempt.
    pub enum AttemptOutcome {
        /// A 2xx response.
        Delivered = "delivered",
        /// Any other status. Quittance doesn't follow redirects.
        Refused = "refused",
        /// Status 410. The receiver accepts no more messages.
        Gone = "gone",
        /// No response within the time limit.
        TimedOut = "timed_out",
        /// No connection, a broken connection, or a TLS failure.
        Unreachable = "unreachable",
        /// The host name has no address.
        Unresolved = "unresolved",
        /// The address isn't allowed.
        Forbidden = "forbidden",
    }
}

impl AttemptOutcome {
    /// Returns the outcome for an HTTP status.
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
    /// The state of a delivery.
    pub enum DeliveryState {
        /// Another attempt is due.
        Pending = "pending",
        /// The endpoint accepted the message.
        Delivered = "delivered",
        /// Quittance makes no more attempts.
        Failed = "failed",
    }
}

/// Returns a delivery's state after an attempt, and the time of the next attempt.
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
    /// The reason why an endpoint is disabled.
    pub enum DisabledReason {
        /// The shop disabled it.
        Requested = "requested",
        /// It returned status 410.
        Gone = "gone",
        /// It failed for five days without a success.
        Failing = "failing",
    }
}

/// The health of an endpoint: the time of its first failure, and whether it must be disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The time of the first failure after the last success.
    pub failing_since: Option<DateTime<Utc>>,
    /// The reason to disable the endpoint, if any.
    pub disabled: Option<DisabledReason>,
}

impl Health {
    /// Returns the health after another outcome.
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
    fn order_event_kind_is_a_listed_event_type() {
        for kind in OrderEventKind::ALL {
            assert!(EVENT_TYPES.iter().any(|known| known.name == kind.as_str()), "{kind:?}");
        }
    }

    #[test]
    fn message_is_retried_for_three_days() {
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
    fn retry_after_header_is_respected_up_to_ten_hours() {
        let requested = |wait| retry_after(1, 0, Some(wait)).unwrap();
        assert_eq!(requested(Duration::seconds(1)), Duration::seconds(5));
        assert_eq!(requested(Duration::minutes(3)), Duration::minutes(3));
        assert_eq!(requested(Duration::days(9)), Duration::hours(10));
        assert_eq!(requested(Duration::seconds(-1)), Duration::seconds(5));
    }

    #[test]
    fn random_delay_adds_at_most_a_tenth() {
        assert_eq!(retry_after(6, 500, None), Some(Duration::minutes(63)));
        assert_eq!(retry_after(6, u16::MAX, None), Some(Duration::minutes(66)));
    }

    #[test]
    fn pattern_matches_its_types_and_malformed_pattern_is_rejected() {
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
    fn endpoint_is_disabled_after_five_days_without_success_or_a_410() {
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
