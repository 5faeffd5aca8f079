//! Tests of disputes: lists and events.

use quittance_domain::dispute::{DisputeObservation, DisputeState, DisputeStatus};
use quittance_domain::event::EventContent;
use quittance_domain::payment::{Account, Mode, Provenance};
use quittance_stripe_gateway::{Error, event};
use serde_json::{Value, json};

use crate::stand_in::{Answer, DATE, DATE_S, StandIn, dispute, event_of, payment_intent, with};

const PAYMENT_INTENT: &str = "pi_3SWabcLkdIwHu7ix0abcdefg";

fn observed(status: DisputeStatus, provenance: Provenance) -> DisputeObservation {
    DisputeObservation {
        account: Account::own(),
        mode: Mode::Test,
        stripe_dispute_id: "du_1SWabcLkdIwHu7ixdisputed".to_owned(),
        payment_intent_id: PAYMENT_INTENT.to_owned(),
        provenance,
        state: DisputeState {
            status,
            amount: 2500,
            currency: "eur".to_owned(),
            reason: Some("fraudulent".to_owned()),
            evidence_due_by: Some(1_796_169_599),
        },
    }
}

fn told(kind: &str, over: &Value) -> EventContent {
    let event = event_of(&format!("charge.dispute.{kind}"), &with(dispute(), over));
    event::read(event.to_string().as_bytes()).expect("an event").content
}

#[test]
fn dispute_event_has_state() {
    for (kind, status) in [
        ("created", DisputeStatus::WarningNeedsResponse),
        ("created", DisputeStatus::NeedsResponse),
        ("updated", DisputeStatus::UnderReview),
        ("updated", DisputeStatus::WarningUnderReview),
        ("funds_withdrawn", DisputeStatus::NeedsResponse),
        ("funds_reinstated", DisputeStatus::Won),
        ("closed", DisputeStatus::WarningClosed),
        ("closed", DisputeStatus::Prevented),
        ("closed", DisputeStatus::Lost),
    ] {
        let provenance =
            Provenance { created: 1_795_341_600, event: "evt_3SWabcLkdIwHu7ix0hijklmn".to_owned() };
        let expected = EventContent::Dispute(Box::new(observed(status, provenance)));
        assert_eq!(told(kind, &json!({ "status": status.as_str() })), expected, "{kind}");
    }
}

#[test]
fn dispute_event_with_few_fields_is_readable() {
    let over = json!({ "payment_intent": payment_intent(), "evidence_details": null, "reason": null });
    let EventContent::Dispute(observation) = told("updated", &over) else { panic!("a dispute") };
    assert_eq!(observation.payment_intent_id, PAYMENT_INTENT);
    assert_eq!((observation.state.reason, observation.state.evidence_due_by), (None, None));
    let over = json!({ "evidence_details": { "due_by": null } });
    assert!(matches!(told("updated", &over), EventContent::Dispute(_)));
}

#[test]
fn dispute_without_payment_intent_is_unhandled() {
    assert_eq!(told("created", &json!({ "payment_intent": null })), EventContent::Unhandled);
}

#[test]
fn unreadable_dispute_is_kept_with_reason() {
    for (over, expected) in [
        (json!({ "id": "" }), "the dispute has no id"),
        (json!({ "object": "charge" }), "the object isn't a dispute"),
        (json!({ "status": null }), "the dispute has no status"),
        (json!({ "status": "hushed" }), "the dispute's status is unknown"),
        (json!({ "amount": null }), "the dispute has no amount"),
        (json!({ "currency": null }), "the dispute has no currency"),
    ] {
        assert_eq!(told("updated", &over), EventContent::Unreadable(expected.to_owned()));
    }
}

#[actix_web::test]
async fn all_pages_of_disputes_are_read() {
    let lost = with(dispute(), &json!({ "status": "lost" }));
    let server = StandIn::answering(vec![
        Answer::page(&[dispute()], true).with("Date", DATE),
        Answer::page(&[lost], false).with("Date", DATE),
    ]);
    let listed = server.stripe().list_disputes(&Account::own(), PAYMENT_INTENT).await.expect("listed");
    let created = listed[0].provenance.created;
    assert!((DATE_S - 21..DATE_S).contains(&created), "{created}");
    let first = Provenance { created, event: String::new() };
    let second = Provenance { created: listed[1].provenance.created, event: String::new() };
    assert_eq!(
        listed,
        [observed(DisputeStatus::NeedsResponse, first), observed(DisputeStatus::Lost, second)]
    );
    let requests = server.requests();
    assert_eq!(requests[0].path, "/v1/disputes");
    assert_eq!(requests[0].query, format!("limit=100&payment_intent={PAYMENT_INTENT}"));
    assert!(requests[1].fields().contains(&"starting_after=du_1SWabcLkdIwHu7ixdisputed"));
    assert_eq!(requests.len(), 2);
}

#[actix_web::test]
async fn truncated_dispute_list_is_unreadable() {
    for over in [json!({ "status": "hushed" }), json!({ "payment_intent": null })] {
        let server = StandIn::answering(vec![Answer::page(&[with(dispute(), &over)], false)]);
        let listed = server.stripe().list_disputes(&Account::own(), PAYMENT_INTENT).await;
        assert!(matches!(listed, Err(Error::Unreadable { .. })), "{listed:?}");
    }
}
