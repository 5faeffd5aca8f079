//! From rows of the outbox to messages and their deliveries.
//!
//! One process at a time does this, under the lock of a row, because the deliveries of an order must come to be in
//! the order of its messages: a delivery waits for those before it, and can not wait for one that is not there yet.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::dsl::not;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::{MessageId, RefundId};
use quittance_domain::order_state::OrderEvent;
use quittance_domain::outbound::ENDPOINT_PING;
use uuid::Uuid;

use super::super::dialect::{Conn, for_update_skip_locked};
use super::super::{Database, outbound as batch};
use super::locked_order::LockedOrders;
use super::orders::orders_by_id;
use super::outbound_rows::{DeliveryRow, MessageRow, deliveries_of};
use super::replies::store_reply;
use super::rows::{ProductRow, instant, parse};
use super::schema::{outbound_locks, outbox, products};
use super::seller_rows::sellers_by_id;
use super::webhook_endpoints::{enabled_endpoints, lock_endpoint};
use crate::Error;
use crate::model::{
    Completion, Message, MessageDraft, Renderer, ResendOutcome, Snapshot, StoredDispute, StoredRefund,
    WebhookEndpoint,
};

/// Whose turn it is to publish.
const TURN: &str = "publish";

/// What was written to the outbox.
#[derive(Debug, Clone, Queryable)]
struct Written {
    id: String,
    order_id: Option<String>,
    seller_id: Option<String>,
    kind: String,
    subject: String,
    sequence: i64,
    created_at: DateTime<Utc>,
}

impl Written {
    /// The id of what it is about.
    fn object(&self) -> &str {
        OrderEvent::object(&self.subject)
    }
}

const WRITTEN: (
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
            let turn = for_update_skip_locked!(outbound_locks::table.find(TURN).select(outbound_locks::work));
            if turn.first::<String>(conn).await.optional()?.is_none() {
                return Ok(0);
            }
            let written = unpublished(conn, limit).await?;
            if written.is_empty() {
                return Ok(0);
            }
            let ids: Vec<String> = written.iter().map(|row| row.id.clone()).collect();
            let mut objects = Objects::of(conn, &written).await?;
            let endpoints = enabled_endpoints(conn).await?;
            let mut messages = Vec::with_capacity(written.len());
            let mut deliveries = Vec::new();
            for row in written {
                let message = objects.message(row, &render, now)?;
                deliveries.extend(deliveries_of(&message, &endpoints));
                messages.push(message);
            }
            batch::insert_messages(conn, messages, deliveries).await?;
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
            batch::insert_messages(conn, vec![message.clone()], vec![delivery.clone()]).await?;
            let made = message.read(vec![delivery.read(Vec::new())?])?;
            store_reply(conn, completion.as_ref(), &made).await?;
            Ok(ResendOutcome::Done(made))
        })
        .await
    }
}

/// A message about an endpoint itself.
pub(super) fn endpoint_message(
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

/// The oldest rows that are no messages yet. Where there are more, all of the same orders and sellers are among
/// them: the ids of the rows of one may be of several clocks, and none may be left behind by a later one.
async fn unpublished(conn: &mut Conn, limit: u16) -> Result<Vec<Written>, Error> {
    let mut oldest: Vec<Written> = outbox::table
        .filter(not(outbox::published))
        .order(outbox::id.asc())
        .limit(i64::from(limit))
        .select(WRITTEN)
        .load(conn)
        .await?;
    if oldest.len() == usize::from(limit) {
        let orders: Vec<String> = oldest.iter().filter_map(|row| row.order_id.clone()).collect();
        let sellers: Vec<String> = oldest.iter().filter_map(|row| row.seller_id.clone()).collect();
        oldest = outbox::table
            .filter(outbox::order_id.eq_any(orders).or(outbox::seller_id.eq_any(sellers)))
            .filter(not(outbox::published))
            .order(outbox::id.asc())
            .select(WRITTEN)
            .load(conn)
            .await?;
    }
    Ok(oldest)
}

/// The objects that rows are about, as they are now, by their ids.
#[derive(Default)]
struct Objects {
    orders: HashMap<String, quittance_domain::order::Order>,
    products: HashMap<String, quittance_domain::catalog::Product>,
    refunds: HashMap<String, StoredRefund>,
    disputes: HashMap<String, StoredDispute>,
    sellers: HashMap<String, quittance_domain::seller::Seller>,
}

impl Objects {
    async fn of(conn: &mut Conn, written: &[Written]) -> Result<Self, Error> {
        let order_ids = written.iter().filter_map(|row| row.order_id.clone()).collect();
        let seller_ids: Vec<String> = written.iter().filter_map(|row| row.seller_id.clone()).collect();
        let mut objects = Self {
            orders: orders_by_id(conn, order_ids).await?,
            sellers: sellers_by_id(conn, seller_ids).await?,
            ..Self::default()
        };
        objects.read_refunds_and_disputes(conn, written).await?;
        let product_ids: Vec<&str> =
            written.iter().map(Written::object).filter(|id| id.starts_with("prd_")).collect();
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

    /// What went back and what is disputed is read with the whole history of its order.
    async fn read_refunds_and_disputes(&mut self, conn: &mut Conn, written: &[Written]) -> Result<(), Error> {
        let is_of_money =
            |row: &&Written| row.object().starts_with("ref_") || row.object().starts_with("dsp_");
        let rows: Vec<&Written> = written.iter().filter(is_of_money).collect();
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

    /// What a row is about, by the object that its kind names. What has no snapshot of its own shows its order.
    fn snapshot(&self, row: &Written) -> Option<Snapshot> {
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

    fn message(&mut self, row: Written, render: &Renderer, now: DateTime<Utc>) -> Result<MessageRow, Error> {
        let snapshot =
            self.snapshot(&row).ok_or_else(|| Error::corrupt("outbox", "what a row is about is gone"))?;
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
