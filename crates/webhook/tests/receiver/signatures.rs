//! Signature verification.

use quittance_domain::event::EventOutcome;
use quittance_stripe_gateway::signature::SignatureError;
use quittance_test_support::{NOW_S, Payment, TestDatabase, now, on_both_databases};
use quittance_webhook::{ReceiveError, ReceiverConfig};

use crate::{SECRET, Service, config, inbox_rows, sign};

on_both_databases! {
    invalid_signature_is_rejected_and_not_stored,
    signature_is_valid_for_300_seconds,
    event_signed_with_either_of_two_secrets_is_accepted,
    event_with_one_known_signature_of_two_is_accepted,
    endpoint_rejects_the_secrets_of_another_endpoint,
    endpoints_share_one_queue,
    verified_body_that_is_not_an_event_is_rejected,
    receiver_without_secrets_rejects_everything,
}

async fn invalid_signature_is_rejected_and_not_stored(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let payload = Payment::begin(&service.store).await.succeeded().payload();
    let mut changed = payload.to_vec();
    changed[payload.len() / 2] ^= 1;
    let valid = sign(&payload, SECRET, NOW_S);
    let other_time = valid.replace(&NOW_S.to_string(), &(NOW_S + 1).to_string());

    for (payload, header, expected) in [
        (changed.into(), valid.as_str(), SignatureError::NoMatch),
        (payload.clone(), &sign(&payload, "whsec_other", NOW_S), SignatureError::NoMatch),
        (payload.clone(), &other_time, SignatureError::NoMatch),
        (payload.clone(), "", SignatureError::Malformed),
        (payload.clone(), "v1=abcd", SignatureError::NoTimestamp),
    ] {
        let result = service.receiver.receive(payload, header, now()).await;

        assert!(matches!(&result, Err(ReceiveError::Signature(error)) if *error == expected), "{result:?}");
    }
    assert_eq!(inbox_rows(database).await, 0);
    assert_eq!(service.commits(), 0);
}

async fn signature_is_valid_for_300_seconds(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let payload = Payment::begin(&service.store).await.succeeded().payload();

    for (age_s, is_valid) in [(299, true), (300, true), (301, false), (-299, true), (-301, false)] {
        let header = sign(&payload, SECRET, NOW_S - age_s);
        match service.receiver.receive(payload.clone(), &header, now()).await {
            Ok(_) => assert!(is_valid, "{age_s} s"),
            Err(ReceiveError::Signature(SignatureError::Stale { age_s: reported })) => {
                assert!(!is_valid, "{age_s} s");
                assert_eq!(reported, age_s);
            }
            Err(error) => panic!("{age_s} s: {error}"),
        }
    }
    assert_eq!(inbox_rows(database).await, 1);
}

async fn event_signed_with_either_of_two_secrets_is_accepted(database: &TestDatabase) {
    let secrets = vec!["whsec_old".into(), "whsec_new".into()];
    let service = Service::start(database, ReceiverConfig { secrets, ..config() }).await;
    let payment = Payment::begin(&service.store).await;

    for (secret, event) in [("whsec_old", payment.processing()), ("whsec_new", payment.succeeded())] {
        let payload = event.payload();
        let header = sign(&payload, secret, NOW_S);
        let outcome = service.receiver.receive(payload, &header, now()).await;

        assert_eq!(outcome.expect(secret), EventOutcome::Applied);
    }
}

/// While Stripe rolls a secret, it signs with both.
async fn event_with_one_known_signature_of_two_is_accepted(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let payload = Payment::begin(&service.store).await.created().payload();
    let (unknown, known) = (sign(&payload, "whsec_unknown", NOW_S), sign(&payload, SECRET, NOW_S));
    let header = format!("{unknown},{}", known.split_once(',').expect("a timestamp and a signature").1);

    let result = service.receiver.receive(payload, &header, now()).await;

    assert!(result.is_ok(), "{result:?}");
}

async fn endpoint_rejects_the_secrets_of_another_endpoint(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let connect = service.receiver.for_endpoint(vec!["whsec_connect".into()]);
    let payload = Payment::begin(&service.store).await.succeeded().payload();

    for (receiver, secret) in [(&service.receiver, "whsec_connect"), (&connect, SECRET)] {
        let result = receiver.receive(payload.clone(), &sign(&payload, secret, NOW_S), now()).await;

        assert!(matches!(result, Err(ReceiveError::Signature(SignatureError::NoMatch))), "{result:?}");
    }
    assert_eq!(inbox_rows(database).await, 0);
}

async fn endpoints_share_one_queue(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let connect = service.receiver.for_endpoint(vec!["whsec_connect".into()]);
    let payload = Payment::begin(&service.store).await.succeeded().payload();
    let header = sign(&payload, "whsec_connect", NOW_S);

    let outcome = connect.receive(payload.clone(), &header, now()).await;
    assert_eq!(outcome.expect("an outcome"), EventOutcome::Applied);
    assert_eq!(service.commits(), 1);

    service.receiver.close().await;
    let late = connect.receive(payload, &header, now()).await;
    assert!(matches!(late, Err(ReceiveError::Closed)), "{late:?}");
}

async fn verified_body_that_is_not_an_event_is_rejected(database: &TestDatabase) {
    let service = Service::start(database, config()).await;

    for body in
        ["", "{", "[]", "null", "{}", r#"{"id":"evt_1"}"#, r#"{"type":"a"}"#, r#"{"id":"","type":"a"}"#]
    {
        let result = service.deliver_bytes(body.into()).await;

        assert!(matches!(result, Err(ReceiveError::NotAnEvent(_))), "{body}: {result:?}");
    }
    assert_eq!(inbox_rows(database).await, 0);
}

async fn receiver_without_secrets_rejects_everything(database: &TestDatabase) {
    for secrets in [vec![], vec!["".into()]] {
        let service = Service::start(database, ReceiverConfig { secrets, ..config() }).await;
        let payload = br#"{"id":"evt_1","type":"ping"}"#.as_slice();

        let result = service.receiver.receive(payload.into(), &sign(payload, "", NOW_S), now()).await;

        assert!(matches!(result, Err(ReceiveError::Signature(SignatureError::NoMatch))), "{result:?}");
    }
    assert_eq!(inbox_rows(database).await, 0);
}
