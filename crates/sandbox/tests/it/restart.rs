use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use quittance_sandbox::{Config, Error, Sandbox, StorageError};
use serde_json::Value;

use crate::oauth::{authorize_code, exchange};
use crate::support::{Api, TestSandbox, config, id, intent_path};

/// Returns settings with a state file in this folder, and delays of an hour.
fn file_config(folder: &Path) -> Config {
    let delay = Duration::from_hours(1);
    Config {
        state_file: Some(folder.join("state.db")),
        debit_delay: delay,
        refund_delay: delay,
        dispute_delay: delay,
        ..config()
    }
}

/// Stops a sandbox, and starts another one with the same settings.
async fn restart(sandbox: TestSandbox, config: Config) -> TestSandbox {
    sandbox.stop().await;
    TestSandbox::start(config)
}

const SEPA_DEBIT: (&str, &str) = ("allowed_payment_method_types[]", "sepa_debit");

/// Creates objects of every kind.
async fn create_objects(api: &Api) {
    api.pay("pm_card_visa", &[]).await.ok();
    api.pay("pm_success_de", &[SEPA_DEBIT]).await.ok();
    let endpoint = [("url", "http://127.0.0.1:1/"), ("enabled_events[]", "a.b")];
    api.post("/v1/webhook_endpoints", &endpoint).await.ok();
    let refunded = api.pay("pm_card_pendingRefund", &[]).await.ok();
    api.post("/v1/refunds", &[("payment_intent", id(&refunded))]).await.ok();
    let disputed = api.pay("pm_card_visa", &[]).await.ok();
    let charge = disputed["latest_charge"].as_str().unwrap();
    api.post(&format!("/_sandbox/charges/{charge}/dispute"), &[]).await.ok();
    api.create_session(&[]).await.ok();
}

/// Reads several lists, with the sandbox's own URL removed.
async fn read_lists(api: &Api, paths: &[&str]) -> Vec<String> {
    let mut lists = Vec::new();
    for path in paths {
        let list = api.list(path).await;
        assert!(!list.is_empty(), "{path}");
        lists.push(Value::Array(list).to_string().replace(&api.base, ""));
    }
    lists
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_survive_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = file_config(folder.path());
    let sandbox = TestSandbox::start(config.clone());
    create_objects(&sandbox.api).await;
    let paths = [
        "/v1/payment_intents",
        "/v1/charges",
        "/v1/events",
        "/v1/webhook_endpoints",
        "/v1/refunds",
        "/v1/disputes",
        "/v1/balance_transactions",
        "/v1/checkout/sessions",
    ];
    let before = read_lists(&sandbox.api, &paths).await;

    let sandbox = restart(sandbox, config).await;

    assert_eq!(read_lists(&sandbox.api, &paths).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn advanced_clock_survives_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = file_config(folder.path());
    let sandbox = TestSandbox::start(config.clone());
    sandbox.api.advance(600).await;
    let now = async |api: &Api| api.get("/_sandbox/clock", &[]).await.ok()["now"].as_i64().unwrap();
    let before = now(&sandbox.api).await;

    let sandbox = restart(sandbox, config).await;

    assert!(now(&sandbox.api).await >= before);
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotency_key_survives_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = file_config(folder.path());
    let sandbox = TestSandbox::start(config.clone());
    let first = sandbox.api.with("idempotency-key", "k1").pay("pm_card_visa", &[]).await;

    let sandbox = restart(sandbox, config).await;

    let replayed = sandbox.api.with("idempotency-key", "k1").pay("pm_card_visa", &[]).await;
    assert_eq!((replayed.header("idempotent-replayed"), &replayed.text), (Some("true"), &first.text));
}

#[tokio::test(flavor = "multi_thread")]
async fn processing_debit_can_be_settled_after_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = file_config(folder.path());
    let sandbox = TestSandbox::start(config.clone());
    let debit = sandbox.api.pay("pm_success_de", &[SEPA_DEBIT]).await.ok();

    let sandbox = restart(sandbox, config).await;

    let settle = format!("{}/settle", intent_path(&debit).replace("/v1", "/_sandbox"));
    assert_eq!(sandbox.api.post(&settle, &[]).await.ok()["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_refund_succeeds_after_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = file_config(folder.path());
    let sandbox = TestSandbox::start(config.clone());
    let paid = sandbox.api.pay("pm_card_pendingRefund", &[]).await.ok();
    let refund = sandbox.api.post("/v1/refunds", &[("payment_intent", id(&paid))]).await.ok();
    let path = format!("/v1/refunds/{}", id(&refund));

    let sandbox = restart(sandbox, config).await;

    assert_eq!(sandbox.api.get(&path, &[]).await.ok()["status"], "pending");
    sandbox.api.advance(3_600).await;
    assert_eq!(sandbox.api.get(&path, &[]).await.ok()["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_session_can_be_paid_after_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = file_config(folder.path());
    let sandbox = TestSandbox::start(config.clone());
    let session = sandbox.api.create_session(&[]).await.ok();
    let pay = format!("/_sandbox/checkout/sessions/{}/pay", id(&session));
    sandbox.api.post(&pay, &[("payment_method", "pm_card_chargeDeclined")]).await.error(402);

    let sandbox = restart(sandbox, config).await;

    assert_eq!(sandbox.api.post(&pay, &[]).await.ok()["payment_status"], "paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn authentication_page_is_available_after_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = file_config(folder.path());
    let sandbox = TestSandbox::start(config.clone());
    let intent = sandbox.api.pay("pm_card_authenticationRequired", &[]).await.ok();
    let url = intent["next_action"]["use_stripe_sdk"]["stripe_js"].as_str().unwrap();
    let path = url.strip_prefix(&sandbox.api.base).unwrap();

    let sandbox = restart(sandbox, config).await;

    assert_eq!(sandbox.api.get(path, &[]).await.status, 200);
}

/// Creates a connected account with a direct charge, and a refunded destination charge. Returns its client.
async fn create_connect_objects(api: &Api) -> Api {
    let seller = api.create_seller("acct_1").await;
    let fee = ("application_fee_amount", "100");
    seller.pay("pm_card_visa", &[fee]).await.ok();
    let paid = api.pay("pm_card_visa", &[("transfer_data[destination]", "acct_1"), fee]).await.ok();
    let params = [
        ("payment_intent", id(&paid)),
        ("reverse_transfer", "true"),
        ("refund_application_fee", "true"),
        ("amount", "300"),
    ];
    api.post("/v1/refunds", &params).await.ok();
    seller
}

const CONNECT_LISTS: [&str; 6] = [
    "/v1/accounts",
    "/v1/application_fees",
    "/v1/transfers",
    "/v1/charges",
    "/v1/balance_transactions",
    "/v1/events",
];

#[tokio::test(flavor = "multi_thread")]
async fn connect_objects_survive_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = file_config(folder.path());
    let sandbox = TestSandbox::start(config.clone());
    let seller = create_connect_objects(&sandbox.api).await;
    let platform_before = read_lists(&sandbox.api, &CONNECT_LISTS).await;
    // Accounts, fees, and transfers belong to the platform.
    let seller_before = read_lists(&seller, &CONNECT_LISTS[3..]).await;

    let sandbox = restart(sandbox, config).await;

    let seller = sandbox.api.with("stripe-account", "acct_1");
    assert_eq!(read_lists(&sandbox.api, &CONNECT_LISTS).await, platform_before);
    assert_eq!(read_lists(&seller, &CONNECT_LISTS[3..]).await, seller_before);
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnected_account_is_inaccessible_after_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = file_config(folder.path());
    let sandbox = TestSandbox::start(config.clone());
    sandbox.api.create_account(&[("id", "acct_2")]).await;
    sandbox.api.post("/_sandbox/accounts/acct_2/disconnect", &[]).await.ok();

    let sandbox = restart(sandbox, config).await;

    sandbox.api.with("stripe-account", "acct_2").get("/v1/account", &[]).await.error(403);
}

/// Creates an onboarding link for `acct_1`. Returns its path.
async fn create_account_link(api: &Api) -> String {
    let params = [
        ("account", "acct_1"),
        ("type", "account_onboarding"),
        ("refresh_url", "https://shop.example/again"),
        ("return_url", "https://shop.example/back"),
    ];
    let link = api.post("/v1/account_links", &params).await.ok();
    link["url"].as_str().unwrap().strip_prefix(&api.base).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn oauth_secrets_are_valid_after_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = file_config(folder.path());
    let sandbox = TestSandbox::start(config.clone());
    let code = authorize_code(&sandbox.api, "read_write", &[]).await;
    let token = exchange(&sandbox.api, &code).await.ok();
    let unused_code = authorize_code(&sandbox.api, "read_write", &[]).await;

    let sandbox = restart(sandbox, config).await;

    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let seller = sandbox.api.with("authorization", bearer);
    assert_eq!(seller.get("/v1/account", &[]).await.ok()["id"], token["stripe_user_id"]);
    exchange(&sandbox.api, &unused_code).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn account_link_is_valid_after_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = file_config(folder.path());
    let sandbox = TestSandbox::start(config.clone());
    sandbox.api.create_account(&[("id", "acct_1")]).await;
    let link = create_account_link(&sandbox.api).await;

    let sandbox = restart(sandbox, config).await;

    assert_eq!(sandbox.api.get(&link, &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_stored_only_as_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let config = file_config(folder.path());
    let sandbox = TestSandbox::start(config.clone());
    let api = &sandbox.api;
    api.create_account(&[("id", "acct_1")]).await;
    let link = create_account_link(api).await;
    let code = authorize_code(api, "read_write", &[]).await;
    let token = exchange(api, &code).await.ok();
    let unused_code = authorize_code(api, "read_write", &[]).await;

    sandbox.stop().await;

    let stored = std::fs::read(config.state_file.unwrap()).unwrap();
    let keys = ["access_token", "refresh_token", "stripe_publishable_key"];
    let keys = keys.map(|name| token[name].as_str().unwrap());
    for secret in keys.into_iter().chain([code.as_str(), &unused_code, link.rsplit('/').next().unwrap()]) {
        assert!(!stored.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn state_file_in_use_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let config = file_config(folder.path());
    let sandbox = TestSandbox::start(config.clone());

    let second = tokio::task::spawn_blocking(move || Sandbox::bind(config).err());

    assert!(matches!(second.await.unwrap(), Some(Error::Storage(StorageError::Use { .. }))));
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_file_without_database_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let config = file_config(folder.path());
    std::fs::write(folder.path().join("state.db"), "A text file that is too long for an empty database.")
        .unwrap();

    assert!(matches!(Sandbox::bind(config).err(), Some(Error::Storage(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn address_in_use_is_named_in_the_error() {
    let sandbox = Sandbox::bind(config()).unwrap();
    let address = sandbox.local_addr();

    let error = Sandbox::bind(Config { listen: address, ..config() }).err().unwrap();

    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

/// The environment variable that makes this test binary run a sandbox.
const CHILD_STATE_FILE: &str = "SANDBOX_TEST_STATE_FILE";
const KILL_TEST: &str = "restart::responded_requests_survive_kill";

/// Runs this test binary as a sandbox process. Returns the process and its URL.
fn spawn_sandbox(state_file: &Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", KILL_TEST, "--nocapture"])
        .env(CHILD_STATE_FILE, state_file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The test harness prints the test's name on the same line.
    let url = lines.map(Result::unwrap).find_map(|line| Some(line.split_once("listening on ")?.1.to_owned()));
    (child, url.expect("the sandbox exited"))
}

#[test]
fn responded_requests_survive_kill() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let Some(state_file) = std::env::var_os(CHILD_STATE_FILE) {
        let sandbox = Sandbox::bind(Config { state_file: Some(state_file.into()), ..config() }).unwrap();
        println!("listening on {}", sandbox.url());
        runtime.block_on(sandbox.run(std::future::pending())).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let state_file = folder.path().join("state.db");
    let (mut child, url) = spawn_sandbox(&state_file);
    let created = runtime.block_on(async {
        let api = Api::new(url);
        let mut ids = Vec::new();
        for _ in 0..50 {
            ids.insert(0, id(&api.create_intent(&[]).await.ok()).to_owned());
        }
        ids
    });

    child.kill().unwrap();
    child.wait().unwrap();

    runtime.block_on(async {
        let sandbox = TestSandbox::start(Config { state_file: Some(state_file), ..config() });
        let intents = sandbox.api.list("/v1/payment_intents").await;
        let ids: Vec<&str> = intents.iter().map(id).collect();
        assert_eq!(ids, created);
    });
}
