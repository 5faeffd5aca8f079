//! Requests that may be sent twice: the first answer to an `Idempotency-Key` is stored and given again.
//!
//! The work of a request runs as a task of the process, from the claim of its key to the stored answer: a
//! caller that hangs up leaves nothing half-done and no key claimed.

use std::future::Future;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use chrono::{Duration, Utc};
use quittance_crash_points::CrashPoint;
use quittance_domain::id::{KeyId, OrderId};
use quittance_persistence::{Claim, ClaimKeyOutcome, Completion, IdempotentRequest, Reply, ReplySecret};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::Api;
use crate::auth::{Caller, Right};
use crate::body::to_json;
use crate::code::Code;
use crate::problem::{MEDIA_TYPE, Problem};
use crate::request::Request;

/// The header that says that an answer was given before.
const REPLAYED: &str = "Idempotency-Replayed";

/// How long a request has for its work before another one with its key may take over.
const LEASE: Duration = Duration::seconds(60);

/// How long answers are kept.
const KEPT_FOR: Duration = Duration::hours(24);

/// The shortest key of a caller without credentials, who share one space: it must be hard to guess.
const PUBLIC_KEY_LEN_MIN: usize = 16;

/// Whose keys these are: keys of different callers have nothing to do with each other.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    /// A secret key's.
    Key(KeyId),
    /// An order's holder's.
    Holder(OrderId),
    /// Anybody's, told apart by key and body together.
    Public,
}

impl From<Right> for Scope {
    fn from(right: Right) -> Self {
        match right {
            Right::Key(id) => Self::Key(id),
            Right::Holder(order_id) => Self::Holder(order_id),
        }
    }
}

impl From<&Caller> for Scope {
    /// The scope of a request that is about no order yet: a token says nothing here.
    fn from(caller: &Caller) -> Self {
        match caller {
            Caller::Key(id) => Self::Key(id.clone()),
            Caller::Anonymous | Caller::Token(_) => Self::Public,
        }
    }
}

/// What a request came to, with what is not stored of it.
pub(crate) struct Done {
    reply: Reply,
    client_secret: Option<SecretString>,
    is_stored: bool,
}

impl Done {
    /// An answer that is still to be stored.
    pub(crate) fn new(reply: Reply) -> Self {
        Self { reply, client_secret: None, is_stored: false }
    }

    /// An answer that the work's own transaction stored.
    pub(crate) fn stored(reply: Reply) -> Self {
        Self { reply, client_secret: None, is_stored: true }
    }

    /// The client secret that belongs into the body, where it is at hand.
    pub(crate) fn with_client_secret(mut self, client_secret: SecretString) -> Self {
        self.client_secret = Some(client_secret);
        self
    }
}

/// The right to do the work of a request.
pub(crate) struct Work {
    claim: Option<Claim>,
}

impl Work {
    /// What a phase needs to store the answer in its own transaction.
    pub(crate) fn completion<T>(
        &self,
        render: impl Fn(&T) -> Reply + Send + Sync + 'static,
    ) -> Option<Completion<T>> {
        let claim = self.claim.clone()?;
        Some(Completion { claim, render: Arc::new(render) })
    }
}

/// A success to be given, and given again.
pub(crate) fn reply<T: serde::Serialize>(status: StatusCode, body: &T, secret: Option<ReplySecret>) -> Reply {
    Reply { status: status.as_u16(), body: to_json(body), secret }
}

/// An answer on its way out.
struct Answer {
    reply: Reply,
    secret: Option<(&'static str, SecretString)>,
    is_replayed: bool,
}

/// Whether the work is still to be done.
enum Start {
    Work(Work),
    Answered(Answer),
}

impl Request {
    /// Does the work if it was not done before, and answers.
    pub(crate) async fn run<W, Fut>(
        self,
        api: &Api,
        scope: impl Into<Scope>,
        work: W,
    ) -> Result<HttpResponse, Problem>
    where
        W: FnOnce(Work) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Done, Problem>> + Send + 'static,
    {
        let keyed = self.keyed(scope.into())?;
        let task = api.clone();
        let answer = api
            .detached(async move {
                let work_to_do = match task.start(keyed).await? {
                    Start::Answered(answer) => return Ok(answer),
                    Start::Work(work) => work,
                };
                let claim = work_to_do.claim.clone();
                let done = work(work_to_do).await;
                task.settle(claim, done).await
            })
            .await?;
        Ok(self.respond(answer))
    }

    fn keyed(&self, scope: Scope) -> Result<Option<IdempotentRequest>, Problem> {
        let Some(key) = self.key.clone() else { return Ok(None) };
        let fingerprint = self.fingerprint();
        let scope = match scope {
            Scope::Key(id) => id.to_string(),
            Scope::Holder(order_id) => order_id.to_string(),
            Scope::Public if key.len() < PUBLIC_KEY_LEN_MIN => {
                return Err(Problem::new(
                    Code::InvalidIdempotencyKey,
                    format!("Without credentials, a key has at least {PUBLIC_KEY_LEN_MIN} characters."),
                ));
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
            forget_before: now - KEPT_FOR,
        }))
    }

    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        // Neither a method nor a path has a line break.
        for part in [self.method.as_bytes(), b"\n", self.path.as_bytes(), b"\n", &self.body] {
            hash.update(part);
        }
        hex::encode(hash.finalize())
    }

    fn respond(self, answer: Answer) -> HttpResponse {
        let status = StatusCode::from_u16(answer.reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = answer.reply.body;
        let mut response = HttpResponse::build(status);
        if status == StatusCode::CREATED
            && let Some(location) = location_of(&body)
        {
            response.insert_header((header::LOCATION, location));
        }
        if status.is_success() {
            response.content_type("application/json");
            if let Some((name, secret)) = answer.secret {
                body = with_field(&body, name, secret.expose_secret());
            }
        } else {
            response.content_type(MEDIA_TYPE);
            if let Some(request_id) = &self.request_id {
                body = with_field(&body, "request_id", request_id.as_str());
            }
        }
        if answer.is_replayed {
            response.insert_header((REPLAYED, "true"));
        }
        response.body(body)
    }
}

impl Api {
    async fn start(&self, keyed: Option<IdempotentRequest>) -> Result<Start, Problem> {
        let Some(keyed) = keyed else { return Ok(Start::Work(Work { claim: None })) };
        match self.store().claim_key(keyed).await? {
            ClaimKeyOutcome::New(claim) => {
                CrashPoint::KeyClaimed.reach();
                Ok(Start::Work(Work { claim: Some(claim) }))
            }
            ClaimKeyOutcome::Replay(reply) => {
                let secret = self.secret_of(&reply, None).await?;
                Ok(Start::Answered(Answer { reply, secret, is_replayed: true }))
            }
            ClaimKeyOutcome::InFlightAttempt => Err(Problem::idempotency_key_in_use()),
            ClaimKeyOutcome::Mismatch => Err(Problem::new(
                Code::IdempotencyKeyReused,
                "This Idempotency-Key belongs to a request with another path or body.",
            )),
        }
    }

    /// Stores the answer, or lets the key go where a repetition is to be worked on anew.
    async fn settle(&self, claim: Option<Claim>, done: Result<Done, Problem>) -> Result<Answer, Problem> {
        match (done, claim) {
            (Ok(done), claim) => {
                if let Some(claim) = claim.filter(|_| !done.is_stored) {
                    self.keep(claim, done.reply.clone()).await;
                }
                let secret = self.secret_of(&done.reply, done.client_secret).await?;
                Ok(Answer { reply: done.reply, secret, is_replayed: false })
            }
            (Err(problem), None) => Err(problem),
            (Err(problem), Some(claim)) if problem.code().is_final() => {
                let status = problem.code().status().as_u16();
                self.keep(claim, Reply { status, body: problem.body(), secret: None }).await;
                Err(problem)
            }
            (Err(problem), Some(claim)) => {
                if let Err(error) = self.store().release_key(claim).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "An idempotency key could not be let go; its lease ends within a minute."
                    );
                }
                Err(problem)
            }
        }
    }

    /// Stores the answer to work that is done. The work stands whether or not this succeeds, and can be asked
    /// for again without harm.
    async fn keep(&self, claim: Claim, reply: Reply) {
        if let Err(error) = self.store().complete_key(claim, reply).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "The answer to a request with an idempotency key could not be stored."
            );
        }
    }

    /// The secret that belongs into an answer: it was not stored with it.
    async fn secret_of(
        &self,
        reply: &Reply,
        at_hand: Option<SecretString>,
    ) -> Result<Option<(&'static str, SecretString)>, Problem> {
        Ok(match (&reply.secret, at_hand) {
            (None, _) => None,
            (Some(ReplySecret::ClientToken(order_id)), _) => {
                Some(("client_token", self.token_of(order_id).into()))
            }
            (Some(ReplySecret::SigningSecret(endpoint_id, number)), _) => {
                let endpoint = self.store().webhook_endpoint(endpoint_id.clone()).await?;
                let secrets = endpoint.map(|endpoint| endpoint.secrets).unwrap_or_default();
                let known = secrets.into_iter().find(|secret| secret.number == *number);
                known.map(|secret| ("secret", secret.text.into()))
            }
            (Some(ReplySecret::ClientSecret(_)), Some(secret)) => Some(("client_secret", secret)),
            (Some(ReplySecret::ClientSecret(payment_id)), None) => {
                Some(("client_secret", self.payments().client_secret(payment_id.clone()).await?))
            }
        })
    }
}

/// The object with one more text at its end.
fn with_field(object: &str, name: &str, value: &str) -> String {
    match object.strip_suffix('}') {
        Some(open) => format!("{open},\"{name}\":{}}}", to_json(&value)),
        None => object.to_owned(),
    }
}

/// Where a new object is read, if it is read here: a kind has one path, whatever path it was made at.
fn location_of(body: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Identified {
        id: String,
        object: String,
    }
    let Identified { id, object } = serde_json::from_str(body).ok()?;
    let objects = match object.as_str() {
        "order" => "orders",
        "product" => "products",
        "refund" => "refunds",
        "seller" => "sellers",
        "webhook_endpoint" => "webhook_endpoints",
        _ => return None,
    };
    Some(format!("/v1/{objects}/{id}"))
}
