//! What was measured, as a table.

use std::fmt;
use std::time::Duration;

use crate::load::Timings;
use crate::process::Usage;

/// What some runs of the same thing came to.
#[derive(Default)]
pub(crate) struct Measured {
    count: usize,
    elapsed: Duration,
    latencies_us: Vec<u64>,
    usage: Option<Usage>,
    /// Of each run, how many were done in a second.
    rates: Vec<f64>,
}

impl Measured {
    /// A run that did so many.
    pub(crate) fn new(count: usize, timings: Timings, usage: Usage) -> Self {
        let mut latencies_us = timings.latencies_us;
        latencies_us.sort_unstable();
        let rates = vec![rate(count, timings.elapsed)];
        Self { count, elapsed: timings.elapsed, latencies_us, usage: Some(usage), rates }
    }

    /// Adds another run.
    pub(crate) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.elapsed += other.elapsed;
        self.latencies_us.extend(other.latencies_us);
        self.latencies_us.sort_unstable();
        self.usage = match (self.usage, other.usage) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        };
        self.rates.extend(other.rates);
    }

    fn per_second(&self) -> f64 {
        rate(self.count, self.elapsed)
    }

    fn percentile_ms(&self, percent: usize) -> f64 {
        let place = self.latencies_us.len() * percent / 100;
        self.latencies_us.get(place).map_or(0.0, |latency_us| precise(*latency_us) / 1000.0)
    }

    fn each_us(&self, total_us: u64) -> String {
        if total_us == 0 {
            "-".to_owned()
        } else {
            format!("{:.0}", precise(total_us) / precise(self.count as u64))
        }
    }
}

fn rate(count: usize, elapsed: Duration) -> f64 {
    precise(count as u64) / elapsed.as_secs_f64()
}

#[allow(clippy::cast_precision_loss, reason = "nothing here is near 2⁵²")]
fn precise(number: u64) -> f64 {
    number as f64
}

/// The whole table.
#[derive(Default)]
pub(crate) struct Report {
    notes: Vec<(&'static str, String)>,
    lines: Vec<Line>,
}

struct Line {
    name: &'static str,
    measured: Measured,
    /// How many times as many the line before did.
    ratio: Option<f64>,
}

impl Report {
    /// Something that figures depend on.
    pub(crate) fn note(&mut self, name: &'static str, value: String) {
        self.notes.push((name, value));
    }

    /// A line of the table.
    pub(crate) fn measured(&mut self, name: &'static str, measured: Measured) {
        self.lines.push(Line { name, measured, ratio: None });
    }

    /// A line that the one before is compared with.
    pub(crate) fn beside(&mut self, name: &'static str, measured: Measured) {
        let before = self.lines.last().map(|line| line.measured.per_second());
        let ratio = before.map(|before| before / measured.per_second());
        self.lines.push(Line { name, measured, ratio });
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
            "\n{:<31} {:>9} {:>8} {:>8}   {:>8} {:>10}   {:>7}   each run",
            "", "a second", "p50 ms", "p99 ms", "CPU µs", "PostgreSQL", "RSS MB"
        )?;
        for line in &self.lines {
            let measured = &line.measured;
            let usage = measured.usage.unwrap_or_default();
            let rates: Vec<String> = measured.rates.iter().map(|rate| format!("{rate:.0}")).collect();
            let rss = match usage.service_rss_kib {
                0 => "-".to_owned(),
                kib => format!("{:.0}", precise(kib) / 1024.0),
            };
            writeln!(
                f,
                "{:<31} {:>9.0} {:>8.2} {:>8.2}   {:>8} {:>10}   {rss:>7}   {}",
                line.name,
                measured.per_second(),
                measured.percentile_ms(50),
                measured.percentile_ms(99),
                measured.each_us(usage.service_us),
                measured.each_us(usage.postgres_us.unwrap_or(0)),
                rates.join(" "),
            )?;
            if let Some(ratio) = line.ratio {
                writeln!(f, "{:<31} {ratio:>9.2}", "  the service, compared with it")?;
            }
        }
        Ok(())
    }
}
