//! Applying events about sellers, in the transaction of the other events.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::event::{EventContent, EventOutcome};
use quittance_domain::payment::Mismatch;
use quittance_domain::seller::{AccountEvent, SupportedSellers};

use super::super::dialect::Conn;
use super::super::rows::outbox::OutboxRow;
use super::super::schema::inbox;
use super::locked_seller::LockedSeller;
use crate::Error;
use crate::model::Delivery;

/// Applies the events about sellers, sets their outcomes, and returns events for the outbox. Orders must already be
/// locked.
pub(crate) async fn apply_account_events(
    conn: &mut Conn,
    deliveries: &[Delivery],
    outcomes: &mut [EventOutcome],
    supported: &SupportedSellers,
) -> Result<Vec<OutboxRow>, Error> {
    let about = |(place, delivery)| Some((place, delivery, account_event(delivery)?));
    let account_event: Vec<(usize, &Delivery, &AccountEvent)> =
        deliveries.iter().enumerate().filter_map(about).collect();
    if account_event.is_empty() {
        return Ok(Vec::new());
    }
    let accounts: Vec<&str> =
        account_event.iter().map(|(_, delivery, _)| delivery.event.account.as_str()).collect();
    let locked = LockedSeller::lock_by_accounts(conn, &accounts).await?;
    let by_account = |seller: LockedSeller| Some((seller.seller.account_id.clone()?, seller));
    let mut sellers: HashMap<String, LockedSeller> = locked.into_iter().filter_map(by_account).collect();
    // Read under the locks: a transaction with the same event waits for them.
    let mut taken = applied_event_ids(conn, &account_event).await?;
    for (place, delivery, account_event) in account_event {
        let event = &delivery.event;
        outcomes[place] = match sellers.get_mut(event.account.as_str()) {
            None => EventOutcome::Ignored(Mismatch::UnknownSeller),
            Some(seller) if seller.mode != event.mode => EventOutcome::Ignored(Mismatch::WrongMode),
            Some(_) if !taken.insert(event.id.clone()) => EventOutcome::Duplicate,
            Some(seller) => {
                seller.apply_event(account_event, event.created, delivery.received_at);
                EventOutcome::Applied
            }
        };
    }
    let now = deliveries.iter().map(|delivery| delivery.received_at).max().unwrap_or_default();
    let mut event = Vec::new();
    for seller in sellers.into_values() {
        event.extend(seller.store(conn, supported, now).await?.1);
    }
    Ok(event)
}

fn account_event(delivery: &Delivery) -> Option<&AccountEvent> {
    match &delivery.event.content {
        EventContent::Seller(account_event) => Some(account_event),
        _ => None,
    }
}

/// Returns which of these events were applied before. Failed events don't count.
async fn applied_event_ids(
    conn: &mut Conn,
    account_event: &[(usize, &Delivery, &AccountEvent)],
) -> Result<HashSet<String>, Error> {
    let ids: Vec<&str> = account_event.iter().map(|(_, delivery, _)| delivery.event.id.as_str()).collect();
    let taken: Vec<String> = inbox::table
        .filter(inbox::event_id.eq_any(ids))
        .filter(inbox::outcome.ne(EventOutcome::Failed.as_str()))
        .select(inbox::event_id)
        .load(conn)
        .await?;
    Ok(taken.into_iter().collect())
}
