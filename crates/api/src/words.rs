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
    pub(super) use quittance_domain::order::{OrderStatus, ReviewReason};
    pub(super) use quittance_domain::payment::{CaptureMethod, OpenStatus, PaymentStatus};
}

words! {
    /// How far an order has come: `pending` (placed, nothing settled yet), `processing` (a payment is in flight
    /// at a bank), `authorized` (held for manual capture), `payment_failed` (the last try failed; it may be paid
    /// again), `paid`, `review` (money came that is not what was asked for; never fulfil it unseen), `canceled`.
    OrderStatus of from::OrderStatus {
        Pending = from::OrderStatus::Pending,
        Processing = from::OrderStatus::Processing,
        Authorized = from::OrderStatus::Authorized,
        PaymentFailed = from::OrderStatus::PaymentFailed,
        Paid = from::OrderStatus::Paid,
        Review = from::OrderStatus::Review,
        Canceled = from::OrderStatus::Canceled,
    }
}

words! {
    /// Why an order is in `review`.
    ReviewReason of from::ReviewReason {
        WrongAmount = from::ReviewReason::WrongAmount,
        WrongCurrency = from::ReviewReason::WrongCurrency,
        WrongFee = from::ReviewReason::WrongFee,
        SucceededAfterCancel = from::ReviewReason::SucceededAfterCancel,
    }
}

words! {
    /// Where a PaymentIntent stands, in Stripe's words.
    PaymentStatus of from::PaymentStatus {
        RequiresPaymentMethod = from::PaymentStatus::Open(from::OpenStatus::RequiresPaymentMethod),
        RequiresConfirmation = from::PaymentStatus::Open(from::OpenStatus::RequiresConfirmation),
        RequiresAction = from::PaymentStatus::Open(from::OpenStatus::RequiresAction),
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
