//! Stripe's list of events. It holds 30 days, so Quittance finds events there that no webhook delivered.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use quittance_domain::payment::Account;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use stripe_client_core::StripeRequest;
use stripe_core::event::ListEvent;
use stripe_types::RangeQueryTs;

use crate::Stripe;
use crate::error::Error;
use crate::event;
use crate::list::{PAGE_LIMIT, Page};
use crate::request::get;
use crate::transport::Reply;
use crate::view::shape_error;

/// A page of an account's events, newest first.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// The events of the listed types.
    pub events: Vec<ListedEvent>,
    /// The event ID after which the next page starts, if one exists.
    pub next: Option<String>,
    /// The second in which the request began, by Stripe's clock.
    pub began_s: i64,
}

/// An event from a list.
#[derive(Debug, Clone)]
pub struct ListedEvent {
    /// The event ID, `evt_…`.
    pub id: String,
    /// The second of creation by Stripe's clock.
    pub created: i64,
    /// The JSON of the event. [`event::read`] accepts it like the body of a webhook.
    pub payload: Bytes,
}

impl Stripe {
    /// Reads a page of an account's events since `created_since`: the newest, or those before the event
    /// `after`.
    ///
    /// Stripe accepts at most 20 types, so some are omitted:
    ///
    /// - `charge.refund.updated`, and `charge.refunded` on a connected account: another event reports the
    ///   same refund.
    /// - `payment_intent.created`: the response to the create request contains the same state.
    /// - `capability.updated`: `account.updated` contains more.
    /// - `account.application.deauthorized`: after it, the list is inaccessible.
    pub async fn list_events(
        &self,
        account: &Account,
        created_since: DateTime<Utc>,
        after: Option<&str>,
    ) -> Result<EventPage, Error> {
        let mut page = ListEvent::new()
            .created(RangeQueryTs::gte(created_since.timestamp()))
            .limit(PAGE_LIMIT)
            .types(event::listed_types(account));
        if let Some(after) = after {
            page = page.starting_after(after);
        }
        let call = get("events.list", account, page.build());
        let read = |reply: &Reply| {
            let page = Page::read(&reply.body)?;
            let events =
                page.objects().map(|json| ListedEvent::read(json, account)).collect::<Result<_, _>>()?;
            Ok(EventPage { events, next: page.next()?, began_s: reply.began_at_stripe_s })
        };
        self.transport.call(&call, read).await
    }
}

#[derive(Deserialize)]
struct Envelope {
    id: String,
    created: i64,
    account: Option<String>,
}

impl ListedEvent {
    fn read(json: &[u8], account: &Account) -> Result<Self, String> {
        let unreadable = |error: serde_json::Error| shape_error("event", &error);
        let envelope: Envelope = serde_json::from_slice(json).map_err(unreadable)?;
        // Events that are listed for a connected account don't name that account.
        let payload = if envelope.account.is_some() || *account == Account::own() {
            Bytes::copy_from_slice(json)
        } else {
            let named = to_raw_value(account.as_str()).map_err(unreadable)?;
            let mut fields: BTreeMap<Cow<'_, str>, &RawValue> =
                serde_json::from_slice(json).map_err(unreadable)?;
            fields.insert(Cow::Borrowed("account"), &named);
            serde_json::to_vec(&fields).map_err(unreadable)?.into()
        };
        Ok(Self { id: envelope.id, created: envelope.created, payload })
    }
}
