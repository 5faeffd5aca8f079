//! `quittance`: a headless payments API for Stripe.

mod account;
mod banner;
#[allow(clippy::doc_markdown, rustdoc::bare_urls, reason = "its comments are the text of --help")]
mod cli;
mod commands;
mod config;
mod demo;
mod error;
mod lock;
mod logging;
mod reconcile;
mod serve;
mod signals;
mod token_key;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use error::Error;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Error::Runtime(error)),
    };
    let outcome = runtime.block_on(run(cli));
    // All tasks that must finish were awaited, so the rest can be dropped.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn run(cli: Cli) -> Result<(), Error> {
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve::serve(*args).await,
        Command::Migrate(database) => commands::migrate(database).await,
        Command::Openapi => {
            commands::openapi();
            Ok(())
        }
        Command::Keys { action, database } => commands::keys(action, database).await,
        Command::Replay { database, limits, supported } => {
            commands::replay(database, limits, &supported).await
        }
        Command::Reconcile(args) => reconcile::reconcile(*args).await,
        Command::Sandbox { sandbox, log } => commands::sandbox(sandbox, log).await,
    }
}

/// Prints an error and its causes to standard error, and returns the exit code.
fn fail(error: &Error) -> ExitCode {
    eprintln!("quittance: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        eprintln!("  caused by: {cause}");
        source = cause.source();
    }
    ExitCode::FAILURE
}
