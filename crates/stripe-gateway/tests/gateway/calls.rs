//! Tests of PaymentIntents: requests and responses.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use quittance_domain::catalog::Metadata;
use quittance_domain::money::Money;
use quittance_domain::order::{Address, Shipping};
use quittance_domain::payment::{Account, CaptureMethod, Mode, ObservedState, OpenStatus, Success};
use quittance_stripe_gateway::{Collection, Error, FrozenRequest, NewPaymentIntent, PaymentDetails, Stripe};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use stripe_checkout::checkout_session::RetrieveCheckoutSession;
use stripe_client_core::{CustomizedStripeRequest, StripeClient, StripeClientErr};
use stripe_core::dispute::RetrieveDispute;
use stripe_core::payment_intent::RetrievePaymentIntent;
use stripe_core::refund::RetrieveRefund;

use crate::stand_in::{
    Answer, DATE, DATE_S, StandIn, checkout_session, dispute, order_id, payment_id, payment_intent, refund,
    seller_id, with,
};

const ID: &str = "pi_3SWabcLkdIwHu7ix0abcdefg";

pub(crate) fn details() -> PaymentDetails {
    PaymentDetails {
        receipt_email: Some("jenny+rosen@example.com".to_owned()),
        shipping: Some(Shipping {
            name: "Jenny & Søn".to_owned(),
            address: Address {
                line1: "1 Main St".to_owned(),
                line2: None,
                city: Some("Aarhus".to_owned()),
                state: None,
                postal_code: Some("8000".to_owned()),
                country: "DK".to_owned(),
            },
        }),
    }
}

fn new_payment_intent() -> NewPaymentIntent {
    NewPaymentIntent {
        order_id: order_id(),
        payment_id: payment_id(),
        account: Account::own(),
        amount: Money::new(2500, "eur".parse().expect("a currency")).expect("an amount"),
        destination: None,
        application_fee: None,
        capture_method: CaptureMethod::Automatic,
        details: PaymentDetails::default(),
        metadata: Metadata::default(),
    }
}

#[test]
fn payment_intent_request_matches_expected_form() {
    let frozen = Stripe::freeze_payment_intent(&new_payment_intent());
    assert_eq!(frozen.path, "/v1/payment_intents");
    assert_eq!(frozen.idempotency_key, payment_id().as_str());
    assert_eq!(frozen.account, Account::own());
    assert_eq!(
        frozen.body,
        "amount=2500\
         &automatic_payment_methods[enabled]=true\
         &capture_method=automatic\
         &currency=eur\
         &description=Order+ord_00000000000000000000000001\
         &metadata[order_id]=ord_00000000000000000000000001\
         &metadata[payment_id]=pay_00000000000000000000000002"
    );
}

#[test]
fn payment_intent_request_contains_customer_and_seller() {
    let metadata = [("order_id", "theirs"), ("gift", "a=b&c"), ("color", "blue")];
    let frozen = Stripe::freeze_payment_intent(&NewPaymentIntent {
        account: Account::connected("acct_1SWseller"),
        application_fee: Some(75),
        capture_method: CaptureMethod::Manual,
        details: details(),
        metadata: metadata.map(|(name, word)| (name.to_owned(), word.to_owned())).into_iter().collect(),
        ..new_payment_intent()
    });
    assert_eq!(frozen.account, Account::connected("acct_1SWseller"));
    assert_eq!(
        frozen.body,
        "amount=2500\
         &application_fee_amount=75\
         &automatic_payment_methods[enabled]=true\
         &capture_method=manual\
         &currency=eur\
         &description=Order+ord_00000000000000000000000001\
         &metadata[color]=blue\
         &metadata[gift]=a%3Db%26c\
         &metadata[order_id]=ord_00000000000000000000000001\
         &metadata[payment_id]=pay_00000000000000000000000002\
         &receipt_email=jenny%2Brosen@example.com\
         &shipping[address][city]=Aarhus\
         &shipping[address][country]=DK\
         &shipping[address][line1]=1+Main+St\
         &shipping[address][postal_code]=8000\
         &shipping[name]=Jenny+%26+S%C3%B8n"
    );
}

#[actix_web::test]
async fn payment_intent_request_contains_destination() {
    let frozen = Stripe::freeze_payment_intent(&NewPaymentIntent {
        destination: Some("acct_1SWseller".to_owned()),
        application_fee: Some(75),
        ..new_payment_intent()
    });
    assert_eq!(frozen.account, Account::own());
    assert_eq!(
        frozen.body,
        "amount=2500\
         &application_fee_amount=75\
         &automatic_payment_methods[enabled]=true\
         &capture_method=automatic\
         &currency=eur\
         &description=Order+ord_00000000000000000000000001\
         &metadata[order_id]=ord_00000000000000000000000001\
         &metadata[payment_id]=pay_00000000000000000000000002\
         &transfer_data[destination]=acct_1SWseller"
    );
    let server = StandIn::answering(vec![Answer::ok(&payment_intent())]);
    server.stripe().create_payment_intent(&frozen).await.expect("made");
    assert_eq!(server.requests()[0].header("stripe-account"), None);
}

/// Anyone who creates an order can set its metadata.
#[test]
fn metadata_with_brackets_is_omitted() {
    let keys = ["a&amount=1&b", "a]=1&amount", "payment_id]", "payment_id][", "a b%5D", "é"];
    let frozen = Stripe::freeze_payment_intent(&NewPaymentIntent {
        metadata: keys.map(|key| (key.to_owned(), "w&amount=2".to_owned())).into_iter().collect(),
        ..new_payment_intent()
    });
    let names: Vec<&str> =
        frozen.body.split('&').map(|field| field.split_once('=').expect("a field").0).collect();
    assert_eq!(
        names,
        [
            "amount",
            "automatic_payment_methods[enabled]",
            "capture_method",
            "currency",
            "description",
            "metadata[%C3%A9]",
            "metadata[a%26amount%3D1%26b]",
            "metadata[a+b%255D]",
            "metadata[order_id]",
            "metadata[payment_id]",
        ]
    );
}

#[test]
fn frozen_request_round_trips_and_hides_personal_data() {
    for account in [Account::own(), Account::connected("acct_1SWseller")] {
        let new = NewPaymentIntent { account, details: details(), ..new_payment_intent() };
        let frozen = Stripe::freeze_payment_intent(&new);
        let stored = serde_json::to_string(&frozen).expect("JSON");
        assert_eq!(serde_json::from_str::<FrozenRequest>(&stored).expect("the same"), frozen);
        assert!(!format!("{frozen:?}").contains("jenny"), "{frozen:?}");
    }
}

#[actix_web::test]
async fn frozen_payment_intent_request_is_sent_byte_for_byte() {
    let server = StandIn::answering(vec![Answer::ok(&payment_intent()).with("Date", DATE)]);
    let frozen = Stripe::freeze_payment_intent(&new_payment_intent());
    let made = server.stripe().create_payment_intent(&frozen).await.expect("made");

    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/payment_intents"));
    assert_eq!(request.body, frozen.body);
    for (name, value) in [
        ("authorization", Some("Bearer sk_test_51Abc")),
        ("content-type", Some("application/x-www-form-urlencoded")),
        ("idempotency-key", Some(payment_id().as_str())),
        ("stripe-version", Some("2026-09-30.endive")),
        ("stripe-account", None),
        ("user-agent", Some(concat!("quittance/", env!("CARGO_PKG_VERSION")))),
    ] {
        assert_eq!(request.header(name), value, "{name}");
    }

    let observation = made.observation;
    assert_eq!(observation.payment_intent_id, ID);
    assert_eq!((observation.order_id, observation.payment_id), (Some(order_id()), Some(payment_id())));
    assert_eq!((observation.account, observation.mode), (Account::own(), Mode::Test));
    let open = ObservedState::Open { status: OpenStatus::RequiresPaymentMethod, failure: None };
    assert_eq!(observation.fact.state, open);
    assert_eq!(observation.fact.provenance.event, "");
    let secret = made.client_secret.expect("a client secret");
    assert_eq!(secret.expose_secret(), "pi_3SWabcLkdIwHu7ix0abcdefg_secret_hushhushhush");
    assert_eq!(made.request_id.as_deref(), Some("req_ok"));
}

#[actix_web::test]
async fn payment_intent_read_has_time_by_stripes_clock() {
    let server = StandIn::answering(vec![Answer::ok(&payment_intent()).with("Date", DATE)]);
    let read = server.stripe().retrieve_payment_intent(&Account::own(), ID).await.expect("read");
    let created = read.observation.fact.provenance.created;
    // The call must not take longer than this, and the date is rounded down.
    assert!((DATE_S - 21..DATE_S).contains(&created), "{created}");
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.query.as_str()), ("GET", ""));
    assert_eq!(request.path, format!("/v1/payment_intents/{ID}"));
    assert_eq!(request.header("idempotency-key"), None);
}

#[actix_web::test]
async fn replayed_payment_intent_response_has_time_of_creation() {
    let replayed = Answer::ok(&payment_intent()).with("Date", DATE).with("Idempotent-Replayed", "true");
    let server = StandIn::answering(vec![replayed]);
    let frozen = Stripe::freeze_payment_intent(&new_payment_intent());
    let made = server.stripe().create_payment_intent(&frozen).await.expect("made");
    assert_eq!(made.observation.fact.provenance.created, 1_795_341_000);
}

#[actix_web::test]
async fn call_for_connected_account_sends_its_id() {
    let server = StandIn::answering(vec![Answer::ok(&payment_intent())]);
    let account = Account::connected("acct_1SWseller");
    let read = server.stripe().retrieve_payment_intent(&account, ID).await.expect("read");
    assert_eq!(server.requests()[0].header("stripe-account"), Some("acct_1SWseller"));
    assert_eq!(read.observation.account, account);
}

#[actix_web::test]
async fn cancel_and_update_send_their_idempotency_keys() {
    let mut canceled = payment_intent();
    canceled["status"] = json!("canceled");
    let server = StandIn::answering(vec![Answer::ok(&canceled), Answer::ok(&payment_intent())]);
    let (stripe, account) = (server.stripe(), Account::own());
    let closed = stripe.cancel_payment_intent(&account, ID, "pay_1:cancel").await.expect("canceled");
    assert_eq!(closed.observation.fact.state, ObservedState::Canceled);
    stripe.update_payment_details(&account, ID, &details(), "pay_1:details:2").await.expect("updated");

    let [cancel, update] = &server.requests()[..] else { panic!("two requests") };
    assert_eq!(cancel.path, format!("/v1/payment_intents/{ID}/cancel"));
    assert_eq!((cancel.body.as_str(), cancel.header("idempotency-key")), ("", Some("pay_1:cancel")));
    assert_eq!(update.path, format!("/v1/payment_intents/{ID}"));
    assert_eq!(update.header("idempotency-key"), Some("pay_1:details:2"));
    assert_eq!(
        update.body,
        "receipt_email=jenny%2Brosen@example.com\
         &shipping[address][city]=Aarhus&shipping[address][country]=DK\
         &shipping[address][line1]=1+Main+St&shipping[address][postal_code]=8000\
         &shipping[name]=Jenny+%26+S%C3%B8n"
    );
}

#[actix_web::test]
async fn capture_sends_amount_and_idempotency_key() {
    let mut captured = payment_intent();
    captured["status"] = json!("succeeded");
    captured["amount_received"] = json!(1200);
    let server = StandIn::answering(vec![Answer::ok(&captured)]);
    let stripe = server.stripe();
    let taken = stripe.capture_payment_intent(&Account::own(), ID, 1200, "pay_1:capture").await;
    let success =
        Success { amount: 2500, currency: "eur".to_owned(), amount_received: 1200, application_fee: None };
    assert_eq!(taken.expect("captured").observation.fact.state, ObservedState::Succeeded(success));
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.body.as_str()), ("POST", "amount_to_capture=1200"));
    assert_eq!(request.path, format!("/v1/payment_intents/{ID}/capture"));
    assert_eq!(request.header("idempotency-key"), Some("pay_1:capture"));
}

/// Callers run these futures on a multi-threaded runtime.
#[actix_web::test]
async fn call_futures_are_send() {
    fn movable<T: Send + 'static>(_: T) {}
    let stripe = StandIn::answering(vec![Answer::ok(&payment_intent())]).stripe();
    let frozen = Stripe::freeze_payment_intent(&new_payment_intent());
    movable(async move {
        let own = Account::own();
        drop(stripe.create_payment_intent(&frozen).await);
        drop(stripe.retrieve_payment_intent(&own, ID).await);
        drop(stripe.find_payment_intent(&own, &payment_id(), since()).await);
        drop(stripe.cancel_payment_intent(&own, ID, "key").await);
        drop(stripe.update_payment_details(&own, ID, &details(), "key").await);
        drop(stripe.find_checkout_session(&own, &payment_id(), since()).await);
        drop(stripe.list_refunds(&own, ID).await);
        drop(stripe.list_disputes(&own, ID).await);
        drop(stripe.list_events(&own, since(), None).await);
        drop(stripe.exchange_code(&"ac_1".to_owned().into()).await);
        drop(stripe.deauthorize("ca_1", "acct_1").await);
        drop(stripe.create_account(&frozen).await);
        drop(stripe.retrieve_account("acct_1").await);
        drop(stripe.find_account(&seller_id(), since()).await);
        let collection = Collection::default();
        drop(stripe.create_account_link("acct_1", "https://a", "https://b", collection).await);
        drop(stripe.create_product(&frozen).await);
    });
}

fn page(payment_ids: &[(&str, &str)], has_more: bool) -> Answer {
    let data: Vec<Value> = payment_ids
        .iter()
        .map(|(id, payment_id)| {
            let mut object = payment_intent();
            object["id"] = json!(id);
            object["metadata"]["payment_id"] = json!(payment_id);
            object
        })
        .collect();
    Answer::ok(&json!({ "object": "list", "url": "/v1/payment_intents", "data": data, "has_more": has_more }))
}

pub(crate) fn since() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_341_000, 0).expect("a time")
}

#[actix_web::test]
async fn matching_payment_intent_is_found_on_later_page() {
    let ours = payment_id();
    let server = StandIn::answering(vec![
        page(&[("pi_9", "pay_other"), ("pi_8", "")], true),
        page(&[("pi_7", "pay_other"), ("pi_6", ours.as_str())], false),
    ]);
    let stripe = server.stripe();
    let found = stripe.find_payment_intent(&Account::own(), &ours, since()).await.expect("listed");
    assert_eq!(found.expect("found").observation.payment_intent_id, "pi_6");
    let queries: Vec<String> = server.requests().into_iter().map(|request| request.query).collect();
    assert_eq!(
        queries,
        ["created[gte]=1795341000&limit=100", "created[gte]=1795341000&limit=100&starting_after=pi_8"]
    );
}

#[actix_web::test]
async fn oldest_of_several_matches_is_returned() {
    let ours = payment_id();
    let server = StandIn::answering(vec![
        page(&[("pi_9", ours.as_str()), ("pi_8", ours.as_str())], true),
        page(&[("pi_7", ours.as_str())], true),
        page(&[("pi_6", "pay_other")], false),
    ]);
    let stripe = server.stripe();
    let found = stripe.find_payment_intent(&Account::own(), &ours, since()).await.expect("listed");
    assert_eq!(found.expect("found").observation.payment_intent_id, "pi_7");
}

/// A seller can create an unreadable object with a copied ID, but only after the original exists.
#[actix_web::test]
async fn unreadable_copy_does_not_hide_the_original() {
    let copy = with(payment_intent(), &json!({ "id": "pi_9", "status": "unheard_of" }));
    let (ours, seller) = (payment_intent(), Account::connected("acct_1SWseller"));
    let server = StandIn::answering(vec![
        Answer::page(std::slice::from_ref(&copy), true),
        Answer::page(&[ours], false),
    ]);
    let found = server.stripe().find_payment_intent(&seller, &payment_id(), since()).await.expect("listed");
    assert_eq!(found.expect("found").observation.payment_intent_id, ID);

    let server = StandIn::answering(vec![Answer::page(&[copy], false)]);
    let unreadable = server.stripe().find_payment_intent(&seller, &payment_id(), since()).await;
    assert!(matches!(unreadable, Err(Error::Unreadable { status: 200, .. })), "{unreadable:?}");
}

#[actix_web::test]
async fn missing_payment_intent_is_not_found() {
    for answer in [page(&[("pi_9", "pay_other")], false), page(&[], false)] {
        let server = StandIn::answering(vec![answer]);
        let stripe = server.stripe();
        let found = stripe.find_payment_intent(&Account::own(), &payment_id(), since()).await;
        assert!(found.expect("listed").is_none());
        assert_eq!(server.requests().len(), 1);
    }
}

#[actix_web::test]
async fn unreadable_other_object_does_not_hide_the_match() {
    let ours = payment_intent();
    let stranger =
        json!({ "id": "pi_new", "object": "payment_intent", "status": "unheard_of", "amount": "?" });
    let server =
        StandIn::answering(vec![Answer::ok(&json!({ "data": [stranger, ours], "has_more": false }))]);
    let stripe = server.stripe();
    let found = stripe.find_payment_intent(&Account::own(), &payment_id(), since()).await.expect("listed");
    assert_eq!(found.expect("found").observation.payment_intent_id, ID);
}

/// If it were treated as the end of the list, a second PaymentIntent could be created.
#[actix_web::test]
async fn truncated_list_is_unreadable() {
    let nameless = json!({ "data": [{ "metadata": {} }], "has_more": false });
    for answer in [page(&[], true), Answer::ok(&nameless), Answer::ok(&json!({ "data": [] }))] {
        let server = StandIn::answering(vec![answer]);
        let stripe = server.stripe();
        let found = stripe.find_payment_intent(&Account::own(), &payment_id(), since()).await;
        assert!(matches!(found, Err(Error::Unreadable { .. })), "{found:?}");
    }
}

/// A client with one response for all requests.
struct Canned(Arc<str>);

#[derive(Debug)]
struct Misread(#[expect(dead_code, reason = "shown by Debug when a test fails")] String);

impl StripeClientErr for Misread {
    fn deserialize_err(message: impl std::fmt::Display) -> Self {
        Self(message.to_string())
    }
}

impl StripeClient for Canned {
    type Err = Misread;

    async fn execute(&self, _: CustomizedStripeRequest) -> Result<Bytes, Misread> {
        Ok(Bytes::copy_from_slice(self.0.as_bytes()))
    }
}

/// The fixtures must match Stripe's objects in the API version of the requests. The strict types that are
/// generated from Stripe's specification accept them.
#[actix_web::test]
async fn fixtures_match_strict_types() {
    let canned = |object: Value| Canned(object.to_string().into());
    let parsed = RetrievePaymentIntent::new(ID).send(&canned(payment_intent())).await;
    assert_eq!(parsed.expect("a PaymentIntent").id.as_str(), ID);
    let session = RetrieveCheckoutSession::new("cs").send(&canned(checkout_session())).await;
    assert_eq!(session.expect("a Checkout Session").amount_total, Some(2500));
    let refund = RetrieveRefund::new("re").send(&canned(refund())).await;
    assert_eq!(refund.expect("a refund").amount, 1000);
    let dispute = RetrieveDispute::new("du").send(&canned(dispute())).await;
    assert_eq!(dispute.expect("a dispute").amount, 2500);
}
