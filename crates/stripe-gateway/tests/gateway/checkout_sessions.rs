//! Tests of Checkout Sessions: requests, responses and events.

use chrono::DateTime;
use quittance_domain::catalog::Metadata;
use quittance_domain::checkout::SessionStatus;
use quittance_domain::event::EventContent;
use quittance_domain::id::ProductId;
use quittance_domain::money::Money;
use quittance_domain::order::{Line, Quantity};
use quittance_domain::payment::{
    Account, CaptureMethod, Mode, ObservedState, OpenStatus, SessionObservation, Success,
};
use quittance_stripe_gateway::{CheckoutSession, Error, NewCheckoutSession, PaymentDetails, Stripe, event};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::calls::{details, since};
use crate::stand_in::{
    Answer, DATE, DATE_S, StandIn, checkout_session, event_of, order_id, payment_id, payment_intent, with,
};

const ID: &str = "cs_test_a1SWabcLkdIwHu7ix0abcdefg";
const PAYMENT_INTENT: &str = "pi_3SWabcLkdIwHu7ix0abcdefg";

fn line(name: &str, minor: i64, quantity: u32) -> Line {
    let money = |minor| Money::new(minor, "eur".parse().expect("a currency")).expect("an amount");
    Line {
        product_id: ProductId::from_uuid(Uuid::from_u128(4)),
        name: name.to_owned(),
        unit_price: money(minor),
        quantity: Quantity::try_from(quantity).expect("a quantity"),
        amount: money(minor * i64::from(quantity)),
    }
}

fn new_session() -> NewCheckoutSession {
    NewCheckoutSession {
        order_id: order_id(),
        payment_id: payment_id(),
        account: Account::own(),
        lines: vec![line("Tea & Søn", 1000, 2), line("Cup", 500, 1)],
        destination: None,
        application_fee: None,
        capture_method: CaptureMethod::Automatic,
        details: PaymentDetails::default(),
        metadata: Metadata::default(),
        success_url: "https://shop.example/thanks?session={CHECKOUT_SESSION_ID}".to_owned(),
        cancel_url: "https://shop.example/basket".to_owned(),
        expires_at: DateTime::from_timestamp(1_795_344_600, 999_000_000).expect("a time"),
    }
}

#[test]
fn checkout_session_request_matches_expected_form() {
    let frozen = Stripe::freeze_checkout_session(&new_session());
    assert_eq!(frozen.path, "/v1/checkout/sessions");
    assert_eq!(frozen.idempotency_key, payment_id().as_str());
    assert_eq!(frozen.account, Account::own());
    assert_eq!(
        frozen.body,
        "adaptive_pricing[enabled]=false\
         &cancel_url=https://shop.example/basket\
         &client_reference_id=ord_00000000000000000000000001\
         &expires_at=1795344600\
         &line_items[0][price_data][currency]=eur\
         &line_items[0][price_data][product_data][name]=Tea+%26+S%C3%B8n\
         &line_items[0][price_data][unit_amount]=1000\
         &line_items[0][quantity]=2\
         &line_items[1][price_data][currency]=eur\
         &line_items[1][price_data][product_data][name]=Cup\
         &line_items[1][price_data][unit_amount]=500\
         &line_items[1][quantity]=1\
         &metadata[order_id]=ord_00000000000000000000000001\
         &metadata[payment_id]=pay_00000000000000000000000002\
         &mode=payment\
         &payment_intent_data[capture_method]=automatic\
         &payment_intent_data[description]=Order+ord_00000000000000000000000001\
         &payment_intent_data[metadata][order_id]=ord_00000000000000000000000001\
         &payment_intent_data[metadata][payment_id]=pay_00000000000000000000000002\
         &success_url=https://shop.example/thanks?session%3D{CHECKOUT_SESSION_ID}"
    );
}

#[actix_web::test]
async fn checkout_session_request_contains_destination() {
    let frozen = Stripe::freeze_checkout_session(&NewCheckoutSession {
        destination: Some("acct_1SWseller".to_owned()),
        application_fee: Some(75),
        ..new_session()
    });
    assert_eq!(frozen.account, Account::own());
    let plain = Stripe::freeze_checkout_session(&new_session()).body;
    let added: Vec<&str> =
        frozen.body.split('&').filter(|field| !plain.split('&').any(|other| other == *field)).collect();
    assert_eq!(
        added,
        [
            "payment_intent_data[application_fee_amount]=75",
            "payment_intent_data[transfer_data][destination]=acct_1SWseller",
        ]
    );
    let server = StandIn::answering(vec![Answer::ok(&checkout_session())]);
    server.stripe().create_checkout_session(&frozen).await.expect("made");
    assert_eq!(server.requests()[0].header("stripe-account"), None);
}

#[test]
fn checkout_session_request_contains_customer_and_seller() {
    let metadata = [("order_id", "theirs"), ("a]=1&mode", "b"), ("color", "blue")];
    let frozen = Stripe::freeze_checkout_session(&NewCheckoutSession {
        account: Account::connected("acct_1SWseller"),
        lines: vec![line("Cup", 2500, 1)],
        application_fee: Some(75),
        capture_method: CaptureMethod::Manual,
        details: details(),
        metadata: metadata.map(|(name, word)| (name.to_owned(), word.to_owned())).into_iter().collect(),
        ..new_session()
    });
    assert_eq!(frozen.account, Account::connected("acct_1SWseller"));
    assert_eq!(
        frozen.body,
        "adaptive_pricing[enabled]=false\
         &cancel_url=https://shop.example/basket\
         &client_reference_id=ord_00000000000000000000000001\
         &customer_email=jenny%2Brosen@example.com\
         &expires_at=1795344600\
         &line_items[0][price_data][currency]=eur\
         &line_items[0][price_data][product_data][name]=Cup\
         &line_items[0][price_data][unit_amount]=2500\
         &line_items[0][quantity]=1\
         &metadata[color]=blue\
         &metadata[order_id]=ord_00000000000000000000000001\
         &metadata[payment_id]=pay_00000000000000000000000002\
         &mode=payment\
         &payment_intent_data[application_fee_amount]=75\
         &payment_intent_data[capture_method]=manual\
         &payment_intent_data[description]=Order+ord_00000000000000000000000001\
         &payment_intent_data[metadata][color]=blue\
         &payment_intent_data[metadata][order_id]=ord_00000000000000000000000001\
         &payment_intent_data[metadata][payment_id]=pay_00000000000000000000000002\
         &payment_intent_data[shipping][address][city]=Aarhus\
         &payment_intent_data[shipping][address][country]=DK\
         &payment_intent_data[shipping][address][line1]=1+Main+St\
         &payment_intent_data[shipping][address][postal_code]=8000\
         &payment_intent_data[shipping][name]=Jenny+%26+S%C3%B8n\
         &success_url=https://shop.example/thanks?session%3D{CHECKOUT_SESSION_ID}"
    );
}

#[test]
fn line_items_keep_their_order() {
    let lines = (1..=12).map(|number| line("Cup", number, 1)).collect();
    let frozen = Stripe::freeze_checkout_session(&NewCheckoutSession { lines, ..new_session() });
    let prices: Vec<&str> = frozen
        .body
        .split('&')
        .filter_map(|field| field.split_once("[price_data][unit_amount]=").map(|(_, price)| price))
        .collect();
    assert_eq!(prices, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"]);
}

#[actix_web::test]
async fn frozen_checkout_session_request_is_sent_byte_for_byte() {
    let server = StandIn::answering(vec![Answer::ok(&checkout_session())]);
    let account = Account::connected("acct_1SWseller");
    let frozen =
        Stripe::freeze_checkout_session(&NewCheckoutSession { account: account.clone(), ..new_session() });
    let made = server.stripe().create_checkout_session(&frozen).await.expect("made");

    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/checkout/sessions"));
    assert_eq!(request.body, frozen.body);
    assert_eq!(request.header("idempotency-key"), Some(payment_id().as_str()));
    assert_eq!(request.header("stripe-account"), Some("acct_1SWseller"));

    let expected = SessionObservation {
        account,
        mode: Mode::Test,
        checkout_session_id: ID.to_owned(),
        event: String::new(),
        payment_intent_id: None,
        order_id: Some(order_id()),
        payment_id: Some(payment_id()),
        status: SessionStatus::Open,
        paid: None,
    };
    assert_eq!(made.observation, expected);
    assert_eq!(made.payment_intent, None);
    let url = "https://checkout.stripe.com/c/pay/cs_test_a1SWabcLkdIwHu7ix0abcdefg";
    assert_eq!(made.url.as_deref(), Some(url));
    assert_eq!(made.expires_at, DateTime::from_timestamp(1_795_344_600, 0));
    assert_eq!(made.request_id.as_deref(), Some("req_ok"));
}

/// Reads a Session with these fields replaced.
async fn read(over: &Value) -> Result<CheckoutSession, Error> {
    let server = StandIn::answering(vec![Answer::ok(&with(checkout_session(), over)).with("Date", DATE)]);
    let read = server.stripe().retrieve_checkout_session(&Account::own(), ID).await;
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.query.as_str()), ("GET", "expand[0]=payment_intent"));
    assert_eq!(request.path, format!("/v1/checkout/sessions/{ID}"));
    read
}

fn success(received: i64, application_fee: Option<i64>) -> Success {
    Success { amount: 2500, currency: "eur".to_owned(), amount_received: received, application_fee }
}

/// Returns a completed Session with these fields of its PaymentIntent replaced.
fn complete(payment_status: &str, over: &Value) -> Value {
    json!({
        "status": "complete",
        "payment_status": payment_status,
        "payment_intent": with(payment_intent(), over),
        "url": null,
    })
}

#[actix_web::test]
async fn checkout_session_read_contains_payment_intent() {
    let paid = json!({ "status": "succeeded", "amount_received": 2500 });
    let read = read(&complete("paid", &paid)).await.expect("read");
    assert_eq!(read.observation.payment_intent_id.as_deref(), Some(PAYMENT_INTENT));
    assert_eq!(read.observation.status, SessionStatus::Complete);
    assert_eq!(read.observation.paid, Some(success(2500, None)));
    assert_eq!(read.url, None);
    let payment_intent = read.payment_intent.expect("a PaymentIntent");
    assert_eq!(payment_intent.payment_intent_id, PAYMENT_INTENT);
    assert_eq!(payment_intent.payment_id, Some(payment_id()));
    assert_eq!(payment_intent.fact.state, ObservedState::Succeeded(success(2500, None)));
    let provenance = payment_intent.fact.provenance;
    assert!((DATE_S - 21..DATE_S).contains(&provenance.created), "{provenance:?}");
    assert_eq!(provenance.event, "");
}

#[actix_web::test]
async fn paid_amount_is_that_of_the_payment_intent() {
    let part = json!({ "status": "succeeded", "amount_received": 1200, "application_fee_amount": 75 });
    let captured = read(&complete("paid", &part)).await.expect("read").observation;
    assert_eq!((captured.status, captured.paid), (SessionStatus::Complete, Some(success(1200, Some(75)))));
    for (payment_status, over) in [
        ("paid", json!({ "status": "requires_capture" })),
        ("unpaid", json!({ "status": "requires_capture" })),
        ("unpaid", json!({ "status": "processing" })),
        ("unpaid", json!({ "status": "succeeded", "amount_received": 2500 })),
    ] {
        let seen = read(&complete(payment_status, &over)).await.expect("read").observation;
        assert_eq!((seen.status, seen.paid), (SessionStatus::Complete, None), "{over}");
    }
    let by_id = json!({ "status": "complete", "payment_status": "paid", "payment_intent": PAYMENT_INTENT });
    let read = read(&by_id).await.expect("read");
    assert_eq!(read.observation.payment_intent_id.as_deref(), Some(PAYMENT_INTENT));
    assert_eq!((read.observation.paid, read.payment_intent), (Some(success(2500, None)), None));
}

#[actix_web::test]
async fn failed_payment_of_complete_session_is_detected() {
    for over in [json!({ "status": "requires_payment_method" }), json!({ "status": "canceled" })] {
        let seen = read(&complete("unpaid", &over)).await.expect("read").observation;
        assert_eq!((seen.status, seen.paid), (SessionStatus::Failed, None), "{over}");
    }
    // While the Session is open, the customer can try again.
    let open = json!({ "payment_intent": payment_intent() });
    let seen = read(&open).await.expect("read");
    assert_eq!(seen.observation.status, SessionStatus::Open);
    let waits = ObservedState::Open { status: OpenStatus::RequiresPaymentMethod, failure: None };
    assert_eq!(seen.payment_intent.expect("a PaymentIntent").fact.state, waits);
}

#[actix_web::test]
async fn unknown_session_state_is_unreadable() {
    for (over, expected) in [
        (json!({ "status": null }), "the Checkout Session has no status"),
        (json!({ "status": "hushed" }), "the Checkout Session's status is unknown"),
        (
            json!({ "status": "complete", "payment_status": "hushed" }),
            "the Checkout Session's payment_status is unknown",
        ),
        (
            json!({ "status": "complete", "payment_status": null }),
            "the Checkout Session has no payment_status",
        ),
        (
            json!({ "status": "complete", "payment_status": "paid", "amount_total": null }),
            "the Checkout Session has no amount_total",
        ),
        (
            json!({ "status": "complete", "payment_status": "paid", "currency": null }),
            "the Checkout Session has no currency",
        ),
        (json!({ "id": "" }), "the Checkout Session has no id"),
        (json!({ "object": "payment_link" }), "the object isn't a Checkout Session"),
        (json!({ "mode": "subscription" }), "the Checkout Session isn't for a payment"),
        (json!({ "payment_intent": { "id": "pi_1" } }), "the PaymentIntent has no status"),
    ] {
        match read(&over).await {
            Err(Error::Unreadable { reason, .. }) => assert_eq!(reason, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[actix_web::test]
async fn replayed_session_response_has_time_of_creation() {
    let paid = json!({ "status": "succeeded", "amount_received": 2500, "created": 1_795_341_500 });
    let object = with(checkout_session(), &complete("paid", &paid));
    let replayed = Answer::ok(&object).with("Date", DATE).with("Idempotent-Replayed", "true");
    let server = StandIn::answering(vec![replayed]);
    let frozen = Stripe::freeze_checkout_session(&new_session());
    let made = server.stripe().create_checkout_session(&frozen).await.expect("made");
    assert_eq!(made.payment_intent.expect("a PaymentIntent").fact.provenance.created, 1_795_341_000);
}

#[actix_web::test]
async fn oldest_matching_session_is_found_across_pages() {
    let session = |id: &str, payment_id: &str| {
        with(checkout_session(), &json!({ "id": id, "metadata": { "payment_id": payment_id } }))
    };
    let ours = payment_id();
    let stranger = json!({ "id": "cs_8", "mode": "subscription", "status": "unheard_of", "metadata": null });
    let server = StandIn::answering(vec![
        Answer::page(&[session("cs_9", ours.as_str()), stranger], true),
        Answer::page(&[session("cs_7", ours.as_str()), session("cs_6", "pay_other")], false),
    ]);
    let stripe = server.stripe();
    let found = stripe.find_checkout_session(&Account::own(), &ours, since()).await.expect("listed");
    assert_eq!(found.expect("found").observation.checkout_session_id, "cs_7");
    let requests = server.requests();
    assert_eq!(requests[0].path, "/v1/checkout/sessions");
    let first = "created[gte]=1795341000&expand[0]=data.payment_intent&limit=100";
    assert_eq!(requests[0].query, first);
    assert_eq!(requests[1].query, format!("{first}&starting_after=cs_8"));
    assert_eq!(requests.len(), 2);

    let server = StandIn::answering(vec![Answer::page(&[session("cs_9", "pay_other")], false)]);
    let stripe = server.stripe();
    assert!(stripe.find_checkout_session(&Account::own(), &ours, since()).await.expect("listed").is_none());
}

#[actix_web::test]
async fn expire_request_sends_its_idempotency_key() {
    let expired = with(checkout_session(), &json!({ "status": "expired", "url": null }));
    let server = StandIn::answering(vec![Answer::ok(&expired)]);
    let stripe = server.stripe();
    let closed = stripe.expire_checkout_session(&Account::own(), ID, "pay_1:expire").await.expect("expired");
    assert_eq!((closed.observation.status, closed.url), (SessionStatus::Expired, None));
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.body.as_str()), ("POST", ""));
    assert_eq!(request.path, format!("/v1/checkout/sessions/{ID}/expire"));
    assert_eq!(request.header("idempotency-key"), Some("pay_1:expire"));
}

fn told(kind: &str, over: &Value) -> EventContent {
    let event = event_of(&format!("checkout.session.{kind}"), &with(checkout_session(), over));
    event::read(event.to_string().as_bytes()).expect("an event").content
}

#[test]
fn session_event_has_status_and_payment() {
    let over = |status: &str, payment_status: &str| {
        let id = PAYMENT_INTENT;
        json!({ "status": status, "payment_status": payment_status, "payment_intent": id })
    };
    let paid = || Some(success(2500, None));
    for (kind, over, status, paid) in [
        ("completed", over("complete", "paid"), SessionStatus::Complete, paid()),
        ("completed", over("complete", "no_payment_required"), SessionStatus::Complete, paid()),
        ("completed", over("complete", "unpaid"), SessionStatus::Complete, None),
        ("async_payment_succeeded", over("complete", "paid"), SessionStatus::Complete, paid()),
        ("async_payment_failed", over("complete", "unpaid"), SessionStatus::Failed, None),
        ("expired", over("expired", "unpaid"), SessionStatus::Expired, None),
    ] {
        let EventContent::Session(observation) = told(kind, &over) else { panic!("{kind}") };
        assert_eq!((observation.status, observation.paid), (status, paid), "{kind}");
        assert_eq!(observation.checkout_session_id, ID);
        assert_eq!(observation.event, "evt_3SWabcLkdIwHu7ix0hijklmn");
        assert_eq!(observation.payment_intent_id.as_deref(), Some(PAYMENT_INTENT));
        assert_eq!((observation.order_id, observation.payment_id), (Some(order_id()), Some(payment_id())));
    }
}

#[test]
fn session_event_with_contradicting_type_is_unreadable() {
    let over =
        |status: &str, payment_status: &str| json!({ "status": status, "payment_status": payment_status });
    for (kind, over, word) in [
        ("completed", over("open", "unpaid"), "complete"),
        ("completed", over("open", "paid"), "complete"),
        ("completed", over("expired", "unpaid"), "complete"),
        ("async_payment_succeeded", over("complete", "unpaid"), "paid"),
        ("async_payment_succeeded", over("open", "paid"), "paid"),
        ("async_payment_failed", over("complete", "paid"), "unpaid"),
        ("async_payment_failed", over("open", "unpaid"), "unpaid"),
        ("expired", over("open", "unpaid"), "expired"),
        ("expired", over("complete", "paid"), "expired"),
    ] {
        let expected = EventContent::Unreadable(format!("the type means {word}, but the object doesn't"));
        assert_eq!(told(kind, &over), expected, "{kind} {over}");
    }
}

#[test]
fn session_event_without_payment_is_unhandled() {
    for mode in ["subscription", "setup", "someday"] {
        let over = json!({ "mode": mode, "status": "complete", "payment_status": "no_payment_required" });
        assert_eq!(told("completed", &over), EventContent::Unhandled);
    }
}

#[test]
fn session_event_has_account_and_mode() {
    let mut live = event_of("checkout.session.expired", &json!({ "id": "cs_live_1", "status": "expired" }));
    live = with(live, &json!({ "account": "acct_1SWseller", "livemode": true }));
    let event = event::read(live.to_string().as_bytes()).expect("an event");
    let EventContent::Session(observation) = event.content else { panic!("a Session") };
    assert_eq!((observation.account, observation.mode), (Account::connected("acct_1SWseller"), Mode::Live));
    assert_eq!((observation.order_id, observation.payment_intent_id), (None, None));
}
