//! The metrics on `/metrics`.

use metrics_exporter_prometheus::PrometheusBuilder;
use quittance_stripe_gateway::signature::sign;
use quittance_test_support::{Kind, NOW_S, Payment, now, run_on};
use quittance_webhook::{Receiver, ReceiverConfig};

/// One test, because a process has one metrics recorder.
#[test]
fn received_events_are_counted_by_type_outcome_and_rejection() {
    let recorder = PrometheusBuilder::new().install_recorder().expect("the only recorder of this process");

    run_on(Kind::Sqlite, async |database| {
        let store = database.store().await;
        let payment = Payment::begin(&store).await;
        let config = ReceiverConfig { secrets: vec!["whsec_test".into()], ..ReceiverConfig::default() };
        let receiver = Receiver::start(store, config, || ());
        let paid = payment.succeeded().payload();
        let unhandled = br#"{"id":"evt_1","type":"made.up"}"#.as_slice().into();
        for payload in [paid.clone(), paid.clone(), unhandled] {
            let header = sign(&payload, &"whsec_test".into(), NOW_S);
            receiver.receive(payload, &header, now()).await.expect("an outcome");
        }
        let wrong = sign(&paid, &"whsec_other".into(), NOW_S);
        receiver.receive(paid, &wrong, now()).await.expect_err("a rejection");
    });

    let page = recorder.render();
    for line in [
        r#"quittance_webhook_events_total{type="payment_intent.succeeded",outcome="applied"} 1"#,
        r#"quittance_webhook_events_total{type="payment_intent.succeeded",outcome="duplicate"} 1"#,
        r#"quittance_webhook_events_total{type="other",outcome="unhandled"} 1"#,
        r#"quittance_webhook_rejected_total{reason="wrong_signature"} 1"#,
        "quittance_webhook_batch_events_count 3",
        "quittance_webhook_queue 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is missing:\n{page}");
    }
    assert!(!page.contains("made.up"), "an event's unhandled type must not become a label:\n{page}");
}
