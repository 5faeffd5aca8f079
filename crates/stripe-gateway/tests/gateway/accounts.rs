//! Tests of connected accounts: requests and responses.

use chrono::DateTime;
use quittance_domain::payment::Account;
use quittance_domain::seller::{AccountState, Capability, Requirements};
use quittance_stripe_gateway::{AccountKind, BusinessType, Error, NewAccount, Stripe};
use serde_json::{Value, json};

use crate::calls::since;
use crate::stand_in::{Answer, DATE, DATE_S, StandIn, account, account_invalid, seller_id, with};

const ID: &str = "acct_1SWseller";

pub(crate) fn state() -> AccountState {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    AccountState {
        country: Some("DK".to_owned()),
        currency: Some("dkk".to_owned()),
        display_name: Some("Tea & Søn".to_owned()),
        details_submitted: true,
        charges_enabled: true,
        payouts_enabled: true,
        transfers: Capability::Active,
        requirements: Requirements {
            currently_due: words(&["company.tax_id"]),
            eventually_due: words(&["company.tax_id", "company.verification.document"]),
            past_due: vec![],
            pending_verification: words(&["company.address.line1"]),
            disabled_reason: None,
            current_deadline: DateTime::from_timestamp(1_797_760_800, 0),
        },
    }
}

fn new_account() -> NewAccount {
    NewAccount {
        seller_id: seller_id(),
        kind: AccountKind::Express,
        country: None,
        email: None,
        business_type: None,
    }
}

#[test]
fn express_account_request_asks_for_capabilities() {
    let frozen = Stripe::freeze_account(&new_account());
    assert_eq!((frozen.path.as_str(), frozen.account), ("/v1/accounts", Account::own()));
    assert_eq!(frozen.idempotency_key, seller_id().as_str());
    assert_eq!(
        frozen.body,
        "capabilities[card_payments][requested]=true\
         &capabilities[transfers][requested]=true\
         &metadata[seller_id]=slr_00000000000000000000000005\
         &type=express"
    );
}

/// Stripe refuses capabilities for a Standard account.
#[test]
fn standard_account_request_asks_for_no_capabilities() {
    let frozen = Stripe::freeze_account(&NewAccount {
        kind: AccountKind::Standard,
        country: Some("DK".to_owned()),
        email: Some("jenny@tea.example".to_owned()),
        business_type: Some(BusinessType::NonProfit),
        ..new_account()
    });
    assert_eq!(
        frozen.body,
        "business_type=non_profit&country=DK&email=jenny@tea.example\
         &metadata[seller_id]=slr_00000000000000000000000005&type=standard"
    );
    assert!(!format!("{frozen:?}").contains("jenny"), "{frozen:?}");
}

/// The requests are sent too, so that they are checked against Stripe's types.
#[actix_web::test]
async fn account_enum_values_match_stripe() {
    let server = StandIn::answering(vec![Answer::ok(&account())]);
    let stripe = server.stripe();
    for (place, word) in ["individual", "company", "non_profit", "government_entity"].iter().enumerate() {
        let kind = word.parse::<BusinessType>().expect("a type");
        assert_eq!(kind.as_str(), *word);
        let frozen = Stripe::freeze_account(&NewAccount { business_type: Some(kind), ..new_account() });
        stripe.create_account(&frozen).await.expect("made");
        let field = format!("business_type={word}");
        assert!(server.requests()[place].fields().contains(&field.as_str()), "{field}");
    }
    for word in ["express", "standard"] {
        let kind = word.parse::<AccountKind>().expect("a kind");
        assert_eq!(kind.as_str(), word);
        stripe
            .create_account(&Stripe::freeze_account(&NewAccount { kind, ..new_account() }))
            .await
            .expect("made");
    }
    assert!("custom".parse::<AccountKind>().is_err());
}

#[actix_web::test]
async fn frozen_account_request_is_sent_byte_for_byte() {
    let server = StandIn::answering(vec![Answer::ok(&account()).with("Date", DATE)]);
    let frozen = Stripe::freeze_account(&new_account());
    let made = server.stripe().create_account(&frozen).await.expect("made");
    assert_eq!((made.account_id.as_str(), made.request_id.as_deref()), (ID, Some("req_ok")));
    assert_eq!(made.state, state());
    assert!((DATE_S - 21..DATE_S).contains(&made.began_s), "{}", made.began_s);
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/accounts"));
    assert_eq!(request.body, frozen.body);
    assert_eq!(request.header("idempotency-key"), Some(seller_id().as_str()));
    assert_eq!(request.header("stripe-account"), None);
}

/// The state in a replayed response may be outdated.
#[actix_web::test]
async fn replayed_account_response_has_time_of_creation() {
    for (object, began_s) in [(account(), 1_795_341_000), (with(account(), &json!({ "created": null })), 0)] {
        let replayed = Answer::ok(&object).with("Date", DATE).with("Idempotent-Replayed", "true");
        let server = StandIn::answering(vec![replayed]);
        let made =
            server.stripe().create_account(&Stripe::freeze_account(&new_account())).await.expect("made");
        assert_eq!(made.began_s, began_s);
    }
}

#[actix_web::test]
async fn account_read_has_time_by_stripes_clock() {
    let server = StandIn::answering(vec![Answer::ok(&account()).with("Date", DATE)]);
    let read = server.stripe().retrieve_account(ID).await.expect("read");
    assert_eq!((read.account_id.as_str(), read.state), (ID, state()));
    assert!((DATE_S - 21..DATE_S).contains(&read.began_s), "{}", read.began_s);
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/v1/accounts/acct_1SWseller"));
    assert_eq!(request.header("stripe-account"), None);
}

#[actix_web::test]
async fn own_account_id_is_read_despite_other_fields() {
    let own = json!({ "id": "acct_1SWplatform", "object": "account" });
    let server = StandIn::answering(vec![Answer::ok(&own), Answer::ok(&with(own, &json!({ "id": "" })))]);
    let stripe = server.stripe();
    assert_eq!(stripe.own_account_id().await.expect("read"), "acct_1SWplatform");
    assert!(matches!(stripe.own_account_id().await, Err(Error::Unreadable { .. })));
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/v1/account"));
    assert_eq!(request.header("stripe-account"), None);
}

#[actix_web::test]
async fn inaccessible_account_is_reported_as_unreachable() {
    let server = StandIn::answering(vec![account_invalid()]);
    match server.stripe().retrieve_account(ID).await {
        Err(Error::Refused(refusal)) => {
            assert!(refusal.is_account_unreachable() && !refusal.is_key_error());
        }
        other => panic!("{other:?}"),
    }
}

async fn read(over: &Value) -> Result<AccountState, Error> {
    let server = StandIn::answering(vec![Answer::ok(&with(account(), over))]);
    server.stripe().retrieve_account(ID).await.map(|read| read.state)
}

#[actix_web::test]
async fn account_display_name_is_the_first_nonblank_name() {
    let shown = |name: Value| json!({ "dashboard": { "display_name": name } });
    for (settings, profile, expected) in [
        (shown(json!("Shown")), json!({ "name": "Business" }), Some("Shown")),
        (shown(json!("")), json!({ "name": "Business" }), Some("Business")),
        (shown(json!(" \t")), json!({ "name": "Business" }), Some("Business")),
        (shown(json!(null)), json!({ "name": "Business" }), Some("Business")),
        (json!({ "dashboard": null }), json!({ "name": "Business" }), Some("Business")),
        (json!(null), json!({ "name": "Business" }), Some("Business")),
        (json!({}), json!({ "name": " " }), None),
        (json!(null), json!({}), None),
        (json!(null), json!(null), None),
    ] {
        let state = read(&json!({ "settings": settings, "business_profile": profile })).await.expect("read");
        assert_eq!(state.display_name.as_deref(), expected);
    }
}

#[actix_web::test]
async fn unknown_capability_is_inactive() {
    for (capabilities, expected) in [
        (json!({ "card_payments": "active", "transfers": "inactive" }), Capability::Inactive),
        (json!({ "transfers": "pending" }), Capability::Pending),
        (json!({ "transfers": "unrequested" }), Capability::Unrequested),
        (json!({ "transfers": "paused_someday" }), Capability::Inactive),
        (json!({ "card_payments": "active" }), Capability::Unrequested),
        (json!({ "transfers": null }), Capability::Unrequested),
        (json!(null), Capability::Unrequested),
    ] {
        let state = read(&json!({ "capabilities": capabilities })).await.expect("read");
        assert_eq!(state.transfers, expected, "{capabilities}");
    }
}

#[actix_web::test]
async fn missing_requirements_are_empty() {
    let nothing = json!({
        "requirements": null, "country": null, "default_currency": "", "created": null, "object": null,
    });
    let bare = read(&nothing).await.expect("read");
    assert_eq!(bare.requirements, Requirements::default());
    assert_eq!((bare.country, bare.currency), (None, None));
    let lists = json!({
        "currently_due": null, "eventually_due": null, "past_due": ["external_account"],
        "disabled_reason": "requirements.past_due",
    });
    let expected = Requirements {
        past_due: vec!["external_account".to_owned()],
        disabled_reason: Some("requirements.past_due".to_owned()),
        ..Requirements::default()
    };
    assert_eq!(read(&json!({ "requirements": lists })).await.expect("read").requirements, expected);
    let cases = json!({ "country": "dk", "default_currency": "DKK" });
    let spelled = read(&cases).await.expect("read");
    assert_eq!((spelled.country.as_deref(), spelled.currency.as_deref()), (Some("DK"), Some("dkk")));
}

#[actix_web::test]
async fn account_without_abilities_is_unreadable() {
    for over in [
        json!({ "id": "" }),
        json!({ "object": "customer" }),
        json!({ "details_submitted": null }),
        json!({ "charges_enabled": null }),
        json!({ "charges_enabled": "hush" }),
        json!({ "payouts_enabled": null }),
    ] {
        let error = read(&over).await.expect_err("unreadable");
        assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
}

#[actix_web::test]
async fn oldest_matching_account_is_found_across_pages() {
    let listed =
        |id: &str, seller: &str| with(account(), &json!({ "id": id, "metadata": { "seller_id": seller } }));
    let ours = seller_id();
    let stranger = json!({ "id": "acct_8", "object": "account", "charges_enabled": "?", "metadata": null });
    let server = StandIn::answering(vec![
        Answer::page(&[listed("acct_9", ours.as_str()), stranger], true),
        Answer::page(&[listed("acct_7", ours.as_str()), listed("acct_6", "slr_other")], false),
    ]);
    let found = server.stripe().find_account(&ours, since()).await.expect("listed");
    assert_eq!(found.expect("found").account_id, "acct_7");
    let requests = server.requests();
    assert_eq!((requests.len(), requests[0].path.as_str()), (2, "/v1/accounts"));
    assert_eq!(requests[0].query, "created[gte]=1795341000&limit=100");
    assert_eq!(requests[1].query, "created[gte]=1795341000&limit=100&starting_after=acct_8");

    let server = StandIn::answering(vec![Answer::page(&[listed("acct_9", "slr_other")], false)]);
    assert_eq!(server.stripe().find_account(&ours, since()).await.expect("listed"), None);
}
