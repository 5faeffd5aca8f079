//! Tests of events about connected accounts.

use quittance_domain::event::{Event, EventContent};
use quittance_domain::payment::{Account, Mode};
use quittance_domain::seller::AccountEvent;
use quittance_stripe_gateway::event;
use serde_json::{Value, json};

use crate::accounts::state;
use crate::stand_in::{account, event_of, with};

const SELLER: &str = "acct_1SWseller";

fn capability() -> Value {
    json!({
        "id": "transfers", "object": "capability", "account": SELLER, "requested": true,
        "requested_at": 1_795_341_000, "requirements": null, "status": "active",
    })
}

fn application() -> Value {
    json!({ "id": "ca_1SWplatform", "object": "application", "name": "Shop" })
}

fn read(kind: &str, object: &Value, over: &Value) -> Event {
    let event = with(event_of(kind, object), &json!({ "account": SELLER }));
    event::read(with(event, over).to_string().as_bytes()).expect("an event")
}

fn told(kind: &str, object: &Value) -> EventContent {
    read(kind, object, &json!({})).content
}

fn all() -> [(&'static str, Value, AccountEvent); 3] {
    [
        ("account.updated", account(), AccountEvent::Updated(Box::new(state()))),
        ("capability.updated", capability(), AccountEvent::Changed),
        ("account.application.deauthorized", application(), AccountEvent::Deauthorized),
    ]
}

#[test]
fn account_event_has_account_change_and_time() {
    for (kind, object, news) in all() {
        let event = read(kind, &object, &json!({ "livemode": true }));
        assert_eq!(event.content, EventContent::Seller(news), "{kind}");
        assert_eq!((event.account, event.mode), (Account::connected(SELLER), Mode::Live));
        assert_eq!((event.created, event.kind.as_str()), (1_795_341_600, kind));
    }
}

#[test]
fn event_of_platform_account_is_unhandled() {
    for (kind, object, _) in all() {
        for own in [json!({ "account": null }), json!({ "account": null, "livemode": null })] {
            assert_eq!(read(kind, &object, &own).content, EventContent::Unhandled, "{kind}");
        }
    }
}

/// Otherwise, one account could pass for another and sell.
#[test]
fn account_event_about_another_account_is_unreadable() {
    let other = json!({ "id": "acct_1SWother" });
    let expected = EventContent::Unreadable("the account isn't the event's".to_owned());
    assert_eq!(told("account.updated", &with(account(), &other)), expected);
    let other = json!({ "account": { "id": "acct_1SWother", "object": "account" } });
    let expected = EventContent::Unreadable("the capability's account isn't the event's".to_owned());
    assert_eq!(told("capability.updated", &with(capability(), &other)), expected);
    for its_own in [json!({ "account": { "id": SELLER, "object": "account" } }), json!({ "account": null })] {
        let content = told("capability.updated", &with(capability(), &its_own));
        assert_eq!(content, EventContent::Seller(AccountEvent::Changed));
    }
}

#[test]
fn unreadable_account_event_is_kept_without_echoing_payload() {
    for (kind, object) in [
        ("account.updated", with(account(), &json!({ "charges_enabled": null }))),
        ("account.updated", with(account(), &json!({ "payouts_enabled": "hush" }))),
        ("account.updated", with(account(), &json!({ "id": null }))),
        ("account.updated", capability()),
        ("capability.updated", account()),
        ("account.application.deauthorized", account()),
        ("account.application.deauthorized", json!("hush")),
    ] {
        let EventContent::Unreadable(reason) = told(kind, &object) else { panic!("{kind} {object}") };
        assert!(!reason.contains("hush"), "{reason}");
    }
    for over in [json!({ "created": null }), json!({ "livemode": null }), json!({ "account": "" })] {
        for (kind, object, _) in all() {
            assert!(
                matches!(read(kind, &object, &over).content, EventContent::Unreadable(_)),
                "{kind} {over}"
            );
        }
    }
}

#[test]
fn other_account_events_are_unhandled() {
    for kind in ["account.application.authorized", "account.external_account.created", "person.updated"] {
        assert_eq!(told(kind, &application()), EventContent::Unhandled, "{kind}");
    }
}
