//! Runs Stripe's own client libraries against the sandbox. They need Node.js and Python with the packages of
//! `tests/sdk/`, so the tests run only if `QUITTANCE_SDK_TESTS` is set. A missing tool is then a failure.

use std::path::Path;
use std::process::Command;

use quittance_sandbox::Config;
use serde_json::Value;

use crate::support::{TestSandbox, config};

const NODE: &str = "stripe_node.mjs";
const PYTHON: &str = "stripe_python.py";

/// Endpoints that the Node.js library can't call directly. It pages only through lists that it has requested itself.
const UNSUPPORTED_BY_NODE: [(&str, &str); 1] = [("GET", "/v1/charges/{id}/refunds")];

fn is_enabled() -> bool {
    let is_enabled = std::env::var_os("QUITTANCE_SDK_TESTS").is_some();
    if !is_enabled {
        eprintln!("skipped Stripe's libraries: QUITTANCE_SDK_TESTS is not set");
    }
    is_enabled
}

/// Runs a script. Returns whether it succeeded, and its output.
async fn run_script(script: &str, settings: &[(&str, &str)]) -> (bool, String) {
    let python = std::env::var("QUITTANCE_SDK_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let program = if script == NODE { "node".to_owned() } else { python };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
    let mut command = Command::new(&program);
    command
        .arg(script)
        .current_dir(folder)
        .env_remove("STRIPE_TEST_SECRET_KEY")
        .envs(settings.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("failed to start {program}: {error}"));
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    println!("{}", text.concat());
    (output.status.success(), text.concat())
}

/// Whether a path matches an endpoint's path template.
fn matches_template(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let is_match = |(expected, actual): (&&str, &&str)| expected == actual || expected.starts_with('{');
    template.len() == path.len() && template.iter().zip(&path).all(is_match)
}

/// Returns the endpoints that no recorded request has called.
fn uncalled_endpoints(recorded: &str) -> Vec<(String, &'static str)> {
    let requests: Vec<Value> = recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_called = |method: &str, template: &str| {
        requests.iter().any(|request| {
            request["method"] == method && matches_template(template, request["path"].as_str().unwrap())
        })
    };
    quittance_sandbox::endpoints().filter(|(method, path)| !is_called(method.as_str(), path)).collect()
}

/// Runs a script against a sandbox. Asserts that it calls every endpoint but these.
async fn assert_calls_every_endpoint(script: &str, unsupported: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("requests.jsonl");
    let sandbox = TestSandbox::start(Config { record_requests: Some(file.clone()), ..config() });

    let (is_success, output) = run_script(script, &[("SANDBOX_URL", &sandbox.api.base)]).await;

    assert!(is_success && !output.contains("skipped"), "{output}");
    sandbox.stop().await;
    let uncalled = uncalled_endpoints(&std::fs::read_to_string(file).unwrap());
    let uncalled: Vec<_> = uncalled.iter().map(|(method, path)| (method.as_str(), *path)).collect();
    assert_eq!(uncalled, unsupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn node_library_calls_every_endpoint() {
    if is_enabled() {
        assert_calls_every_endpoint(NODE, &UNSUPPORTED_BY_NODE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn python_library_calls_every_endpoint() {
    if is_enabled() {
        assert_calls_every_endpoint(PYTHON, &[]).await;
    }
}

/// Runs the scripts as for Stripe's test mode, but against a sandbox.
#[tokio::test(flavor = "multi_thread")]
async fn scripts_with_test_key_use_the_test_mode_url() {
    if !is_enabled() {
        return;
    }
    for script in [NODE, PYTHON] {
        let sandbox = TestSandbox::start(config());
        let settings = [
            ("STRIPE_TEST_SECRET_KEY", "sk_test_of_a_developer"),
            ("SANDBOX_URL", "http://127.0.0.1:9"),
            ("STRIPE_TEST_URL", &sandbox.api.base),
        ];

        let (is_success, output) = run_script(script, &settings).await;

        assert!(is_success && output.contains("ok      idempotency keys"), "{output}");
        assert_eq!(output.contains("skipped card numbers: "), script == NODE, "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_with_other_keys_send_no_requests() {
    if !is_enabled() {
        return;
    }
    for script in [NODE, PYTHON] {
        for key in ["sk_live_x", "rk_live_x", "pk_test_x", ""] {
            let sandbox = TestSandbox::start(config());
            let settings = [("STRIPE_TEST_SECRET_KEY", key), ("STRIPE_TEST_URL", &sandbox.api.base)];

            let (is_success, output) = run_script(script, &settings).await;

            assert!(!is_success && output.contains("must be a key of Stripe's test mode"), "{output}");
            assert!(sandbox.api.list("/v1/payment_intents").await.is_empty());
        }
    }
}
