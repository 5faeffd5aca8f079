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
    pub(super) use quittance_domain::seller::{Blocker, ChargeType, NextAction, Origin};
    pub(super) use quittance_payments::{AccountKind, BusinessType, Collection};
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

words! {
    /// On whose account a seller's customers are charged: the seller's, who is the merchant, pays Stripe's fees and bears
    /// refunds and disputes (`direct`); or the platform's, from which the money less the platform's fee is transferred to
    /// the seller at once (`destination`).
    ChargeType of from::ChargeType {
        Direct = from::ChargeType::Direct,
        Destination = from::ChargeType::Destination,
    }
}

words! {
    /// How a seller came: the owner of an account let the platform in (`oauth`), or the platform made the account
    /// (`created`).
    SellerOrigin of from::Origin {
        Oauth = from::Origin::OAuth,
        Created = from::Origin::Created,
    }
}

words! {
    /// What kind of account is made: its owner sees a small dashboard and the platform bears losses (`express`), or its
    /// owner has all of Stripe's dashboard and bears them (`standard`).
    SellerType of from::AccountKind {
        Express = from::AccountKind::Express,
        Standard = from::AccountKind::Standard,
    }
}

words! {
    /// What kind of business a seller is, in Stripe's words.
    BusinessType of from::BusinessType {
        Individual = from::BusinessType::Individual,
        Company = from::BusinessType::Company,
        NonProfit = from::BusinessType::NonProfit,
        GovernmentEntity = from::BusinessType::GovernmentEntity,
    }
}

words! {
    /// How much a seller is asked for: what is due now (`currently_due`), or all that will ever be (`eventually_due`).
    Collect of from::Collection {
        CurrentlyDue = from::Collection::CurrentlyDue,
        EventuallyDue = from::Collection::EventuallyDue,
    }
}

words! {
    /// Why a seller can not be charged through: `not_connected` (the platform may not use the account, or there is none
    /// yet), `unlinking` (the platform is about to let it go), `not_checked` (Stripe was not asked yet),
    /// `details_not_submitted`, `charges_not_enabled`, `payouts_not_enabled`, `transfers_not_active` (what destination
    /// charges need), `no_display_name` (there is none to show to customers), `country_not_supported`,
    /// `currency_not_supported` (by the platform's settings).
    SellerBlocker of from::Blocker {
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

words! {
    /// What a seller should be told to do now: nothing (`none`), connect the account, perhaps again (`connect`), connect
    /// another one, because this one will never do (`connect_another_account`), finish what Stripe asks for at first
    /// (`complete_onboarding`), tell Stripe what is due (`provide_information`), wait while Stripe looks at it
    /// (`await_verification`), give the account a name in Stripe's dashboard (`set_display_name`), ask the platform,
    /// which has paused the account (`contact_platform`), or look into Stripe's dashboard, which says what is wrong
    /// (`check_dashboard`).
    SellerNextAction of from::NextAction {
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
