//! A real card number that is typed into the sandbox by mistake never appears in its log, not even at the most verbose
//! level.

use std::fs;

use quittance_test_support::wait_until;

use crate::client::Client;
use crate::environment::STRIPE_KEY;
use crate::process::{Process, free_port, quittance};

/// A number that passes the check digit but isn't a test number.
const NUMBER: &str = "4111111111111111";

/// Too long to be valid, so that the sandbox refuses it. No port or time has the same digits.
const CVC: &str = "731946285017";

#[tokio::test(flavor = "multi_thread")]
async fn refused_card_number_is_not_logged() {
    let home = tempfile::tempdir().expect("a temporary directory");

    let port = free_port();
    let mut command = quittance(home.path());
    command.args(["sandbox", "--listen", &format!("127.0.0.1:{port}")]).env("QUITTANCE_LOG", "trace");
    let sandbox = Process::start(command, home.path(), "sandbox");
    let base = format!("http://127.0.0.1:{port}");
    let (secret, publishable) = (Client::new(&base, Some(STRIPE_KEY)), Client::new(&base, Some("pk_test_x")));
    wait_until("the sandbox answers", async || secret.get("/v1/events").try_send().await).await.expect(200);
    let intent = "amount=1000&currency=eur&allowed_payment_method_types[]=card";
    let intent = secret.post("/v1/payment_intents").form(intent).send().await.expect(200);
    let confirm = format!("/v1/payment_intents/{}/confirm", intent.text_of("id"));
    let spaced = "4111+1111%201111-1111";
    for (number, cvc, status) in [(NUMBER, "123", 402), (spaced, "123", 402), ("4242424242424242", CVC, 402)]
    {
        let card = |at: &str| {
            format!(
                "{at}type]=card&{at}card][number]={number}&{at}card][exp_month]=12&{at}card][exp_year]=2034\
                 &{at}card][cvc]={cvc}"
            )
        };
        let method =
            format!("type=card&card[number]={number}&card[exp_month]=12&card[exp_year]=2034&card[cvc]={cvc}");
        secret.post("/v1/payment_methods").form(&method).send().await.expect(status);
        // The same data as Stripe.js sends it, and in the query string by mistake.
        let secret_of_intent = intent.text_of("client_secret");
        let form = format!("client_secret={secret_of_intent}&{}", card("payment_method_data["));
        publishable.post(confirm.clone()).form(&form).send().await.expect(status);
        secret.post(format!("/v1/payment_methods?{method}")).send().await.expect(status);
    }
    drop(sandbox);
    let log =
        ["sandbox.out", "sandbox.err"].map(|name| fs::read_to_string(home.path().join(name)).expect("a log"));
    let log = log.concat();

    assert!(log.contains("TRACE") && log.contains("/v1/payment_methods"), "the log is incomplete: {log}");

    let digits: String = log.replace("%20", "").chars().filter(|letter| !" +-".contains(*letter)).collect();
    for secret in [NUMBER, CVC] {
        // Unparsed bytes are logged as numbers.
        let bytes: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
        assert!(!digits.contains(secret) && !digits.contains(&bytes.join(",")), "{secret} is in the log");
    }
}
