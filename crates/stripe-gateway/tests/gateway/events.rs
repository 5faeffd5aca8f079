//! Tests of reading events.

use proptest::prelude::*;
use quittance_domain::event::{Event, EventContent};
use quittance_domain::payment::{Account, Failure, Mode, Observation, ObservedState, OpenStatus, Success};
use quittance_stripe_gateway::event::{NotAnEvent, read};
use serde_json::{Value, json};

use crate::stand_in::{event_of, order_id, payment_id, payment_intent, with};

/// Returns a full event with these fields of its PaymentIntent replaced.
fn event(kind: &str, over: &Value) -> Value {
    event_of(kind, &with(payment_intent(), over))
}

fn merge(object: &mut Value, over: &Value) {
    *object = with(object.take(), over);
}

fn read_value(event: &Value) -> Event {
    read(event.to_string().as_bytes()).expect("an event")
}

fn observation(event: &Value) -> Observation {
    match read_value(event).content {
        EventContent::Payment(observation) => *observation,
        other => panic!("{other:?}"),
    }
}

fn seen(kind: &str, over: &Value) -> ObservedState {
    observation(&event(kind, over)).fact.state
}

fn unreadable(event: &Value) -> String {
    match read_value(event).content {
        EventContent::Unreadable(reason) => reason,
        other => panic!("{other:?}"),
    }
}

fn declined() -> Value {
    json!({
        "advice_code": "try_again_later",
        "charge": "ch_3SWabcLkdIwHu7ix0charged",
        "code": "card_declined",
        "decline_code": "insufficient_funds",
        "doc_url": "https://docs.stripe.com/error-codes/card-declined",
        "message": "Your card has insufficient funds.",
        "network_decline_code": "51",
        "payment_method": { "id": "pm_1SWabcLkdIwHu7ix", "object": "payment_method", "type": "card" },
        "type": "card_error",
    })
}

fn paid() -> Value {
    json!({ "status": "succeeded", "amount_received": 2500, "latest_charge": "ch_3SWabcLkdIwHu7ix0charged" })
}

#[test]
fn payment_event_has_ids_and_time() {
    let event = read_value(&event("payment_intent.created", &json!({})));
    assert_eq!(event.id, "evt_3SWabcLkdIwHu7ix0hijklmn");
    assert_eq!(event.kind, "payment_intent.created");
    assert_eq!(event.created, 1_795_341_600);
    assert_eq!(event.account, Account::own());
    assert_eq!(event.mode, Mode::Test);
    let EventContent::Payment(observation) = event.content else { panic!("a payment") };
    assert_eq!(observation.payment_intent_id, "pi_3SWabcLkdIwHu7ix0abcdefg");
    assert_eq!(observation.order_id, Some(order_id()));
    assert_eq!(observation.payment_id, Some(payment_id()));
    assert_eq!(observation.account, Account::own());
    assert_eq!(observation.mode, Mode::Test);
    assert_eq!(observation.fact.provenance.created, 1_795_341_600);
    assert_eq!(observation.fact.provenance.event, "evt_3SWabcLkdIwHu7ix0hijklmn");
}

#[test]
fn payment_event_has_status_of_its_object() {
    let open = |status| ObservedState::Open { status, failure: None };
    let next_action =
        json!({ "type": "use_stripe_sdk", "use_stripe_sdk": { "type": "three_d_secure_redirect" } });
    for (kind, over, expected) in [
        ("created", json!({}), open(OpenStatus::RequiresPaymentMethod)),
        ("created", json!({ "status": "requires_confirmation" }), open(OpenStatus::RequiresConfirmation)),
        (
            "requires_action",
            json!({ "status": "requires_action", "next_action": next_action }),
            open(OpenStatus::RequiresAction),
        ),
        ("partially_funded", json!({ "status": "requires_action" }), open(OpenStatus::RequiresAction)),
        (
            "partially_funded",
            json!({
                "status": "requires_action",
                "next_action": { "type": "display_bank_transfer_instructions" },
            }),
            open(OpenStatus::AwaitsTransfer),
        ),
        ("processing", json!({ "status": "processing" }), open(OpenStatus::Processing)),
        (
            "amount_capturable_updated",
            json!({ "status": "requires_capture", "amount_capturable": 2500 }),
            open(OpenStatus::RequiresCapture),
        ),
        ("canceled", json!({ "status": "canceled", "canceled_at": 1_795_341_600 }), ObservedState::Canceled),
        (
            "succeeded",
            paid(),
            ObservedState::Succeeded(Success {
                amount: 2500,
                currency: "eur".to_owned(),
                amount_received: 2500,
                application_fee: None,
            }),
        ),
        // A new payment has started since, so the old error isn't the reason for the status.
        (
            "processing",
            json!({ "status": "processing", "last_payment_error": declined() }),
            open(OpenStatus::Processing),
        ),
    ] {
        assert_eq!(seen(&format!("payment_intent.{kind}"), &over), expected, "{kind}");
    }
}

#[test]
fn slow_next_action_is_awaiting_transfer() {
    for (kind, expected) in [
        ("display_bank_transfer_instructions", OpenStatus::AwaitsTransfer),
        ("boleto_display_details", OpenStatus::AwaitsTransfer),
        ("konbini_display_details", OpenStatus::AwaitsTransfer),
        ("multibanco_display_details", OpenStatus::AwaitsTransfer),
        ("oxxo_display_details", OpenStatus::AwaitsTransfer),
        ("someday_display_details", OpenStatus::AwaitsTransfer),
        ("verify_with_microdeposits", OpenStatus::AwaitsTransfer),
        ("use_stripe_sdk", OpenStatus::RequiresAction),
        ("redirect_to_url", OpenStatus::RequiresAction),
        ("blik_authorize", OpenStatus::RequiresAction),
        ("cashapp_handle_redirect_or_display_qr_code", OpenStatus::RequiresAction),
        ("paynow_display_qr_code", OpenStatus::RequiresAction),
        ("pix_display_qr_code", OpenStatus::RequiresAction),
        ("promptpay_display_qr_code", OpenStatus::RequiresAction),
        ("wechat_pay_display_qr_code", OpenStatus::RequiresAction),
        ("someday", OpenStatus::RequiresAction),
    ] {
        let over =
            json!({ "status": "requires_action", "next_action": { "type": kind, kind: { "number": "1" } } });
        let open = ObservedState::Open { status: expected, failure: None };
        assert_eq!(seen("payment_intent.requires_action", &over), open, "{kind}");
    }
    // The next action counts only while the status requires one.
    let over = json!({ "status": "processing", "next_action": { "type": "oxxo_display_details" } });
    let open = ObservedState::Open { status: OpenStatus::Processing, failure: None };
    assert_eq!(seen("payment_intent.processing", &over), open);
}

#[test]
fn success_event_has_received_amount_and_fee() {
    let mut over = paid();
    merge(&mut over, &json!({ "amount_received": 1200, "application_fee_amount": 75, "currency": "jpy" }));
    let expected = Success {
        amount: 2500,
        currency: "jpy".to_owned(),
        amount_received: 1200,
        application_fee: Some(75),
    };
    assert_eq!(seen("payment_intent.succeeded", &over), ObservedState::Succeeded(expected));
}

#[test]
fn failure_is_identified_by_charge_or_payment_method() {
    let id = |error: Value| {
        let over = json!({ "last_payment_error": error });
        match seen("payment_intent.payment_failed", &over) {
            ObservedState::Open { status: OpenStatus::RequiresPaymentMethod, failure: Some(failure) } => {
                failure
            }
            other => panic!("{other:?}"),
        }
        .id
    };
    let without = |names: &[&str]| {
        let mut error = declined();
        for name in names {
            error[name] = Value::Null;
        }
        error
    };
    let mut expanded = declined();
    expanded["charge"] = json!({ "id": "ch_3SWabcLkdIwHu7ix0charged", "object": "charge", "paid": false });
    let mut by_id = without(&["charge"]);
    by_id["payment_method"] = json!("pm_1SWabcLkdIwHu7ix");
    assert_eq!(id(declined()), "ch_3SWabcLkdIwHu7ix0charged");
    assert_eq!(id(expanded), "ch_3SWabcLkdIwHu7ix0charged");
    assert_eq!(id(without(&["charge"])), "pm_1SWabcLkdIwHu7ix");
    assert_eq!(id(by_id), "pm_1SWabcLkdIwHu7ix");
    assert_eq!(id(without(&["charge", "payment_method"])), "evt_3SWabcLkdIwHu7ix0hijklmn");
    assert_eq!(id(json!({})), "evt_3SWabcLkdIwHu7ix0hijklmn");
}

#[test]
fn failure_has_codes_and_message() {
    let over = json!({ "last_payment_error": declined() });
    let failure = Failure {
        id: "ch_3SWabcLkdIwHu7ix0charged".to_owned(),
        code: Some("card_declined".to_owned()),
        decline_code: Some("insufficient_funds".to_owned()),
        message: Some("Your card has insufficient funds.".to_owned()),
    };
    let expected = ObservedState::Open { status: OpenStatus::RequiresPaymentMethod, failure: Some(failure) };
    assert_eq!(seen("payment_intent.payment_failed", &over), expected);
}

#[test]
fn payment_event_has_account_and_mode() {
    let mut live = event("payment_intent.succeeded", &paid());
    merge(&mut live, &json!({ "account": "acct_1SWseller", "livemode": true }));
    let event = read_value(&live);
    assert_eq!((event.account, event.mode), (Account::connected("acct_1SWseller"), Mode::Live));
    let observation = observation(&live);
    assert_eq!((observation.account, observation.mode), (Account::connected("acct_1SWseller"), Mode::Live));
}

#[test]
fn foreign_metadata_yields_no_ids() {
    for metadata in [
        json!(null),
        json!({}),
        json!({ "order_id": "1234", "payment_id": "pay_" }),
        json!({ "order_id": 7, "payment_id": ["pay_00000000000000000000000002"] }),
        json!({ "order_id": "pay_00000000000000000000000002", "payment_id": "ord_00000000000000000000000001" }),
    ] {
        let observation = observation(&event("payment_intent.created", &json!({ "metadata": metadata })));
        assert_eq!((observation.order_id, observation.payment_id), (None, None), "{metadata}");
    }
}

#[test]
fn event_with_few_fields_is_readable() {
    let trimmed = json!({
        "id": "evt_1", "type": "payment_intent.succeeded", "created": 7, "livemode": false, "account": null,
        "data": { "object": {
            "id": "pi_1", "status": "succeeded", "amount": 5, "amount_received": 5, "currency": "usd",
        } },
    });
    assert!(matches!(observation(&trimmed).fact.state, ObservedState::Succeeded(_)));
    let trimmed = json!({
        "id": "evt_1", "type": "payment_intent.canceled", "created": 7, "livemode": false,
        "data": { "object": { "id": "pi_1", "status": "canceled" } },
    });
    assert_eq!(observation(&trimmed).fact.state, ObservedState::Canceled);
}

#[test]
fn unknown_fields_are_ignored() {
    let mut new = event(
        "payment_intent.succeeded",
        &json!({
            "status": "succeeded", "amount_received": 2500, "quantum_state": { "spin": [0.5] },
            "latest_charge": { "id": "ch_1", "object": "charge" }, "customer": { "id": "cus_1" },
            "payment_method": { "id": "pm_1" }, "capture_method": "someday",
        }),
    );
    merge(
        &mut new,
        &json!({ "context": "acct_x/acct_y", "reason": { "type": "automation" }, "object": "event2" }),
    );
    assert!(matches!(observation(&new).fact.state, ObservedState::Succeeded(_)));
}

#[test]
fn unsupported_event_type_is_unhandled() {
    for kind in ["charge.succeeded", "payment_intent.reconciled", "payment_intent", "v2.core.event"] {
        let event = event(kind, &json!({ "status": "unheard_of" }));
        assert_eq!(read_value(&event).content, EventContent::Unhandled, "{kind}");
    }
    let bare = read(br#"{"id":"evt_1","type":"customer.created"}"#).expect("an event");
    assert_eq!((bare.created, bare.mode, bare.content), (0, Mode::Test, EventContent::Unhandled));
}

#[test]
fn unreadable_payment_event_is_kept_without_echoing_payload() {
    let over = |over: Value| unreadable(&event("payment_intent.succeeded", &over));
    let mut paid_in_text = paid();
    paid_in_text["amount_received"] = json!("2500.00 hush");
    let mut half_told = paid();
    half_told["amount_received"] = Value::Null;
    for (reason, expected) in [
        (over(json!({ "status": "processing" })), "the type means succeeded, but the object doesn't"),
        (over(json!({ "status": "hushed" })), "the PaymentIntent's status is unknown"),
        (over(json!({ "status": null })), "the PaymentIntent has no status"),
        (over(json!({ "id": null })), "the PaymentIntent has no id"),
        (over(json!({ "id": "" })), "the PaymentIntent has no id"),
        (over(json!({ "object": "charge" })), "the object isn't a PaymentIntent"),
        (over(half_told), "the PaymentIntent has no amount_received"),
    ] {
        assert_eq!(reason, expected);
    }
    let reason = over(paid_in_text);
    assert!(
        reason.starts_with("not the expected format of a PaymentIntent") && !reason.contains("hush"),
        "{reason}"
    );
}

#[test]
fn supported_event_without_time_account_or_mode_is_unreadable() {
    for (over, expected) in [
        (json!({ "created": null }), "the event has no created"),
        (json!({ "created": "now" }), "the event has no created"),
        (json!({ "livemode": null }), "the event has no livemode"),
        (json!({ "account": 7 }), "the event's account isn't an ID"),
        (json!({ "account": "" }), "the event's account isn't an ID"),
        (json!({ "data": null }), "the event carries no object"),
        (json!({ "data": "x" }), "the event carries no object"),
        (json!({ "data": {} }), "the event carries no object"),
    ] {
        let mut event = event("payment_intent.succeeded", &paid());
        merge(&mut event, &over);
        assert_eq!(unreadable(&event), expected);
    }
}

#[test]
fn event_without_id_or_type_is_rejected() {
    for body in [
        "",
        "hello",
        "[]",
        "null",
        "{}",
        r#"{"id":"evt_1"}"#,
        r#"{"type":"payment_intent.succeeded"}"#,
        r#"{"id":7,"type":"payment_intent.succeeded"}"#,
        r#"{"id":"","type":"payment_intent.succeeded"}"#,
        r#"{"id":"evt_1","type":""}"#,
        r#"{"id":"evt_1","type":"payment_intent.succeeded""#,
    ] {
        assert_eq!(read(body.as_bytes()), Err(NotAnEvent), "{body}");
    }
    assert_eq!(read(b"{\"id\":\"evt_\xff\",\"type\":\"x\"}"), Err(NotAnEvent));
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
        let _ = read(&bytes);
    }

    #[test]
    fn fields_of_wrong_type_do_not_panic(
        place: prop::sample::Index,
        odd in prop::sample::select(vec![json!(null), json!(true), json!(-1.5), json!("x"), json!([1]), json!({"id": 1})]),
    ) {
        let mut event = event("payment_intent.succeeded", &paid());
        let object = event["data"]["object"].as_object_mut().expect("an object");
        let name = object.keys().nth(place.index(object.len())).expect("a field").clone();
        object.insert(name, odd);
        prop_assert!(!matches!(read_value(&event).content, EventContent::Unhandled));
    }
}
