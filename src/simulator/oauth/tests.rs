use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use http::Request;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::Value;

use super::super::behaviour::Behaviours;
use super::super::book::Book;
use super::super::prefix::Failures;
use super::*;

const NOW_S: i64 = 1_800_000_000;
const NOW_MS: i64 = NOW_S * 1000;
const TOKEN_URI: &str = "https://127.0.0.1:1/token";

struct Endpoint {
    oauth: OAuth,
    shared: Shared,
    private_key: EncodingKey,
}

impl Endpoint {
    fn new() -> Self {
        let account = ServiceAccount::generate("p", TOKEN_URI.to_owned()).unwrap();
        let file: Value = serde_json::from_str(&account.json).unwrap();
        let pem = file["private_key"].as_str().unwrap();
        Self {
            private_key: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
            oauth: OAuth::new(account, 60),
            shared: Shared {
                book: Book::new(1, 1),
                behaviours: Behaviours::default(),
                failures: Failures::default(),
                now: Arc::new(|| DateTime::from_timestamp_nanos(0)),
            },
        }
    }

    fn claims(&self) -> Value {
        json!({
            "iss": self.oauth.accounts.read()[0].client_email,
            "scope": SCOPES[0],
            "aud": TOKEN_URI,
            "iat": NOW_S,
            "exp": NOW_S + 3600,
        })
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.oauth.accounts.read()[0].private_key_id.clone());
        encode(&header, claims, &self.private_key).unwrap()
    }

    fn ask(&self, form: String) -> (u16, Value) {
        let request = Request::post(PATH).body(()).unwrap();
        let arrived = Arrived { parts: request.into_parts().0, body: Bytes::from(form), received_ms: NOW_MS };
        match self.oauth.decide(&self.shared, &arrived).ending {
            Ending::Answer(answer) => {
                let body = serde_json::from_slice(&answer.body).unwrap();
                (answer.head.status().as_u16(), body)
            }
            _ => panic!("no answer"),
        }
    }

    fn exchange(&self, assertion: &str) -> (u16, Value) {
        let grant = GRANT.replace(':', "%3A");
        self.ask(format!("grant_type={grant}&assertion={assertion}"))
    }
}

#[test]
fn each_answer_is_a_token_of_its_own() {
    let endpoint = Endpoint::new();
    let assertion = endpoint.sign(&endpoint.claims());
    let (status, first) = endpoint.exchange(&assertion);
    assert_eq!(status, 200, "{first}");
    assert_eq!(first["expires_in"], 60);
    assert_eq!(first["token_type"], "Bearer");
    let (_, second) = endpoint.exchange(&assertion);
    assert_ne!(first["access_token"], second["access_token"]);
    assert_eq!(endpoint.shared.book.stats().oauth_tokens, 2);
}

#[test]
fn a_token_holds_until_it_expires() {
    let endpoint = Endpoint::new();
    let (_, body) = endpoint.exchange(&endpoint.sign(&endpoint.claims()));
    let header = format!("Bearer {}", body["access_token"].as_str().unwrap());
    let mut bearer = Bearer::default();
    let mut is_valid = |header: &str, now_ms| endpoint.oauth.is_valid(&mut bearer, Some(header.as_bytes()), now_ms);
    assert!(is_valid(&header, NOW_MS));
    assert!(is_valid(&header, NOW_MS + 59_999));
    assert!(!is_valid(&header, NOW_MS + 60_000));
    assert!(!is_valid("Bearer made-up", NOW_MS));
    assert!(!is_valid("Basic x", NOW_MS));
    assert!(!endpoint.oauth.is_valid(&mut Bearer::default(), None, NOW_MS));
}

#[test]
fn assertions_are_checked() {
    let endpoint = Endpoint::new();
    let with = |name: &str, value: Value| {
        let mut claims = endpoint.claims();
        claims[name] = value;
        endpoint.sign(&claims)
    };
    let cloud = format!("openid {}", SCOPES[1]);
    let other = Endpoint::new();
    let foreign = encode(&Header::new(Algorithm::RS256), &endpoint.claims(), &other.private_key);
    let mut tampered = endpoint.sign(&endpoint.claims());
    tampered.replace_range(60..61, if &tampered[60..61] == "A" { "B" } else { "A" });
    for (name, assertion, expected) in [
        ("cloud scope", with("scope", json!(cloud)), None),
        ("issuer", with("iss", json!("x@y")), Some("invalid_grant")),
        ("audience", with("aud", json!("https://x")), Some("invalid_grant")),
        ("scope", with("scope", json!("openid")), Some("invalid_scope")),
        ("too long", with("exp", json!(NOW_S + 3601)), Some("invalid_grant")),
        ("over", with("exp", json!(NOW_S)), Some("invalid_grant")),
        ("no end", with("exp", Value::Null), Some("invalid_grant")),
        ("early", with("iat", json!(NOW_S + 301)), Some("invalid_grant")),
        ("tampered", tampered, Some("invalid_grant")),
        ("other key", foreign.unwrap(), Some("invalid_grant")),
        ("no jwt", "x".to_owned(), Some("invalid_grant")),
    ] {
        let (status, body) = endpoint.exchange(&assertion);
        assert_eq!(body["error"].as_str(), expected, "{name}");
        assert_eq!(status, if expected.is_some() { 400 } else { 200 }, "{name}");
    }
}

#[test]
fn the_form_is_checked() {
    let endpoint = Endpoint::new();
    for (form, expected) in [
        ("", "invalid_request"),
        ("assertion=x", "invalid_request"),
        ("grant_type=password", "unsupported_grant_type"),
        ("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer", "invalid_request"),
    ] {
        let (status, body) = endpoint.ask(form.to_owned());
        assert_eq!((status, &body["error"]), (400, &json!(expected)), "{form}");
    }
}

#[test]
fn a_script_can_refuse() {
    let endpoint = Endpoint::new();
    let rules = r#"[{"provider":"oauth","respond":{"status":503,"reason":"busy"},"times":1}]"#;
    endpoint.shared.behaviours.replace(serde_json::from_str(rules).unwrap());
    let assertion = endpoint.sign(&endpoint.claims());
    assert_eq!(endpoint.exchange(&assertion), (503, json!({"error": "busy"})));
    assert_eq!(endpoint.exchange(&assertion).0, 200);
}

#[test]
fn forms_are_decoded() {
    let form = b"a=1&b=x%2By+z&c=";
    assert_eq!(form_value(form, "a").as_deref(), Some("1"));
    assert_eq!(form_value(form, "b").as_deref(), Some("x+y z"));
    assert_eq!(form_value(form, "c").as_deref(), Some(""));
    assert_eq!(form_value(form, "d"), None);
}
