//! Tokens under clocks that are turned by hand.

mod nodes;

use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use rcgen::{KeyPair, PublicKeyData};
use serde_json::Value;

use super::*;
use crate::providers::testing::{Memory, TestClock};

const TEAM: &str = "DEF123GHIJ";
const KEY: &str = "ABC123DEFG";

fn signer() -> (Arc<Signer>, Arc<TestClock>, KeyPair) {
    let (clock, pair) = (TestClock::new(), KeyPair::generate().unwrap());
    (node(&clock, &pair, None), clock, pair)
}

fn node(clock: &Arc<TestClock>, pair: &KeyPair, memory: Option<&Arc<Memory>>) -> Arc<Signer> {
    let shelf = memory.map(|memory| Shelf::new(Arc::clone(memory) as _, (TEAM, KEY), pair.serialized_der()).unwrap());
    Arc::new(Signer::new((TEAM, KEY), pair.serialize_pem().as_bytes(), Arc::clone(clock) as _, shelf).unwrap())
}

#[tokio::test]
async fn a_token_is_what_apple_documents() {
    let (signer, clock, pair) = signer();
    let token = signer.token().await.unwrap();
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

#[tokio::test]
async fn one_token_serves_for_fifty_minutes() {
    let (signer, clock, _) = signer();
    let first = signer.token().await.unwrap();
    clock.advance(Duration::from_mins(50) - Duration::from_secs(1));
    assert!(Arc::ptr_eq(&first, &signer.token().await.unwrap()));
    clock.advance(Duration::from_secs(1));
    let second = signer.token().await.unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&second, &signer.token().await.unwrap()));
}

#[tokio::test]
async fn an_expired_token_is_replaced_once_for_all_who_sent_it() {
    let (signer, clock, _) = signer();
    let first = signer.token().await.unwrap();
    clock.advance(Duration::from_mins(20) - Duration::from_secs(1));
    assert!(Arc::ptr_eq(&first, &signer.expired(&first).await.unwrap()), "Apple allows no new one yet");
    clock.advance(Duration::from_secs(1));
    let second = signer.expired(&first).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&second, &signer.expired(&first).await.unwrap()));
    assert!(Arc::ptr_eq(&second, &signer.token().await.unwrap()));
}

#[tokio::test]
async fn after_too_many_updates_the_older_token_serves_while_it_lives() {
    let (signer, clock, _) = signer();
    let first = signer.token().await.unwrap();
    clock.advance(Duration::from_mins(50));
    let second = signer.token().await.unwrap();
    signer.too_many(&second);
    assert!(Arc::ptr_eq(&first, &signer.token().await.unwrap()));
    clock.advance(Duration::from_mins(9));
    assert!(Arc::ptr_eq(&first, &signer.token().await.unwrap()));
    clock.advance(Duration::from_mins(1));
    assert!(Arc::ptr_eq(&second, &signer.token().await.unwrap()), "nothing is signed that need not be");
    clock.advance(Duration::from_mins(50));
    let third = signer.token().await.unwrap();
    assert!(!Arc::ptr_eq(&first, &third) && !Arc::ptr_eq(&second, &third));
}

#[tokio::test]
async fn a_token_that_was_set_aside_is_taken_before_another_is_signed() {
    let (signer, clock, _) = signer();
    let first = signer.token().await.unwrap();
    clock.advance(Duration::from_mins(50));
    let second = signer.token().await.unwrap();
    signer.too_many(&second);
    assert!(Arc::ptr_eq(&first, &signer.token().await.unwrap()));
    clock.advance(Duration::from_mins(5));
    assert!(Arc::ptr_eq(&second, &signer.expired(&first).await.unwrap()), "a third would be the second within 20 minutes");
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let (signer, _, pair) = signer();
    let shown = format!("{signer:?} {:?}", signer.token().await.unwrap());
    assert!(!shown.contains("bearer"), "{shown}");
    assert!(!shown.contains(pair.serialize_pem().lines().nth(1).unwrap()));
}
