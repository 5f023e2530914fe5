//! VAPID tokens (RFC 8292): their signature once per distinct token, their end on every request.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;

use super::answer::Refusal;

/// `exp` may be so far ahead (RFC 8292, 2).
const MAX_LIFE_MS: i64 = 86_400_000;
/// Distinct tokens whose signature is remembered.
const REMEMBERED: usize = 64;
/// A real one has some 400 bytes.
const MAX_LENGTH: usize = 4096;

/// Knows for whom tokens must be.
pub(super) struct Verifier {
    audience: String,
    verified: Mutex<VecDeque<Verified>>,
}

#[derive(Clone)]
struct Verified {
    authorization: Box<[u8]>,
    exp_ms: i64,
    key: String,
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    exp: i64,
    sub: String,
}

impl Verifier {
    pub(super) fn new(audience: String) -> Self {
        Self { audience, verified: Mutex::default() }
    }

    /// Checks the `Authorization` header; the key that it was signed with.
    pub(super) fn check(&self, authorization: Option<&HeaderValue>, now_ms: i64) -> Result<String, Refusal> {
        let authorization = authorization.ok_or(Refusal::Token("Missing VAPID authorization"))?.as_bytes();
        let Verified { exp_ms, key, .. } = match self.known(authorization) {
            Some(known) => known,
            None => self.verify(authorization)?,
        };
        if exp_ms <= now_ms {
            return Err(Refusal::Token("Expired VAPID token"));
        }
        if exp_ms - now_ms > MAX_LIFE_MS {
            return Err(Refusal::Token("VAPID token expiration is too long"));
        }
        Ok(key)
    }

    fn known(&self, authorization: &[u8]) -> Option<Verified> {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.iter().find(|known| *known.authorization == *authorization).cloned()
    }

    fn verify(&self, authorization: &[u8]) -> Result<Verified, Refusal> {
        let (token, key) = parameters(authorization).ok_or(Refusal::Token("Unknown authorization"))?;
        let public = read_key(key).ok_or(Refusal::Token("Invalid VAPID public key"))?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims = decode::<Claims>(token, &public, &validation).map_err(|_| Refusal::Token("Invalid VAPID token"))?.claims;
        if claims.aud != self.audience {
            return Err(Refusal::Token("Invalid VAPID audience"));
        }
        if !claims.sub.starts_with("mailto:") && !claims.sub.starts_with("https:") {
            return Err(Refusal::Token("Invalid VAPID subject"));
        }
        let exp_ms = claims.exp.checked_mul(1000).ok_or(Refusal::Token("Invalid VAPID token"))?;
        let verified = Verified { authorization: authorization.into(), exp_ms, key: key.to_owned() };
        let mut remembered = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.push_back(verified.clone());
        if remembered.len() > REMEMBERED {
            remembered.pop_front();
        }
        Ok(verified)
    }
}

/// `t` and `k` of `vapid t=…, k=…`, in either order.
fn parameters(authorization: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(authorization).ok().filter(|text| text.len() <= MAX_LENGTH)?;
    let (scheme, rest) = text.split_once(' ')?;
    let (mut token, mut key) = (None, None);
    for parameter in rest.split(',') {
        match parameter.trim().split_once('=')? {
            ("t", value) => token = Some(value),
            ("k", value) => key = Some(value),
            _ => {}
        }
    }
    scheme.eq_ignore_ascii_case("vapid").then_some(())?;
    token.zip(key)
}

/// A public key as `k` has it: an uncompressed point in base64url.
pub(super) fn read_key(text: &str) -> Option<DecodingKey> {
    let point = URL_SAFE_NO_PAD.decode(text).ok().filter(|point| point.len() == 65)?;
    let (x, y) = point.strip_prefix(&[4])?.split_at_checked(32)?;
    DecodingKey::from_ec_components(&URL_SAFE_NO_PAD.encode(x), &URL_SAFE_NO_PAD.encode(y)).ok()
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use rcgen::KeyPair;
    use serde_json::{Value, json};

    use super::*;

    const NOW_S: i64 = 1_800_000_000;
    const NOW_MS: i64 = NOW_S * 1000;
    const ORIGIN: &str = "https://localhost:8443";

    fn header(key: &KeyPair, claims: &Value) -> String {
        let signing = EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).unwrap();
        let token = encode(&Header::new(Algorithm::ES256), claims, &signing).unwrap();
        format!("vapid t={token}, k={}", URL_SAFE_NO_PAD.encode(key.public_key_raw()))
    }

    fn check(text: &str) -> Result<String, Refusal> {
        Verifier::new(ORIGIN.to_owned()).check(Some(&HeaderValue::from_str(text).unwrap()), NOW_MS)
    }

    #[test]
    fn tokens_are_checked() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let claims = |patch: &[(&str, Value)]| {
            let mut claims = json!({"aud": ORIGIN, "exp": NOW_S + 3600, "sub": "mailto:ops@example.com"});
            for (name, value) in patch {
                claims[name] = value.clone();
            }
            claims
        };
        let good = header(&key, &claims(&[]));
        let (token, own) = good.strip_prefix("vapid ").unwrap().split_once(", ").unwrap();
        assert_eq!(check(&good), Ok(URL_SAFE_NO_PAD.encode(key.public_key_raw())));
        assert!(check(&format!("VAPID {own},{token}")).is_ok());
        assert!(check(&header(&key, &claims(&[("sub", json!("https://example.com")), ("exp", json!(NOW_S + 86_400))]))).is_ok());
        let others = header(&other, &claims(&[])).split_once(", ").unwrap().1.to_owned();
        for (text, message) in [
            (format!("Bearer {token}"), "Unknown authorization"),
            (format!("vapid {token}"), "Unknown authorization"),
            ("vapid".to_owned(), "Unknown authorization"),
            (format!("vapid {token}, k=AAAA"), "Invalid VAPID public key"),
            (format!("vapid {token}, {others}"), "Invalid VAPID token"),
            (format!("vapid t=x, {own}"), "Invalid VAPID token"),
            (header(&key, &json!({"aud": ORIGIN, "exp": NOW_S + 60})), "Invalid VAPID token"),
            (header(&key, &claims(&[("aud", json!("https://localhost"))])), "Invalid VAPID audience"),
            (header(&key, &claims(&[("sub", json!("ops@example.com"))])), "Invalid VAPID subject"),
            (header(&key, &claims(&[("exp", json!(NOW_S))])), "Expired VAPID token"),
            (header(&key, &claims(&[("exp", json!(NOW_S + 86_401))])), "VAPID token expiration is too long"),
        ] {
            assert_eq!(check(&text), Err(Refusal::Token(message)), "{message}");
        }
        assert_eq!(Verifier::new(String::new()).check(None, NOW_MS), Err(Refusal::Token("Missing VAPID authorization")));
    }

    #[test]
    fn a_token_that_was_seen_still_ends() {
        let claims = json!({"aud": ORIGIN, "exp": NOW_S + 60, "sub": "mailto:a@b"});
        let value = HeaderValue::from_str(&header(&KeyPair::generate().unwrap(), &claims)).unwrap();
        let verifier = Verifier::new(ORIGIN.to_owned());
        assert!(verifier.check(Some(&value), NOW_MS).is_ok());
        assert!(verifier.check(Some(&value), NOW_MS + 59_000).is_ok());
        assert_eq!(verifier.check(Some(&value), NOW_MS + 60_000), Err(Refusal::Token("Expired VAPID token")));
    }
}
