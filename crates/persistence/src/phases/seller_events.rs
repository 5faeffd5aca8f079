//! Taking in events about sellers, in the transaction of the others.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::event::{EventContent, EventOutcome};
use quittance_domain::payment::Mismatch;
use quittance_domain::seller::{AccountEvent, SupportedSellers};

use super::super::dialect::Conn;
use super::rows::OutboxRow;
use super::schema::inbox;
use super::seller_rows::LockedSeller;
use crate::Error;
use crate::model::Delivery;

/// Says what became of the events about sellers, and returns what is to be told. Orders are locked already.
pub(super) async fn hear_all(
    conn: &mut Conn,
    deliveries: &[Delivery],
    outcomes: &mut [EventOutcome],
    supported: &SupportedSellers,
) -> Result<Vec<OutboxRow>, Error> {
    let about = |(place, delivery)| Some((place, delivery, news_of(delivery)?));
    let news: Vec<(usize, &Delivery, &AccountEvent)> =
        deliveries.iter().enumerate().filter_map(about).collect();
    if news.is_empty() {
        return Ok(Vec::new());
    }
    let accounts: Vec<&str> = news.iter().map(|(_, delivery, _)| delivery.event.account.as_str()).collect();
    let locked = LockedSeller::of_accounts(conn, &accounts).await?;
    let by_account = |seller: LockedSeller| Some((seller.seller.account_id.clone()?, seller));
    let mut sellers: HashMap<String, LockedSeller> = locked.into_iter().filter_map(by_account).collect();
    // Looked up under the locks: whoever takes the same event in waits for them.
    let mut taken = taken_in(conn, &news).await?;
    for (place, delivery, news) in news {
        let event = &delivery.event;
        outcomes[place] = match sellers.get_mut(event.account.as_str()) {
            None => EventOutcome::Ignored(Mismatch::UnknownSeller),
            Some(seller) if seller.mode != event.mode => EventOutcome::Ignored(Mismatch::WrongMode),
            Some(_) if !taken.insert(event.id.clone()) => EventOutcome::Duplicate,
            Some(seller) => {
                seller.hear(news, event.created, delivery.received_at);
                EventOutcome::Applied
            }
        };
    }
    let now = deliveries.iter().map(|delivery| delivery.received_at).max().unwrap_or_default();
    let mut told = Vec::new();
    for seller in sellers.into_values() {
        told.extend(seller.store(conn, supported, now).await?.1);
    }
    Ok(told)
}

fn news_of(delivery: &Delivery) -> Option<&AccountEvent> {
    match &delivery.event.content {
        EventContent::Seller(news) => Some(news),
        _ => None,
    }
}

/// Which of these events were taken in before. What was only kept as failed was not.
async fn taken_in(
    conn: &mut Conn,
    news: &[(usize, &Delivery, &AccountEvent)],
) -> Result<HashSet<String>, Error> {
    let ids: Vec<&str> = news.iter().map(|(_, delivery, _)| delivery.event.id.as_str()).collect();
    let taken: Vec<String> = inbox::table
        .filter(inbox::event_id.eq_any(ids))
        .filter(inbox::outcome.ne(EventOutcome::Failed.as_str()))
        .select(inbox::event_id)
        .load(conn)
        .await?;
    Ok(taken.into_iter().collect())
}
