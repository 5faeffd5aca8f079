//! Tests of seller messages: published once, in order, and independent of order messages.

use quittance_domain::outbound::AttemptOutcome;
use quittance_domain::seller::{AccountState, ChargeType};
use quittance_persistence::{ClaimedDelivery, Cursor, MessageFilter};
use quittance_test_support::{SellerEvent, TestDatabase, account_state, connect, on_both_databases, place};

use crate::outbound::{claim, ended, endpoint, message, publish, record};
use crate::{apply_seller_events, invariants};

on_both_databases! { seller_changes_are_published_once_in_order, full_batch_includes_all_events_of_its_sellers }

fn kinds(claimed: &[ClaimedDelivery]) -> Vec<&str> {
    claimed.iter().map(|delivery| delivery.kind.as_str()).collect()
}

async fn seller_changes_are_published_once_in_order(database: &TestDatabase) {
    let store = database.store().await;
    let to = endpoint(&store, &["*"]).await;
    let seller = connect(&store, "acct_a", ChargeType::Direct).await;
    let blind = AccountState { payouts_enabled: false, ..account_state() };
    let named = AccountState { display_name: Some("New".to_owned()), ..account_state() };
    let changes = [(1, blind), (2, account_state()), (3, named.clone()), (4, named)];
    for (seconds, state) in changes {
        apply_seller_events(&store, &[SellerEvent::updated("acct_a", seconds, state)]).await;
    }
    let order = place(&store).await;
    assert_eq!((publish(&store).await, publish(&store).await), (5, 0));
    let page = Cursor { limit: 10, starting_after: None };
    let mut messages = store.messages(MessageFilter::default(), page).await.expect("a read").data;
    messages.retain(|message| message.seller_id.as_ref() == Some(&seller.id));
    messages.reverse();
    let told: Vec<(&str, Option<i64>)> =
        messages.iter().map(|message| (message.kind.as_str(), message.sequence)).collect();
    let expected = ["seller.ready", "seller.restricted", "seller.ready", "seller.updated"];
    assert_eq!(told, expected.into_iter().zip([1, 2, 3, 4].map(Some)).collect::<Vec<_>>());
    assert!(messages.iter().all(|message| message.order_id.is_none()));
    assert!(message(&store, messages[0].id.as_str()).await.payload.contains(seller.id.as_str()));
    // Order and seller messages don't wait for each other, only for earlier ones of the same object.
    let first = claim(&store, &to).await;
    assert_eq!(kinds(&first), ["seller.ready", "order.created"]);
    for (delivered, next) in [(&first[0], "seller.restricted"), (&first[1], "")] {
        record(&store, vec![ended(delivered, AttemptOutcome::Delivered)]).await;
        assert_eq!(kinds(&claim(&store, &to).await).concat(), next);
    }
    let filter = MessageFilter { order_id: Some(order.id), ..MessageFilter::default() };
    let page = Cursor { limit: 10, starting_after: None };
    assert_eq!(store.messages(filter, page).await.expect("a read").data.len(), 1);
    invariants::check(database).await;
}

async fn full_batch_includes_all_events_of_its_sellers(database: &TestDatabase) {
    let store = database.store().await;
    let seller = connect(&store, "acct_a", ChargeType::Direct).await;
    // Another process's clock was slow, so the earlier event has the later message ID.
    let sql = format!(
        "INSERT INTO outbox (id, seller_id, kind, subject, sequence, created_at) SELECT \
         'msg_7zzzzzzzzzzzzzzzzzzzzzzzzz', id, 'seller.updated', '0', 0, created_at FROM sellers WHERE id = '{}'",
        seller.id
    );
    database.execute(&sql).await;
    let renderer = crate::outbound::renderer();
    let published = store.publish(1, renderer, quittance_test_support::now()).await.expect("a commit");
    assert_eq!(published, 2);
}
