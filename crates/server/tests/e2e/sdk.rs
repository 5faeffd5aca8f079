//! Events signed by Stripe's Node.js library. The test needs the packages of the sandbox's `tests/sdk`, so it runs only
//! if `QUITTANCE_SDK_TESTS` is set. Then a missing tool fails it.

use std::path::Path;
use std::process::Command;

use quittance_test_support::TestDatabase;

use crate::environment::{Environment, NEXT_WEBHOOK_SECRET, WEBHOOK_SECRET, Webhooks};
use crate::event::Source;
use crate::process::{output, text};
use crate::storefront::Storefront;

quittance_test_support::on_both_databases! { events_signed_by_stripe_library_are_accepted }

async fn events_signed_by_stripe_library_are_accepted(database: &TestDatabase) {
    if std::env::var_os("QUITTANCE_SDK_TESTS").is_none() {
        eprintln!("webhook_signatures.mjs did not run: QUITTANCE_SDK_TESTS is not set");
        return;
    }
    let env = Environment::start(database, Webhooks::Lost).await;
    let shop = Storefront::open(&env).await;
    let source = Source::new(&shop, shop.intent_order("signed-by-node").await).await;
    let mut node = Command::new("node");
    node.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/webhook_signatures.mjs"))
        .env("WEBHOOK_URL", format!("{}/webhooks/stripe", env.api.base()))
        .env("WEBHOOK_SECRETS", format!("{WEBHOOK_SECRET},{NEXT_WEBHOOK_SECRET}"))
        .env("PROCESSING", source.processing().0.to_string())
        .env("SUCCEEDED", source.succeeded().0.to_string());
    let ended = tokio::task::spawn_blocking(move || output(&mut node)).await.expect("a thread");
    let said = format!("{}\n{}", text(&ended.stdout), text(&ended.stderr));

    assert!(ended.status.success(), "{said}");
    assert_eq!(shop.order(&source.payable.order_id).await["status"], "paid", "{said}");
    assert_eq!(env.count("inbox").await, 4);
}
