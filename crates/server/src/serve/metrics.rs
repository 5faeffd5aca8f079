//! The Prometheus recorder behind `/metrics`.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::error::Error;

/// The time between two moves of measurements into histogram buckets.
const UPKEEP_PERIOD: Duration = Duration::from_secs(5);

/// Upper bounds of latency buckets, in seconds.
const LATENCY_BUCKETS_S: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Upper bounds of batch size buckets, in events.
const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Installs the recorder and starts its upkeep.
pub(super) fn install() -> Result<PrometheusHandle, Error> {
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY_BUCKETS_S)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Suffix("_batch_events".to_owned()), &BATCH_BUCKETS)
        })
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(Error::Metrics)?;
    tokio::spawn(upkeep(metrics.clone()));
    Ok(metrics)
}

/// Moves measurements into buckets periodically, so that memory stays bounded even if `/metrics` is never read.
async fn upkeep(metrics: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP_PERIOD);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}
