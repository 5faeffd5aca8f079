//! `quittance reconcile`: healing by hand, with a spinner and a tally. How much there is to do is not known before.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressStyle};
use quittance_payments::{ConnectSettings, Payments, Scope, Tally, Waiting};
use quittance_sandbox::ChaosConfig;
use quittance_stripe_gateway::{Stripe, StripeConfig};
use quittance_webhook::{Receiver, ReceiverConfig, Walked, Walker};

use crate::account::{Stored, compare};
use crate::cli::ReconcileArgs;
use crate::commands::open;
use crate::config::Stripe as StripeChoice;
use crate::connect::{real_stripe, sellers_supported, stripe_client};
use crate::error::Error;
use crate::logging;

/// The key that the sandbox is asked with.
const SANDBOX_KEY: &str = "sk_test_sandbox";

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(100);

pub(crate) async fn reconcile(args: ReconcileArgs) -> Result<(), Error> {
    logging::start(&args.log)?;
    let since = since(&args.since, Utc::now())?;
    let (stripe, connect) = stripe(&args)?;
    let store = open(args.database, args.limits.into(), sellers_supported(&args.supported)?).await?;
    store.ready().await?;
    compare(&store, &stripe, if args.dry_run { Stored::Read } else { Stored::Write }).await?;
    let waiting = Waiting::start(store.clone());
    let receiver = Receiver::start(store.clone(), ReceiverConfig::default(), || ());
    let walk = Walker::new(store.clone(), stripe.clone(), receiver.clone());
    let payments = Payments::new(store.clone(), stripe, waiting).with_connect(connect);

    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}").expect("the template is one"),
    );
    bar.enable_steady_tick(TICK);
    let walked = walk
        .walk(since, args.dry_run, |walked| bar.set_message(format!("{} events listed", walked.listed)))
        .await?;
    let scope = Scope { since, dry_run: args.dry_run };
    let step = |tally: &Tally| {
        bar.set_message(format!("{} orders asked about, {} derived anew", tally.asked, tally.derived));
    };
    let tally = payments.reconcile(scope, step).await?;
    bar.finish_and_clear();
    receiver.close().await;
    store.close();
    print!("{}", summary(walked, tally, args.dry_run));
    Ok(())
}

/// A point in time, or how far back from now.
fn since(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    if let Ok(time) = text.parse::<DateTime<Utc>>() {
        return Ok(time);
    }
    let span = humantime::parse_duration(text).ok().and_then(|span| chrono::TimeDelta::from_std(span).ok());
    span.and_then(|span| now.checked_sub_signed(span)).ok_or_else(|| {
        Error::setting("--since", format!("is {text:?}: it takes 2026-01-31T09:00:00Z, 24h or 3days"))
    })
}

/// Which Stripe is asked, and as whom sellers are let go.
fn stripe(args: &ReconcileArgs) -> Result<(Stripe, ConnectSettings), Error> {
    let choice = StripeChoice::read(args.stripe.clone(), args.sandbox_listen, ChaosConfig::default())?;
    let client_id = choice.connect().client_id.clone();
    let config = match choice {
        StripeChoice::Real { secret_key, api_base, connect, .. } => {
            real_stripe(secret_key, api_base, &connect)
        }
        StripeChoice::Sandbox { listen, .. } => {
            StripeConfig::new(SANDBOX_KEY.to_owned().into(), format!("http://{listen}"))
        }
    };
    // No seller is made here: how new ones begin plays no part.
    Ok((stripe_client(&config)?, ConnectSettings { client_id, ..ConnectSettings::default() }))
}

fn summary(walked: Walked, tally: Tally, dry_run: bool) -> String {
    // A dry run drives nothing on, and says what would be.
    let (taken_in, changed, mended, count) = if dry_run {
        ("would be taken in", "of them would change", "of them would be mended", walked.missing)
    } else {
        ("of them changed something", "of them changed", "of them mended", walked.applied)
    };
    let rows = [
        (walked.listed, "events listed by Stripe"),
        (walked.missing, "of them had not arrived"),
        (count, taken_in),
        (tally.driven, "payments and refunds driven on"),
        (tally.asked, "orders asked about at Stripe"),
        (tally.behind, changed),
        (tally.failed, "of them could not be asked about; the service tries again"),
        (tally.derived, "orders derived anew from their facts"),
        (tally.mended, mended),
    ];
    let mut text = String::new();
    for (count, what) in rows {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{count:>8}  {what}");
    }
    text
}
