use chrono::Duration;
use clap::Parser;
use quittance_domain::seller::{ChargeType, FeeTerms, SupportedSellers};
use quittance_sandbox::ChaosConfig;
use secrecy::ExposeSecret;

use super::stripe::SANDBOX_CLIENT_ID;
use super::{Config, StripeBackend, client_config};
use crate::cli::Cli;
use crate::token_key;

/// Valid flags for Stripe's test mode.
const STRIPE: [&str; 3] = [
    "--stripe-secret-key=sk_test_1",
    "--stripe-publishable-key=pk_test_1",
    "--stripe-webhook-secret=whsec_1",
];

/// Parses flags. The default database is a file in a temporary directory.
fn parse(flags: &[&str]) -> Result<Config, String> {
    let directory = tempfile::tempdir().unwrap();
    let database = format!("--database-url=sqlite://{}/q.db", directory.path().display());
    let mut all = vec!["quittance"];
    if !flags.iter().any(|flag| flag.starts_with("--database-url")) {
        all.push(&database);
    }
    all.extend(flags);
    Config::from_args(*Cli::try_parse_from(all).unwrap().serve).map_err(|error| error.to_string())
}

/// Parses flags together with [`STRIPE`].
fn parse_with_stripe(flags: &[&str]) -> Config {
    parse(&[&STRIPE[..], flags].concat()).unwrap()
}

#[test]
fn invalid_setting_is_rejected_with_its_variable_name() {
    let with = |more: &[&'static str]| [&STRIPE[..], more].concat();
    let cases: &[(Vec<&str>, &str)] = &[
        (STRIPE[..2].to_vec(), "STRIPE_WEBHOOK_SECRET"),
        (vec!["--stripe-secret-key=sk_live_1"], "STRIPE_WEBHOOK_SECRET"),
        (vec!["--stripe-secret-key=pk_test_1"], "STRIPE_SECRET_KEY"),
        (vec!["--stripe-publishable-key=pk_test_1"], "STRIPE_PUBLISHABLE_KEY"),
        (
            vec![
                "--stripe-secret-key=sk_live_1",
                "--stripe-webhook-secret=w",
                "--stripe-publishable-key=pk_test_1",
            ],
            "STRIPE_PUBLISHABLE_KEY",
        ),
        (with(&["--sandbox-listen=127.0.0.1:1"]), "QUITTANCE_SANDBOX_LISTEN"),
        (with(&["--chaos-api-percent=1"]), "QUITTANCE_SANDBOX_CHAOS_API_PERCENT"),
        (with(&["--chaos-delivery-percent=1"]), "QUITTANCE_SANDBOX_CHAOS_DELIVERY_PERCENT"),
        (with(&["--stripe-api-base=http://stripe.example"]), "STRIPE_API_BASE"),
        (with(&["--stripe-api-base=https://api.stripe.com/v1"]), "STRIPE_API_BASE"),
        (with(&["--stripe-api-base=http://127.0.0.1.example:80"]), "STRIPE_API_BASE"),
        (with(&["--stripe-connect-base=http://stripe.example"]), "STRIPE_CONNECT_BASE"),
        (with(&["--stripe-connect-base=connect.stripe.com"]), "STRIPE_CONNECT_BASE"),
        (with(&["--stripe-connect-client-id=acct_1"]), "STRIPE_CONNECT_CLIENT_ID"),
        (vec!["--stripe-connect-client-id=ca_"], "STRIPE_CONNECT_CLIENT_ID"),
        (vec!["--stripe-connect-client-id=ca_a b"], "STRIPE_CONNECT_CLIENT_ID"),
        (vec!["--seller-countries=DE,de"], "QUITTANCE_SELLER_COUNTRIES"),
        (vec!["--seller-countries=DEU"], "QUITTANCE_SELLER_COUNTRIES"),
        (vec!["--seller-currencies=EUR"], "QUITTANCE_SELLER_CURRENCIES"),
        (vec!["--seller-currencies=eur,xxx"], "QUITTANCE_SELLER_CURRENCIES"),
        (vec!["--seller-fee-basis-points=10001"], "QUITTANCE_SELLER_FEE_BASIS_POINTS"),
        (vec!["--seller-fee-basis-points=-1"], "QUITTANCE_SELLER_FEE_BASIS_POINTS"),
        (vec!["--seller-fee-basis-points=65546"], "QUITTANCE_SELLER_FEE_BASIS_POINTS"),
        (vec!["--seller-fee-fixed=-1"], "QUITTANCE_SELLER_FEE_FIXED"),
        (vec!["--seller-fee-minimum=-1"], "QUITTANCE_SELLER_FEE_MINIMUM"),
        (vec!["--database-url=mysql://x"], "DATABASE_URL"),
        (vec!["--database-url=sqlite://:memory:"], "DATABASE_URL"),
        (vec!["--database-url=postgres://x"], "QUITTANCE_TOKEN_KEY"),
        (vec!["--token-key=short"], "QUITTANCE_TOKEN_KEY"),
        (vec!["--secret-key=qsk_short"], "QUITTANCE_SECRET_KEY"),
        (vec!["--public-url=shop.example"], "QUITTANCE_PUBLIC_URL"),
        (vec!["--cors-origins=https://shop.example/"], "QUITTANCE_CORS_ORIGINS"),
        (vec!["--cors-origins=*"], "QUITTANCE_CORS_ORIGINS"),
        (vec!["--trusted-proxies=proxy"], "QUITTANCE_TRUSTED_PROXIES"),
        (vec!["--return-origins=shop.example"], "QUITTANCE_RETURN_ORIGINS"),
        (vec!["--order-expiry=10s"], "QUITTANCE_ORDER_EXPIRY"),
        (vec!["--webhook-allow-networks=10.0.0.0/33"], "QUITTANCE_WEBHOOK_ALLOW_NETWORKS"),
        (vec!["--inbox-retention=90"], "QUITTANCE_INBOX_RETENTION"),
        (vec!["--message-retention=90"], "QUITTANCE_MESSAGE_RETENTION"),
        (vec!["--message-retention=3d"], "QUITTANCE_MESSAGE_RETENTION"),
        (vec!["--message-retention=99999999999999d"], "QUITTANCE_MESSAGE_RETENTION"),
    ];

    for (flags, variable) in cases {
        let message = parse(flags).err().unwrap_or_default();
        assert!(message.starts_with(variable), "{flags:?}: {message}");
    }
}

#[test]
fn no_settings_select_the_sandbox() {
    let config = parse(&[]).unwrap();

    let no_faults = ChaosConfig::default();
    assert!(matches!(config.stripe, StripeBackend::Sandbox { chaos, .. } if chaos == no_faults));
    assert_eq!(config.sellers.client_id.as_deref(), Some(SANDBOX_CLIENT_ID));
    assert_eq!(config.sellers.charge_type, ChargeType::Direct);
    assert_eq!(config.sellers.fee, FeeTerms::default());
    assert_eq!(config.store.sellers_supported, SupportedSellers::default());
}

#[test]
fn chaos_flags_reach_the_sandbox() {
    let config = parse(&["--chaos-seed=7", "--chaos-api-percent=20", "--chaos-delivery-percent=30"]).unwrap();

    let expected = ChaosConfig { seed: 7, api_percent: 20, delivery_percent: 30 };
    assert!(matches!(config.stripe, StripeBackend::Sandbox { chaos, .. } if chaos == expected));
}

#[test]
fn secret_key_selects_stripe() {
    let flags = [
        "--stripe-secret-key=sk_test_1",
        "--stripe-publishable-key=pk_test_1",
        "--stripe-webhook-secret=whsec_1,whsec_2",
        "--stripe-api-base=http://[::1]:12111",
    ];

    let config = parse(&flags).unwrap();

    let StripeBackend::Stripe { webhook_secrets, connect, .. } = config.stripe else {
        panic!("the sandbox was selected");
    };
    assert_eq!(webhook_secrets.len(), 2);
    assert!(connect.webhook_secrets.is_empty());
    assert_eq!(config.sellers.client_id, None);
}

#[test]
fn connect_flags_configure_oauth_and_webhooks() {
    let config = parse_with_stripe(&[
        "--stripe-connect-client-id=ca_Test1",
        "--stripe-connect-base=http://localhost:12111",
        "--stripe-connect-webhook-secret=whsec_1,,whsec_2",
    ]);

    assert_eq!(config.sellers.client_id.as_deref(), Some("ca_Test1"));
    assert_eq!(config.stripe.connect().webhook_secrets.len(), 2);
    let StripeBackend::Stripe { secret_key, api_base, connect, .. } = config.stripe else {
        panic!("the sandbox was selected");
    };
    assert_eq!(client_config(secret_key, api_base, &connect).connect_base, "http://localhost:12111");
}

#[test]
fn seller_flags_set_terms_and_supported_accounts() {
    let config = parse_with_stripe(&[
        "--seller-countries=DE,FR",
        "--seller-currencies=eur",
        "--seller-charge-type=destination",
        "--seller-fee-basis-points=250",
        "--seller-fee-fixed=30",
        "--seller-fee-minimum=100",
    ]);

    assert_eq!(config.sellers.charge_type, ChargeType::Destination);
    assert_eq!(config.sellers.fee, FeeTerms::new(250, 30, 100).unwrap());
    let supported = config.store.sellers_supported;
    assert_eq!(supported.countries, ["DE", "FR"].map(str::to_owned).into());
    assert_eq!(supported.currencies, ["eur".to_owned()].into());
}

#[test]
fn message_retention_accepts_hours() {
    let config = parse(&["--message-retention=200h"]).unwrap();

    assert_eq!(config.outbound.retention, Duration::hours(200));
}

#[test]
fn message_retention_defaults_to_ninety_days() {
    assert_eq!(parse_with_stripe(&[]).outbound.retention, Duration::days(90));
}

#[test]
fn sandbox_mode_allows_webhooks_to_loopback() {
    let guard = parse(&[]).unwrap().outbound.guard;

    assert!(guard.check_url("http://127.0.0.1:9/hooks").is_ok());
}

#[test]
fn stripe_mode_allows_webhooks_to_public_and_listed_networks_only() {
    let guard = parse_with_stripe(&["--webhook-allow-networks=10.20.0.0/16"]).outbound.guard;

    for (url, is_allowed) in [
        ("https://shop.example/hooks", true),
        ("http://shop.example/hooks", false),
        ("https://127.0.0.1/hooks", false),
        ("https://10.20.0.1/hooks", true),
        ("https://10.21.0.1/hooks", false),
    ] {
        assert_eq!(guard.check_url(url).is_ok(), is_allowed, "{url}");
    }
}

#[test]
fn generated_token_key_is_reused() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("q.db");

    let first = token_key::load_or_generate(&database).unwrap();
    let second = token_key::load_or_generate(&database).unwrap();

    assert_eq!(first.expose_secret(), second.expose_secret());
}

#[test]
fn generated_token_key_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();

    token_key::load_or_generate(&directory.path().join("q.db")).unwrap();

    let mode = std::fs::metadata(directory.path().join("q.db.token-key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
