//! Tests of event lists: requests, and events that read like delivered ones.

use quittance_domain::event::{Event, EventContent};
use quittance_domain::payment::Account;
use quittance_stripe_gateway::{Error, ListedEvent, event};
use serde_json::{Value, json};

use crate::calls::since;
use crate::stand_in::{
    Answer, DATE, DATE_S, StandIn, checkout_session, event_of, payment_intent, refund, with,
};

fn listed(id: &str, created: i64) -> Value {
    let paid = json!({ "status": "succeeded", "amount_received": 2500 });
    let event = event_of("payment_intent.succeeded", &with(payment_intent(), &paid));
    with(event, &json!({ "id": id, "created": created }))
}

fn read(listed: &ListedEvent) -> Event {
    event::read(&listed.payload).expect("an event")
}

#[actix_web::test]
async fn event_list_request_contains_supported_types() {
    let server = StandIn::answering(vec![
        Answer::page(&[listed("evt_9", 1_795_341_700), listed("evt_8", 1_795_341_650)], true),
        Answer::page(&[listed("evt_7", 1_795_341_600)], false),
    ]);
    let (stripe, account) = (server.stripe(), Account::own());
    let first = stripe.list_events(&account, since(), None).await.expect("listed");
    let seen: Vec<(&str, i64)> =
        first.events.iter().map(|event| (event.id.as_str(), event.created)).collect();
    assert_eq!(seen, [("evt_9", 1_795_341_700), ("evt_8", 1_795_341_650)]);
    assert_eq!(first.next.as_deref(), Some("evt_8"));
    let second = stripe.list_events(&account, since(), first.next.as_deref()).await.expect("listed");
    assert_eq!((second.events.len(), second.next), (1, None));

    let requests = server.requests();
    assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("GET", "/v1/events"));
    let types = [
        "charge.dispute.closed",
        "charge.dispute.created",
        "charge.dispute.funds_reinstated",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.refunded",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "checkout.session.completed",
        "checkout.session.expired",
        "payment_intent.amount_capturable_updated",
        "payment_intent.canceled",
        "payment_intent.partially_funded",
        "payment_intent.payment_failed",
        "payment_intent.processing",
        "payment_intent.requires_action",
        "payment_intent.succeeded",
        "refund.created",
        "refund.failed",
        "refund.updated",
    ];
    let asked = |more: &[&str]| {
        let types = types.iter().enumerate().map(|(place, name)| format!("types[{place}]={name}"));
        let before =
            ["created[gte]=1795341000", "limit=100"].iter().chain(more).map(|&field| field.to_owned());
        before.chain(types).collect::<Vec<_>>()
    };
    assert_eq!(requests[0].fields(), asked(&[]));
    assert_eq!(requests[1].fields(), asked(&["starting_after=evt_8"]));
    assert_eq!(requests.len(), 2);
}

#[actix_web::test]
async fn event_page_has_time_by_stripes_clock() {
    let server = StandIn::answering(vec![Answer::page(&[], false).with("Date", DATE)]);
    let page = server.stripe().list_events(&Account::own(), since(), None).await.expect("listed");
    assert!((DATE_S - 21..DATE_S).contains(&page.began_s), "{}", page.began_s);
}

/// Account updates are listed there. Another event reports each refund.
#[actix_web::test]
async fn connected_account_list_includes_account_updates() {
    let server = StandIn::answering(vec![Answer::page(&[], false)]);
    let stripe = server.stripe();
    let mut asked = Vec::new();
    for (place, account) in [Account::own(), Account::connected("acct_1SWseller")].iter().enumerate() {
        stripe.list_events(account, since(), None).await.expect("listed");
        let fields = server.requests()[place].fields().join("&");
        let types = fields.split('&').filter(|field| field.starts_with("types["));
        asked.push(
            types.map(|field| field.split_once('=').expect("a field").1.to_owned()).collect::<Vec<_>>(),
        );
    }
    let [own, connected] = &asked[..] else { panic!("two lists") };
    assert!(own.len() <= 20 && connected.len() <= 20, "Stripe lists no more");
    let only = |here: &[String], there: &[String]| {
        here.iter().filter(|name| !there.contains(name)).cloned().collect::<Vec<_>>()
    };
    assert_eq!(only(own, connected), ["charge.refunded"]);
    assert_eq!(only(connected, own), ["account.updated"]);
}

#[actix_web::test]
async fn listed_event_reads_like_delivered_event() {
    let sent = listed("evt_9", 1_795_341_700);
    let server = StandIn::answering(vec![Answer::page(std::slice::from_ref(&sent), false)]);
    let page = server.stripe().list_events(&Account::own(), since(), None).await.expect("listed");
    assert_eq!(page.events[0].payload, sent.to_string());
    assert_eq!(Ok(read(&page.events[0])), event::read(sent.to_string().as_bytes()));
}

/// Stripe delivers Connect events with their account, and lists them without it.
#[actix_web::test]
async fn listed_event_names_its_account() {
    let account = Account::connected("acct_1SWseller");
    let mute = listed("evt_9", 1_795_341_700);
    for event in [
        mute.clone(),
        with(mute.clone(), &json!({ "account": null })),
        with(mute.clone(), &json!({ "account": "acct_1SWseller" })),
    ] {
        let server = StandIn::answering(vec![Answer::page(&[event], false)]);
        let page = server.stripe().list_events(&account, since(), None).await.expect("listed");
        assert_eq!(server.requests()[0].header("stripe-account"), Some("acct_1SWseller"));
        let sent = with(mute.clone(), &json!({ "account": "acct_1SWseller" }));
        assert_eq!(Ok(read(&page.events[0])), event::read(sent.to_string().as_bytes()));
        let EventContent::Payment(observation) = read(&page.events[0]).content else { panic!("a payment") };
        assert_eq!(observation.account, account);
    }
}

#[actix_web::test]
async fn unreadable_event_is_listed() {
    let odd = event_of("refund.updated", &with(refund(), &json!({ "status": "unheard_of" })));
    let other =
        event_of("checkout.session.completed", &with(checkout_session(), &json!({ "mode": "setup" })));
    let server = StandIn::answering(vec![Answer::page(&[odd, other], false)]);
    let page = server.stripe().list_events(&Account::own(), since(), None).await.expect("listed");
    assert!(matches!(read(&page.events[0]).content, EventContent::Unreadable(_)));
    assert_eq!(read(&page.events[1]).content, EventContent::Unhandled);
}

#[actix_web::test]
async fn truncated_event_page_is_unreadable() {
    for answer in [
        Answer::page(&[], true),
        Answer::page(&[json!({ "id": "evt_1" })], false),
        Answer::page(&[json!({ "created": 7 })], false),
        Answer::ok(&json!({ "data": [] })),
    ] {
        let server = StandIn::answering(vec![answer]);
        let listed = server.stripe().list_events(&Account::own(), since(), None).await;
        assert!(matches!(listed, Err(Error::Unreadable { .. })), "{listed:?}");
    }
}
