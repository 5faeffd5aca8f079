//! Tests of refunds: requests, responses and events.

use quittance_domain::event::{EventContent, MoneyMovement};
use quittance_domain::money::Money;
use quittance_domain::payment::{Account, Mode, Provenance};
use quittance_domain::refund::{RefundObservation, RefundReason, RefundStatus, RefundTerms};
use quittance_stripe_gateway::{Error, NewRefund, event};
use serde_json::{Value, json};

use crate::stand_in::{
    Answer, DATE, DATE_S, StandIn, event_of, order_id, payment_intent, refund, refund_id, with,
};

const PAYMENT_INTENT: &str = "pi_3SWabcLkdIwHu7ix0abcdefg";
const KEY: &str = "the-key";

fn amount() -> Money {
    Money::new(1000, "eur".parse().expect("a currency")).expect("an amount")
}

fn new_refund() -> NewRefund {
    NewRefund {
        refund_id: refund_id(),
        order_id: order_id(),
        account: Account::connected("acct_1SWseller"),
        payment_intent_id: PAYMENT_INTENT.to_owned(),
        amount: amount(),
        reason: None,
        terms: RefundTerms::default(),
    }
}

#[actix_web::test]
async fn refund_request_sends_its_idempotency_key() {
    let server = StandIn::answering(vec![Answer::ok(&refund()).with("Date", DATE)]);
    let made = server.stripe().create_refund(&new_refund(), KEY).await.expect("made");

    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/refunds"));
    assert_eq!(
        request.body,
        "amount=1000\
         &metadata[order_id]=ord_00000000000000000000000001\
         &metadata[refund_id]=ref_00000000000000000000000003\
         &payment_intent=pi_3SWabcLkdIwHu7ix0abcdefg"
    );
    assert_eq!(request.header("idempotency-key"), Some(KEY));
    assert_eq!(request.header("stripe-account"), Some("acct_1SWseller"));

    let created = made.observation.provenance.created;
    assert!((DATE_S - 21..DATE_S).contains(&created), "{created}");
    let expected = RefundObservation {
        account: Account::connected("acct_1SWseller"),
        mode: Mode::Test,
        stripe_refund_id: "re_3SWabcLkdIwHu7ix0refunded".to_owned(),
        payment_intent_id: PAYMENT_INTENT.to_owned(),
        refund_id: Some(refund_id()),
        amount: amount(),
        reason: Some("requested_by_customer".to_owned()),
        provenance: Provenance { created, event: String::new() },
        status: RefundStatus::Succeeded,
        failure_reason: None,
    };
    assert_eq!(made.observation, expected);
    assert_eq!(made.request_id.as_deref(), Some("req_ok"));
}

/// Stripe refuses these parameters if no transfer or fee exists.
#[actix_web::test]
async fn refund_terms_are_sent_only_if_set() {
    let terms =
        |reverse_transfer, refund_application_fee| RefundTerms { reverse_transfer, refund_application_fee };
    for (terms, expected) in [
        (terms(false, false), vec![]),
        (terms(true, false), vec!["reverse_transfer=true"]),
        (terms(false, true), vec!["refund_application_fee=true"]),
        (terms(true, true), vec!["refund_application_fee=true", "reverse_transfer=true"]),
    ] {
        let server = StandIn::answering(vec![Answer::ok(&refund())]);
        server.stripe().create_refund(&NewRefund { terms, ..new_refund() }, KEY).await.expect("made");
        let requests = server.requests();
        let is_terms_field = |field: &&str| field.starts_with("re") && !field.starts_with("reason");
        let told: Vec<&str> = requests[0].fields().into_iter().filter(is_terms_field).collect();
        assert_eq!(told, expected);
    }
}

#[actix_web::test]
async fn refund_reason_is_sent_with_stripes_value() {
    for reason in [RefundReason::Duplicate, RefundReason::Fraudulent, RefundReason::RequestedByCustomer] {
        let server = StandIn::answering(vec![Answer::ok(&refund())]);
        let new = NewRefund { reason: Some(reason), ..new_refund() };
        server.stripe().create_refund(&new, KEY).await.expect("made");
        let field = format!("reason={}", reason.as_str());
        assert!(server.requests()[0].fields().contains(&field.as_str()), "{field}");
    }
}

/// Stripe would refuse the same key with other parameters.
#[actix_web::test]
async fn repeated_refund_request_is_identical() {
    let server = StandIn::answering(vec![Answer::ok(&refund())]);
    let stripe = server.stripe();
    for _ in 0..8 {
        stripe.create_refund(&new_refund(), KEY).await.expect("made");
    }
    let requests = server.requests();
    assert!(requests.iter().all(|request| *request == requests[0]), "{requests:?}");
}

#[actix_web::test]
async fn replayed_refund_response_has_time_of_creation() {
    for (object, created) in [(refund(), 1_795_341_300), (with(refund(), &json!({ "created": null })), 0)] {
        let replayed = Answer::ok(&object).with("Date", DATE).with("Idempotent-Replayed", "true");
        let server = StandIn::answering(vec![replayed]);
        let made = server.stripe().create_refund(&new_refund(), KEY).await.expect("made");
        assert_eq!(made.observation.provenance.created, created);
    }
}

#[actix_web::test]
async fn impossible_refund_is_distinguished() {
    let coded = |code: &str| json!({ "code": code });
    for (error, expected) in [
        (coded("charge_already_refunded"), true),
        (coded("charge_disputed"), true),
        (coded("refund_disputed_payment"), true),
        (coded("amount_too_large"), true),
        (coded("amount_too_small"), true),
        (json!({ "param": "amount" }), true),
        (coded("balance_insufficient"), false),
        (coded("insufficient_funds"), false),
        (json!({ "code": "resource_missing", "param": "payment_intent" }), false),
        (coded("account_invalid"), false),
        (json!({}), false),
    ] {
        let error = with(json!({ "type": "invalid_request_error" }), &error);
        let server = StandIn::answering(vec![Answer::error(400, &error)]);
        match server.stripe().create_refund(&new_refund(), KEY).await {
            Err(Error::Refused(refusal)) => assert_eq!(refusal.is_refund_impossible(), expected, "{refusal}"),
            other => panic!("{other:?}"),
        }
    }
}

#[actix_web::test]
async fn all_pages_of_refunds_are_read() {
    let refund = |id: &str| with(refund(), &json!({ "id": id }));
    let server = StandIn::answering(vec![
        Answer::page(&[refund("re_9"), refund("re_8")], true),
        Answer::page(&[refund("re_7")], false),
    ]);
    let listed = server.stripe().list_refunds(&Account::own(), PAYMENT_INTENT).await.expect("listed");
    let ids: Vec<&str> = listed.iter().map(|refund| refund.stripe_refund_id.as_str()).collect();
    assert_eq!(ids, ["re_9", "re_8", "re_7"]);
    let requests = server.requests();
    assert_eq!(requests[0].path, "/v1/refunds");
    assert_eq!(requests[0].query, format!("limit=100&payment_intent={PAYMENT_INTENT}"));
    assert_eq!(requests[1].query, format!("limit=100&payment_intent={PAYMENT_INTENT}&starting_after=re_8"));
    assert_eq!(requests.len(), 2);
}

#[actix_web::test]
async fn truncated_refund_list_is_unreadable() {
    let stranger = |over: Value| Answer::page(&[refund(), with(refund(), &over)], false);
    for answer in [
        stranger(json!({ "status": "hushed" })),
        stranger(json!({ "payment_intent": null })),
        Answer::page(&[], true),
    ] {
        let server = StandIn::answering(vec![answer]);
        let listed = server.stripe().list_refunds(&Account::own(), PAYMENT_INTENT).await;
        assert!(matches!(listed, Err(Error::Unreadable { .. })), "{listed:?}");
    }
}

/// Without a PaymentIntent, Stripe would list all refunds.
#[actix_web::test]
async fn refund_list_with_malformed_id_is_not_sent() {
    let server = StandIn::answering(vec![Answer::page(&[], false)]);
    let stripe = server.stripe();
    assert!(matches!(stripe.list_refunds(&Account::own(), "").await, Err(Error::Unsendable(_))));
    assert!(matches!(stripe.list_disputes(&Account::own(), "").await, Err(Error::Unsendable(_))));
    assert_eq!(server.requests().len(), 0);
}

fn told(kind: &str, object: &Value) -> EventContent {
    let event = with(event_of(kind, object), &json!({ "account": "acct_1SWseller", "livemode": true }));
    event::read(event.to_string().as_bytes()).expect("an event").content
}

#[test]
fn refund_event_has_state() {
    let failed = json!({ "status": "failed", "failure_reason": "lost_or_stolen_card" });
    for (kind, over, status, failure_reason) in [
        ("refund.created", json!({ "status": "pending" }), RefundStatus::Pending, None),
        ("refund.updated", json!({ "status": "requires_action" }), RefundStatus::RequiresAction, None),
        ("refund.updated", json!({ "status": "canceled" }), RefundStatus::Canceled, None),
        ("charge.refund.updated", json!({}), RefundStatus::Succeeded, None),
        ("refund.failed", failed, RefundStatus::Failed, Some("lost_or_stolen_card")),
    ] {
        let EventContent::Refund(observation) = told(kind, &with(refund(), &over)) else { panic!("{kind}") };
        assert_eq!(observation.status, status, "{kind}");
        assert_eq!(observation.failure_reason.as_deref(), failure_reason, "{kind}");
        assert_eq!(
            (observation.account, observation.mode),
            (Account::connected("acct_1SWseller"), Mode::Live)
        );
        let provenance =
            Provenance { created: 1_795_341_600, event: "evt_3SWabcLkdIwHu7ix0hijklmn".to_owned() };
        assert_eq!(observation.provenance, provenance);
        assert_eq!(observation.refund_id, Some(refund_id()));
    }
}

#[test]
fn expanded_objects_and_other_reasons_are_read() {
    let over = json!({
        "payment_intent": payment_intent(),
        "charge": { "id": "ch_1", "object": "charge" },
        "reason": "expired_uncaptured_charge",
        "metadata": { "refund_id": 7, "order_id": "1234" },
    });
    let EventContent::Refund(observation) = told("refund.created", &with(refund(), &over)) else {
        panic!("a refund")
    };
    assert_eq!(observation.payment_intent_id, PAYMENT_INTENT);
    assert_eq!(observation.reason.as_deref(), Some("expired_uncaptured_charge"));
    assert_eq!(observation.refund_id, None);
    let trimmed = json!({
        "id": "re_1", "payment_intent": "pi_1", "amount": 5, "currency": "usd", "status": "pending",
    });
    assert!(matches!(told("refund.created", &trimmed), EventContent::Refund(_)));
}

#[test]
fn refund_without_payment_intent_is_unhandled() {
    for nothing in [json!(null), json!("")] {
        let over = json!({ "payment_intent": nothing, "status": "unheard_of" });
        assert_eq!(told("refund.created", &with(refund(), &over)), EventContent::Unhandled);
    }
}

#[test]
fn unreadable_refund_is_kept_without_echoing_payload() {
    for (over, expected) in [
        (json!({ "id": null }), "the refund has no id"),
        (json!({ "object": "charge" }), "the object isn't a refund"),
        (json!({ "status": null }), "the refund has no status"),
        (json!({ "status": "hushed" }), "the refund's status is unknown"),
        (json!({ "amount": null }), "the refund has no amount"),
        (json!({ "amount": -1 }), "the refund's amount is invalid for its currency"),
        (json!({ "currency": null }), "the refund has no currency"),
        (json!({ "currency": "hsh" }), "the refund's currency is unknown"),
    ] {
        let expected = EventContent::Unreadable(expected.to_owned());
        assert_eq!(told("refund.updated", &with(refund(), &over)), expected);
    }
    let EventContent::Unreadable(reason) =
        told("refund.updated", &with(refund(), &json!({ "amount": "hush" })))
    else {
        panic!("unreadable")
    };
    assert!(
        reason.starts_with("not the expected format of a refund") && !reason.contains("hush"),
        "{reason}"
    );
}

#[test]
fn refunded_charge_event_names_its_payment_intent() {
    let charge =
        |payment_intent: Value| json!({ "id": "ch_1", "object": "charge", "payment_intent": payment_intent });
    let moved = MoneyMovement {
        account: Account::connected("acct_1SWseller"),
        mode: Mode::Live,
        payment_intent_id: PAYMENT_INTENT.to_owned(),
    };
    for reference in [json!(PAYMENT_INTENT), payment_intent()] {
        assert_eq!(
            told("charge.refunded", &charge(reference)),
            EventContent::MoneyMovement(Box::new(moved.clone()))
        );
    }
    assert_eq!(told("charge.refunded", &charge(json!(null))), EventContent::Unhandled);
    let expected = EventContent::Unreadable("the object isn't a charge".to_owned());
    assert_eq!(told("charge.refunded", &refund()), expected);
}
