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
    /// Stripe has made the PaymentIntent or the Checkout Session; we have not recorded its answer.
    AttemptMade = "attempt_made",
    /// Stripe's answer about an attempt is recorded; the client has no answer.
    AnswerRecorded = "answer_recorded",
    /// It is committed that an attempt makes room for another; Stripe has not heard of it.
    AttemptAbandoned = "attempt_abandoned",
    /// New details of a customer are committed; Stripe has not heard of them.
    DetailsChanged = "details_changed",
    /// Stripe has taken the new details; we have not recorded that.
    DetailsTold = "details_told",
    /// The wish to end an order is committed; Stripe has not heard of it.
    ClosureAsked = "closure_asked",
    /// It is committed that an order has expired; Stripe has not heard of it.
    ExpiryAsked = "expiry_asked",
    /// Stripe has canceled the PaymentIntent or expired the Checkout Session; we have not recorded that.
    AttemptClosed = "attempt_closed",
    /// The wish to take what is held is committed; Stripe has not heard of it.
    CaptureAsked = "capture_asked",
    /// Stripe has taken what was held; we have not recorded that.
    PaymentIntentCaptured = "payment_intent_captured",
    /// A refund is committed; Stripe has not heard of it.
    RefundRecorded = "refund_recorded",
    /// Stripe has made the refund; we have not recorded that.
    RefundMade = "refund_made",
    /// An event is verified and waits for its batch.
    EventVerified = "event_verified",
    /// A batch of events is committed; Stripe has no answer.
    EventsApplied = "events_applied",
    /// A PaymentIntent was read from Stripe; what it says is not recorded.
    PaymentIntentRead = "payment_intent_read",
    /// A seller is committed; Stripe has not heard of its account.
    SellerRecorded = "seller_recorded",
    /// Stripe has made a seller's account; we have not recorded that.
    AccountMade = "account_made",
    /// A code is exchanged: Stripe has connected the account; we have not recorded that.
    CodeExchanged = "code_exchanged",
    /// It is committed that a seller leaves; its orders are open, and Stripe has not heard of it.
    UnlinkBegun = "unlink_begun",
    /// Stripe has let a seller's account go; we have not recorded that.
    Deauthorized = "deauthorized",
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

    /// The places on a seller's way in and out.
    pub const SELLERS: [Self; 5] =
        [Self::SellerRecorded, Self::AccountMade, Self::CodeExchanged, Self::UnlinkBegun, Self::Deauthorized];

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
