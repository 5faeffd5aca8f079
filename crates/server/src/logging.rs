//! Logging to standard error: readable text on a terminal, JSON otherwise.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::{LogArgs, LogFormat};
use crate::error::Error;

/// Installs the log subscriber. Does nothing if one is already installed.
pub(crate) fn init(args: &LogArgs) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&args.filter)
        .map_err(|error| Error::setting("QUITTANCE_LOG", format!("isn't a valid log filter: {error}")))?;
    let is_terminal = std::io::stderr().is_terminal();
    let default = if is_terminal { LogFormat::Pretty } else { LogFormat::Json };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = match args.format.unwrap_or(default) {
        LogFormat::Pretty => builder.with_ansi(is_terminal).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // The subscriber that is already installed keeps its own format.
    drop(installed);
    Ok(())
}
