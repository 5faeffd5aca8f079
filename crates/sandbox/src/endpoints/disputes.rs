//! Disputes: <https://docs.stripe.com/api/disputes>.

use serde_json::Value;

use crate::endpoints::route::{Call, Route};
use crate::http::error::ApiError;
use crate::http::pagination::{Page, created_filter};
use crate::http::params::{Change, Params};
use crate::http::string_enum::StringEnum;
use crate::objects::dispute::{Dispute, DisputeStatus, EVIDENCE_FILES, EVIDENCE_TEXTS};
use crate::operations::disputes;

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/v1/disputes", list),
    Route::get("/v1/disputes/{id}", retrieve),
    Route::post("/v1/disputes/{id}", update),
    Route::post("/v1/disputes/{id}/close", close),
];

/// The maximum length of an evidence field, in characters. Stripe has this limit for all fields together.
const MAX_EVIDENCE_CHARS: usize = 150_000;

fn find(call: &Call<'_, '_>) -> Result<Dispute, ApiError> {
    let dispute = call.tx.get::<Dispute>(call.id).cloned();
    dispute.ok_or_else(|| ApiError::not_found("dispute", call.id, "dispute"))
}

fn retrieve(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let dispute = find(call)?;
    Ok(disputes::render(call.tx, &dispute))
}

/// The new text of each evidence field, or `None` to remove it.
type EvidenceChanges = Vec<(&'static str, Option<String>)>;

fn parse_evidence(params: &mut Params) -> Result<Option<EvidenceChanges>, ApiError> {
    let Some(mut evidence) = params.nested("evidence")? else { return Ok(None) };
    evidence.reject_unsupported(EVIDENCE_FILES)?;
    evidence.reject_unsupported(&["enhanced_evidence"])?;
    let mut changes = Vec::new();
    for name in EVIDENCE_TEXTS {
        match evidence.text(name, MAX_EVIDENCE_CHARS)? {
            Change::Unchanged => {}
            Change::Unset => changes.push((*name, None)),
            Change::Set(text) => changes.push((*name, Some(text))),
        }
    }
    evidence.finish()?;
    Ok(Some(changes))
}

fn update(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let evidence = parse_evidence(&mut params)?;
    let submit = params.boolean("submit")?;
    let metadata = params.metadata()?;
    params.finish()?;
    let mut dispute = find(call)?;
    let is_answer = evidence.is_some() || submit == Some(true);
    if is_answer && dispute.status.is_closed() {
        return Err(closed_error(&dispute, "updated with evidence"));
    }
    if let Some(change) = metadata {
        change.apply(&mut dispute.metadata)?;
    }
    for (name, text) in evidence.iter().flatten() {
        match text {
            Some(text) => dispute.evidence.insert((*name).to_owned(), text.clone()),
            None => dispute.evidence.remove(*name),
        };
    }
    // Evidence is submitted immediately, unless `submit` is false.
    if is_answer && submit != Some(false) {
        submit_evidence(call, &mut dispute);
    }
    call.tx.put(dispute.clone());
    let rendered = disputes::render(call.tx, &dispute);
    call.tx.emit("charge.dispute.updated", rendered.clone());
    Ok(rendered)
}

/// Submits the evidence. Two texts from Stripe's testing page select the bank's later decision.
fn submit_evidence(call: &Call<'_, '_>, dispute: &mut Dispute) {
    let is_inquiry = dispute.status.is_inquiry();
    dispute.submission_count += 1;
    dispute.status = if is_inquiry { DisputeStatus::WarningUnderReview } else { DisputeStatus::UnderReview };
    let outcome = match dispute.evidence.get("uncategorized_text").map(String::as_str) {
        Some("winning_evidence") if is_inquiry => Some(DisputeStatus::WarningClosed),
        Some("winning_evidence") => Some(DisputeStatus::Won),
        Some("losing_evidence") if !is_inquiry => Some(DisputeStatus::Lost),
        _ => None,
    };
    let at_ms = call.tx.now.after(call.tx.settings.dispute_delay).0;
    dispute.scheduled_outcome = outcome.map(|outcome| (outcome, at_ms));
}

fn closed_error(dispute: &Dispute, act: &str) -> ApiError {
    ApiError::refused(format!(
        "This dispute cannot be {act} because it has a status of {}.",
        dispute.status.as_str()
    ))
}

/// Accepts the dispute without a contest.
fn close(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    std::mem::take(&mut call.params).finish()?;
    let dispute = find(call)?;
    if dispute.status.is_closed() {
        return Err(closed_error(&dispute, "closed"));
    }
    let outcome =
        if dispute.status.is_inquiry() { DisputeStatus::WarningClosed } else { DisputeStatus::Lost };
    let dispute = disputes::close(call.tx, dispute, outcome);
    Ok(disputes::render(call.tx, &dispute))
}

fn list(call: &mut Call<'_, '_>) -> Result<Value, ApiError> {
    let mut params = std::mem::take(&mut call.params);
    let page = Page::parse(&mut params)?;
    let created = created_filter(&mut params)?;
    let charge = params.string("charge")?;
    let intent = params.string("payment_intent")?;
    params.finish()?;
    let tx = &*call.tx;
    let disputes: Vec<&Dispute> = tx
        .newest_first::<Dispute>()
        .filter(|dispute| created.contains(&dispute.created))
        .filter(|dispute| charge.as_ref().is_none_or(|charge| dispute.charge == *charge))
        .filter(|dispute| intent.as_ref().is_none_or(|intent| dispute.payment_intent == *intent))
        .collect();
    page.render(
        &disputes,
        "dispute",
        "/v1/disputes",
        |dispute| &dispute.id,
        |dispute| disputes::render(tx, dispute),
    )
}
