//! Tests of the `Stripe-Signature` header.

use proptest::prelude::*;
use quittance_stripe_gateway::signature::{SignatureError, TOLERANCE_S, sign, verify};
use secrecy::SecretString;

const NOW: i64 = 1_795_341_600;
const PAYLOAD: &[u8] = br#"{"id":"evt_1","object":"event"}"#;
/// `printf '1795341600.{"id":"evt_1","object":"event"}' | openssl dgst -sha256 -hmac whsec_test_secret`
const BY_OPENSSL: &str = "22a39b2133b35a91d19f4f5ab493a5518393b1ddc0593f2f195cda46e28a847b";

fn secret() -> SecretString {
    SecretString::from("whsec_test_secret")
}

fn other_secret() -> SecretString {
    SecretString::from("whsec_other_secret")
}

/// Returns the `v1` for the payload and time with this secret.
fn v1(secret: &SecretString) -> String {
    sign(PAYLOAD, secret, NOW).split_once(',').expect("two parts").1.to_owned()
}

#[test]
fn signature_matches_reference_implementation() {
    assert_eq!(sign(PAYLOAD, &secret(), NOW), format!("t={NOW},v1={BY_OPENSSL}"));
}

#[test]
fn malformed_header_is_rejected() {
    let good = v1(&secret());
    let bad = v1(&other_secret());
    let cut = &good[..good.len() - 2];
    for (header, expected) in [
        (format!("t={NOW},{good}"), Ok(())),
        (format!("{good},t={NOW}"), Ok(())),
        (format!(" t = {NOW} , {} ", good.replace('=', " = ")), Ok(())),
        (format!("t={NOW},{bad},{good}"), Ok(())),
        (format!("t={NOW},{good},{bad}"), Ok(())),
        (format!("t={NOW},v1=no-hex,{good},v0=6ffbb59b"), Ok(())),
        (format!("t={NOW},{}", good.to_uppercase().replace("V1", "v1")), Ok(())),
        (format!("t={NOW},{bad}"), Err(SignatureError::NoMatch)),
        (format!("t={NOW},{cut}"), Err(SignatureError::NoMatch)),
        (format!("t={NOW},v1="), Err(SignatureError::NoMatch)),
        (format!("t={NOW}"), Err(SignatureError::NoMatch)),
        (format!("t={NOW},{}", good.replace("v1", "v0")), Err(SignatureError::NoMatch)),
        // The signature covers the exact characters of the time.
        (format!("t={},{good}", NOW + 1), Err(SignatureError::NoMatch)),
        (format!("t=0{NOW},{good}"), Err(SignatureError::NoMatch)),
        (good.clone(), Err(SignatureError::NoTimestamp)),
        (format!("t=,{good}"), Err(SignatureError::Malformed)),
        (format!("t=soon,{good}"), Err(SignatureError::Malformed)),
        (format!("t={NOW},t={NOW},{good}"), Err(SignatureError::Malformed)),
        (String::new(), Err(SignatureError::Malformed)),
        ("nonsense".to_owned(), Err(SignatureError::Malformed)),
    ] {
        assert_eq!(verify(PAYLOAD, &header, &[secret()], NOW), expected, "{header}");
    }
}

#[test]
fn any_configured_secret_matches() {
    let header = sign(PAYLOAD, &secret(), NOW);
    let empty = || SecretString::from("");
    assert_eq!(verify(PAYLOAD, &header, &[other_secret(), secret()], NOW), Ok(()));
    assert_eq!(verify(PAYLOAD, &header, &[secret(), other_secret()], NOW), Ok(()));
    assert_eq!(verify(PAYLOAD, &header, &[other_secret()], NOW), Err(SignatureError::NoMatch));
    assert_eq!(verify(PAYLOAD, &header, &[], NOW), Err(SignatureError::NoMatch));
    let forged = sign(PAYLOAD, &empty(), NOW);
    assert_eq!(verify(PAYLOAD, &forged, &[empty()], NOW), Err(SignatureError::NoMatch));
}

#[test]
fn signature_beyond_tolerance_is_stale() {
    let header = sign(PAYLOAD, &secret(), NOW);
    for age_s in [-TOLERANCE_S, -1, 0, 299, TOLERANCE_S] {
        assert_eq!(verify(PAYLOAD, &header, &[secret()], NOW + age_s), Ok(()), "{age_s}");
    }
    for age_s in [-301, 301, 86_400] {
        let stale = Err(SignatureError::Stale { age_s });
        assert_eq!(verify(PAYLOAD, &header, &[secret()], NOW + age_s), stale);
    }
    for (timestamp_s, now_s) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN)] {
        let header = sign(PAYLOAD, &secret(), timestamp_s);
        let result = verify(PAYLOAD, &header, &[secret()], now_s);
        assert!(matches!(result, Err(SignatureError::Stale { .. })), "{result:?}");
    }
}

proptest! {
    #[test]
    fn signed_payload_is_accepted(payload: Vec<u8>, secret in ".{1,80}", now_s in 0..i64::MAX) {
        let secret = SecretString::from(secret);
        let header = sign(&payload, &secret, now_s);
        prop_assert_eq!(verify(&payload, &header, &[other_secret(), secret], now_s), Ok(()));
    }

    #[test]
    fn changed_payload_is_rejected(
        mut payload in prop::collection::vec(any::<u8>(), 1..200),
        place: prop::sample::Index,
        bit in 0..8_u8,
    ) {
        let header = sign(&payload, &secret(), NOW);
        let place = place.index(payload.len());
        payload[place] ^= 1 << bit;
        prop_assert_eq!(verify(&payload, &header, &[secret()], NOW), Err(SignatureError::NoMatch));
    }

    #[test]
    fn changed_signature_is_rejected(payload: Vec<u8>, place in 0..32_usize, bit in 0..8_u8) {
        let header = sign(&payload, &secret(), NOW);
        let (front, signature) = header.split_once("v1=").expect("a signature");
        let mut bytes = hex::decode(signature).expect("hexadecimal");
        bytes[place] ^= 1 << bit;
        let header = format!("{front}v1={}", hex::encode(bytes));
        prop_assert_eq!(verify(&payload, &header, &[secret()], NOW), Err(SignatureError::NoMatch));
    }

    #[test]
    fn arbitrary_header_does_not_panic(header in ".{0,200}") {
        prop_assert!(verify(PAYLOAD, &header, &[secret()], NOW).is_err());
    }
}
