//! Publishing: outbox events become messages and deliveries.
//!
//! One process at a time publishes, under a row lock, so the deliveries of an order are created in the order of its
//! messages. A delivery waits for earlier ones, and can't wait for one that doesn't exist yet.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::dsl::not;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::{MessageId, RefundId};
use quittance_domain::order_state::OrderEvent;
use quittance_domain::outbound::ENDPOINT_PING;
use uuid::Uuid;

use super::super::columns::{instant, parse};
use super::super::dialect::{Conn, for_update_skip_locked};
use super::super::idempotency_keys::store_reply;
use super::super::orders::locked_order::LockedOrders;
use super::super::orders::read::orders_by_id;
use super::super::rows::outbound::{DeliveryRow, MessageRow, deliveries_of};
use super::super::rows::products::ProductRow;
use super::super::schema::{outbound_locks, outbox, products};
use super::super::sellers::read::sellers_by_id;
use super::super::{Database, outbound_batch};
use super::webhook_endpoints::{enabled_endpoints, lock_endpoint};
use crate::Error;
use crate::model::{
    Completion, Message, MessageDraft, Renderer, ResendOutcome, Snapshot, StoredDispute, StoredRefund,
    WebhookEndpoint,
};

/// The lock of the process that publishes.
const PUBLISH_LOCK: &str = "publish";

/// An event in the outbox.
#[derive(Debug, Clone, Queryable)]
struct OutboxEntry {
    id: String,
    order_id: Option<String>,
    seller_id: Option<String>,
    kind: String,
    subject: String,
    sequence: i64,
    created_at: DateTime<Utc>,
}

impl OutboxEntry {
    /// Returns the object's ID.
    fn object(&self) -> &str {
        OrderEvent::object(&self.subject)
    }
}

const OUTBOX_ENTRY: (
    outbox::id,
    outbox::order_id,
    outbox::seller_id,
    outbox::kind,
    outbox::subject,
    outbox::sequence,
    outbox::created_at,
) = (
    outbox::id,
    outbox::order_id,
    outbox::seller_id,
    outbox::kind,
    outbox::subject,
    outbox::sequence,
    outbox::created_at,
);

impl Database {
    pub(crate) async fn publish(
        &self,
        limit: u16,
        render: Renderer,
        now: DateTime<Utc>,
    ) -> Result<usize, Error> {
        self.write(async |conn| {
            let lock = for_update_skip_locked!(
                outbound_locks::table.find(PUBLISH_LOCK).select(outbound_locks::work)
            );
            if lock.first::<String>(conn).await.optional()?.is_none() {
                return Ok(0);
            }
            let entries = unpublished(conn, limit).await?;
            if entries.is_empty() {
                return Ok(0);
            }
            let ids: Vec<String> = entries.iter().map(|row| row.id.clone()).collect();
            let mut objects = Objects::load(conn, &entries).await?;
            let endpoints = enabled_endpoints(conn).await?;
            let mut messages = Vec::with_capacity(entries.len());
            let mut deliveries = Vec::new();
            for row in entries {
                let message = objects.message(row, &render, now)?;
                deliveries.extend(deliveries_of(&message, &endpoints));
                messages.push(message);
            }
            outbound_batch::insert_messages(conn, messages, deliveries).await?;
            diesel::update(outbox::table.filter(outbox::id.eq_any(&ids)))
                .set(outbox::published.eq(true))
                .execute(conn)
                .await?;
            Ok(ids.len())
        })
        .await
    }

    pub(crate) async fn ping_webhook_endpoint(
        &self,
        id: quittance_domain::id::WebhookEndpointId,
        render: Renderer,
        now: DateTime<Utc>,
        completion: Option<Completion<Message>>,
    ) -> Result<ResendOutcome<Message>, Error> {
        self.write(async |conn| {
            let Some(endpoint) = lock_endpoint(conn, id.as_str()).await? else {
                return Ok(ResendOutcome::NotFound);
            };
            if !endpoint.enabled {
                return Ok(ResendOutcome::Disabled);
            }
            let message = endpoint_message(&endpoint, ENDPOINT_PING, &render, now);
            let delivery = DeliveryRow::new(&message, &endpoint.id);
            outbound_batch::insert_messages(conn, vec![message.clone()], vec![delivery.clone()]).await?;
            let made = message.read(vec![delivery.read(Vec::new())?])?;
            store_reply(conn, completion.as_ref(), &made).await?;
            Ok(ResendOutcome::Done(made))
        })
        .await
    }
}

/// Builds a message about an endpoint itself.
pub(crate) fn endpoint_message(
    endpoint: &WebhookEndpoint,
    kind: &str,
    render: &Renderer,
    now: DateTime<Utc>,
) -> MessageRow {
    let message = MessageDraft {
        id: MessageId::from_uuid(Uuid::now_v7()),
        kind: kind.to_owned(),
        sequence: None,
        happened_at: instant(now),
        snapshot: Snapshot::WebhookEndpoint(endpoint.clone()),
    };
    MessageRow {
        id: message.id.to_string(),
        order_id: None,
        seller_id: None,
        kind: kind.to_owned(),
        sequence: None,
        payload: render.payload(&message),
        created_at: instant(now),
    }
}

/// Returns the oldest unpublished events. A full batch includes all events of the same orders and sellers. Their IDs
/// may come from several clocks, so a later batch could otherwise hold an earlier event.
async fn unpublished(conn: &mut Conn, limit: u16) -> Result<Vec<OutboxEntry>, Error> {
    let mut oldest: Vec<OutboxEntry> = outbox::table
        .filter(not(outbox::published))
        .order(outbox::id.asc())
        .limit(i64::from(limit))
        .select(OUTBOX_ENTRY)
        .load(conn)
        .await?;
    if oldest.len() == usize::from(limit) {
        let orders: Vec<String> = oldest.iter().filter_map(|row| row.order_id.clone()).collect();
        let sellers: Vec<String> = oldest.iter().filter_map(|row| row.seller_id.clone()).collect();
        oldest = outbox::table
            .filter(outbox::order_id.eq_any(orders).or(outbox::seller_id.eq_any(sellers)))
            .filter(not(outbox::published))
            .order(outbox::id.asc())
            .select(OUTBOX_ENTRY)
            .load(conn)
            .await?;
    }
    Ok(oldest)
}

/// The objects of events, by ID.
#[derive(Default)]
struct Objects {
    orders: HashMap<String, quittance_domain::order::Order>,
    products: HashMap<String, quittance_domain::catalog::Product>,
    refunds: HashMap<String, StoredRefund>,
    disputes: HashMap<String, StoredDispute>,
    sellers: HashMap<String, quittance_domain::seller::Seller>,
}

impl Objects {
    async fn load(conn: &mut Conn, entries: &[OutboxEntry]) -> Result<Self, Error> {
        let order_ids = entries.iter().filter_map(|row| row.order_id.clone()).collect();
        let seller_ids: Vec<String> = entries.iter().filter_map(|row| row.seller_id.clone()).collect();
        let mut objects = Self {
            orders: orders_by_id(conn, order_ids).await?,
            sellers: sellers_by_id(conn, seller_ids).await?,
            ..Self::default()
        };
        objects.read_refunds_and_disputes(conn, entries).await?;
        let product_ids: Vec<&str> =
            entries.iter().map(OutboxEntry::object).filter(|id| id.starts_with("prd_")).collect();
        if !product_ids.is_empty() {
            let rows: Vec<ProductRow> = products::table
                .filter(products::id.eq_any(product_ids))
                .select(ProductRow::as_select())
                .load(conn)
                .await?;
            for row in rows {
                objects.products.insert(row.id.clone(), row.read()?);
            }
        }
        Ok(objects)
    }

    /// Reads refunds and disputes with the histories of their orders.
    async fn read_refunds_and_disputes(
        &mut self,
        conn: &mut Conn,
        entries: &[OutboxEntry],
    ) -> Result<(), Error> {
        let is_refund_or_dispute =
            |row: &&OutboxEntry| row.object().starts_with("ref_") || row.object().starts_with("dsp_");
        let rows: Vec<&OutboxEntry> = entries.iter().filter(is_refund_or_dispute).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let order_ids = rows.iter().filter_map(|row| row.order_id.clone()).collect();
        let locked_orders = LockedOrders::read(conn, order_ids).await?;
        for row in rows {
            let Some(order_id) = &row.order_id else { continue };
            let Some(locked) = locked_orders.get(&parse("outbox", order_id)?) else { continue };
            if let Ok(id) = row.object().parse::<RefundId>() {
                self.refunds.insert(row.object().to_owned(), locked.stored_refund(&id)?);
            }
            let disputes = locked.stored_disputes();
            self.disputes.extend(disputes.map(|stored| (stored.dispute.id.to_string(), stored)));
        }
        Ok(())
    }

    /// Returns the object of an event, by the event's type. Other events show their order.
    fn snapshot(&self, row: &OutboxEntry) -> Option<Snapshot> {
        let object = row.kind.split('.').next().unwrap_or_default();
        let own = match object {
            "product" => self.products.get(row.object()).cloned().map(Snapshot::Product),
            "refund" => self.refunds.get(row.object()).cloned().map(Box::new).map(Snapshot::Refund),
            "dispute" => self.disputes.get(row.object()).cloned().map(Box::new).map(Snapshot::Dispute),
            _ => None,
        };
        let of_order = || self.orders.get(row.order_id.as_deref()?).cloned().map(Box::new);
        let of_seller = || self.sellers.get(row.seller_id.as_deref()?).cloned().map(Box::new);
        own.or_else(|| of_order().map(Snapshot::Order)).or_else(|| of_seller().map(Snapshot::Seller))
    }

    fn message(
        &mut self,
        row: OutboxEntry,
        render: &Renderer,
        now: DateTime<Utc>,
    ) -> Result<MessageRow, Error> {
        let snapshot =
            self.snapshot(&row).ok_or_else(|| Error::corrupt("outbox", "its object doesn't exist"))?;
        let message = MessageDraft {
            id: parse("message", &row.id)?,
            kind: row.kind,
            sequence: Some(row.sequence),
            happened_at: row.created_at,
            snapshot,
        };
        Ok(MessageRow {
            payload: render.payload(&message),
            id: row.id,
            order_id: row.order_id,
            seller_id: row.seller_id,
            kind: message.kind,
            sequence: message.sequence,
            created_at: instant(now),
        })
    }
}
