//! Runs a sandbox: `cargo run -p quittance-sandbox --example sandbox -- --help`.

use clap::Parser;
use quittance_sandbox::{Config, Sandbox};

/// A stateful stand-in for Stripe. Never use real cards or live keys.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    config: Config,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::bind(Arguments::parse().config)?;
    println!("The sandbox listens on {} and accepts any sk_test_… and pk_test_… key.", sandbox.url());
    sandbox
        .run(async {
            if let Err(error) = tokio::signal::ctrl_c().await {
                eprintln!("cannot listen for Ctrl-C: {error}");
            }
        })
        .await?;
    Ok(())
}
