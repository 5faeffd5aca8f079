//! Events as Stripe keeps them for 30 days: how those are found that never reached us.

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

/// Some of the events of an account, newest first.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// Those of the types that change something here.
    pub events: Vec<ListedEvent>,
    /// The id after which the next page begins, if there is one.
    pub next: Option<String>,
    /// The second, at Stripe's clock, in which it was asked for.
    pub began_s: i64,
}

/// An event of a list.
#[derive(Debug, Clone)]
pub struct ListedEvent {
    /// Stripe's id of it, `evt_…`.
    pub id: String,
    /// The second at Stripe's clock in which it was made.
    pub created: i64,
    /// Its JSON, which [`event::read`] reads as it reads a webhook's body.
    pub payload: Bytes,
}

impl Stripe {
    /// Reads one page of an account's events since a time: the newest, or those before the event `after`.
    ///
    /// Leaves some out, since Stripe lists 20 types at most. `charge.refund.updated`, and on a connected account
    /// `charge.refunded`: another event tells of the same refund. `payment_intent.created`: the answer to its making
    /// told as much. `capability.updated`: `account.updated` tells more. `account.application.deauthorized`: after it
    /// there is no list.
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
        // Asked in the name of a connected account, Stripe leaves out whose events they are.
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
