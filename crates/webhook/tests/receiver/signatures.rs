//! Who is believed.

use quittance_domain::event::EventOutcome;
use quittance_stripe_gateway::signature::SignatureError;
use quittance_test_support::{NOW_S, Payment, TestDatabase, now, on_both_databases};
use quittance_webhook::{ReceiveError, ReceiverConfig};

use crate::{SECRET, Service, config, inbox_rows, sign};

on_both_databases! {
    what_is_not_stripes_is_refused_and_not_stored,
    a_signature_counts_for_300_seconds,
    either_of_two_secrets_will_do,
    each_endpoint_believes_its_own_secrets,
    what_is_verified_but_no_event_is_refused,
    without_a_secret_nothing_is_believed,
}

async fn what_is_not_stripes_is_refused_and_not_stored(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let payload = Payment::begin(&service.store).await.succeeded().payload();
    let mut flipped = payload.to_vec();
    flipped[payload.len() / 2] ^= 1;
    let right = sign(&payload, SECRET, NOW_S);
    let of_another_time = right.replace(&NOW_S.to_string(), &(NOW_S + 1).to_string());
    for (payload, header, expected) in [
        (flipped.into(), right.as_str(), SignatureError::NoMatch),
        (payload.clone(), &sign(&payload, "whsec_other", NOW_S), SignatureError::NoMatch),
        (payload.clone(), &of_another_time, SignatureError::NoMatch),
        (payload.clone(), "", SignatureError::Malformed),
        (payload.clone(), "v1=abcd", SignatureError::NoTimestamp),
    ] {
        let refused = service.receiver.receive(payload, header, now()).await;
        assert!(matches!(&refused, Err(ReceiveError::Signature(error)) if *error == expected), "{refused:?}");
    }
    assert_eq!(inbox_rows(database).await, 0);
    assert_eq!(service.commits(), 0);
}

async fn a_signature_counts_for_300_seconds(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let payload = Payment::begin(&service.store).await.succeeded().payload();
    for (age_s, believed) in [(299, true), (300, true), (301, false), (-299, true), (-301, false)] {
        let header = sign(&payload, SECRET, NOW_S - age_s);
        match service.receiver.receive(payload.clone(), &header, now()).await {
            Ok(_) => assert!(believed, "{age_s} s"),
            Err(ReceiveError::Signature(SignatureError::Stale { age_s: told })) => {
                assert!(!believed, "{age_s} s");
                assert_eq!(told, age_s);
            }
            Err(error) => panic!("{age_s} s: {error}"),
        }
    }
    assert_eq!(inbox_rows(database).await, 1);
}

async fn either_of_two_secrets_will_do(database: &TestDatabase) {
    let secrets = vec!["whsec_old".into(), "whsec_new".into()];
    let service = Service::start(database, ReceiverConfig { secrets, ..config() }).await;
    let payment = Payment::begin(&service.store).await;
    for (secret, event) in [("whsec_old", payment.processing()), ("whsec_new", payment.succeeded())] {
        let payload = event.payload();
        let header = sign(&payload, secret, NOW_S);
        let outcome = service.receiver.receive(payload, &header, now()).await;
        assert_eq!(outcome.expect(secret), EventOutcome::Applied);
    }
    // While Stripe rolls a secret it signs with both: one that is ours is enough.
    let payload = payment.created().payload();
    let (theirs, ours) = (sign(&payload, "whsec_unknown", NOW_S), sign(&payload, "whsec_new", NOW_S));
    let both = format!("{theirs},{}", ours.split_once(',').expect("two parts").1);
    assert!(service.receiver.receive(payload, &both, now()).await.is_ok());
}

async fn each_endpoint_believes_its_own_secrets(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    let other = service.receiver.for_endpoint(vec!["whsec_connect".into()]);
    let payload = Payment::begin(&service.store).await.succeeded().payload();
    for (receiver, secret) in [(&service.receiver, "whsec_connect"), (&other, SECRET)] {
        let refused = receiver.receive(payload.clone(), &sign(&payload, secret, NOW_S), now()).await;
        assert!(matches!(refused, Err(ReceiveError::Signature(SignatureError::NoMatch))), "{refused:?}");
    }
    assert_eq!(inbox_rows(database).await, 0);
    let outcome = other.receive(payload.clone(), &sign(&payload, "whsec_connect", NOW_S), now()).await;
    assert_eq!(outcome.expect("its own secret"), EventOutcome::Applied);
    assert_eq!(service.commits(), 1, "one queue");
    service.receiver.close().await;
    let refused = other.receive(payload.clone(), &sign(&payload, "whsec_connect", NOW_S), now()).await;
    assert!(matches!(refused, Err(ReceiveError::Closed)), "{refused:?}");
}

async fn what_is_verified_but_no_event_is_refused(database: &TestDatabase) {
    let service = Service::start(database, config()).await;
    for body in
        ["", "{", "[]", "null", "{}", r#"{"id":"evt_1"}"#, r#"{"type":"a"}"#, r#"{"id":"","type":"a"}"#]
    {
        let refused = service.deliver_bytes(body.into()).await;
        assert!(matches!(refused, Err(ReceiveError::NotAnEvent(_))), "{body}: {refused:?}");
    }
    assert_eq!(inbox_rows(database).await, 0);
}

async fn without_a_secret_nothing_is_believed(database: &TestDatabase) {
    for secrets in [vec![], vec!["".into()]] {
        let service = Service::start(database, ReceiverConfig { secrets, ..config() }).await;
        let payload = br#"{"id":"evt_1","type":"ping"}"#.as_slice();
        let refused = service.receiver.receive(payload.into(), &sign(payload, "", NOW_S), now()).await;
        assert!(matches!(refused, Err(ReceiveError::Signature(SignatureError::NoMatch))), "{refused:?}");
    }
    assert_eq!(inbox_rows(database).await, 0);
}
