//! Log lines: readable on a terminal, JSON elsewhere, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::{LogArgs, LogFormat};
use crate::error::Error;

/// Starts logging. Does nothing if it was started before.
pub(crate) fn start(args: &LogArgs) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&args.filter)
        .map_err(|error| Error::setting("QUITTANCE_LOG", format!("is no filter: {error}")))?;
    let terminal = std::io::stderr().is_terminal();
    let default = if terminal { LogFormat::Pretty } else { LogFormat::Json };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match args.format.unwrap_or(default) {
        LogFormat::Pretty => builder.with_ansi(terminal).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // Whoever started it before has chosen how to log.
    drop(started);
    Ok(())
}
