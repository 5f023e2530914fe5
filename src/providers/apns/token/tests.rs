//! Tokens under a clock that is turned by hand.

use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use rcgen::{KeyPair, PublicKeyData};
use serde_json::Value;

use super::*;
use crate::providers::testing::TestClock;

const TEAM: &str = "DEF123GHIJ";
const KEY: &str = "ABC123DEFG";

fn signer() -> (Arc<Signer>, Arc<TestClock>, KeyPair) {
    let (clock, pair) = (TestClock::new(), KeyPair::generate().unwrap());
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let signer = Signers::default().signer(TEAM, KEY, &Secret::new(pair.serialize_pem()), &shared).unwrap();
    (signer, clock, pair)
}

#[test]
fn a_token_is_what_apple_documents() {
    let (signer, clock, pair) = signer();
    let token = signer.token().unwrap();
    let jwt = token.authorization.to_str().unwrap().strip_prefix("bearer ").unwrap().to_owned();
    let header: Value = serde_json::from_slice(&base64_url(jwt.split('.').next().unwrap())).unwrap();
    assert_eq!(header, serde_json::json!({"alg": "ES256", "kid": KEY}));
    assert_eq!(decode_header(&jwt).unwrap().alg, Algorithm::ES256);
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    let claims = decode::<Value>(&jwt, &DecodingKey::from_ec_der(pair.der_bytes()), &validation).unwrap().claims;
    assert_eq!(claims, serde_json::json!({"iss": TEAM, "iat": clock.now().timestamp()}));
}

fn base64_url(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

#[test]
fn one_token_serves_for_fifty_minutes() {
    let (signer, clock, _) = signer();
    let first = signer.token().unwrap();
    clock.advance(Duration::from_mins(50) - Duration::from_secs(1));
    assert!(Arc::ptr_eq(&first, &signer.token().unwrap()));
    clock.advance(Duration::from_secs(1));
    let second = signer.token().unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&second, &signer.token().unwrap()));
}

#[test]
fn an_expired_token_is_replaced_once_for_all_who_sent_it() {
    let (signer, clock, _) = signer();
    let first = signer.token().unwrap();
    clock.advance(Duration::from_mins(20) - Duration::from_secs(1));
    assert!(Arc::ptr_eq(&first, &signer.expired(&first).unwrap()), "Apple allows no new one yet");
    clock.advance(Duration::from_secs(1));
    let second = signer.expired(&first).unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&second, &signer.expired(&first).unwrap()));
    assert!(Arc::ptr_eq(&second, &signer.token().unwrap()));
}

#[test]
fn after_too_many_updates_the_older_token_serves_while_it_lives() {
    let (signer, clock, _) = signer();
    let first = signer.token().unwrap();
    clock.advance(Duration::from_mins(50));
    let second = signer.token().unwrap();
    signer.too_many(&second);
    assert!(Arc::ptr_eq(&first, &signer.token().unwrap()));
    clock.advance(Duration::from_mins(9));
    assert!(Arc::ptr_eq(&first, &signer.token().unwrap()));
    clock.advance(Duration::from_mins(1));
    assert!(Arc::ptr_eq(&second, &signer.token().unwrap()), "nothing is signed that need not be");
    clock.advance(Duration::from_mins(50));
    let third = signer.token().unwrap();
    assert!(!Arc::ptr_eq(&first, &third) && !Arc::ptr_eq(&second, &third));
}

#[test]
fn apps_of_one_team_and_key_share_a_signer_until_the_key_changes() {
    let clock: Arc<dyn Clock> = TestClock::new();
    let pem = || Secret::new(KeyPair::generate().unwrap().serialize_pem());
    let (signers, key) = (Signers::default(), pem());
    let first = signers.signer(TEAM, KEY, &key, &clock).unwrap();
    assert!(Arc::ptr_eq(&first, &signers.signer(TEAM, KEY, &key, &clock).unwrap()));
    assert!(!Arc::ptr_eq(&first, &signers.signer(TEAM, "OTHER12345", &key, &clock).unwrap()));
    assert!(!Arc::ptr_eq(&first, &signers.signer(TEAM, KEY, &pem(), &clock).unwrap()));
}

#[test]
fn nothing_secret_is_shown() {
    let (signer, _, pair) = signer();
    let shown = format!("{signer:?} {:?}", signer.token().unwrap());
    assert!(!shown.contains("bearer"), "{shown}");
    assert!(!shown.contains(pair.serialize_pem().lines().nth(1).unwrap()));
}
