//! Places between two phases where a test can stop the process, to see that nothing is lost or done twice.
//!
//! In a build without the feature `armed`, as everybody runs it, reaching one does nothing. With it, the
//! process aborts at the point that the environment variable [`VARIABLE`] names.

/// The environment variable that names the point at which an armed process stops.
pub const VARIABLE: &str = "QUITTANCE_CRASH_AT";

macro_rules! crash_points {
    ($($(#[$doc:meta])* $point:ident = $name:literal,)*) => {
        /// A place where a process can be stopped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum CrashPoint {
            $($(#[$doc])* $point,)*
        }

        impl CrashPoint {
            /// Every place there is.
            pub const ALL: &[Self] = &[$(Self::$point,)*];

            /// What [`VARIABLE`] calls it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)*
                }
            }
        }
    };
}

crash_points! {
    /// An idempotency key is claimed; its work is not begun.
    KeyClaimed = "key_claimed",
    /// An order is committed; its client has no answer.
    OrderPlaced = "order_placed",
    /// An attempt is committed; Stripe has not heard of it.
    AttemptRecorded = "attempt_recorded",
    /// Stripe has made the PaymentIntent; we have not recorded its answer.
    PaymentIntentCreated = "payment_intent_created",
    /// Stripe's answer is recorded; the client has no answer.
    PaymentIntentRecorded = "payment_intent_recorded",
    /// New details of a customer are committed; Stripe has not heard of them.
    DetailsChanged = "details_changed",
    /// Stripe has taken the new details; we have not recorded that.
    DetailsTold = "details_told",
    /// The wish to end an order is committed; Stripe has not heard of it.
    ClosureAsked = "closure_asked",
    /// Stripe has canceled the PaymentIntent; we have not recorded that.
    PaymentIntentCanceled = "payment_intent_canceled",
    /// An event is verified and waits for its batch.
    EventVerified = "event_verified",
    /// A batch of events is committed; Stripe has no answer.
    EventsApplied = "events_applied",
    /// A PaymentIntent was read from Stripe; what it says is not recorded.
    PaymentIntentRead = "payment_intent_read",
    /// Messages to the shop's own systems are committed; nobody has taken them on.
    MessagesAnnounced = "messages_announced",
    /// Deliveries are taken on; nothing is sent.
    DeliveriesClaimed = "deliveries_claimed",
    /// A message is sent and answered; that is not recorded.
    MessageSent = "message_sent",
    /// What came of attempts is recorded; what waited for them is not begun.
    AttemptsRecorded = "attempts_recorded",
}

impl CrashPoint {
    /// The places on a message's way to the shop's own systems: they are reached only where there is such a one.
    pub const OUTBOUND: [Self; 4] =
        [Self::MessagesAnnounced, Self::DeliveriesClaimed, Self::MessageSent, Self::AttemptsRecorded];

    /// Stops the process here, if it is armed and this is the point.
    #[cfg(feature = "armed")]
    pub fn reach(self) {
        if std::env::var(VARIABLE).is_ok_and(|name| name == self.name()) {
            std::process::abort();
        }
    }

    /// Does nothing: this build is not armed.
    #[cfg(not(feature = "armed"))]
    #[inline]
    pub fn reach(self) {}
}
