//! The enums of the API. They are separate from the domain's enums, which may change while the API must not.

use serde::Serialize;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::http::fields::{Components, FieldValue};
use crate::http::json_reader::{Field, ParseResult};
use crate::json::to_json;

/// Declares an enum of responses.
macro_rules! response_enum {
    ($(#[$doc:meta])* $name:ident from $domain:path { $($value:ident = $pattern:pat,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $name {
            $($value,)*
        }

        impl From<$domain> for $name {
            fn from(value: $domain) -> Self {
                match value { $($pattern => Self::$value,)* }
            }
        }
    };
}

/// Declares an enum of requests and responses.
macro_rules! request_enum {
    ($(#[$doc:meta])* $name:ident from $domain:path { $($value:ident = $path:path,)* }) => {
        response_enum! {
            $(#[$doc])*
            $name from $domain { $($value = $path,)* }
        }

        impl FieldValue for $name {
            type Output = $domain;

            fn read(field: Field<'_>) -> ParseResult<$domain> {
                let values = [$((name_of(&Self::$value), $path),)*];
                field.string(|text| {
                    let names = values.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
                    let found = values.into_iter().find(|(name, _)| name == text);
                    found.map(|(_, value)| value).ok_or_else(|| ("invalid", format!("must be one of {names}")))
                })
            }

            fn schema() -> RefOr<Schema> {
                Ref::from_schema_name(stringify!($name)).into()
            }

            fn components(components: &mut Components) {
                components.push((stringify!($name).to_owned(), <Self as PartialSchema>::schema()));
            }
        }
    };
}

/// Returns the name of an enum's value in JSON.
fn name_of<T: Serialize>(value: &T) -> String {
    to_json(value).trim_matches('"').to_owned()
}

mod from {
    pub(super) use quittance_domain::dispute::{DisputeOutcome, DisputeStatus};
    pub(super) use quittance_domain::order::OrderStatus;
    pub(super) use quittance_domain::outbound::{AttemptOutcome, DeliveryState, DisabledReason};
    pub(super) use quittance_domain::payment::{CaptureMethod, OpenStatus, PaymentStatus, ReviewReason};
    pub(super) use quittance_domain::refund::{RefundCause, RefundReason, RefundStatus};
    pub(super) use quittance_domain::seller::{Blocker, ChargeType, NextAction, Origin};
    pub(super) use quittance_payments::{AccountKind, BusinessType, Collection};
    pub(super) use quittance_persistence::TimelineKind;
}

request_enum! {
    /// The status of an order: `pending` (placed, without a final payment result), `processing` (a payment is in flight
    /// at a bank), `authorized` (a payment waits for capture), `payment_failed` (the last attempt failed; the order can be
    /// paid again), `paid`, `partially_refunded`, `refunded`, `disputed` (the customer's bank has an open dispute),
    /// `charged_back` (a dispute was lost), `review` (a payment doesn't match the order; check it before you fulfill the
    /// order), `canceled` or `expired` (not paid in time).
    OrderStatus from from::OrderStatus {
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

response_enum! {
    /// The reason why an order is in `review`.
    ReviewReason from from::ReviewReason {
        WrongAmount = from::ReviewReason::WrongAmount,
        WrongCurrency = from::ReviewReason::WrongCurrency,
        WrongFee = from::ReviewReason::WrongFee,
        SucceededAfterCancel = from::ReviewReason::SucceededAfterCancel,
        SucceededAfterExpiry = from::ReviewReason::SucceededAfterExpiry,
    }
}

response_enum! {
    /// Stripe's status of a PaymentIntent.
    PaymentStatus from from::PaymentStatus {
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

request_enum! {
    /// The capture method: `automatic` captures the payment at once; `manual` authorizes it until you capture it.
    CaptureMethod from from::CaptureMethod {
        Automatic = from::CaptureMethod::Automatic,
        Manual = from::CaptureMethod::Manual,
    }
}

response_enum! {
    /// Stripe's status of a refund. A refund with status `succeeded` can still fail; the shop then gets the money back.
    RefundStatus from from::RefundStatus {
        Pending = from::RefundStatus::Pending,
        RequiresAction = from::RefundStatus::RequiresAction,
        Succeeded = from::RefundStatus::Succeeded,
        Failed = from::RefundStatus::Failed,
        Canceled = from::RefundStatus::Canceled,
    }
}

request_enum! {
    /// The state of a delivery: `pending` (waits for an attempt), `delivered` (the endpoint responded with 2xx) or
    /// `failed` (no more attempts follow).
    DeliveryState from from::DeliveryState {
        Pending = from::DeliveryState::Pending,
        Delivered = from::DeliveryState::Delivered,
        Failed = from::DeliveryState::Failed,
    }
}

response_enum! {
    /// The cause of a refund: the shop requested it through this API (`requested`), the order was paid twice
    /// (`surplus`), the shop's policy refunds orders in review (`review`), or it was created at Stripe (`stripe`).
    RefundCause from from::RefundCause {
        Requested = from::RefundCause::Requested,
        Surplus = from::RefundCause::Surplus,
        Review = from::RefundCause::Review,
        Stripe = from::RefundCause::Stripe,
    }
}

response_enum! {
    /// The outcome of a delivery attempt: `delivered` (2xx), `refused` (another status; redirects aren't followed),
    /// `gone` (410; the endpoint was disabled), `timed_out` (no response within 15 s), `unreachable` (no connection, or
    /// it broke), `unresolved` (the host name has no address) or `forbidden` (the address isn't allowed).
    AttemptOutcome from from::AttemptOutcome {
        Delivered = from::AttemptOutcome::Delivered,
        Refused = from::AttemptOutcome::Refused,
        Gone = from::AttemptOutcome::Gone,
        TimedOut = from::AttemptOutcome::TimedOut,
        Unreachable = from::AttemptOutcome::Unreachable,
        Unresolved = from::AttemptOutcome::Unresolved,
        Forbidden = from::AttemptOutcome::Forbidden,
    }
}

request_enum! {
    /// Stripe's reason for a refund.
    RefundReason from from::RefundReason {
        Duplicate = from::RefundReason::Duplicate,
        Fraudulent = from::RefundReason::Fraudulent,
        RequestedByCustomer = from::RefundReason::RequestedByCustomer,
    }
}

response_enum! {
    /// Stripe's status of a dispute.
    DisputeStatus from from::DisputeStatus {
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

response_enum! {
    /// The outcome of a dispute: not decided yet (`open`), the shop keeps the money (`won`), or the customer gets it
    /// back (`lost`).
    DisputeOutcome from from::DisputeOutcome {
        Open = from::DisputeOutcome::Open,
        Won = from::DisputeOutcome::Won,
        Lost = from::DisputeOutcome::Lost,
    }
}

response_enum! {
    /// The kind of timeline entry: a request to this API (`act`), a request to Stripe (`request`), information from
    /// Stripe (`fact`), a recorded decision (`decision`), or an event to your own systems (`effect`).
    TimelineKind from from::TimelineKind {
        Act = from::TimelineKind::Act,
        Request = from::TimelineKind::Request,
        Fact = from::TimelineKind::Fact,
        Decision = from::TimelineKind::Decision,
        Effect = from::TimelineKind::Effect,
    }
}

response_enum! {
    /// The reason why an endpoint is disabled: `requested` (by the shop), `gone` (it responded with 410) or `failing`
    /// (all deliveries failed for five days).
    DisabledReason from from::DisabledReason {
        Requested = from::DisabledReason::Requested,
        Gone = from::DisabledReason::Gone,
        Failing = from::DisabledReason::Failing,
    }
}

request_enum! {
    /// The account that charges customers. With `direct`, it is the seller's: the seller is the merchant, pays Stripe's
    /// fees and bears refunds and disputes. With `destination`, it is the platform's, and Stripe transfers the amount
    /// less the platform's fee to the seller at once.
    ChargeType from from::ChargeType {
        Direct = from::ChargeType::Direct,
        Destination = from::ChargeType::Destination,
    }
}

response_enum! {
    /// The origin of a seller: the owner connected an existing account (`oauth`), or the platform created the account
    /// (`created`).
    SellerOrigin from from::Origin {
        Oauth = from::Origin::OAuth,
        Created = from::Origin::Created,
    }
}

request_enum! {
    /// The type of account to create. `express`: the owner sees a small dashboard, and the platform bears losses.
    /// `standard`: the owner has Stripe's full Dashboard and bears losses.
    SellerType from from::AccountKind {
        Express = from::AccountKind::Express,
        Standard = from::AccountKind::Standard,
    }
}

request_enum! {
    /// Stripe's business type of a seller.
    BusinessType from from::BusinessType {
        Individual = from::BusinessType::Individual,
        Company = from::BusinessType::Company,
        NonProfit = from::BusinessType::NonProfit,
        GovernmentEntity = from::BusinessType::GovernmentEntity,
    }
}

request_enum! {
    /// The requirements to collect: only those due now (`currently_due`), or also future ones (`eventually_due`).
    Collect from from::Collection {
        CurrentlyDue = from::Collection::CurrentlyDue,
        EventuallyDue = from::Collection::EventuallyDue,
    }
}

response_enum! {
    /// A reason why a seller can't accept payments: `not_connected` (the account isn't connected, or doesn't exist yet),
    /// `unlinking` (the platform is disconnecting it), `not_checked` (it hasn't been read from Stripe yet),
    /// `details_not_submitted`, `charges_not_enabled`, `payouts_not_enabled`, `transfers_not_active` (destination charges
    /// need transfers), `no_display_name` (the account has no name for customers), `country_not_supported` or
    /// `currency_not_supported` (by the platform's configuration).
    SellerBlocker from from::Blocker {
        NotConnected = from::Blocker::NotConnected,
        Unlinking = from::Blocker::Unlinking,
        NotChecked = from::Blocker::NotChecked,
        DetailsNotSubmitted = from::Blocker::DetailsNotSubmitted,
        ChargesNotEnabled = from::Blocker::ChargesNotEnabled,
        PayoutsNotEnabled = from::Blocker::PayoutsNotEnabled,
        TransfersNotActive = from::Blocker::TransfersNotActive,
        NoDisplayName = from::Blocker::NoDisplayName,
        CountryNotSupported = from::Blocker::CountryNotSupported,
        CurrencyNotSupported = from::Blocker::CurrencyNotSupported,
    }
}

response_enum! {
    /// The next step for a seller: nothing (`none`), connect the account, perhaps again (`connect`), connect another
    /// account (`connect_another_account`), complete Stripe's onboarding (`complete_onboarding`), provide the
    /// requirements that are due (`provide_information`), wait for Stripe's verification (`await_verification`), set the
    /// account's name in Stripe's Dashboard (`set_display_name`), contact the platform, which has paused the account
    /// (`contact_platform`), or check Stripe's Dashboard for the cause (`check_dashboard`).
    SellerNextAction from from::NextAction {
        None = from::NextAction::None,
        Connect = from::NextAction::Connect,
        ConnectAnotherAccount = from::NextAction::ConnectAnotherAccount,
        CompleteOnboarding = from::NextAction::CompleteOnboarding,
        ProvideInformation = from::NextAction::ProvideInformation,
        AwaitVerification = from::NextAction::AwaitVerification,
        SetDisplayName = from::NextAction::SetDisplayName,
        ContactPlatform = from::NextAction::ContactPlatform,
        CheckDashboard = from::NextAction::CheckDashboard,
    }
}
