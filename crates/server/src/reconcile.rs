//! `quittance reconcile`: repairs everything at once. It shows a spinner, because the amount of work isn't known in
//! advance, and ends with a report.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressStyle};
use quittance_payments::{ConnectSettings, OutcomeWaiters, Payments, ReconcileReport, ReconcileScope};
use quittance_sandbox::ChaosConfig;
use quittance_stripe_gateway::{Stripe, StripeConfig};
use quittance_webhook::{EventBackfillReport, EventBackfiller, Receiver, ReceiverConfig};

use crate::account::{AccountRecord, compare};
use crate::cli::ReconcileArgs;
use crate::commands::open;
use crate::config::{StripeBackend, client_config, sellers_supported, stripe_client};
use crate::error::Error;
use crate::logging;

/// The secret key for requests to the sandbox.
const SANDBOX_KEY: &str = "sk_test_sandbox";

/// The time between two frames of the spinner.
const SPINNER_PERIOD: Duration = Duration::from_millis(100);

pub(crate) async fn reconcile(args: ReconcileArgs) -> Result<(), Error> {
    logging::init(&args.log)?;
    let since = parse_since(&args.since, Utc::now())?;
    let (stripe, connect) = connect_to_stripe(&args)?;
    let store = open(args.database, args.limits.into(), sellers_supported(&args.supported)?).await?;
    store.ready().await?;
    let record = if args.dry_run { AccountRecord::Read } else { AccountRecord::ReadOrInsert };
    compare(&store, &stripe, record).await?;
    let waiting = OutcomeWaiters::start(store.clone());
    let receiver = Receiver::start(store.clone(), ReceiverConfig::default(), || ());
    let backfill = EventBackfiller::new(store.clone(), stripe.clone(), receiver.clone());
    let payments = Payments::new(store.clone(), stripe, waiting).with_connect(connect);

    let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}");
    let spinner = ProgressBar::new_spinner().with_style(style.expect("the template is valid"));
    spinner.enable_steady_tick(SPINNER_PERIOD);
    let events = backfill
        .backfill_since(since, args.dry_run, |events| {
            spinner.set_message(format!("{} events listed", events.listed));
        })
        .await?;
    let scope = ReconcileScope { since, dry_run: args.dry_run };
    let step = |report: &ReconcileReport| {
        let (compared, recomputed) = (report.compared, report.recomputed);
        spinner.set_message(format!("{compared} orders compared, {recomputed} recomputed"));
    };
    let report = payments.reconcile(scope, step).await?;
    spinner.finish_and_clear();
    receiver.close().await;
    store.close();
    print!("{}", summary(events, report, args.dry_run));
    Ok(())
}

/// Parses a time, or a duration before `now`.
fn parse_since(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    if let Ok(time) = text.parse::<DateTime<Utc>>() {
        return Ok(time);
    }
    let duration = humantime::parse_duration(text).ok().and_then(|it| chrono::TimeDelta::from_std(it).ok());
    duration.and_then(|duration| now.checked_sub_signed(duration)).ok_or_else(|| {
        let problem =
            format!("is {text:?}, but must be a time (2026-01-31T09:00:00Z) or a duration (24h, 3days)");
        Error::setting("--since", problem)
    })
}

/// Returns the client for Stripe or the sandbox, and the settings for disconnecting sellers.
fn connect_to_stripe(args: &ReconcileArgs) -> Result<(Stripe, ConnectSettings), Error> {
    let backend = StripeBackend::from_args(args.stripe.clone(), args.sandbox_listen, ChaosConfig::default())?;
    let client_id = backend.connect().client_id.clone();
    let config = match backend {
        StripeBackend::Stripe { secret_key, api_base, connect, .. } => {
            client_config(secret_key, api_base, &connect)
        }
        StripeBackend::Sandbox { listen, .. } => {
            StripeConfig::new(SANDBOX_KEY.to_owned().into(), format!("http://{listen}"))
        }
    };
    // Reconciling creates no sellers, so the terms of new sellers don't matter.
    Ok((stripe_client(&config)?, ConnectSettings { client_id, ..ConnectSettings::default() }))
}

/// Formats the report as one count per line. A dry run reports what a real run would change.
fn summary(events: EventBackfillReport, report: ReconcileReport, dry_run: bool) -> String {
    let (applied_count, applied, updated, repaired) = if dry_run {
        (events.missing, "missing events to apply", "orders to update", "order statuses to repair")
    } else {
        (events.applied, "missing events applied", "orders updated", "order statuses repaired")
    };
    let rows = [
        (events.listed, "events listed by Stripe"),
        (events.missing, "events missing here"),
        (applied_count, applied),
        (report.resumed, "payments and refunds resumed"),
        (report.compared, "orders compared with Stripe"),
        (report.updated, updated),
        (report.failed, "orders that failed to compare; the service retries them"),
        (report.recomputed, "order statuses recomputed"),
        (report.repaired, repaired),
    ];
    let mut text = String::new();
    for (count, label) in rows {
        // Writing to a string never fails.
        let _ = writeln!(text, "{count:>8}  {label}");
    }
    text
}
