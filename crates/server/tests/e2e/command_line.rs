//! The command line: invalid settings, and the commands other than `serve`.

use std::path::Path;

use quittance_test_support::{TestDatabase, wait_until};
use serde_json::Value;

use crate::environment::{Environment, SECRET_KEY, TOKEN_KEY, Webhooks};
use crate::process::{output, quittance, text};

quittance_test_support::on_both_databases! {
    secret_key_works_until_revoked,
    revoking_unknown_key_fails,
    migrate_creates_schema,
}

/// Valid Stripe settings.
const STRIPE_SETTINGS: [(&str, &str); 3] = [
    ("STRIPE_SECRET_KEY", "sk_test_1"),
    ("STRIPE_PUBLISHABLE_KEY", "pk_test_1"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_1"),
];

/// Invalid settings, and the setting that the message must name.
const INVALID_SETTINGS: &[(&[(&str, &str)], &str)] = &[
    (&[("QUITTANCE_LISTEN", "nowhere")], "QUITTANCE_LISTEN"),
    (&[("QUITTANCE_PUBLIC_URL", "shop.example")], "QUITTANCE_PUBLIC_URL"),
    (&[("DATABASE_URL", "mysql://localhost/shop")], "DATABASE_URL"),
    (&[("DATABASE_URL", "sqlite:///no/such/directory/q.db")], "/no/such/directory"),
    (&[("DATABASE_URL", "postgres://localhost/shop")], "QUITTANCE_TOKEN_KEY"),
    (&[("DATABASE_URL", "postgres://127.0.0.1:1/shop"), ("QUITTANCE_TOKEN_KEY", TOKEN_KEY)], "DATABASE_URL"),
    (&[("STRIPE_SECRET_KEY", "sk_live_1")], "STRIPE_WEBHOOK_SECRET"),
    (&[("STRIPE_SECRET_KEY", "sk_test_1"), ("STRIPE_PUBLISHABLE_KEY", "pk_test_1")], "STRIPE_WEBHOOK_SECRET"),
    (&[("STRIPE_SECRET_KEY", "hunter2")], "STRIPE_SECRET_KEY"),
    (&[("STRIPE_PUBLISHABLE_KEY", "pk_test_1")], "STRIPE_PUBLISHABLE_KEY"),
    (&[("STRIPE_SECRET_KEY", "sk_test_1"), ("STRIPE_WEBHOOK_SECRET", "whsec_1")], "STRIPE_PUBLISHABLE_KEY"),
    (
        &[
            STRIPE_SETTINGS[0],
            STRIPE_SETTINGS[1],
            STRIPE_SETTINGS[2],
            ("STRIPE_API_BASE", "http://stripe.example"),
        ],
        "STRIPE_API_BASE",
    ),
    (
        &[
            STRIPE_SETTINGS[0],
            STRIPE_SETTINGS[1],
            STRIPE_SETTINGS[2],
            ("QUITTANCE_SANDBOX_LISTEN", "127.0.0.1:1"),
        ],
        "QUITTANCE_SANDBOX_LISTEN",
    ),
    (
        &[
            STRIPE_SETTINGS[0],
            STRIPE_SETTINGS[1],
            STRIPE_SETTINGS[2],
            ("STRIPE_CONNECT_BASE", "http://stripe.example"),
        ],
        "STRIPE_CONNECT_BASE",
    ),
    (
        &[
            STRIPE_SETTINGS[0],
            STRIPE_SETTINGS[1],
            STRIPE_SETTINGS[2],
            ("STRIPE_CONNECT_BASE", "https://stripe.example/oauth"),
        ],
        "STRIPE_CONNECT_BASE",
    ),
    (&[("STRIPE_CONNECT_CLIENT_ID", "acct_1")], "STRIPE_CONNECT_CLIENT_ID"),
    (&[("QUITTANCE_SELLER_COUNTRIES", "Germany")], "QUITTANCE_SELLER_COUNTRIES"),
    (&[("QUITTANCE_SELLER_CURRENCIES", "EUR")], "QUITTANCE_SELLER_CURRENCIES"),
    (&[("QUITTANCE_SELLER_CHARGE_TYPE", "separate")], "QUITTANCE_SELLER_CHARGE_TYPE"),
    (&[("QUITTANCE_SELLER_FEE_BASIS_POINTS", "10001")], "QUITTANCE_SELLER_FEE_BASIS_POINTS"),
    (&[("QUITTANCE_SELLER_FEE_FIXED", "-1")], "QUITTANCE_SELLER_FEE_FIXED"),
    (&[("QUITTANCE_SELLER_FEE_MINIMUM", "some")], "QUITTANCE_SELLER_FEE_MINIMUM"),
    (&[("QUITTANCE_SANDBOX_LISTEN", "nowhere")], "QUITTANCE_SANDBOX_LISTEN"),
    (&[("QUITTANCE_SECRET_KEY", "qsk_short")], "QUITTANCE_SECRET_KEY"),
    (&[("QUITTANCE_TOKEN_KEY", "short")], "QUITTANCE_TOKEN_KEY"),
    (&[("QUITTANCE_CORS_ORIGINS", "shop.example/")], "QUITTANCE_CORS_ORIGINS"),
    (&[("QUITTANCE_TRUSTED_PROXIES", "everybody")], "QUITTANCE_TRUSTED_PROXIES"),
    (&[("QUITTANCE_RATE_LIMIT", "many")], "QUITTANCE_RATE_LIMIT"),
    (&[("QUITTANCE_LOG", "quittance=loudly")], "QUITTANCE_LOG"),
    (&[("QUITTANCE_LOG_FORMAT", "xml")], "QUITTANCE_LOG_FORMAT"),
];

#[test]
fn invalid_setting_is_refused_by_name() {
    for (settings, named) in INVALID_SETTINGS {
        let home = tempfile::tempdir().unwrap();
        let mut command = quittance(home.path());
        command.env("QUITTANCE_LISTEN", "127.0.0.1:0").envs(settings.iter().copied());
        // If the service accepts a setting, the timeout ends it.
        let mut bounded = std::process::Command::new("timeout");
        bounded.arg("20").arg(command.get_program()).env_clear().current_dir(home.path());
        bounded.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        bounded.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let refused = output(&mut bounded);
        let said = text(&refused.stderr);
        let flag = named.trim_start_matches("QUITTANCE_").to_lowercase().replace('_', "-");
        let names_it = said.contains(named) || said.contains(&format!("--{flag}"));
        assert!(matches!(refused.status.code(), Some(1 | 2)), "{settings:?}: {:?} {said}", refused.status);
        assert!(names_it, "{settings:?} is refused without naming {named}: {said}");
        for (_, value) in settings.iter().filter(|(name, _)| name.contains("KEY")) {
            assert!(!said.contains(value), "the message shows a secret: {said}");
        }
    }
}

/// Returns the names of the settings in a part of `.env.example`.
fn settings(example: &str) -> Vec<&str> {
    let settings = example.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    settings.map(|(name, _)| name).filter(|name| !name.contains(' ')).collect()
}

#[test]
fn help_lists_every_setting() {
    let example = include_str!("../../../../.env.example");
    let home = tempfile::tempdir().unwrap();
    let (of_both, of_sandbox) = example.split_once("# --- Only for `quittance sandbox`").expect("a section");
    let (of_both, of_sandbox) = (settings(of_both), settings(of_sandbox));

    assert!(of_both.len() > 10 && of_sandbox.len() > 3, "{of_both:?} {of_sandbox:?}");

    for (command, listed, known) in [
        ("serve", of_both.clone(), of_both.clone()),
        ("sandbox", of_sandbox.clone(), [of_both.clone(), of_sandbox].concat()),
    ] {
        let help = text(&output(quittance(home.path()).args([command, "--help"])).stdout);
        for name in listed {
            let is_shown = help.contains(&format!("[env: {name}"));
            assert!(is_shown, "{name} is in .env.example and not in {command} --help");
        }
        for part in help.split("[env: ").skip(1) {
            let name = part.split(['=', ']']).next().unwrap_or_default();
            assert!(known.contains(&name), "{name} is in {command} --help and not in .env.example");
        }
    }

    // The help of `quittance` lists the settings of `serve` and the commands.
    let top = text(&output(quittance(home.path()).arg("--help")).stdout);
    for name in of_both.iter().chain(&["migrate", "openapi", "keys", "sandbox"]) {
        assert!(top.contains(name), "{name}");
    }
}

#[test]
fn openapi_prints_document() {
    let home = tempfile::tempdir().unwrap();

    let printed = output(quittance(home.path()).arg("openapi"));

    assert!(printed.status.success());

    let document: Value = serde_json::from_slice(&printed.stdout).expect("only JSON on standard output");

    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    assert!(document["paths"]["/v1/orders/{id}/payment_intent"]["post"].is_object());
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "the command must not create a database");
}

/// Runs a command on a database. Returns its output.
async fn run(database: &TestDatabase, directory: &Path, arguments: &[&str]) -> String {
    let mut command = quittance(directory);
    command.env("DATABASE_URL", database.url()).args(arguments);
    let ended = tokio::task::spawn_blocking(move || output(&mut command)).await.expect("a thread");
    assert!(ended.status.success(), "{arguments:?}: {}", text(&ended.stderr));
    text(&ended.stdout)
}

async fn secret_key_works_until_revoked(database: &TestDatabase) {
    let env = Environment::start(database, Webhooks::Lost).await;
    let home = tempfile::tempdir().unwrap();

    let printed = run(database, home.path(), &["keys", "create", "warehouse"]).await;
    let key = printed.trim_end_matches('\n');
    assert!(key.starts_with("qsk_") && !key.contains(char::is_whitespace), "{printed:?}");
    let listed = run(database, home.path(), &["keys", "list"]).await;
    assert!(!listed.contains(key), "only `keys create` shows the key");
    let line = listed.lines().find(|line| line.ends_with("warehouse")).expect("the key in the list");
    let id = line.split_whitespace().next().expect("its id");
    assert!(id.starts_with("key_") && line.contains("active"), "{line}");

    let orders = env.api.with(Some(key)).get("/v1/orders");
    orders.send().await.expect(200);
    run(database, home.path(), &["keys", "revoke", id]).await;
    wait_until("the key stops working", async || orders.send().await.status == 401).await;
    assert_eq!(orders.send().await.problem(), "invalid_credentials");
    env.api.with(Some(SECRET_KEY)).get("/v1/orders").send().await.expect(200);

    assert!(run(database, home.path(), &["keys", "list"]).await.contains("revoked"));
}

async fn revoking_unknown_key_fails(database: &TestDatabase) {
    let home = tempfile::tempdir().unwrap();

    let mut unknown = quittance(home.path());
    unknown.env("DATABASE_URL", database.url()).args(["keys", "revoke", "key_none"]);
    let refused = tokio::task::spawn_blocking(move || output(&mut unknown)).await.expect("a thread");

    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("key_none"));
}

async fn migrate_creates_schema(migrated: &TestDatabase) {
    let Some(database) = TestDatabase::empty(migrated.kind()).await else { return };
    let home = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        run(&database, home.path(), &["migrate"]).await;
        assert_eq!(database.scalar_i64("SELECT count(*) FROM orders").await, 0);
    }
}
