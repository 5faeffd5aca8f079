//! Crash points: places between two phases where a test can abort the process. Tests use them to check that a crash
//! loses no work and repeats none.
//!
//! In a normal build, [`CrashPoint::reach`] does nothing. In a build with the feature `armed`, the process aborts at
//! the crash point that the environment variable [`VARIABLE`] names.
//!
//! ```
//! use quittance_crash_points::CrashPoint;
//!
//! # fn commit_order() {}
//! commit_order();
//! // `QUITTANCE_CRASH_AT=order_placed` aborts an armed process here.
//! CrashPoint::OrderPlaced.reach();
//!
//! assert_eq!(CrashPoint::OrderPlaced.name(), "order_placed");
//! ```

/// The environment variable with the name of the crash point where an armed process aborts.
pub const VARIABLE: &str = "QUITTANCE_CRASH_AT";

macro_rules! crash_points {
    ($($(#[$doc:meta])* $point:ident = $name:literal,)*) => {
        /// A place where a test can abort the process.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum CrashPoint {
            $($(#[$doc])* $point,)*
        }

        impl CrashPoint {
            /// All crash points.
            pub const ALL: &[Self] = &[$(Self::$point,)*];

            /// Returns the name of this crash point in [`VARIABLE`].
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
    /// An idempotency key is claimed. Its work hasn't started.
    KeyClaimed = "key_claimed",
    /// An order is committed. The client has no response yet.
    OrderPlaced = "order_placed",
    /// An attempt is committed. Stripe hasn't received the request.
    AttemptRecorded = "attempt_recorded",
    /// Stripe has created the PaymentIntent or Checkout Session. Its response isn't recorded.
    AttemptCreated = "attempt_created",
    /// Stripe's response about an attempt is recorded. The client has no response yet.
    ResponseRecorded = "response_recorded",
    /// An attempt is marked as abandoned in favor of another one. Stripe hasn't received the request.
    AttemptAbandoned = "attempt_abandoned",
    /// New customer details are committed. Stripe hasn't received them.
    DetailsChanged = "details_changed",
    /// Stripe has accepted the new details. This isn't recorded.
    DetailsSent = "details_sent",
    /// The request to close an order is committed. Stripe hasn't received it.
    CloseRequested = "close_requested",
    /// The expiry of an order is committed. Stripe hasn't received the request.
    ExpiryRequested = "expiry_requested",
    /// Stripe has canceled the PaymentIntent or expired the Checkout Session. This isn't recorded.
    AttemptClosed = "attempt_closed",
    /// The request to capture an authorized payment is committed. Stripe hasn't received it.
    CaptureRequested = "capture_requested",
    /// Stripe has captured the payment. This isn't recorded.
    PaymentIntentCaptured = "payment_intent_captured",
    /// A refund is committed. Stripe hasn't received the request.
    RefundRecorded = "refund_recorded",
    /// Stripe has created the refund. This isn't recorded.
    RefundCreated = "refund_created",
    /// An event is verified and waits for its batch.
    EventVerified = "event_verified",
    /// A batch of events is committed. Stripe has no response yet.
    EventsApplied = "events_applied",
    /// A PaymentIntent was read from Stripe. Its state isn't recorded.
    PaymentIntentRead = "payment_intent_read",
    /// A seller is committed. Stripe hasn't received the request for its account.
    SellerRecorded = "seller_recorded",
    /// Stripe has created a seller's account. This isn't recorded.
    AccountCreated = "account_created",
    /// Stripe has exchanged an OAuth code and connected the account. This isn't recorded.
    CodeExchanged = "code_exchanged",
    /// The disconnection of a seller is committed. The seller's orders are open, and Stripe hasn't received the request.
    UnlinkStarted = "unlink_started",
    /// Stripe has disconnected a seller's account. This isn't recorded.
    Deauthorized = "deauthorized",
    /// Outbound messages are committed. Their deliveries are unclaimed.
    MessagesCreated = "messages_created",
    /// Deliveries are claimed. Nothing is sent.
    DeliveriesClaimed = "deliveries_claimed",
    /// A message is sent and has a response. The attempt isn't recorded.
    MessageSent = "message_sent",
    /// Delivery attempts are recorded. Deliveries that waited for them haven't started.
    AttemptsRecorded = "attempts_recorded",
}

impl CrashPoint {
    /// The crash points of outbound messages. They are reached only if a webhook endpoint exists.
    pub const OUTBOUND: [Self; 4] =
        [Self::MessagesCreated, Self::DeliveriesClaimed, Self::MessageSent, Self::AttemptsRecorded];

    /// The crash points of connecting and disconnecting sellers.
    pub const SELLERS: [Self; 5] = [
        Self::SellerRecorded,
        Self::AccountCreated,
        Self::CodeExchanged,
        Self::UnlinkStarted,
        Self::Deauthorized,
    ];

    /// Aborts the process if [`VARIABLE`] names this crash point.
    #[cfg(feature = "armed")]
    pub fn reach(self) {
        if std::env::var(VARIABLE).is_ok_and(|name| name == self.name()) {
            std::process::abort();
        }
    }

    /// Does nothing, because the feature `armed` is off.
    #[cfg(not(feature = "armed"))]
    #[inline]
    pub fn reach(self) {}
}
