//! Idempotency keys: the first reply is stored and replayed.
//!
//! A request in progress holds a lease, so a crash doesn't lock its key forever. If the lease expires and another
//! request takes over the key, the first request can't store its reply, and its work is rolled back.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::Database;
use super::columns::parse;
use super::dialect::{Conn, Db, for_update};
use super::schema::idempotency_keys as keys;
use crate::Error;
use crate::model::{Claim, ClaimKeyOutcome, Completion, IdempotentRequest, Reply, ReplySecret};

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = keys, check_for_backend(Db), treat_none_as_default_value = false)]
struct KeyRow {
    scope: String,
    key: String,
    fingerprint: String,
    claim: String,
    lease_until: DateTime<Utc>,
    status: Option<i32>,
    body: Option<String>,
    secret: Option<String>,
    created_at: DateTime<Utc>,
}

impl KeyRow {
    fn new(request: &IdempotentRequest, claim: &Claim) -> Self {
        Self {
            scope: request.scope.clone(),
            key: request.key.clone(),
            fingerprint: request.fingerprint.clone(),
            claim: claim.token.clone(),
            lease_until: request.lease_until,
            status: None,
            body: None,
            secret: None,
            created_at: request.now,
        }
    }

    fn reply(&self) -> Result<Option<Reply>, Error> {
        let (Some(status), Some(body)) = (self.status, &self.body) else { return Ok(None) };
        let status = u16::try_from(status).map_err(|error| Error::corrupt("reply", error))?;
        let secret = self.secret.as_deref().map(read_secret).transpose()?;
        Ok(Some(Reply { status, body: body.clone(), secret }))
    }
}

impl Database {
    pub(crate) async fn claim_key(&self, request: IdempotentRequest) -> Result<ClaimKeyOutcome, Error> {
        self.write(async |conn| {
            let claim = Claim {
                scope: request.scope.clone(),
                key: request.key.clone(),
                token: Uuid::now_v7().simple().to_string(),
            };
            let fresh = KeyRow::new(&request, &claim);
            let inserted = diesel::insert_into(keys::table)
                .values(fresh.clone())
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
            if inserted == 1 {
                return Ok(ClaimKeyOutcome::New(claim));
            }
            let query = keys::table.find((&request.scope, &request.key)).select(KeyRow::as_select());
            let Some(known) = for_update!(query).first::<KeyRow>(conn).await.optional()? else {
                // The other request has just released the key.
                return Ok(ClaimKeyOutcome::InProgress);
            };
            let forgotten = known.created_at < request.expired_before;
            if !forgotten && known.fingerprint != request.fingerprint {
                return Ok(ClaimKeyOutcome::Mismatch);
            }
            if !forgotten && let Some(reply) = known.reply()? {
                return Ok(ClaimKeyOutcome::Replay(reply));
            }
            if !forgotten && known.lease_until > request.now {
                return Ok(ClaimKeyOutcome::InProgress);
            }
            diesel::delete(keys::table.find((&request.scope, &request.key))).execute(conn).await?;
            diesel::insert_into(keys::table).values(fresh).execute(conn).await?;
            Ok(ClaimKeyOutcome::New(claim))
        })
        .await
    }

    pub(crate) async fn complete_key(&self, claim: Claim, reply: Reply) -> Result<(), Error> {
        self.write(async |conn| {
            // The worker may replace the reply that it stored with the work.
            let key = keys::table.find((&claim.scope, &claim.key)).filter(keys::claim.eq(&claim.token));
            let stored = diesel::update(key).set(answer(&reply)).execute(conn).await?;
            if stored == 1 { Ok(()) } else { Err(Error::ClaimLost) }
        })
        .await
    }

    pub(crate) async fn release_key(&self, claim: Claim) -> Result<(), Error> {
        self.write(async |conn| {
            diesel::delete(
                keys::table
                    .find((&claim.scope, &claim.key))
                    .filter(keys::claim.eq(&claim.token))
                    .filter(keys::status.is_null()),
            )
            .execute(conn)
            .await?;
            Ok(())
        })
        .await
    }
}

impl Database {
    pub(crate) async fn delete_idempotency_keys(&self, before: DateTime<Utc>) -> Result<usize, Error> {
        self.write(async |conn| {
            Ok(diesel::delete(keys::table.filter(keys::created_at.lt(before))).execute(conn).await?)
        })
        .await
    }
}

/// Stores the reply to a request, in the transaction that did its work.
pub(super) async fn store_reply<T>(
    conn: &mut Conn,
    completion: Option<&Completion<T>>,
    result: &T,
) -> Result<(), Error> {
    match completion {
        None => Ok(()),
        Some(completion) => complete(conn, &completion.claim, &(completion.render)(result)).await,
    }
}

/// Stores the first reply. A second one would mean that the work was done twice.
async fn complete(conn: &mut Conn, claim: &Claim, reply: &Reply) -> Result<(), Error> {
    let stored = diesel::update(
        keys::table
            .find((&claim.scope, &claim.key))
            .filter(keys::claim.eq(&claim.token))
            .filter(keys::status.is_null()),
    )
    .set(answer(reply))
    .execute(conn)
    .await?;
    if stored == 1 { Ok(()) } else { Err(Error::ClaimLost) }
}

/// A reply as it is stored.
#[derive(AsChangeset)]
#[diesel(table_name = keys)]
struct Answer<'a> {
    status: i32,
    body: &'a str,
    #[diesel(treat_none_as_null = true)]
    secret: Option<String>,
}

fn answer(reply: &Reply) -> Answer<'_> {
    Answer {
        status: i32::from(reply.status),
        body: &reply.body,
        secret: reply.secret.as_ref().map(write_secret),
    }
}

fn write_secret(secret: &ReplySecret) -> String {
    match secret {
        ReplySecret::ClientToken(order_id) => order_id.to_string(),
        ReplySecret::ClientSecret(payment_id) => payment_id.to_string(),
        ReplySecret::SigningSecret(endpoint_id, number) => format!("{endpoint_id}#{number}"),
    }
}

fn read_secret(text: &str) -> Result<ReplySecret, Error> {
    if let Some((endpoint_id, number)) = text.split_once('#') {
        return Ok(ReplySecret::SigningSecret(parse("reply", endpoint_id)?, parse("reply", number)?));
    }
    match text.parse() {
        Ok(order_id) => Ok(ReplySecret::ClientToken(order_id)),
        Err(_) => Ok(ReplySecret::ClientSecret(parse("reply", text)?)),
    }
}
