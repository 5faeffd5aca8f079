//! Finding the attempts that events are about.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::event::EventContent;
use quittance_domain::id::{OrderId, PaymentId};
use quittance_domain::payment::Account;

use super::super::dialect::Conn;
use super::super::schema::payments;
use crate::Error;
use crate::model::Delivery;

/// The columns of an attempt: `(id, order_id, account, payment_intent_id, checkout_session_id)`.
type AttemptColumns = (String, String, String, Option<String>, Option<String>);

/// The identifiers by which an event names its attempt.
pub(super) struct AttemptRef<'a> {
    pub(super) account: &'a Account,
    pub(super) payment_intent_id: Option<&'a str>,
    pub(super) checkout_session_id: Option<&'a str>,
    pub(super) payment_id: Option<&'a PaymentId>,
    pub(super) order_id: Option<&'a str>,
}

impl<'a> AttemptRef<'a> {
    pub(super) fn from_delivery(delivery: &'a Delivery) -> Option<Self> {
        let of_payment_intent = |account, id: &'a str| Self {
            account,
            payment_intent_id: Some(id),
            checkout_session_id: None,
            payment_id: None,
            order_id: None,
        };
        match &delivery.event.content {
            EventContent::Payment(seen) => Some(Self {
                payment_id: seen.payment_id.as_ref(),
                order_id: seen.order_id.as_ref().map(OrderId::as_str),
                ..of_payment_intent(&seen.account, &seen.payment_intent_id)
            }),
            EventContent::Session(seen) => Some(Self {
                account: &seen.account,
                payment_intent_id: seen.payment_intent_id.as_deref(),
                checkout_session_id: Some(&seen.checkout_session_id),
                payment_id: seen.payment_id.as_ref(),
                order_id: seen.order_id.as_ref().map(OrderId::as_str),
            }),
            EventContent::Refund(seen) => Some(of_payment_intent(&seen.account, &seen.payment_intent_id)),
            EventContent::Dispute(seen) => Some(of_payment_intent(&seen.account, &seen.payment_intent_id)),
            EventContent::MoneyMovement(seen) => {
                Some(of_payment_intent(&seen.account, &seen.payment_intent_id))
            }
            EventContent::Seller(_) | EventContent::Unhandled | EventContent::Unreadable(_) => None,
        }
    }
}

/// A payment ID and its order ID.
type AttemptKey = (String, String);

/// The attempts that a batch of events may belong to.
#[derive(Default)]
pub(super) struct AttemptIndex {
    payment_ids: HashMap<String, AttemptKey>,
    // Keys are the account and Stripe's ID.
    payment_intents: HashMap<(String, String), AttemptKey>,
    checkout_sessions: HashMap<(String, String), AttemptKey>,
}

impl AttemptIndex {
    pub(super) async fn load(conn: &mut Conn, deliveries: &[Delivery]) -> Result<Self, Error> {
        let mut found = Self::default();
        let attempts: Vec<AttemptRef<'_>> = deliveries.iter().filter_map(AttemptRef::from_delivery).collect();
        if attempts.is_empty() {
            return Ok(found);
        }
        let ids = attempts.iter().filter_map(|attempt| attempt.payment_id).map(PaymentId::as_str);
        let payment_intents = attempts.iter().filter_map(|attempt| attempt.payment_intent_id);
        let checkout_sessions = attempts.iter().filter_map(|attempt| attempt.checkout_session_id);
        let rows: Vec<AttemptColumns> = payments::table
            .filter(
                payments::id
                    .eq_any(ids.collect::<Vec<_>>())
                    .or(payments::payment_intent_id.eq_any(payment_intents.collect::<Vec<_>>()))
                    .or(payments::checkout_session_id.eq_any(checkout_sessions.collect::<Vec<_>>())),
            )
            .select((
                payments::id,
                payments::order_id,
                payments::account,
                payments::payment_intent_id,
                payments::checkout_session_id,
            ))
            .load(conn)
            .await?;
        for (id, order_id, account, payment_intent_id, checkout_session_id) in rows {
            let attempt = (id.clone(), order_id);
            if let Some(checkout_session_id) = checkout_session_id {
                found.checkout_sessions.insert((account.clone(), checkout_session_id), attempt.clone());
            }
            if let Some(payment_intent_id) = payment_intent_id {
                found.payment_intents.insert((account, payment_intent_id), attempt.clone());
            }
            found.payment_ids.insert(id, attempt);
        }
        Ok(found)
    }

    /// Returns the attempt and its order: by Stripe's IDs on its account, else by the IDs in the metadata.
    pub(super) fn find(&self, attempt: &AttemptRef<'_>) -> Option<(&str, &str)> {
        let on_account = |id: &str| (attempt.account.as_str().to_owned(), id.to_owned());
        let by_session = || self.checkout_sessions.get(&on_account(attempt.checkout_session_id?));
        let by_payment_intent = || self.payment_intents.get(&on_account(attempt.payment_intent_id?));
        let by_id = || self.payment_ids.get(attempt.payment_id?.as_str());
        let (id, order_id) = by_session().or_else(by_payment_intent).or_else(by_id)?;
        Some((id, order_id))
    }

    pub(super) fn order_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.payment_ids.values().map(|(_, order_id)| order_id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}
