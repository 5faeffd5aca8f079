//! Idempotency: the first response to an `Idempotency-Key` is stored and sent again.
//!
//! The work of a request runs as its own task, from the claim of its key to the stored response. If the client
//! disconnects, the task still completes.

use std::future::Future;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use chrono::{Duration, Utc};
use quittance_crash_points::CrashPoint;
use quittance_domain::id::{KeyId, OrderId};
use quittance_payments::Payments;
use quittance_persistence::{
    Claim, ClaimKeyOutcome, Completion, IdempotentRequest, Reply, ReplySecret, Store,
};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::http::auth::{Access, Caller};
use crate::http::client_tokens::ClientTokens;
use crate::http::request::Request;
use crate::http::stored_body::{self, SecretField};
use crate::http::tasks::RequestTasks;
use crate::json::to_json;
use crate::problem::code::Code;
use crate::problem::{MEDIA_TYPE, Problem};

/// The header that marks a repeated response.
const REPLAYED: &str = "Idempotency-Replayed";

/// The time after which another request with the same key may take over the work.
const LEASE: Duration = Duration::seconds(60);

/// The time for which responses are stored.
const RETENTION: Duration = Duration::hours(24);

/// The minimum length of an idempotency key without credentials. Anonymous callers share one scope, so their keys must
/// be hard to guess.
const ANONYMOUS_KEY_LEN_MIN: usize = 16;

/// The scope of an idempotency key. Equal keys in different scopes are different keys.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    /// The requests of one secret key.
    Key(KeyId),
    /// The requests of one order's holder.
    Holder(OrderId),
    /// The requests without credentials. Key and body together distinguish them.
    Public,
}

impl From<Access> for Scope {
    fn from(access: Access) -> Self {
        match access {
            Access::Key(id) => Self::Key(id),
            Access::Holder(order_id) => Self::Holder(order_id),
        }
    }
}

impl From<&Caller> for Scope {
    /// Returns the scope of a request that creates an order. It ignores a client token, which belongs to another order.
    fn from(caller: &Caller) -> Self {
        match caller {
            Caller::Key(id) => Self::Key(id.clone()),
            Caller::Anonymous | Caller::Token(_) => Self::Public,
        }
    }
}

/// The reply to a request, with the parts that aren't stored.
pub(crate) struct WorkReply {
    reply: Reply,
    client_secret: Option<SecretString>,
    is_stored: bool,
}

impl WorkReply {
    /// Creates a reply that isn't stored yet.
    pub(crate) fn new(reply: Reply) -> Self {
        Self { reply, client_secret: None, is_stored: false }
    }

    /// Creates a reply that the work's own transaction has stored.
    pub(crate) fn stored(reply: Reply) -> Self {
        Self { reply, client_secret: None, is_stored: true }
    }

    /// Adds the PaymentIntent's client secret, which the work has just received from Stripe.
    pub(crate) fn with_client_secret(mut self, client_secret: SecretString) -> Self {
        self.client_secret = Some(client_secret);
        self
    }
}

/// The claim of a request's idempotency key, if it has one.
pub(crate) struct KeyClaim(Option<Claim>);

impl KeyClaim {
    /// Returns the completion with which a transaction stores the reply to its own work.
    pub(crate) fn completion<T>(
        &self,
        render: impl Fn(&T) -> Reply + Send + Sync + 'static,
    ) -> Option<Completion<T>> {
        let claim = self.0.clone()?;
        Some(Completion { claim, render: Arc::new(render) })
    }
}

/// Serializes a reply to store. `secret` names the secret that is added when the reply is sent.
pub(crate) fn reply<T: serde::Serialize>(status: StatusCode, body: &T, secret: Option<ReplySecret>) -> Reply {
    Reply { status: status.as_u16(), body: to_json(body), secret }
}

/// A reply that is ready to be sent.
struct CompleteReply {
    reply: Reply,
    secret: Option<SecretField>,
    is_replayed: bool,
}

/// The result of claiming a key.
enum Start {
    Work(KeyClaim),
    Replay(CompleteReply),
}

/// Runs the work of requests, once for each idempotency key.
#[derive(Clone)]
pub(crate) struct Idempotency {
    store: Store,
    payments: Payments,
    tokens: ClientTokens,
    tasks: RequestTasks,
}

impl Idempotency {
    /// Creates a runner that stores replies in this store.
    pub(crate) fn new(store: Store, payments: Payments, tokens: ClientTokens, tasks: RequestTasks) -> Self {
        Self { store, payments, tokens, tasks }
    }

    /// Does the work unless a reply is stored already, and responds.
    pub(crate) async fn run<W, Fut>(
        &self,
        request: Request,
        scope: Scope,
        work: W,
    ) -> Result<HttpResponse, Problem>
    where
        W: FnOnce(KeyClaim) -> Fut + Send + 'static,
        Fut: Future<Output = Result<WorkReply, Problem>> + Send + 'static,
    {
        let idempotent = request.idempotent(scope)?;
        let runner = self.clone();
        let reply = self
            .tasks
            .run(async move {
                let key_claim = match runner.start(idempotent).await? {
                    Start::Replay(reply) => return Ok(reply),
                    Start::Work(key_claim) => key_claim,
                };
                let claim = key_claim.0.clone();
                let result = work(key_claim).await;
                runner.finish(claim, result).await
            })
            .await?;
        request.respond(reply)
    }

    async fn start(&self, idempotent: Option<IdempotentRequest>) -> Result<Start, Problem> {
        let Some(idempotent) = idempotent else { return Ok(Start::Work(KeyClaim(None))) };
        match self.store.claim_key(idempotent).await? {
            ClaimKeyOutcome::New(claim) => {
                CrashPoint::KeyClaimed.reach();
                Ok(Start::Work(KeyClaim(Some(claim))))
            }
            ClaimKeyOutcome::Replay(reply) => {
                let secret = self.secret_of(&reply, None).await?;
                Ok(Start::Replay(CompleteReply { reply, secret, is_replayed: true }))
            }
            ClaimKeyOutcome::InProgress => Err(Problem::idempotency_key_in_use()),
            ClaimKeyOutcome::Mismatch => Err(Problem::new(
                Code::IdempotencyKeyReused,
                "This Idempotency-Key belongs to a request with another path or body. Send a new key.",
            )),
        }
    }

    /// Stores the reply, or releases the key if a repeated request should do the work again.
    async fn finish(
        &self,
        claim: Option<Claim>,
        result: Result<WorkReply, Problem>,
    ) -> Result<CompleteReply, Problem> {
        match (result, claim) {
            (Ok(done), claim) => {
                if let Some(claim) = claim.filter(|_| !done.is_stored) {
                    self.store_reply(claim, done.reply.clone()).await;
                }
                let secret = self.secret_of(&done.reply, done.client_secret).await?;
                Ok(CompleteReply { reply: done.reply, secret, is_replayed: false })
            }
            (Err(problem), None) => Err(problem),
            (Err(problem), Some(claim)) if problem.code().is_final() => {
                let status = problem.code().status().as_u16();
                self.store_reply(claim, Reply { status, body: problem.body(), secret: None }).await;
                Err(problem)
            }
            (Err(problem), Some(claim)) => {
                if let Err(error) = self.store.release_key(claim).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "failed to release an idempotency key; its lease expires within a minute"
                    );
                }
                Err(problem)
            }
        }
    }

    /// Stores the reply to finished work. If this fails, the work stays committed. A repeated request then does it
    /// again, which is harmless.
    async fn store_reply(&self, claim: Claim, reply: Reply) {
        if let Err(error) = self.store.complete_key(claim, reply).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to store the reply to an idempotency key; a repeated request does the work again"
            );
        }
    }

    /// Finds the secret of a reply. Without `client_secret`, the PaymentIntent's is fetched from Stripe.
    async fn secret_of(
        &self,
        reply: &Reply,
        client_secret: Option<SecretString>,
    ) -> Result<Option<SecretField>, Problem> {
        Ok(match (&reply.secret, client_secret) {
            (None, _) => None,
            (Some(ReplySecret::ClientToken(order_id)), _) => {
                Some(SecretField::ClientToken(self.tokens.issue(order_id).into()))
            }
            (Some(ReplySecret::SigningSecret(endpoint_id, number)), _) => {
                let endpoint = self.store.webhook_endpoint(endpoint_id.clone()).await?;
                let secrets = endpoint.map(|endpoint| endpoint.secrets).unwrap_or_default();
                let secret = secrets.into_iter().find(|secret| secret.number == *number);
                secret.map(|secret| SecretField::SigningSecret(secret.text.into()))
            }
            (Some(ReplySecret::ClientSecret(_)), Some(secret)) => Some(SecretField::ClientSecret(secret)),
            (Some(ReplySecret::ClientSecret(payment_id)), None) => {
                let secret = self.payments.client_secret(payment_id.clone()).await?;
                Some(SecretField::ClientSecret(secret))
            }
        })
    }
}

impl Request {
    fn idempotent(&self, scope: Scope) -> Result<Option<IdempotentRequest>, Problem> {
        let Some(key) = self.key.clone() else { return Ok(None) };
        let fingerprint = self.fingerprint();
        let scope = match scope {
            Scope::Key(id) => id.to_string(),
            Scope::Holder(order_id) => order_id.to_string(),
            Scope::Public if key.len() < ANONYMOUS_KEY_LEN_MIN => {
                let detail = format!(
                    "The Idempotency-Key has {} characters. Without credentials, send at least \
                     {ANONYMOUS_KEY_LEN_MIN}.",
                    key.len()
                );
                return Err(Problem::new(Code::InvalidIdempotencyKey, detail));
            }
            Scope::Public => format!("public:{fingerprint}"),
        };
        let now = Utc::now();
        Ok(Some(IdempotentRequest {
            scope,
            key,
            fingerprint,
            now,
            lease_until: now + LEASE,
            expired_before: now - RETENTION,
        }))
    }

    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        // Neither a method nor a path contains a line break.
        for part in [self.method.as_bytes(), b"\n", self.path.as_bytes(), b"\n", &self.body] {
            hash.update(part);
        }
        hex::encode(hash.finalize())
    }

    fn respond(self, complete: CompleteReply) -> Result<HttpResponse, Problem> {
        let CompleteReply { reply, secret, is_replayed } = complete;
        let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let unreadable = |error: serde_json::Error| Problem::internal(&error);
        let mut body = reply.body;
        let mut response = HttpResponse::build(status);
        if let Some(collection) = self.collection.filter(|_| status == StatusCode::CREATED) {
            let id = stored_body::object_id(&body).map_err(unreadable)?;
            response.insert_header((header::LOCATION, format!("{collection}/{id}")));
        }
        if status.is_success() {
            response.content_type("application/json");
            if let Some(secret) = secret {
                body = stored_body::with_secret(&body, secret).map_err(unreadable)?;
            }
        } else {
            response.content_type(MEDIA_TYPE);
            if let Some(request_id) = &self.request_id {
                body = stored_body::with_request_id(&body, request_id.as_str()).map_err(unreadable)?;
            }
        }
        if is_replayed {
            response.insert_header((REPLAYED, "true"));
        }
        Ok(response.body(body))
    }
}
