//! Stripe's own client libraries against the sandbox. They need Node and Python with the packages of
//! `tests/sdk/`, so they run when `QUITTANCE_SDK_TESTS` is set; then a missing tool is a failure.

use std::path::Path;
use std::process::Command;

use crate::support::{Running, config};

async fn run_script(program: &str, script: &str) {
    if std::env::var_os("QUITTANCE_SDK_TESTS").is_none() {
        eprintln!("{script} did not run: QUITTANCE_SDK_TESTS is not set");
        return;
    }
    let sandbox = Running::start(config());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
    let mut command = Command::new(program);
    command.arg(script).current_dir(folder).env("SANDBOX_URL", &sandbox.api.base);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    println!("{}", text(&output.stdout));
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_stripe() {
    run_script("node", "stripe_node.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypi_stripe() {
    let python = std::env::var("QUITTANCE_SDK_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    run_script(&python, "stripe_python.py").await;
}
