//! The words of the contract, as types of their own: what the domain calls them may change, these may not.

use serde::Serialize;
use utoipa::ToSchema;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident of $domain:path { $($(#[$word_doc:meta])* $word:ident = $pattern:pat,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $name {
            $($(#[$word_doc])* $word,)*
        }

        impl From<$domain> for $name {
            fn from(word: $domain) -> Self {
                match word { $($pattern => Self::$word,)* }
            }
        }
    };
}

mod from {
    pub(super) use quittance_domain::dispute::{DisputeOutcome, DisputeStatus};
    pub(super) use quittance_domain::order::OrderStatus;
    pub(super) use quittance_domain::outbound::{AttemptOutcome, DeliveryState, DisabledReason};
    pub(super) use quittance_domain::payment::{CaptureMethod, OpenStatus, PaymentStatus, ReviewReason};
    pub(super) use quittance_domain::refund::{RefundCause, RefundReason, RefundStatus};
    pub(super) use quittance_persistence::TimelineKind;
}

words! {
    /// How far an order has come: `pending` (placed, nothing settled yet), `processing` (a payment is in flight
    /// at a bank), `authorized` (held for manual capture), `payment_failed` (the last try failed; it may be paid
    /// again), `paid`, `partially_refunded`, `refunded`, `disputed` (the customer's bank asks, or took the money
    /// back for now), `charged_back` (a dispute was lost), `review` (money came that is not what was asked for;
    /// never fulfil it unseen), `canceled`, `expired` (not paid in time).
    OrderStatus of from::OrderStatus {
        Pending = from::OrderStatus::Pending,
        Processing = from::OrderStatus::Processing,
        Authorized = from::OrderStatus::Authorized,
        PaymentFailed = from::OrderStatus::PaymentFailed,
        Paid = from::OrderStatus::Paid,
        PartiallyRefunded = from::OrderStatus::PartiallyRefunded,
        Refunded = from::OrderStatus::Refunded,
        Disputed = from::OrderStatus::Disputed,
        ChargedBack = from::OrderStatus::ChargedBack,
        Review = from::OrderStatus::Review,
        Canceled = from::OrderStatus::Canceled,
        Expired = from::OrderStatus::Expired,
    }
}

words! {
    /// Why an order is in `review`.
    ReviewReason of from::ReviewReason {
        WrongAmount = from::ReviewReason::WrongAmount,
        WrongCurrency = from::ReviewReason::WrongCurrency,
        WrongFee = from::ReviewReason::WrongFee,
        SucceededAfterCancel = from::ReviewReason::SucceededAfterCancel,
        SucceededAfterExpiry = from::ReviewReason::SucceededAfterExpiry,
    }
}

words! {
    /// Where a PaymentIntent stands, in Stripe's words.
    PaymentStatus of from::PaymentStatus {
        RequiresPaymentMethod = from::PaymentStatus::Open(from::OpenStatus::RequiresPaymentMethod),
        RequiresConfirmation = from::PaymentStatus::Open(from::OpenStatus::RequiresConfirmation),
        RequiresAction =
            from::PaymentStatus::Open(from::OpenStatus::RequiresAction | from::OpenStatus::AwaitsTransfer),
        Processing = from::PaymentStatus::Open(from::OpenStatus::Processing),
        RequiresCapture = from::PaymentStatus::Open(from::OpenStatus::RequiresCapture),
        Succeeded = from::PaymentStatus::Succeeded,
        Canceled = from::PaymentStatus::Canceled,
    }
}

words! {
    /// When the money is taken once the customer has agreed: at once, or later, by the shop's own act.
    CaptureMethod of from::CaptureMethod {
        Automatic = from::CaptureMethod::Automatic,
        Manual = from::CaptureMethod::Manual,
    }
}

words! {
    /// How a refund stands, in Stripe's words. One that has succeeded can still fail: then the money is with the
    /// shop again.
    RefundStatus of from::RefundStatus {
        Pending = from::RefundStatus::Pending,
        RequiresAction = from::RefundStatus::RequiresAction,
        Succeeded = from::RefundStatus::Succeeded,
        Failed = from::RefundStatus::Failed,
        Canceled = from::RefundStatus::Canceled,
    }
}

words! {
    /// How far a delivery has come: `pending` (it waits for an attempt), `delivered` (the endpoint answered 2xx),
    /// `failed` (no more attempts are made).
    DeliveryState of from::DeliveryState {
        Pending = from::DeliveryState::Pending,
        Delivered = from::DeliveryState::Delivered,
        Failed = from::DeliveryState::Failed,
    }
}

words! {
    /// Why there is a refund: the shop asked for it here (`requested`), the order was paid twice (`surplus`), its
    /// money was under review and the shop's policy is to give it back (`review`), or it was made at Stripe.
    RefundCause of from::RefundCause {
        Requested = from::RefundCause::Requested,
        Surplus = from::RefundCause::Surplus,
        Review = from::RefundCause::Review,
        Stripe = from::RefundCause::Stripe,
    }
}

words! {
    /// What came of an attempt: `delivered` (2xx), `refused` (another status; redirects are not followed), `gone`
    /// (410: the endpoint was disabled), `timed_out` (no answer in 15 s), `unreachable` (no connection, or it broke),
    /// `unresolved` (the host name has no address), `forbidden` (the address may not be reached).
    AttemptOutcome of from::AttemptOutcome {
        Delivered = from::AttemptOutcome::Delivered,
        Refused = from::AttemptOutcome::Refused,
        Gone = from::AttemptOutcome::Gone,
        TimedOut = from::AttemptOutcome::TimedOut,
        Unreachable = from::AttemptOutcome::Unreachable,
        Unresolved = from::AttemptOutcome::Unresolved,
        Forbidden = from::AttemptOutcome::Forbidden,
    }
}

words! {
    /// Why the shop gives money back, in Stripe's words.
    RefundReason of from::RefundReason {
        Duplicate = from::RefundReason::Duplicate,
        Fraudulent = from::RefundReason::Fraudulent,
        RequestedByCustomer = from::RefundReason::RequestedByCustomer,
    }
}

words! {
    /// How a dispute stands, in Stripe's words.
    DisputeStatus of from::DisputeStatus {
        WarningNeedsResponse = from::DisputeStatus::WarningNeedsResponse,
        WarningUnderReview = from::DisputeStatus::WarningUnderReview,
        WarningClosed = from::DisputeStatus::WarningClosed,
        NeedsResponse = from::DisputeStatus::NeedsResponse,
        UnderReview = from::DisputeStatus::UnderReview,
        Won = from::DisputeStatus::Won,
        Lost = from::DisputeStatus::Lost,
        Prevented = from::DisputeStatus::Prevented,
    }
}

words! {
    /// What a dispute means for the money: nothing is decided (`open`), the shop keeps it (`won`), or the customer
    /// does (`lost`).
    DisputeOutcome of from::DisputeOutcome {
        Open = from::DisputeOutcome::Open,
        Won = from::DisputeOutcome::Won,
        Lost = from::DisputeOutcome::Lost,
    }
}

words! {
    /// What kind of thing happened: something was asked for here (`act`), Stripe was asked (`request`), Stripe told
    /// of something (`fact`), something was decided for good (`decision`), or something is told to the shop's own
    /// systems (`effect`).
    TimelineKind of from::TimelineKind {
        Act = from::TimelineKind::Act,
        Request = from::TimelineKind::Request,
        Fact = from::TimelineKind::Fact,
        Decision = from::TimelineKind::Decision,
        Effect = from::TimelineKind::Effect,
    }
}

words! {
    /// Why an endpoint is disabled: `requested` (by the shop), `gone` (it answered 410), `failing` (for five days
    /// nothing could be delivered).
    DisabledReason of from::DisabledReason {
        Requested = from::DisabledReason::Requested,
        Gone = from::DisabledReason::Gone,
        Failing = from::DisabledReason::Failing,
    }
}
