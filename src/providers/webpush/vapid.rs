//! VAPID (RFC 8292): who sends, told to each push service by a token of its own.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Serialize;

use crate::domain::clock::Clock;
use crate::providers::{InitError, Secret};

/// What a token claims to live; RFC 8292, 2 allows a day.
const LIFE: Duration = Duration::from_hours(12);
/// A token is renewed this long after it was made, well before its end…
const RENEW_AFTER: Duration = Duration::from_hours(11);
/// …and never earlier than this: Apple wants no more than one an hour ("Sending web push notifications in web apps and browsers").
const NOT_BEFORE: Duration = Duration::from_hours(1);

/// Signs for an app.
pub(super) struct Vapid {
    key: EncodingKey,
    /// The uncompressed point, base64url.
    public_key: String,
    subject: String,
    clock: Arc<dyn Clock>,
}

/// A signed token, ready to be sent.
#[derive(Debug)]
pub(super) struct Token {
    /// `vapid t=<JWT>, k=<public key>`.
    pub(super) authorization: HeaderValue,
    signed_at: Duration,
}

/// The present token for one origin.
#[derive(Debug, Default)]
pub(super) struct Current(Mutex<Option<Arc<Token>>>);

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: i64,
    sub: &'a str,
}

impl Vapid {
    /// Takes the key's text (PEM, PKCS#8).
    pub(super) fn new(pem: &Secret, subject: &str, clock: Arc<dyn Clock>) -> Result<Self, InitError> {
        let refused = |source| InitError::Key { key: "vapid_key_file", expected: "EC P-256", source };
        let unusable = || refused(Error::from(ErrorKind::InvalidEcdsaKey));
        let key = EncodingKey::from_ec_pem(pem.expose().as_bytes()).map_err(refused)?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| unusable())?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der()).map_err(|_| unusable())?;
        let public_key = URL_SAFE_NO_PAD.encode(pair.public_key());
        Ok(Self { key, public_key, subject: subject.to_owned(), clock })
    }

    /// What pages hand to `pushManager.subscribe` as `applicationServerKey`.
    pub(super) fn public_key(&self) -> &str {
        &self.public_key
    }

    /// The token for `origin`, renewed when it is due.
    pub(super) fn token(&self, current: &Current, origin: &str) -> Result<Arc<Token>, Error> {
        self.younger_than(RENEW_AFTER, current, origin)
    }

    /// A push service refused `refused`: another one, if there is one or may be one already.
    pub(super) fn another(&self, current: &Current, origin: &str, refused: &Arc<Token>) -> Option<Arc<Token>> {
        let token = self.younger_than(NOT_BEFORE, current, origin).ok()?;
        (!Arc::ptr_eq(&token, refused)).then_some(token)
    }

    fn younger_than(&self, age: Duration, current: &Current, origin: &str) -> Result<Arc<Token>, Error> {
        let mut current = current.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some(token) if self.clock.monotonic().saturating_sub(token.signed_at) < age => Ok(Arc::clone(token)),
            Some(_) | None => Ok(Arc::clone(current.insert(Arc::new(self.sign(origin)?)))),
        }
    }

    /// Signs for an origin.
    pub(super) fn sign(&self, origin: &str) -> Result<Token, Error> {
        let exp = self.clock.now().timestamp().saturating_add(LIFE.as_secs().try_into().unwrap_or(i64::MAX));
        let signed_at = self.clock.monotonic();
        let jwt = Secret::new(encode(&Header::new(Algorithm::ES256), &Claims { aud: origin, exp, sub: &self.subject }, &self.key)?);
        let mut authorization = HeaderValue::try_from(format!("vapid t={}, k={}", jwt.expose(), self.public_key))
            .map_err(|_| Error::from(ErrorKind::InvalidToken))?;
        authorization.set_sensitive(true);
        Ok(Token { authorization, signed_at })
    }
}

impl fmt::Debug for Vapid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vapid").field("public_key", &self.public_key).field("subject", &self.subject).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode};
    use rcgen::KeyPair;
    use serde_json::{Value, json};

    use super::*;
    use crate::providers::testing::TestClock;

    const ORIGIN: &str = "https://push.example.com";
    const SECOND: Duration = Duration::from_secs(1);

    fn vapid() -> (KeyPair, Arc<TestClock>, Vapid) {
        let (key, clock) = (KeyPair::generate().unwrap(), TestClock::new());
        let vapid = Vapid::new(&Secret::new(key.serialize_pem()), "mailto:ops@example.com", Arc::clone(&clock) as _).unwrap();
        (key, clock, vapid)
    }

    #[test]
    fn a_token_says_who_sends_to_whom_and_until_when() {
        let (key, clock, vapid) = vapid();
        let token = vapid.token(&Current::default(), ORIGIN).unwrap();
        let text = token.authorization.to_str().unwrap();
        let (jwt, public_key) = text.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[ORIGIN]);
        validation.validate_exp = false;
        let public = DecodingKey::from_ec_pem(key.public_key_pem().as_bytes()).unwrap();
        let read = decode::<Value>(jwt, &public, &validation).unwrap();
        let exp = clock.now().timestamp() + 12 * 3600;
        assert_eq!(read.claims, json!({"aud": ORIGIN, "exp": exp, "sub": "mailto:ops@example.com"}));
        assert_eq!(read.header.typ.as_deref(), Some("JWT"));
        assert_eq!(public_key, URL_SAFE_NO_PAD.encode(key.public_key_raw()));
        assert_eq!(public_key, vapid.public_key());
        assert!(token.authorization.is_sensitive());
        assert!(!format!("{vapid:?}{token:?}").contains(jwt));
    }

    #[test]
    fn a_token_serves_until_it_is_due() {
        let (_, clock, vapid) = vapid();
        let (current, other) = (Current::default(), Current::default());
        let first = vapid.token(&current, ORIGIN).unwrap();
        clock.advance(RENEW_AFTER.saturating_sub(SECOND));
        assert!(Arc::ptr_eq(&vapid.token(&current, ORIGIN).unwrap(), &first));
        assert!(!Arc::ptr_eq(&vapid.token(&other, "https://other.example").unwrap(), &first));
        clock.advance(SECOND);
        assert!(!Arc::ptr_eq(&vapid.token(&current, ORIGIN).unwrap(), &first));
        assert!(RENEW_AFTER < LIFE);
    }

    #[test]
    fn a_refused_token_is_replaced_once_an_hour_at_most() {
        let (_, clock, vapid) = vapid();
        let current = Current::default();
        let first = vapid.token(&current, ORIGIN).unwrap();
        clock.advance(NOT_BEFORE.saturating_sub(SECOND));
        assert!(vapid.another(&current, ORIGIN, &first).is_none());
        clock.advance(SECOND);
        let second = vapid.another(&current, ORIGIN, &first).unwrap();
        assert!(vapid.another(&current, ORIGIN, &second).is_none());
        let known = vapid.another(&current, ORIGIN, &first).unwrap();
        assert!(Arc::ptr_eq(&known, &second), "all who were refused with the first share the second");
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
        let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap().serialize_pem();
        for pem in [p384, rsa, String::new(), "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n".to_owned()] {
            let error = Vapid::new(&Secret::new(pem), "mailto:a@b", TestClock::new()).unwrap_err();
            assert_eq!(error.key(), "vapid_key_file");
            assert_eq!(error.to_string(), "vapid_key_file: no EC P-256 private key in PEM (PKCS#8)");
        }
    }
}
