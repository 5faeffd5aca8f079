//! The results, as a table.

use std::fmt;
use std::time::Duration;

use crate::load::Timings;
use crate::process::Usage;

/// The combined result of one or more runs of a benchmark.
#[derive(Default)]
pub(crate) struct Measurement {
    count: usize,
    elapsed: Duration,
    latencies_us: Vec<u64>,
    usage: Option<Usage>,
    /// The operations per second of each run.
    rates_per_s: Vec<f64>,
}

impl Measurement {
    /// Creates the result of one run with `count` operations.
    pub(crate) fn new(count: usize, timings: Timings, usage: Usage) -> Self {
        let mut latencies_us = timings.latencies_us;
        latencies_us.sort_unstable();
        let rates_per_s = vec![rate_per_s(count, timings.elapsed)];
        Self { count, elapsed: timings.elapsed, latencies_us, usage: Some(usage), rates_per_s }
    }

    /// Merges the result of another run.
    pub(crate) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.elapsed += other.elapsed;
        self.latencies_us.extend(other.latencies_us);
        self.latencies_us.sort_unstable();
        self.usage = match (self.usage, other.usage) {
            (Some(one), Some(other)) => Some(one.combine(other)),
            (one, other) => one.or(other),
        };
        self.rates_per_s.extend(other.rates_per_s);
    }

    fn per_second(&self) -> f64 {
        rate_per_s(self.count, self.elapsed)
    }

    fn percentile_ms(&self, percent: usize) -> f64 {
        let index = self.latencies_us.len() * percent / 100;
        self.latencies_us.get(index).map_or(0.0, |latency_us| to_f64(*latency_us) / 1000.0)
    }

    fn per_item_us(&self, total_us: u64) -> String {
        if total_us == 0 {
            "-".to_owned()
        } else {
            format!("{:.0}", to_f64(total_us) / to_f64(self.count as u64))
        }
    }
}

fn rate_per_s(count: usize, elapsed: Duration) -> f64 {
    to_f64(count as u64) / elapsed.as_secs_f64()
}

#[allow(clippy::cast_precision_loss, reason = "all values are far below 2⁵²")]
fn to_f64(number: u64) -> f64 {
    number as f64
}

/// The settings and the results of a benchmark. Displays as a table.
#[derive(Default)]
pub(crate) struct Report {
    notes: Vec<(&'static str, String)>,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    measurement: Measurement,
    /// The previous row's rate, divided by the rate of this row.
    ratio: Option<f64>,
}

impl Report {
    /// Adds a setting or figure that is shown above the table.
    pub(crate) fn note(&mut self, name: &'static str, value: String) {
        self.notes.push((name, value));
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, name: &'static str, measurement: Measurement) {
        self.rows.push(Row { name, measurement, ratio: None });
    }

    /// Adds a baseline for the previous row, and their ratio.
    pub(crate) fn add_baseline(&mut self, name: &'static str, measurement: Measurement) {
        let before = self.rows.last().map(|row| row.measurement.per_second());
        let ratio = before.map(|before| before / measurement.per_second());
        self.rows.push(Row { name, measurement, ratio });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        writeln!(f, "\n{:>36}  {cores}", "cores")?;
        for (name, value) in &self.notes {
            writeln!(f, "{name:>36}  {value}")?;
        }
        writeln!(
            f,
            "\n{:<31} {:>10} {:>8} {:>8}   {:>8} {:>10}   {:>7}   each run",
            "", "per second", "p50 ms", "p99 ms", "CPU µs", "PG µs", "RSS MB"
        )?;
        for row in &self.rows {
            let measurement = &row.measurement;
            let usage = measurement.usage.unwrap_or_default();
            let rates: Vec<String> =
                measurement.rates_per_s.iter().map(|rate| format!("{rate:.0}")).collect();
            let rss = match usage.service_rss_kib {
                0 => "-".to_owned(),
                kib => format!("{:.0}", to_f64(kib) / 1024.0),
            };
            writeln!(
                f,
                "{:<31} {:>10.0} {:>8.2} {:>8.2}   {:>8} {:>10}   {rss:>7}   {}",
                row.name,
                measurement.per_second(),
                measurement.percentile_ms(50),
                measurement.percentile_ms(99),
                measurement.per_item_us(usage.service_us),
                measurement.per_item_us(usage.postgres_us.unwrap_or(0)),
                rates.join(" "),
            )?;
            if let Some(ratio) = row.ratio {
                writeln!(f, "{:<31} {ratio:>10.2}", "  ratio of service to baseline")?;
            }
        }
        Ok(())
    }
}
