//! The quick start: no settings, an empty directory, and four commands to paste.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use quittance_test_support::wait_until;
use serde_json::{Value, json};

use crate::client::Client;
use crate::process::{Process, output, quittance, text};

/// The contents of the banner.
struct Banner {
    api: String,
    sandbox: String,
    key: String,
    lines: Vec<String>,
}

impl Banner {
    /// Waits for the last of `count` banners on a process's standard output.
    async fn wait_for(process: &Process, count: usize) -> Self {
        let printed = wait_until("the banner is printed", async || {
            let printed = process.stdout();
            let last = printed.rfind("\n  Quittance ")?;
            let is_whole =
                printed.matches("\n  Quittance ").count() == count && printed[last..].contains("?wait=");
            is_whole.then(|| printed[last..].to_owned())
        })
        .await;
        let word_after = |label: &str| {
            let line = printed.lines().find(|line| line.trim_start().starts_with(label)).unwrap_or_default();
            line.split_whitespace().nth(1).unwrap_or_else(|| panic!("no {label}: {printed}")).to_owned()
        };
        let is_command =
            |line: &&str| ["ORDER=", "PAYMENT=", "curl "].iter().any(|begin| line.starts_with(begin));
        Self {
            api: word_after("API"),
            sandbox: word_after("Sandbox"),
            key: word_after("Key"),
            lines: printed.lines().filter(is_command).map(str::to_owned).collect(),
        }
    }

    fn client(&self) -> Client {
        Client::new(&self.api, Some(&self.key))
    }
}

/// Starts `quittance` without settings, except for unused ports.
fn start(directory: &Path) -> Process {
    let mut command = quittance(directory);
    command.env("QUITTANCE_LISTEN", "127.0.0.1:0").env("QUITTANCE_SANDBOX_LISTEN", "127.0.0.1:0");
    Process::start(command, directory, "quittance")
}

/// Pastes lines into a shell. Returns the output of each line.
fn paste(lines: &[String]) -> Vec<String> {
    const END: &str = "--- end of a line";
    let mut shell = Command::new("bash");
    shell.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).arg("--norc");
    let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash");
    let mut input = shell.stdin.take().expect("its input");
    for line in lines {
        writeln!(input, "{line}\necho; echo '{END}'").expect("a shell that reads");
    }
    drop(input);
    let printed = text(&shell.wait_with_output().expect("its output").stdout);
    printed.split(END).map(|part| part.trim().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn quick_start_order_survives_restart() {
    let home = tempfile::tempdir().unwrap();

    let mut first = start(home.path());
    let banner = Banner::wait_for(&first, 1).await;
    assert_eq!(banner.lines.len(), 4, "{:?}", banner.lines);
    let lines = banner.lines.clone();
    let printed = tokio::task::spawn_blocking(move || paste(&lines)).await.unwrap();
    assert!(printed[0].starts_with("ord_"), "{printed:?}");
    assert!(printed[1].starts_with("pi_"), "{printed:?}");
    assert!(printed[2].contains("succeeded"), "{printed:?}");
    let last: Value = serde_json::from_str(&printed[3]).unwrap_or_else(|_| panic!("{printed:?}"));
    assert_eq!((&last["order_id"], &last["order_status"]), (&printed[0].as_str().into(), &"paid".into()));

    let config = Client::new(&banner.api, None).get("/v1/config").send().await.expect(200);
    assert_eq!(config.body["mode"], "sandbox", "{}", config.text);
    first.terminate();
    assert!(first.wait_for_exit().await.success());

    let mut second = start(home.path());
    let again = Banner::wait_for(&second, 2).await;
    assert_eq!(again.key, banner.key);
    let order = again.client().get(format!("/v1/orders/{}", printed[0])).send().await.expect(200);
    assert_eq!(order.body["status"], "paid");
    let path = format!("/v1/payment_intents/{}", printed[1]);
    let at_stripe = Client::new(&again.sandbox, Some("sk_test_sandbox")).get(path).send().await.expect(200);
    assert_eq!(at_stripe.body["status"], "succeeded");

    // The demo products were added only once.
    let products = again.client().get("/v1/products").send().await.expect(200);
    let stocks: Vec<_> =
        products.body["data"].as_array().into_iter().flatten().map(|one| &one["stock"]).collect();

    assert_eq!(stocks, [&Value::Null, &Value::Null, &Value::Null, &json!(5)], "{}", products.text);
    second.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn second_service_on_same_file_is_refused() {
    let home = tempfile::tempdir().unwrap();

    let mut process = start(home.path());
    let banner = Banner::wait_for(&process, 1).await;
    let directory = home.path().to_owned();
    let refused = tokio::task::spawn_blocking(move || {
        let mut command = quittance(&directory);
        command.env("QUITTANCE_LISTEN", "127.0.0.1:0").env("QUITTANCE_SANDBOX_LISTEN", "127.0.0.1:0");
        output(&mut command)
    });
    let refused = refused.await.unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("another process serves") && said.contains("DATABASE_URL"), "{said}");
    banner.client().get("/readyz").send().await.expect(200);

    // The lock ends with the process, even after a kill.
    process.kill();
    let mut next = start(home.path());
    Banner::wait_for(&next, 2).await;
    next.terminate();

    assert!(next.wait_for_exit().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_answers_waiting_lookup() {
    let home = tempfile::tempdir().unwrap();

    let mut process = start(home.path());
    let banner = Banner::wait_for(&process, 1).await;
    let api = banner.client();
    let products = api.get("/v1/products").send().await.expect(200);
    let item = serde_json::json!({ "product_id": products.body["data"][0]["id"], "quantity": 1 });
    let order = api.post("/v1/orders").json(&serde_json::json!({ "items": [item] })).send().await.expect(201);
    let path = format!("/v1/orders/{}", order.text_of("id"));
    api.post(format!("{path}/payment_intent")).send().await.expect(200);
    let wait = api.get(format!("{path}/payment?wait=30"));
    let waiting = tokio::spawn(async move { wait.send().await });

    // A waiting lookup asks Stripe. So the metric shows that the request has arrived.
    wait_until("the lookup waits", async || {
        let metrics = api.get("/metrics").send().await.expect(200).text;
        let asked = metrics.lines().find_map(|line| line.strip_prefix("quittance_payment_refreshes_total "));
        asked.is_some_and(|count| count != "0")
    })
    .await;
    let begun = Instant::now();
    process.terminate();
    let answer = waiting.await.unwrap().expect(200);

    assert_eq!(answer.body["order_status"], "pending");
    assert_eq!(process.wait_for_exit().await.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(25), "it took {:?}", begun.elapsed());
}
