//! Tests of seller events: late, duplicated, in any order, and mixed with reads of the account.

use quittance_domain::event::EventOutcome;
use quittance_domain::id::SellerId;
use quittance_domain::payment::{Account, Mismatch, Mode};
use quittance_domain::seller::{AccountEvent, AccountState, ChargeType, ConnectionStatus};
use quittance_persistence::{ConnectSeller, SellerWork, Store};
use quittance_test_support::{
    NOW_S, Payment, SellerEvent, TestDatabase, account_state, connect, connecting, later, on_both_databases,
};

use crate::convergence::permutations;
use crate::sellers::{claim, seller};
use crate::{Dice, apply_seller_events, exhaustive, invariants, published, status};

on_both_databases! {
    event_of_unknown_seller_or_other_mode_is_ignored,
    late_event_does_not_replace_newer_state,
    event_schedules_account_read,
    read_begun_before_event_is_repeated,
    reconnected_seller_is_connected_in_any_event_order,
    refusal_before_reconnection_is_ignored,
    account_events_in_any_order_converge,
    batch_may_mix_seller_and_order_events,
}

const ACCOUNT: &str = "acct_a";

/// Returns an account state that this name identifies.
fn named(name: &str) -> AccountState {
    AccountState { display_name: Some(name.to_owned()), ..account_state() }
}

/// Applies a read that began in one second and ended in another: a state, or no access.
async fn is_answered(
    store: &Store,
    id: &SellerId,
    (began, answered): (i64, i64),
    answer: Option<AccountState>,
) {
    let (id, began_s, at) = (id.clone(), NOW_S + began, later(answered));
    match answer {
        Some(state) => store.record_account_snapshot(id, began_s, state, at).await.expect("a commit"),
        None => store.record_account_disconnect(id, began_s, at).await.expect("a commit"),
    };
}

/// Performs all due work, as a worker does, from this second on.
async fn drive(store: &Store, id: &SellerId, from: i64, truth: Option<&AccountState>) {
    for second in (from..from + 40).step_by(4) {
        for due in claim(store, second).await {
            assert_eq!((&due.seller.id, due.work), (id, SellerWork::Read));
            is_answered(store, id, (second, second), truth.cloned()).await;
        }
    }
    assert!(claim(store, from + 1000).await.is_empty(), "no read is due");
}

async fn event_of_unknown_seller_or_other_mode_is_ignored(database: &TestDatabase) {
    let store = database.store().await;
    let before = connect(&store, ACCOUNT, ChargeType::Direct).await;
    let gone = || SellerEvent::new(ACCOUNT, 5, AccountEvent::Deauthorized);
    for (event, mismatch) in [
        (SellerEvent { account: Account::connected("acct_x"), ..gone() }, Mismatch::UnknownSeller),
        (SellerEvent { account: Account::own(), ..gone() }, Mismatch::UnknownSeller),
        (SellerEvent { mode: Mode::Live, ..gone() }, Mismatch::WrongMode),
    ] {
        assert_eq!(apply_seller_events(&store, &[event]).await, [EventOutcome::Ignored(mismatch)]);
    }
    assert_eq!(seller(&store, &before.id).await, before);
    let event = gone();
    assert_eq!(apply_seller_events(&store, std::slice::from_ref(&event)).await, [EventOutcome::Applied]);
    let after = seller(&store, &before.id).await;
    assert_eq!(
        (after.connection_status, after.version),
        (ConnectionStatus::Disconnected, before.version + 1)
    );
    drive(&store, &before.id, 6, None).await;
    // A duplicate is applied once, even in the same batch, and schedules no read.
    assert_eq!(apply_seller_events(&store, &[event.clone(), event]).await, [EventOutcome::Duplicate; 2]);
    assert!(claim(&store, 1000).await.is_empty());
    assert_eq!(published(database, "seller.disconnected").await, 1);
    invariants::check(database).await;
}

async fn late_event_does_not_replace_newer_state(database: &TestDatabase) {
    let store = database.store().await;
    let id = connect(&store, ACCOUNT, ChargeType::Direct).await.id;
    let state = async || seller(&store, &id).await.snapshot.state;
    for (seconds, name, expected) in [(9, "nine", "nine"), (5, "five", "nine"), (10, "ten", "ten")] {
        apply_seller_events(&store, &[SellerEvent::updated(ACCOUNT, seconds, named(name))]).await;
        assert_eq!(state().await, Some(named(expected)));
    }
    store.record_account_snapshot(id.clone(), NOW_S + 7, named("seven"), later(12)).await.expect("a commit");
    assert_eq!(state().await, Some(named("ten")));
}

async fn event_schedules_account_read(database: &TestDatabase) {
    let store = database.store().await;
    let id = connect(&store, ACCOUNT, ChargeType::Direct).await.id;
    drive(&store, &id, 3, Some(&account_state())).await;
    apply_seller_events(&store, &[SellerEvent::new(ACCOUNT, 60, AccountEvent::Changed)]).await;
    assert_eq!(claim(&store, 60).await.len(), 1);
}

async fn read_begun_before_event_is_repeated(database: &TestDatabase) {
    let store = database.store().await;
    let id = connect(&store, ACCOUNT, ChargeType::Direct).await.id;
    let blind = AccountState { charges_enabled: false, ..account_state() };
    apply_seller_events(&store, &[SellerEvent::updated(ACCOUNT, 5, blind.clone())]).await;
    // A read in the same second may be older than the event, so it is repeated.
    store.record_account_snapshot(id.clone(), NOW_S + 5, account_state(), later(5)).await.expect("a commit");
    assert!(claim(&store, 6).await.is_empty());
    drive(&store, &id, 7, Some(&blind)).await;
    assert_eq!(seller(&store, &id).await.snapshot.state, Some(blind));
}

async fn reconnected_seller_is_connected_in_any_event_order(database: &TestDatabase) {
    let store = database.store().await;
    for (round, order) in permutations(4).into_iter().enumerate() {
        for is_lost_again in [false, true] {
            let account = format!("acct_{round}{is_lost_again}");
            let id = connect(&store, &account, ChargeType::Direct).await.id;
            for step in &order {
                let event = match step {
                    0 => SellerEvent::updated(&account, 2, named("two")),
                    1 => SellerEvent::new(&account, 5, AccountEvent::Deauthorized),
                    // The last event: disconnected again, or only changed.
                    2 if is_lost_again => SellerEvent::new(&account, 12, AccountEvent::Deauthorized),
                    2 => SellerEvent::updated(&account, 12, named("now")),
                    _ => {
                        let again = connecting(&account, ChargeType::Direct);
                        let state = Some(named("eight"));
                        let again = ConnectSeller { began_s: NOW_S + 8, state, now: later(8), ..again };
                        store.connect_seller(again).await.expect("a seller");
                        continue;
                    }
                };
                // Each event arrives twice.
                assert_eq!(
                    apply_seller_events(&store, std::slice::from_ref(&event)).await,
                    [EventOutcome::Applied]
                );
                assert_eq!(apply_seller_events(&store, &[event]).await, [EventOutcome::Duplicate]);
            }
            let truth = named("now");
            drive(&store, &id, 20, (!is_lost_again).then_some(&truth)).await;
            let found = seller(&store, &id).await;
            let expected =
                if is_lost_again { ConnectionStatus::Disconnected } else { ConnectionStatus::Connected };
            assert_eq!(found.connection_status, expected, "{order:?}");
            assert!(is_lost_again || found.snapshot.state == Some(truth), "{order:?}");
        }
    }
    invariants::check(database).await;
}

async fn refusal_before_reconnection_is_ignored(database: &TestDatabase) {
    let store = database.store().await;
    let id = connect(&store, ACCOUNT, ChargeType::Direct).await.id;
    let again = ConnectSeller { began_s: NOW_S + 8, ..connecting(ACCOUNT, ChargeType::Direct) };
    store.connect_seller(again).await.expect("a seller");
    // A late event of an earlier disconnect has no effect either.
    apply_seller_events(&store, &[SellerEvent::new(ACCOUNT, 7, AccountEvent::Deauthorized)]).await;
    assert_eq!(seller(&store, &id).await.connection_status, ConnectionStatus::Connected);
    let refused = store.record_account_disconnect(id.clone(), NOW_S + 8, later(9)).await.expect("a commit");
    assert_eq!(refused.connection_status, ConnectionStatus::Connected);
    assert_eq!(claim(&store, 11).await.len(), 1, "another read is due");
    let refused = store.record_account_disconnect(id, NOW_S + 9, later(11)).await.expect("a commit");
    assert_eq!(refused.connection_status, ConnectionStatus::Disconnected);
    assert!(claim(&store, 1000).await.is_empty());
}

/// Simulates Stripe and the platform. Stripe's events arrive late, once or twice, in any order. A worker reads in
/// between.
async fn account_events_in_any_order_converge(database: &TestDatabase) {
    let store = database.store().await;
    let mut dice = Dice(14);
    for round in 0..if exhaustive() { 400 } else { 40 } {
        let account = format!("acct_{round}");
        let id = connect(&store, &account, ChargeType::Direct).await.id;
        let mut truth = Some(named("0"));
        let mut undelivered: Vec<SellerEvent> = Vec::new();
        let mut reading: Option<(i64, Option<AccountState>)> = None;
        let mut second = 0;
        for step in 1..12 {
            // Many changes happen within one second.
            second += i64::from(dice.below(2) == 0);
            match (dice.below(4), &truth) {
                (0, Some(_)) => {
                    truth = None;
                    undelivered.push(SellerEvent::new(&account, second, AccountEvent::Deauthorized));
                }
                (_, None) => {
                    let state = named(&step.to_string());
                    let (began_s, again) = (NOW_S + second, connecting(&account, ChargeType::Direct));
                    let again =
                        ConnectSeller { began_s, state: Some(state.clone()), now: later(second), ..again };
                    store.connect_seller(again).await.expect("a seller");
                    truth = Some(state);
                }
                (_, Some(_)) => {
                    let state = named(&step.to_string());
                    truth = Some(state.clone());
                    undelivered.push(SellerEvent::updated(&account, second, state));
                }
            }
            if dice.below(2) == 0 && !undelivered.is_empty() {
                let place = dice.below(undelivered.len());
                let event = undelivered[place].clone();
                if dice.below(2) == 0 {
                    undelivered.remove(place);
                }
                apply_seller_events(&store, &[event]).await;
            }
            // A read returns the state when it began, possibly much later.
            if dice.below(2) == 0
                && let Some((began, answer)) = reading.take()
            {
                is_answered(&store, &id, (began, second), answer).await;
            }
            if !claim(&store, second).await.is_empty() {
                reading = Some((second, truth.clone()));
            }
        }
        dice.shuffle(&mut undelivered);
        apply_seller_events(&store, &undelivered).await;
        if let Some((began, answer)) = reading {
            is_answered(&store, &id, (began, second), answer).await;
        }
        drive(&store, &id, 100, truth.as_ref()).await;
        let found = seller(&store, &id).await;
        let expected =
            if truth.is_some() { ConnectionStatus::Connected } else { ConnectionStatus::Disconnected };
        assert_eq!(found.connection_status, expected, "round {round}");
        assert!(truth.is_none() || found.snapshot.state == truth, "round {round}: {:?}", found.snapshot);
        assert!(claim(&store, 4000).await.is_empty());
    }
    invariants::check(database).await;
}

async fn batch_may_mix_seller_and_order_events(database: &TestDatabase) {
    let store = database.store().await;
    let payment = Payment::begin(&store).await;
    let found = connect(&store, ACCOUNT, ChargeType::Direct).await;
    let event = SellerEvent::new(ACCOUNT, 5, AccountEvent::Deauthorized);
    // If one batch fails, nothing of it remains.
    let corrupt = format!("UPDATE sellers SET connection_status = 'odd' WHERE id = '{}'", found.id);
    database.execute(&corrupt).await;
    let batch = || vec![payment.succeeded().delivery(), event.delivery()];
    assert!(store.apply(batch()).await.is_err_and(|error| error.is_data_error()));
    assert_eq!(status(&store, &payment.order.id).await, quittance_domain::order::OrderStatus::Pending);
    database.execute("UPDATE sellers SET connection_status = 'connected'").await;
    assert_eq!(store.apply(batch()).await.expect("a commit"), [EventOutcome::Applied; 2]);
    assert_eq!(status(&store, &payment.order.id).await, quittance_domain::order::OrderStatus::Paid);
    assert_eq!(seller(&store, &found.id).await.connection_status, ConnectionStatus::Disconnected);
    // Replaying applies the failed event.
    let late = SellerEvent::updated(ACCOUNT, 9, named("nine")).delivery();
    store
        .record_failed_event(late.clone(), "a fault that is repaired since".to_owned())
        .await
        .expect("a commit");
    assert_eq!(store.replay(late).await.expect("a commit"), EventOutcome::Applied);
    assert_eq!(seller(&store, &found.id).await.snapshot.state, Some(named("nine")));
    invariants::check(database).await;
}
