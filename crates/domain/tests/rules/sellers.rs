//! Tests of sellers: fees, readiness and account snapshots.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use quittance_domain::catalog::Metadata;
use quittance_domain::id::SellerId;
use quittance_domain::money::{Currency, MAX_MINOR, Money};
use quittance_domain::seller::{
    AccountSnapshot, AccountState, Blocker, CHECK_PERIOD, Capability, ChargeType, ConnectionStatus, FeeTerms,
    InvalidFee, MAX_BASIS_POINTS, NextAction, Origin, Requirements, Seller, SellerEventKind, SellerTerms,
    SupportedSellers,
};
use uuid::Uuid;

const CAPABILITIES: [Capability; 4] =
    [Capability::Active, Capability::Inactive, Capability::Pending, Capability::Unrequested];

fn now() -> DateTime<Utc> {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

/// Returns the state of an account without problems.
fn state() -> AccountState {
    AccountState {
        country: Some("DE".to_owned()),
        currency: Some("eur".to_owned()),
        display_name: Some("Tea House".to_owned()),
        details_submitted: true,
        charges_enabled: true,
        payouts_enabled: true,
        transfers: Capability::Active,
        requirements: Requirements::default(),
    }
}

fn seller(state: Option<AccountState>) -> Seller {
    Seller {
        id: SellerId::from_uuid(Uuid::from_u128(1)),
        account_id: Some("acct_1".to_owned()),
        origin: Origin::OAuth,
        connection_status: ConnectionStatus::Connected,
        charge_type: ChargeType::Direct,
        fee: FeeTerms::default(),
        reference: None,
        metadata: Metadata::new(),
        snapshot: AccountSnapshot { state, snapshot_at_s: 100, last_event_at_s: 0 },
        checked_at: None,
        version: 1,
        created_at: now(),
        updated_at: now(),
    }
}

fn germany_in_euros() -> SupportedSellers {
    SupportedSellers { countries: ["DE".to_owned()].into(), currencies: ["eur".to_owned()].into() }
}

fn due(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn disabled(reason: &str) -> Requirements {
    Requirements { disabled_reason: Some(reason.to_owned()), ..Requirements::default() }
}

/// A situation from Stripe's documentation, and the expected readiness.
struct Situation {
    name: &'static str,
    state: AccountState,
    blockers: &'static [Blocker],
    next_action: NextAction,
    can_unlink: bool,
}

/// Returns a situation without blockers.
fn works(name: &'static str, state: AccountState, next_action: NextAction) -> Situation {
    Situation { name, state, blockers: &[], next_action, can_unlink: false }
}

fn is_blocked(
    name: &'static str,
    state: AccountState,
    blockers: &'static [Blocker],
    next_action: NextAction,
) -> Situation {
    Situation { name, state, blockers, next_action, can_unlink: true }
}

fn document() -> Vec<String> {
    due(&["individual.verification.document"])
}

fn with(requirements: Requirements) -> AccountState {
    AccountState { requirements, ..state() }
}

fn working_situations() -> Vec<Situation> {
    let currently_due =
        Requirements { currently_due: document(), current_deadline: Some(now()), ..Requirements::default() };
    let eventually_due = Requirements { eventually_due: document(), ..Requirements::default() };
    let looked_at = Requirements { pending_verification: document(), ..Requirements::default() };
    let no_transfers = AccountState { transfers: Capability::Inactive, ..state() };
    vec![
        works("nothing is due", state(), NextAction::None),
        works("more is due by a deadline", with(currently_due), NextAction::ProvideInformation),
        works("more will be due some day", with(eventually_due), NextAction::None),
        works("Stripe looks at something", with(looked_at), NextAction::None),
        works("takes no transfers, and is charged directly", no_transfers, NextAction::None),
    ]
}

/// Situations in which Stripe has restricted the account.
fn restricted_situations() -> Vec<Situation> {
    const RESTRICTED: &[Blocker] = &[Blocker::ChargesNotEnabled, Blocker::PayoutsNotEnabled];
    let restricted = |name, requirements, next_action| {
        let state = AccountState {
            charges_enabled: false,
            payouts_enabled: false,
            transfers: Capability::Inactive,
            requirements,
            ..state()
        };
        is_blocked(name, state, RESTRICTED, next_action)
    };
    let late = Requirements { past_due: document(), ..disabled("requirements.past_due") };
    let looked_at =
        Requirements { pending_verification: document(), ..disabled("requirements.pending_verification") };
    let rejected = Requirements { currently_due: document(), ..disabled("rejected.fraud") };
    let no_bank = Requirements { past_due: due(&["external_account"]), ..Requirements::default() };
    vec![
        restricted("something was not given in time", late, NextAction::ProvideInformation),
        restricted("Stripe verifies the information", looked_at, NextAction::AwaitVerification),
        restricted("under review", disabled("under_review"), NextAction::AwaitVerification),
        restricted("on a list", disabled("listed"), NextAction::AwaitVerification),
        restricted("paused by the platform", disabled("platform_paused"), NextAction::ContactPlatform),
        restricted("rejected, and asked for more", rejected, NextAction::ConnectAnotherAccount),
        restricted("only the dashboard says why", disabled("other"), NextAction::CheckDashboard),
        is_blocked(
            "takes payments and is not paid out",
            AccountState { payouts_enabled: false, ..with(no_bank) },
            &[Blocker::PayoutsNotEnabled],
            NextAction::ProvideInformation,
        ),
    ]
}

/// Situations in which the account is new or unsupported.
fn unfit_situations() -> Vec<Situation> {
    let blank = || AccountState {
        display_name: None,
        details_submitted: false,
        charges_enabled: false,
        payouts_enabled: false,
        transfers: Capability::Inactive,
        ..with(Requirements {
            currently_due: due(&["external_account"]),
            ..disabled("requirements.past_due")
        })
    };
    vec![
        is_blocked(
            "just made",
            blank(),
            &[
                Blocker::DetailsNotSubmitted,
                Blocker::ChargesNotEnabled,
                Blocker::PayoutsNotEnabled,
                Blocker::NoDisplayName,
            ],
            NextAction::CompleteOnboarding,
        ),
        is_blocked(
            "has no name",
            AccountState { display_name: None, ..state() },
            &[Blocker::NoDisplayName],
            NextAction::SetDisplayName,
        ),
        is_blocked(
            "of another country",
            AccountState { country: Some("FR".to_owned()), ..state() },
            &[Blocker::CountryNotSupported],
            NextAction::ConnectAnotherAccount,
        ),
        is_blocked(
            "of another currency, and with much to tell",
            AccountState { currency: Some("chf".to_owned()), ..blank() },
            &[
                Blocker::DetailsNotSubmitted,
                Blocker::ChargesNotEnabled,
                Blocker::PayoutsNotEnabled,
                Blocker::NoDisplayName,
                Blocker::CurrencyNotSupported,
            ],
            NextAction::ConnectAnotherAccount,
        ),
    ]
}

#[test]
fn seller_situation_has_expected_blockers_and_next_action() {
    let situations = [working_situations(), restricted_situations(), unfit_situations()];
    for Situation { name, state, blockers, next_action, can_unlink } in situations.into_iter().flatten() {
        let readiness = seller(Some(state)).readiness(&germany_in_euros());
        assert_eq!(readiness.ready, blockers.is_empty(), "{name}");
        assert_eq!(readiness.blockers, blockers, "{name}");
        assert_eq!(readiness.next_action, next_action, "{name}");
        assert_eq!(readiness.can_unlink, can_unlink, "{name}");
    }
    let unchecked = seller(None).readiness(&SupportedSellers::default());
    assert_eq!(unchecked.blockers, [Blocker::NotChecked]);
    assert_eq!((unchecked.next_action, unchecked.can_unlink), (NextAction::AwaitVerification, false));
}

#[test]
fn destination_charge_seller_needs_transfers() {
    for (transfers, next_action) in [
        (Capability::Inactive, NextAction::CheckDashboard),
        (Capability::Unrequested, NextAction::CheckDashboard),
        (Capability::Pending, NextAction::AwaitVerification),
    ] {
        let state = AccountState { transfers, ..state() };
        let seller = Seller { charge_type: ChargeType::Destination, ..seller(Some(state)) };
        let readiness = seller.readiness(&SupportedSellers::default());
        assert_eq!(readiness.blockers, [Blocker::TransfersNotActive], "{transfers:?}");
        assert_eq!(readiness.next_action, next_action, "{transfers:?}");
        assert!(!readiness.can_unlink, "the rule for that does not name transfers");
    }
}

#[test]
fn disconnected_seller_is_not_ready() {
    for connection_status in [ConnectionStatus::Unlinked, ConnectionStatus::Disconnected] {
        let readiness =
            Seller { connection_status, ..seller(Some(state())) }.readiness(&SupportedSellers::default());
        assert_eq!(
            (readiness.ready, readiness.blockers),
            (false, vec![Blocker::NotConnected]),
            "{connection_status:?}"
        );
        assert_eq!(
            (readiness.next_action, readiness.can_unlink),
            (NextAction::Connect, false),
            "{connection_status:?}"
        );
    }
    let unmade = Seller { account_id: None, ..seller(None) };
    let readiness = unmade.readiness(&SupportedSellers::default());
    assert_eq!(readiness.blockers, [Blocker::NotConnected]);
    assert_eq!(readiness.next_action, NextAction::AwaitVerification, "Stripe has not made it yet");
    let leaving = Seller { connection_status: ConnectionStatus::Unlinking, ..seller(Some(state())) };
    assert_eq!(leaving.readiness(&SupportedSellers::default()).blockers, [Blocker::Unlinking]);
}

fn requirements() -> impl Strategy<Value = Requirements> {
    let list = || subsequence(vec!["external_account".to_owned(), "tos_acceptance.date".to_owned()], 0..=2);
    let reasons = vec![
        None,
        Some("requirements.past_due"),
        Some("requirements.pending_verification"),
        Some("action_required.requested_capabilities"),
        Some("under_review"),
        Some("listed"),
        Some("platform_paused"),
        Some("rejected.listed"),
        Some("other"),
        Some("a_word_of_tomorrow"),
    ];
    (list(), list(), list(), list(), select(reasons)).prop_map(
        |(currently_due, eventually_due, past_due, pending_verification, reason)| Requirements {
            currently_due,
            eventually_due,
            past_due,
            pending_verification,
            disabled_reason: reason.map(str::to_owned),
            current_deadline: None,
        },
    )
}

fn states() -> impl Strategy<Value = AccountState> {
    let country = select(vec![None, Some("DE".to_owned()), Some("FR".to_owned())]);
    let currency = select(vec![None, Some("eur".to_owned()), Some("chf".to_owned())]);
    let flags = any::<[bool; 4]>();
    (country, currency, flags, select(&CAPABILITIES[..]), requirements()).prop_map(
        |(country, currency, flags, transfers, requirements)| {
            let [named, details_submitted, charges_enabled, payouts_enabled] = flags;
            AccountState {
                country,
                currency,
                display_name: named.then(|| "Tea House".to_owned()),
                details_submitted,
                charges_enabled,
                payouts_enabled,
                transfers,
                requirements,
            }
        },
    )
}

fn sellers() -> impl Strategy<Value = Seller> {
    let charge_type = select(&[ChargeType::Direct, ChargeType::Destination][..]);
    let state = proptest::option::weighted(0.95, states());
    let connection_status =
        prop_oneof![4 => Just(ConnectionStatus::Connected), 1 => select(&ConnectionStatus::ALL[..])];
    (state, connection_status, charge_type, proptest::bool::weighted(0.9)).prop_map(
        |(state, connection_status, charge_type, made)| {
            let seller = seller(state);
            Seller {
                connection_status,
                charge_type,
                account_id: seller.account_id.clone().filter(|_| made),
                ..seller
            }
        },
    )
}

/// Returns whether the platform can disconnect the account without force, as documented.
fn may_be_unlinked(seller: &Seller, supported: &SupportedSellers) -> bool {
    let connected = seller.account_id.is_some()
        && ![ConnectionStatus::Unlinked, ConnectionStatus::Disconnected].contains(&seller.connection_status);
    let Some(state) = &seller.snapshot.state else { return false };
    let is_one_of = |word: &Option<String>, ours: &BTreeSet<String>| {
        ours.is_empty() || word.iter().any(|word| ours.contains(word))
    };
    connected
        && (!state.charges_enabled
            || !state.payouts_enabled
            || !state.details_submitted
            || state.display_name.is_none()
            || !is_one_of(&state.country, &supported.countries)
            || !is_one_of(&state.currency, &supported.currencies))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn account_without_charges_or_payouts_is_never_ready(
        seller in sellers(),
        supported in select(vec![SupportedSellers::default(), germany_in_euros()]),
    ) {
        let readiness = seller.readiness(&supported);
        prop_assert_eq!(readiness.ready, readiness.blockers.is_empty());
        prop_assert_eq!(readiness.can_unlink, may_be_unlinked(&seller, &supported));
        let mut sorted = readiness.blockers.clone();
        sorted.sort();
        sorted.dedup();
        prop_assert_eq!(&sorted, &readiness.blockers);
        if readiness.ready {
            prop_assert!(seller.account_id.is_some() && seller.connection_status == ConnectionStatus::Connected);
            let state = seller.snapshot.state.as_ref().unwrap();
            prop_assert!(state.charges_enabled && state.payouts_enabled && state.details_submitted);
            prop_assert!(seller.charge_type == ChargeType::Direct || state.transfers == Capability::Active);
            let asks_nothing = matches!(
                readiness.next_action,
                // A rejected or paused account may still be enabled for a moment.
                NextAction::None | NextAction::ProvideInformation | NextAction::ConnectAnotherAccount
                    | NextAction::ContactPlatform
            );
            prop_assert!(asks_nothing, "{:?}", readiness.next_action);
        } else {
            let says_what_to_do = readiness.next_action != NextAction::None
                || readiness.blockers == [Blocker::Unlinking];
            prop_assert!(says_what_to_do, "{:?}", readiness);
        }
    }

    #[test]
    fn seller_event_matches_the_change(before in sellers(), after in sellers()) {
        let supported = germany_in_euros();
        let is_ready = |seller: &Seller| seller.readiness(&supported).ready;
        let observed = after.event_since(&before, &supported);
        match observed {
            Some(SellerEventKind::Ready) => prop_assert!(!is_ready(&before) && is_ready(&after)),
            Some(SellerEventKind::Restricted) => {
                prop_assert!(is_ready(&before) && !is_ready(&after) && after.is_connected());
            }
            Some(SellerEventKind::Disconnected) => {
                prop_assert!(before.is_connected() && !after.is_connected());
            }
            Some(SellerEventKind::Updated) => prop_assert_eq!(is_ready(&before), is_ready(&after)),
            None => {
                prop_assert_eq!(is_ready(&before), is_ready(&after));
                prop_assert_eq!(&before.snapshot.state, &after.snapshot.state);
            }
        }
        prop_assert_eq!(before.event_since(&before, &supported), None);
    }
}

/// Returns the fee before rounding, in ten-thousandths of a minor unit.
fn exact_fee(terms: FeeTerms, total: Money) -> i128 {
    let part = i128::from(terms.basis_points()) * i128::from(total.minor());
    (part + 10_000 * i128::from(terms.fixed())).max(10_000 * i128::from(terms.minimum()))
}

fn terms() -> impl Strategy<Value = FeeTerms> {
    let points = prop_oneof![0..=MAX_BASIS_POINTS, select(&[0, 1, 250, MAX_BASIS_POINTS][..])];
    let amount = || prop_oneof![3 => Just(0), 2 => 0..1_000_i64, 1 => 0..=i64::MAX];
    (points, amount(), amount())
        .prop_map(|(points, fixed, minimum)| FeeTerms::new(points, fixed, minimum).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn fee_is_a_multiple_of_the_step_and_within_the_total(
        terms in terms(),
        amount in prop_oneof![0..1_000_i64, 0..=MAX_MINOR],
    ) {
        for currency in Currency::all() {
            let step = currency.minor_unit().step();
            let total = Money::new(amount / step * step, currency).unwrap();
            let fee = terms.fee_for(total);
            prop_assert!((0..=total.minor()).contains(&fee), "{fee} of {total:?}");
            prop_assert_eq!(fee % step, 0, "{}", currency);
            if fee < total.minor() {
                // The fee is rounded once, half up, so it differs by at most half a step.
                let away = i128::from(fee) * 10_000 - exact_fee(terms, total);
                let half = i128::from(step) * 5_000;
                prop_assert!(-half < away && away <= half, "{fee} is {away} away, of {total:?}");
            } else {
                prop_assert!(exact_fee(terms, total) > (i128::from(total.minor()) - i128::from(step)) * 10_000);
            }
        }
    }
}

#[test]
fn fee_matches_worked_examples() {
    let fee = |points, fixed, minimum, minor, currency: &str| {
        let total = Money::new(minor, currency.parse().unwrap()).unwrap();
        FeeTerms::new(points, fixed, minimum).unwrap().fee_for(total)
    };
    assert_eq!(fee(1_000, 0, 0, 4_200, "eur"), 420);
    assert_eq!(fee(250, 30, 0, 4_200, "eur"), 135);
    assert_eq!(fee(250, 0, 200, 4_200, "eur"), 200, "the minimum");
    assert_eq!(fee(250, 0, 200, 150, "eur"), 150, "never more than the total");
    assert_eq!(fee(1, 0, 0, 4_999, "eur"), 0, "0.4999 cents");
    assert_eq!(fee(1, 0, 0, 5_000, "eur"), 1, "half a cent, up");
    assert_eq!(fee(1_000, 0, 0, 4_500, "isk"), 500, "450 to the next 100, half up");
    assert_eq!(fee(1_000, 0, 0, 4_400, "isk"), 400);
    assert_eq!(fee(333, 0, 0, 10_000, "kwd"), 330);
    assert_eq!(fee(333, 0, 0, 999, "jpy"), 33);
    assert_eq!(fee(MAX_BASIS_POINTS, i64::MAX, i64::MAX, MAX_MINOR, "eur"), MAX_MINOR);
    assert_eq!(FeeTerms::new(10_001, 0, 0), Err(InvalidFee::BasisPoints));
    assert_eq!(FeeTerms::new(0, -1, 0), Err(InvalidFee::Fixed));
    assert_eq!(FeeTerms::new(0, 0, -1), Err(InvalidFee::Minimum));
}

#[test]
fn charge_type_determines_charged_account_and_fee() {
    let sold = |charge_type, application_fee| SellerTerms {
        seller_id: SellerId::from_uuid(Uuid::from_u128(1)),
        account_id: "acct_1".to_owned(),
        charge_type,
        application_fee,
    };
    let direct = sold(ChargeType::Direct, 0);
    assert_eq!((direct.charge_account().as_str(), direct.destination()), ("acct_1", None));
    assert_eq!(direct.charged_fee(), None, "Stripe takes no fee of zero");
    let destination = sold(ChargeType::Destination, 7);
    assert_eq!((destination.charge_account().as_str(), destination.destination()), ("", Some("acct_1")));
    assert_eq!(destination.charged_fee(), Some(7));
}

/// Returns the account's state at this second. The number of due requirements differs in every second.
fn at(second: i64) -> AccountState {
    let requirements =
        Requirements { currently_due: due(&[&format!("{second}")]), ..Requirements::default() };
    AccountState { requirements, ..state() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Events arrive in any order, with duplicates, some without the account, and reads in between. Reading
    /// until the result is current gives the state at Stripe.
    #[test]
    fn snapshot_converges_to_the_state_at_stripe(
        observed in proptest::collection::vec((0..20_i64, any::<bool>(), any::<bool>()), 0..12),
    ) {
        let last = observed.iter().map(|(created, ..)| *created).max().unwrap_or(0);
        let mut snapshot = AccountSnapshot::default();
        for (created, carries, reads) in &observed {
            if *reads {
                // A read contains everything up to the event's delivery, or less.
                snapshot.apply_read(*created, at(*created));
            }
            snapshot.apply_event(*created, carries.then(|| at(*created)));
        }
        let mut began = snapshot.last_event_at_s;
        while !snapshot.apply_read(began, at(last)) {
            began += 1;
        }
        prop_assert!(began > last || observed.is_empty());
        prop_assert_eq!(snapshot.state, Some(at(last)));
    }
}

#[test]
fn older_event_does_not_replace_newer_snapshot() {
    let mut snapshot = AccountSnapshot::default();
    assert!(snapshot.apply_read(10, at(10)));
    snapshot.apply_event(9, Some(at(9)));
    assert_eq!(snapshot.state, Some(at(10)));
    snapshot.apply_event(12, Some(at(12)));
    assert_eq!(snapshot.state, Some(at(12)));
    assert!(!snapshot.apply_read(12, at(11)), "it may have begun before what the event tells");
    assert!(snapshot.apply_read(13, at(13)));
}

#[test]
fn account_check_is_due_every_four_weeks_and_around_deadline() {
    let due_at = |deadline: Option<Duration>, connection_status| {
        let requirements =
            Requirements { current_deadline: deadline.map(|until| now() + until), ..Requirements::default() };
        let seller = seller(Some(AccountState { requirements, ..state() }));
        Seller { connection_status, ..seller }.check_due_at(now()).map(|at| at - now())
    };
    assert_eq!(due_at(None, ConnectionStatus::Connected), Some(CHECK_PERIOD));
    assert_eq!(due_at(Some(Duration::days(10)), ConnectionStatus::Connected), Some(Duration::days(9)));
    assert_eq!(
        due_at(Some(Duration::hours(3)), ConnectionStatus::Connected),
        Some(Duration::hours(3) + Duration::minutes(10))
    );
    assert_eq!(due_at(Some(Duration::days(90)), ConnectionStatus::Connected), Some(CHECK_PERIOD));
    assert_eq!(due_at(Some(Duration::days(-1)), ConnectionStatus::Connected), Some(CHECK_PERIOD));
    assert_eq!(due_at(None, ConnectionStatus::Unlinked), None);
    assert_eq!(due_at(None, ConnectionStatus::Disconnected), None);
}
