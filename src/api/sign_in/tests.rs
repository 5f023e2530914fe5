use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use rcgen::KeyPair;
use serde_json::json;

use super::*;

const APP: AppId = AppId(1);
const NOW: i64 = 1_800_000_000;

fn settings() -> SignInSettings {
    SignInSettings {
        issuer: "https://id.example.com".into(),
        audience: "demo-app".into(),
        jwks_file: "unused".into(),
        user_claim: "sub".into(),
        device_claim: Some("device".into()),
    }
}

fn ed25519(seed: u8) -> EncodingKey {
    EncodingKey::from_ed_der(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap().to_pkcs8v1().unwrap().as_ref())
}

fn p256() -> EncodingKey {
    EncodingKey::from_ec_der(&KeyPair::generate().unwrap().serialize_der())
}

fn rsa(size: KeySize) -> EncodingKey {
    let pair = aws_lc_rs::rsa::KeyPair::generate(size).unwrap();
    let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
    EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
}

fn public(key: &EncodingKey, algorithm: Algorithm, id: Option<&str>) -> Value {
    let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
    (jwk.common.key_id, jwk.common.key_algorithm) = (id.map(str::to_owned), None);
    serde_json::to_value(jwk).unwrap()
}

fn sign_ins(settings: SignInSettings, keys: &[Value]) -> SignIns {
    let all = SignIns::default();
    let set = serde_json::to_vec(&json!({ "keys": keys })).unwrap();
    all.replace([(APP, SignIn::new(settings, &set).unwrap())]);
    all
}

fn claims() -> Value {
    json!({"iss": "https://id.example.com", "aud": "demo-app", "sub": "ann", "exp": NOW + 600})
}

/// The claims with others in the place of some; null takes one out.
fn with(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn sign(claims: &Value, key: &EncodingKey, algorithm: Algorithm, id: Option<&str>) -> String {
    let header = Header { kid: id.map(str::to_owned), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

fn read(all: &SignIns, token: &str) -> Option<Result<SignedIn, Code>> {
    let now = Timestamp::from_timestamp(NOW, 0).unwrap();
    all.read(token, now).map(|read| read.map_err(|problem| problem.code()))
}

#[test]
fn each_kind_of_key_is_taken_for_its_own_algorithm() {
    let signed_in = Some(Ok(SignedIn { app: APP, user: Some("ann".into()), device: None }));
    for (key, algorithm) in [(ed25519(1), Algorithm::EdDSA), (p256(), Algorithm::ES256), (rsa(KeySize::Rsa2048), Algorithm::RS256)] {
        let all = sign_ins(settings(), &[public(&key, algorithm, Some("k1"))]);
        for id in [Some("k1"), None] {
            assert_eq!(read(&all, &sign(&claims(), &key, algorithm, id)), signed_in, "{algorithm:?} {id:?}");
        }
        assert_eq!(read(&all, &sign(&claims(), &key, algorithm, Some("k2"))), Some(Err(Code::TokenInvalid)), "{algorithm:?}");
    }
    let key = rsa(KeySize::Rsa2048);
    let all = sign_ins(settings(), &[public(&key, Algorithm::RS256, None)]);
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        assert_eq!(read(&all, &sign(&claims(), &key, algorithm, None)), Some(Err(Code::TokenInvalid)), "{algorithm:?}");
    }
}

/// RFC 8725, 2.1: what an attacker can say of the algorithm gets nowhere.
#[test]
fn nobody_else_signs() {
    let key = ed25519(1);
    let jwk = public(&key, Algorithm::EdDSA, Some("k1"));
    let all = sign_ins(settings(), std::slice::from_ref(&jwk));
    let good = sign(&claims(), &key, Algorithm::EdDSA, Some("k1"));
    let parts: Vec<&str> = good.split('.').collect();
    let header = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let public_bytes = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
    let embedded = {
        let other = ed25519(2);
        let header = Header { jwk: Some(Jwk::from_encoding_key(&other, Algorithm::EdDSA).unwrap()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &claims(), &other).unwrap()
    };
    for token in [
        format!("{}.{}.", header(json!({"alg": "none"})), parts[1]),
        format!("{}.{}.", header(json!({"alg": "None", "kid": "k1"})), parts[1]),
        format!("{}.{}.{}", header(json!({"alg": "EdDSA", "crit": ["x"], "x": 1})), parts[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        sign(&claims(), &EncodingKey::from_secret(&public_bytes), Algorithm::HS256, Some("k1")),
        sign(&claims(), &EncodingKey::from_secret(jwk.to_string().as_bytes()), Algorithm::HS256, Some("k1")),
        sign(&claims(), &ed25519(2), Algorithm::EdDSA, Some("k1")),
        sign(&claims(), &p256(), Algorithm::ES256, Some("k1")),
        embedded,
    ] {
        assert_eq!(read(&all, &token), Some(Err(Code::TokenInvalid)), "{token}");
    }
}

#[test]
fn what_a_token_says_is_judged() {
    let key = ed25519(1);
    let all = sign_ins(settings(), &[public(&key, Algorithm::EdDSA, None)]);
    let day = 24 * 3600;
    let ok = |user: Option<&str>, device: Option<&str>| {
        Some(Ok(SignedIn { app: APP, user: user.map(Into::into), device: device.map(Into::into) }))
    };
    let invalid = || Some(Err(Code::TokenInvalid));
    let expired = || Some(Err(Code::TokenExpired));
    for (changes, expected) in [
        (json!({}), ok(Some("ann"), None)),
        (json!({"aud": ["other", "demo-app"]}), ok(Some("ann"), None)),
        (json!({"device": "phone"}), ok(Some("ann"), Some("phone"))),
        (json!({"sub": null, "device": "phone"}), ok(None, Some("phone"))),
        (json!({"sub": null}), invalid()),
        (json!({"sub": 7}), invalid()),
        (json!({"sub": ""}), invalid()),
        (json!({"sub": "a\u{0}b"}), invalid()),
        (json!({"sub": "é".repeat(257)}), invalid()),
        (json!({"device": "a b"}), invalid()),
        (json!({"device": ["phone"]}), invalid()),
        (json!({"exp": null}), invalid()),
        (json!({"exp": "tomorrow"}), invalid()),
        (json!({"exp": NOW - 59}), ok(Some("ann"), None)),
        (json!({"exp": NOW - 60}), expired()),
        (json!({"exp": -1e18}), expired()),
        (json!({"exp": NOW + day + 60}), ok(Some("ann"), None)),
        (json!({"exp": NOW + day + 61}), invalid()),
        (json!({"exp": 1e300}), invalid()),
        (json!({"exp": 1_800_000_000.5}), ok(Some("ann"), None)),
        (json!({"nbf": NOW + 60}), ok(Some("ann"), None)),
        (json!({"nbf": NOW + 61}), invalid()),
        (json!({"nbf": "now"}), invalid()),
    ] {
        assert_eq!(read(&all, &sign(&with(&changes), &key, Algorithm::EdDSA, None)), expected, "{changes}");
    }
    // for others it is not known here at all
    for changes in
        [json!({"iss": "https://id.example.org"}), json!({"aud": "other"}), json!({"aud": []}), json!({"iss": null}), json!({"aud": 1})]
    {
        assert_eq!(read(&all, &sign(&with(&changes), &key, Algorithm::EdDSA, None)), None, "{changes}");
    }
}

#[test]
fn the_claims_are_those_of_the_settings() {
    let key = ed25519(1);
    let other = SignInSettings { user_claim: "uid".into(), device_claim: None, ..settings() };
    let all = sign_ins(other, &[public(&key, Algorithm::EdDSA, None)]);
    let token = sign(&with(&json!({"uid": "bob", "device": "phone"})), &key, Algorithm::EdDSA, None);
    assert_eq!(read(&all, &token), Some(Ok(SignedIn { app: APP, user: Some("bob".into()), device: None })));
    assert_eq!(read(&all, &sign(&claims(), &key, Algorithm::EdDSA, None)), Some(Err(Code::TokenInvalid)));
}

#[test]
fn a_token_is_for_one_app() {
    let (one, two) = (ed25519(1), ed25519(2));
    let all = SignIns::default();
    let sign_in = |key: &EncodingKey, audience: &str| {
        let set = json!({"keys": [public(key, Algorithm::EdDSA, None)]}).to_string();
        SignIn::new(SignInSettings { audience: audience.into(), ..settings() }, set.as_bytes()).unwrap()
    };
    all.replace([(AppId(1), sign_in(&one, "one")), (AppId(2), sign_in(&two, "two"))]);
    let app = |audience: Value, key: &EncodingKey| {
        read(&all, &sign(&with(&json!({ "aud": audience })), key, Algorithm::EdDSA, None)).unwrap().map(|signed_in| signed_in.app)
    };
    assert_eq!((app(json!("one"), &one), app(json!("two"), &two)), (Ok(AppId(1)), Ok(AppId(2))));
    assert_eq!(app(json!("two"), &one), Err(Code::TokenInvalid), "with another app's key");
    assert_eq!(app(json!(["one", "two"]), &one), Err(Code::TokenInvalid));
    all.replace([]);
    assert_eq!(read(&all, &sign(&with(&json!({"aud": "one"})), &one, Algorithm::EdDSA, None)), None);
}

#[test]
fn a_key_set_is_checked_when_it_is_read() {
    let good = public(&ed25519(1), Algorithm::EdDSA, None);
    let edited = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        key
    };
    let load = |keys: Vec<Value>| SignIn::new(settings(), json!({ "keys": keys }).to_string().as_bytes()).map(|read| read.keys.len());
    assert!(matches!(load(vec![]), Err(KeySetError::NoneUsable)));
    for useless in [
        edited("use", json!("enc")),
        edited("key_ops", json!(["sign"])),
        edited("alg", json!("HS256")),
        edited("x", json!("AAAA")),
        edited("crv", json!("X25519")),
        json!({"kty": "unknown"}),
        public(&rsa(KeySize::Rsa2048), Algorithm::RS256, None)
            .as_object()
            .map(|key| json!({"kty": "RSA", "n": "AQAB", "e": key["e"]}))
            .unwrap(),
    ] {
        assert!(matches!(load(vec![useless.clone()]), Err(KeySetError::NoneUsable)), "{useless}");
        assert_eq!(load(vec![useless, good.clone()]).unwrap(), 1);
    }
    for secret in [edited("d", json!("c2VjcmV0")), json!({"kty": "oct", "k": "c2VjcmV0"})] {
        assert!(matches!(load(vec![good.clone(), secret]), Err(KeySetError::Secret)));
    }
    assert!(matches!(load(vec![good.clone(); 101]), Err(KeySetError::TooMany)));
    for text in ["", "{}", "[]", r#"{"keys": 1}"#] {
        assert!(matches!(SignIn::new(settings(), text.as_bytes()), Err(KeySetError::Unreadable(_))), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_is_read_nor_panics(text in "\\PC{0,60}", parts in "[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}") {
        let all = sign_ins(settings(), &[public(&ed25519(1), Algorithm::EdDSA, None)]);
        prop_assert!(read(&all, &text).is_none() && read(&all, &parts).is_none());
    }
}
