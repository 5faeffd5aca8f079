//! Webhook endpoints of the shop's systems.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quittance_domain::id::WebhookEndpointId;
use quittance_domain::outbound::DisabledReason;

use super::super::Database;
use super::super::columns::instant;
use super::super::dialect::{Conn, for_update};
use super::super::idempotency_keys::store_reply;
use super::super::rows::outbound::EndpointRow;
use super::super::schema::webhook_endpoints as endpoints;
use crate::Error;
use crate::model::{
    Completion, Cursor, Page, SecretRoll, SigningSecret, WebhookEndpoint, WebhookEndpointChange,
};

impl Database {
    pub(crate) async fn insert_webhook_endpoint(
        &self,
        endpoint: WebhookEndpoint,
        completion: Option<Completion<WebhookEndpoint>>,
    ) -> Result<WebhookEndpoint, Error> {
        let row = EndpointRow::from_endpoint(&endpoint)?;
        let endpoint = row.clone().read()?;
        self.write(async |conn| {
            diesel::insert_into(endpoints::table).values(row.clone()).execute(conn).await?;
            store_reply(conn, completion.as_ref(), &endpoint).await
        })
        .await?;
        Ok(endpoint)
    }

    pub(crate) async fn change_webhook_endpoint(
        &self,
        id: WebhookEndpointId,
        change: WebhookEndpointChange,
        now: DateTime<Utc>,
    ) -> Result<Option<WebhookEndpoint>, Error> {
        self.write(async |conn| {
            let Some(mut endpoint) = lock_endpoint(conn, id.as_str()).await? else { return Ok(None) };
            let change = change.clone();
            endpoint.url = change.url.unwrap_or(endpoint.url);
            endpoint.description = change.description.unwrap_or(endpoint.description);
            endpoint.event_types = change.event_types.unwrap_or(endpoint.event_types);
            match change.enabled {
                Some(true) => {
                    endpoint.enabled = true;
                    endpoint.disabled_reason = None;
                    endpoint.failing_since = None;
                }
                Some(false) if endpoint.enabled => {
                    endpoint.enabled = false;
                    endpoint.disabled_reason = Some(DisabledReason::Requested);
                }
                Some(false) | None => {}
            }
            endpoint.updated_at = instant(now);
            store_endpoint(conn, &endpoint).await?;
            Ok(Some(endpoint))
        })
        .await
    }

    pub(crate) async fn roll_webhook_secret(
        &self,
        roll: SecretRoll,
        completion: Option<Completion<WebhookEndpoint>>,
    ) -> Result<Option<WebhookEndpoint>, Error> {
        self.write(async |conn| {
            let Some(mut endpoint) = lock_endpoint(conn, roll.id.as_str()).await? else { return Ok(None) };
            let number = endpoint.secrets.iter().map(|secret| secret.number).max().unwrap_or_default() + 1;
            let until = instant(roll.old_secrets_until);
            for secret in &mut endpoint.secrets {
                secret.expires_at = Some(secret.expires_at.map_or(until, |end| end.min(until)));
            }
            endpoint.secrets.retain(|secret| secret.expires_at.is_some_and(|end| end > roll.now));
            let new = SigningSecret { number, text: roll.secret.clone(), expires_at: None };
            endpoint.secrets.insert(0, new);
            endpoint.updated_at = instant(roll.now);
            store_endpoint(conn, &endpoint).await?;
            store_reply(conn, completion.as_ref(), &endpoint).await?;
            Ok(Some(endpoint))
        })
        .await
    }

    pub(crate) async fn remove_webhook_endpoint(
        &self,
        id: WebhookEndpointId,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        self.write(async |conn| {
            let removed =
                diesel::update(endpoints::table.find(id.as_str()).filter(endpoints::removed_at.is_null()))
                    .set((
                        endpoints::enabled.eq(false),
                        endpoints::secrets.eq(serde_json::json!([])),
                        endpoints::removed_at.eq(Some(instant(now))),
                    ))
                    .execute(conn)
                    .await?;
            Ok(removed == 1)
        })
        .await
    }

    pub(crate) async fn webhook_endpoint(
        &self,
        id: WebhookEndpointId,
    ) -> Result<Option<WebhookEndpoint>, Error> {
        let mut conn = self.reader().await?;
        endpoints::table
            .find(id.as_str())
            .filter(endpoints::removed_at.is_null())
            .select(EndpointRow::as_select())
            .first(&mut conn)
            .await
            .optional()?
            .map(EndpointRow::read)
            .transpose()
    }

    pub(crate) async fn webhook_endpoints(
        &self,
        cursor: Cursor<WebhookEndpointId>,
    ) -> Result<Page<WebhookEndpoint>, Error> {
        let mut query = endpoints::table
            .filter(endpoints::removed_at.is_null())
            .select(EndpointRow::as_select())
            .order(endpoints::id.desc())
            .limit(i64::from(cursor.limit) + 1)
            .into_boxed();
        if let Some(id) = cursor.starting_after {
            query = query.filter(endpoints::id.lt(String::from(id)));
        }
        let mut conn = self.reader().await?;
        let rows: Vec<EndpointRow> = query.load(&mut conn).await?;
        Page::from_rows(rows, cursor.limit, EndpointRow::read)
    }
}

/// Locks an endpoint, unless it is removed.
pub(crate) async fn lock_endpoint(conn: &mut Conn, id: &str) -> Result<Option<WebhookEndpoint>, Error> {
    let query = for_update!(
        endpoints::table.find(id).filter(endpoints::removed_at.is_null()).select(EndpointRow::as_select())
    );
    query.first::<EndpointRow>(conn).await.optional()?.map(EndpointRow::read).transpose()
}

/// Writes a locked endpoint.
pub(crate) async fn store_endpoint(conn: &mut Conn, endpoint: &WebhookEndpoint) -> Result<(), Error> {
    let row = EndpointRow::from_endpoint(endpoint)?;
    diesel::update(endpoints::table.find(endpoint.id.as_str())).set(row).execute(conn).await?;
    Ok(())
}

/// Returns the enabled endpoints.
pub(crate) async fn enabled_endpoints(conn: &mut Conn) -> Result<Vec<WebhookEndpoint>, Error> {
    let rows: Vec<EndpointRow> = endpoints::table
        .filter(endpoints::enabled.eq(true))
        .filter(endpoints::removed_at.is_null())
        .order(endpoints::id.asc())
        .select(EndpointRow::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(EndpointRow::read).collect()
}
