use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use quittance_sandbox::{Config, Error, Sandbox, StorageError};

use crate::support::{TestSandbox, config};

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        state_file: Some(folder.path().join("state.db")),
        debit_delay: Duration::from_hours(1),
        refund_delay: Duration::from_hours(1),
        dispute_delay: Duration::from_hours(1),
        ..config()
    };
    let sandbox = TestSandbox::start(config.clone());
    let keyed = sandbox.api.with("idempotency-key", "k1");
    let paid = keyed.pay("pm_card_visa", &[]).await;
    let sepa = [("allowed_payment_method_types[]", "sepa_debit")];
    let processing = sandbox.api.pay("pm_success_de", &sepa).await.ok();
    let secured = sandbox.api.pay("pm_card_authenticationRequired", &[]).await.ok();
    sandbox.api.post("/_sandbox/clock", &[("advance_seconds", "600")]).await.ok();
    let endpoint = [("url", "http://127.0.0.1:1/"), ("enabled_events[]", "a.b")];
    sandbox.api.post("/v1/webhook_endpoints", &endpoint).await.ok();
    let refund = sandbox.api.pay("pm_card_pendingRefund", &[]).await.ok();
    let refund =
        sandbox.api.post("/v1/refunds", &[("payment_intent", refund["id"].as_str().unwrap())]).await.ok();
    let disputed = sandbox.api.pay("pm_card_createDispute", &[]).await.ok();
    let dispute = format!("/_sandbox/charges/{}/dispute", disputed["latest_charge"].as_str().unwrap());
    sandbox.api.post(&dispute, &[]).await.ok();
    let session = sandbox.api.create_session(&[]).await.ok();
    let pay = format!("/_sandbox/checkout/sessions/{}/pay", session["id"].as_str().unwrap());
    sandbox.api.post(&pay, &[("payment_method", "pm_card_chargeDeclined")]).await.error(402);
    let lists = [
        "payment_intents",
        "charges",
        "events",
        "webhook_endpoints",
        "refunds",
        "disputes",
        "balance_transactions",
        "checkout/sessions",
    ];
    let mut before = Vec::new();
    for list in lists {
        before.push(sandbox.api.get(&format!("/v1/{list}"), &[("limit", "100")]).await.ok());
    }
    let clock = sandbox.api.get("/_sandbox/clock", &[]).await.ok()["now"].as_i64().unwrap();
    let base = sandbox.api.base.clone();
    sandbox.stop().await;

    let sandbox = TestSandbox::start(config);
    for (list, before) in lists.iter().zip(&before) {
        let after = sandbox.api.get(&format!("/v1/{list}"), &[("limit", "100")]).await.ok();
        // Its page has moved with the sandbox.
        let after = after.to_string().replace(&sandbox.api.base, &base);
        assert_eq!(after, before.to_string(), "{list}");
        assert!(!before["data"].as_array().unwrap().is_empty(), "{list}");
    }
    assert!(sandbox.api.get("/_sandbox/clock", &[]).await.ok()["now"].as_i64().unwrap() >= clock);
    let replayed = sandbox.api.with("idempotency-key", "k1").pay("pm_card_visa", &[]).await;
    assert_eq!((replayed.header("idempotent-replayed"), &replayed.text), (Some("true"), &paid.text));
    let path = format!("/_sandbox/payment_intents/{}/settle", processing["id"].as_str().unwrap());
    assert_eq!(sandbox.api.post(&path, &[]).await.ok()["status"], "succeeded");
    let refund = format!("/v1/refunds/{}", refund["id"].as_str().unwrap());
    assert_eq!(sandbox.api.get(&refund, &[]).await.ok()["status"], "pending");
    sandbox.api.advance(3_600).await;
    assert_eq!(sandbox.api.get(&refund, &[]).await.ok()["status"], "succeeded", "it goes on where it was");
    assert_eq!(sandbox.api.post(&pay, &[]).await.ok()["payment_status"], "paid");
    let page = secured["next_action"]["use_stripe_sdk"]["stripe_js"].as_str().unwrap();
    let page = page.replace(&base, &sandbox.api.base);
    assert_eq!(sandbox.api.http.get(page).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn connected_accounts_are_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let state_file = folder.path().join("state.db");
    let config = Config { state_file: Some(state_file.clone()), ..config() };
    let sandbox = TestSandbox::start(config.clone());
    let api = &sandbox.api;
    let seller = api.create_seller("acct_1").await;
    api.create_account(&[("id", "acct_2")]).await;
    api.post("/_sandbox/accounts/acct_2/disconnect", &[]).await.ok();
    seller.pay("pm_card_visa", &[("application_fee_amount", "100")]).await.ok();
    let sent = [("transfer_data[destination]", "acct_1"), ("application_fee_amount", "100")];
    let sent = api.pay("pm_card_visa", &sent).await.ok();
    let back = [("reverse_transfer", "true"), ("refund_application_fee", "true"), ("amount", "300")];
    let mut params = vec![("payment_intent", sent["id"].as_str().unwrap())];
    params.extend_from_slice(&back);
    api.post("/v1/refunds", &params).await.ok();
    let urls = [("refresh_url", "https://shop.example/again"), ("return_url", "https://shop.example/back")];
    let mut params = vec![("account", "acct_1"), ("type", "account_onboarding")];
    params.extend(urls);
    let link = api.post("/v1/account_links", &params).await.ok()["url"].as_str().unwrap().to_owned();
    let code = crate::oauth::authorize_code(api, "read_write", &[]).await;
    let token = crate::oauth::exchange(api, &code).await.ok();
    let unused = crate::oauth::authorize_code(api, "read_write", &[]).await;
    let lists = ["accounts", "application_fees", "transfers", "charges", "balance_transactions", "events"];
    let mut before = Vec::new();
    for world in [api, &seller] {
        for list in lists {
            before.push(world.get(&format!("/v1/{list}"), &[("limit", "100")]).await.ok());
        }
    }
    let base = api.base.clone();
    sandbox.stop().await;
    let kept = std::fs::read(&state_file).unwrap();
    let secrets =
        ["access_token", "refresh_token", "stripe_publishable_key"].map(|name| token[name].as_str().unwrap());
    for secret in secrets.iter().chain([&code.as_str(), &unused.as_str(), &link.rsplit('/').next().unwrap()])
    {
        assert!(!kept.windows(secret.len()).any(|part| part == secret.as_bytes()), "kept as a hash only");
    }

    let sandbox = TestSandbox::start(config);
    let api = &sandbox.api;
    let mut after = Vec::new();
    for world in [api.clone(), api.with("stripe-account", "acct_1")] {
        for list in lists {
            after.push(world.get(&format!("/v1/{list}"), &[("limit", "100")]).await.ok());
        }
    }
    assert_eq!(after, before);
    assert!(before.iter().filter(|list| list["data"].as_array().unwrap().is_empty()).count() <= 3);
    api.with("stripe-account", "acct_2").get("/v1/account", &[]).await.error(403);
    let own = api.with("authorization", format!("Bearer {}", token["access_token"].as_str().unwrap()));
    assert_eq!(own.get("/v1/account", &[]).await.ok()["id"], token["stripe_user_id"]);
    crate::oauth::exchange(api, &unused).await.ok();
    let answer = api.http.get(link.replace(&base, &api.base)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_file_belongs_to_one_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { state_file: Some(folder.path().join("state.db")), ..config() };
    let sandbox = TestSandbox::start(config.clone());
    let second = tokio::task::spawn_blocking({
        let config = config.clone();
        move || Sandbox::bind(config).err()
    });
    assert!(matches!(second.await.unwrap(), Some(Error::Storage(StorageError::Use { .. }))));
    sandbox.stop().await;
    std::fs::write(folder.path().join("state.db"), "this is no database, and long enough to tell so")
        .unwrap();
    assert!(matches!(Sandbox::bind(config).err(), Some(Error::Storage(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_named() {
    let sandbox = Sandbox::bind(config()).unwrap();
    let taken = Config { listen: sandbox.local_addr(), ..config() };
    let error = Sandbox::bind(taken).err().unwrap();
    assert!(error.to_string().contains(&sandbox.local_addr().to_string()));
}

/// What was answered is there after a kill -9: this test runs itself as the process that is killed.
#[test]
fn a_kill_loses_nothing_that_was_answered() {
    const STATE: &str = "SANDBOX_TEST_STATE_FILE";
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let Some(state_file) = std::env::var_os(STATE) {
        let sandbox = Sandbox::bind(Config { state_file: Some(state_file.into()), ..config() }).unwrap();
        println!("listening on {}", sandbox.url());
        runtime().block_on(sandbox.run(std::future::pending())).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let state_file = folder.path().join("state.db");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "restart::a_kill_loses_nothing_that_was_answered", "--nocapture"])
        .env(STATE, &state_file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = loop {
        let line = lines.next().expect("the sandbox ended").unwrap();
        // The test harness prints the test's name on the same line.
        if let Some((_, url)) = line.split_once("listening on ") {
            break url.to_owned();
        }
    };
    let created = runtime().block_on(async {
        let api = crate::support::Api::new(url);
        let mut ids = Vec::new();
        for _ in 0..50 {
            ids.insert(0, api.create_intent(&[]).await.ok()["id"].as_str().unwrap().to_owned());
        }
        ids
    });
    child.kill().unwrap();
    child.wait().unwrap();
    runtime().block_on(async {
        let sandbox = TestSandbox::start(Config { state_file: Some(state_file), ..config() });
        let list = sandbox.api.get("/v1/payment_intents", &[("limit", "100")]).await.ok();
        let kept: Vec<&str> =
            list["data"].as_array().unwrap().iter().map(|intent| intent["id"].as_str().unwrap()).collect();
        assert_eq!(kept, created);
    });
}
