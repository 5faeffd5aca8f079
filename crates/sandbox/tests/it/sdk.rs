//! Stripe's own client libraries against the sandbox. They need Node and Python with the packages of
//! `tests/sdk/`, so they run when `QUITTANCE_SDK_TESTS` is set; then a missing tool is a failure.

use std::path::Path;
use std::process::Command;

use quittance_sandbox::Config;
use serde_json::Value;

use crate::support::{TestSandbox, config};

const NODE: &str = "stripe_node.mjs";
const PYTHON: &str = "stripe_python.py";

/// Endpoints for which the library for Node.js has no call: it pages only through lists that it has asked for itself.
const NOT_BY_NODE: [(&str, &str); 1] = [("GET", "/v1/charges/{id}/refunds")];

fn is_wanted() -> bool {
    let is_wanted = std::env::var_os("QUITTANCE_SDK_TESTS").is_some();
    if !is_wanted {
        eprintln!("Stripe's libraries did not run: QUITTANCE_SDK_TESTS is not set");
    }
    is_wanted
}

/// Runs a script to its end. Whether it is content, and what it says.
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
    let output = output.unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    println!("{}", said.concat());
    (output.status.success(), said.concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_and_pypi_stripe_drive_the_sandbox() {
    if !is_wanted() {
        return;
    }
    for (script, without) in [(NODE, &NOT_BY_NODE[..]), (PYTHON, &[])] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("requests.jsonl");
        let sandbox = TestSandbox::start(Config { record_requests: Some(file.clone()), ..config() });
        let (is_content, said) = run_script(script, &[("SANDBOX_URL", &sandbox.api.base)]).await;
        assert!(is_content && !said.contains("skipped"), "{said}");
        sandbox.stop().await;
        let recorded = std::fs::read_to_string(file).unwrap();
        let requests: Vec<Value> = recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let is_asked = |(method, path): &(String, &str)| {
            let is_it = |one: &Value| one["method"] == *method && is_on(path, one["path"].as_str().unwrap());
            requests.iter().any(is_it)
        };
        let never_asked: Vec<_> = quittance_sandbox::endpoints().filter(|one| !is_asked(one)).collect();
        let never_asked: Vec<_> = never_asked.iter().map(|(method, path)| (method.as_str(), *path)).collect();
        assert_eq!(never_asked, without, "{script} drives every endpoint but those it can not");
    }
}

/// Whether a path is one that an endpoint's path describes.
fn is_on(endpoint: &str, path: &str) -> bool {
    let (endpoint, path): (Vec<_>, Vec<_>) = (endpoint.split('/').collect(), path.split('/').collect());
    let is_same = |(described, given): (&&str, &&str)| described == given || described.starts_with('{');
    endpoint.len() == path.len() && endpoint.iter().zip(&path).all(is_same)
}

/// The way they go to Stripe's test mode, with a sandbox at the end of it.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_test_key_they_go_elsewhere() {
    if !is_wanted() {
        return;
    }
    for script in [NODE, PYTHON] {
        let sandbox = TestSandbox::start(config());
        let key = ("STRIPE_TEST_SECRET_KEY", "sk_test_of_a_developer");
        let nowhere = ("SANDBOX_URL", "http://127.0.0.1:9");
        let (is_content, said) =
            run_script(script, &[key, nowhere, ("STRIPE_TEST_URL", &sandbox.api.base)]).await;
        assert!(is_content, "{said}");
        assert!(said.contains("ok      idempotency keys"), "{said}");
        assert_eq!(said.contains("skipped card numbers: "), script == NODE, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_key_goes_nowhere() {
    if !is_wanted() {
        return;
    }
    for (script, key) in [NODE, PYTHON]
        .into_iter()
        .flat_map(|script| ["sk_live_x", "rk_live_x", "pk_test_x", ""].map(|key| (script, key)))
    {
        let sandbox = TestSandbox::start(config());
        let settings = [("STRIPE_TEST_SECRET_KEY", key), ("STRIPE_TEST_URL", &sandbox.api.base)];
        let (is_content, said) = run_script(script, &settings).await;
        assert!(!is_content && said.contains("must be a key of Stripe's test mode"), "{said}");
        let objects = sandbox.api.get("/v1/payment_intents", &[]).await.ok();
        assert_eq!(objects["data"], serde_json::json!([]));
    }
}
