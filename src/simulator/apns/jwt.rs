//! Provider tokens: their signature (once per distinct token), their age (on every request), and
//! how often a connection may change them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use parking_lot::RwLock;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use super::reason::Reason;

/// A token's `iat` must be within an hour of the clock.
const MAX_AGE_MS: i64 = 3_600_000;
/// A connection may not change its token more often than every 20 minutes.
const MIN_CHANGE_MS: i64 = 1_200_000;
/// Distinct tokens whose signature is remembered.
const REMEMBERED: usize = 64;
/// A real token has some 200 bytes.
const MAX_LENGTH: usize = 2048;

/// Knows the team's keys, which sign provider tokens.
pub(super) struct Verifier {
    keys: RwLock<Keys>,
    team_id: String,
    verified: Mutex<VecDeque<(Box<[u8]>, i64)>>,
}

struct Keys {
    /// By id.
    public: Vec<(String, DecodingKey)>,
    /// Grows when any is revoked.
    revision: u32,
}

/// What a connection remembers of its tokens.
#[derive(Debug, Default)]
pub(crate) struct ProviderTokens {
    current: Option<(Box<[u8]>, i64)>,
    /// Of the keys when its token was verified.
    revision: u32,
    unusable_until_ms: Option<i64>,
}

impl ProviderTokens {
    /// Whether a valid token was seen.
    pub(super) fn any(&self) -> bool {
        self.current.is_some()
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    iat: i64,
}

impl Verifier {
    pub(super) fn new(public: DecodingKey, key_id: &str, team_id: &str) -> Self {
        let keys = Keys { public: vec![(key_id.to_owned(), public)], revision: 0 };
        Self { keys: RwLock::new(keys), team_id: team_id.to_owned(), verified: Mutex::default() }
    }

    /// Takes another key, with those before or in their place.
    pub(super) fn rotate(&self, key_id: String, public: DecodingKey, revoke: bool) {
        let mut keys = self.keys.write();
        if revoke {
            keys.public.clear();
            keys.revision += 1;
            self.verified.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        keys.public.push((key_id, public));
    }

    /// Checks the `authorization` header of a request on a connection.
    pub(super) fn check(&self, tokens: &mut ProviderTokens, authorization: Option<&[u8]>, now_ms: i64) -> Result<(), Reason> {
        let token = authorization.and_then(bearer);
        let token = token.ok_or(Reason::MissingProviderToken)?;
        if tokens.unusable_until_ms.is_some_and(|until| now_ms < until) {
            return Err(Reason::TooManyProviderTokenUpdates);
        }
        let revision = self.keys.read().revision;
        let known = tokens.current.as_ref().filter(|known| *known.0 == *token && tokens.revision == revision);
        let (is_new, iat_ms) = match known {
            Some((_, iat_ms)) => (false, *iat_ms),
            None => (true, self.verify(token)?),
        };
        if (now_ms - iat_ms).abs() > MAX_AGE_MS {
            return Err(Reason::ExpiredProviderToken);
        }
        if is_new {
            if let Some((_, previous_ms)) = tokens.current.as_ref().filter(|known| *known.0 != *token) {
                let allowed_ms = previous_ms + MIN_CHANGE_MS;
                if now_ms < allowed_ms {
                    tokens.unusable_until_ms = Some(allowed_ms);
                    return Err(Reason::TooManyProviderTokenUpdates);
                }
            }
            (tokens.current, tokens.revision) = (Some((token.into(), iat_ms)), revision);
        }
        Ok(())
    }

    /// A token's `iat` in milliseconds, if it is ours.
    fn verify(&self, token: &[u8]) -> Result<i64, Reason> {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, iat_ms)) = verified.iter().find(|known| *known.0 == *token) {
            return Ok(*iat_ms);
        }
        let iat_ms = self.decode(token).ok_or(Reason::InvalidProviderToken)?;
        verified.push_back((token.into(), iat_ms));
        if verified.len() > REMEMBERED {
            verified.pop_front();
        }
        Ok(iat_ms)
    }

    fn decode(&self, token: &[u8]) -> Option<i64> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let key_id = decode_header(token).ok()?.kid?;
        let keys = self.keys.read();
        let (_, public) = keys.public.iter().find(|(id, _)| *id == key_id)?;
        let claims = decode::<Claims>(token, public, &validation).ok()?.claims;
        (claims.iss == self.team_id).then(|| claims.iat.checked_mul(1000)).flatten()
    }
}

/// The token of a `bearer` header. Apple writes the word in lower case and takes any.
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(7)?;
    let fits = scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty();
    fits.then_some(token)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::super::super::keys::ApnsKey;
    use super::*;

    const NOW_S: i64 = 1_800_000_000;
    const NOW_MS: i64 = NOW_S * 1000;
    const HOUR_S: i64 = 3600;

    struct Signer {
        pem: String,
        verifier: Verifier,
    }

    impl Signer {
        fn new() -> Self {
            let key = ApnsKey::generate().unwrap();
            Self { pem: key.pem, verifier: Verifier::new(key.public, "KEY4567890", "TEAM567890") }
        }

        fn sign(&self, kid: Option<&str>, claims: &Value) -> Vec<u8> {
            let mut header = Header::new(Algorithm::ES256);
            header.kid = kid.map(str::to_owned);
            let key = EncodingKey::from_ec_pem(self.pem.as_bytes()).unwrap();
            let token = encode(&header, claims, &key).unwrap();
            format!("bearer {token}").into_bytes()
        }

        fn token(&self, iat: i64) -> Vec<u8> {
            self.sign(Some("KEY4567890"), &json!({"iss": "TEAM567890", "iat": iat}))
        }

        fn check(&self, token: &[u8], now_ms: i64) -> Result<(), Reason> {
            let mut tokens = ProviderTokens::default();
            self.verifier.check(&mut tokens, Some(token), now_ms)
        }
    }

    #[test]
    fn tokens_are_checked() {
        let signer = Signer::new();
        let claims = json!({"iss": "TEAM567890", "iat": NOW_S});
        let other = Signer::new().token(NOW_S);
        let secret = EncodingKey::from_secret(b"x");
        let symmetric = encode(&Header::default(), &claims, &secret).unwrap();
        let mut tampered = signer.token(NOW_S);
        let middle = tampered.len() / 2;
        tampered[middle] ^= 1;
        let valid = signer.token(NOW_S);
        for (name, token, expected) in [
            ("valid", valid.clone(), None),
            ("upper case", [b"Bearer ", &valid[7..]].concat(), None),
            ("no scheme", valid[7..].to_vec(), Some(Reason::MissingProviderToken)),
            ("empty", b"bearer ".to_vec(), Some(Reason::MissingProviderToken)),
            ("other key", other, Some(Reason::InvalidProviderToken)),
            ("tampered", tampered, Some(Reason::InvalidProviderToken)),
            ("no jwt", b"bearer x".to_vec(), Some(Reason::InvalidProviderToken)),
            ("HS256", format!("bearer {symmetric}").into_bytes(), Some(Reason::InvalidProviderToken)),
            ("no kid", signer.sign(None, &claims), Some(Reason::InvalidProviderToken)),
            ("other kid", signer.sign(Some("KEY4567891"), &claims), Some(Reason::InvalidProviderToken)),
            ("other team", signer.sign(Some("KEY4567890"), &json!({"iss": "x", "iat": NOW_S})), Some(Reason::InvalidProviderToken)),
            ("no iat", signer.sign(Some("KEY4567890"), &json!({"iss": "TEAM567890"})), Some(Reason::InvalidProviderToken)),
            ("an hour old", signer.token(NOW_S - HOUR_S), None),
            ("older", signer.token(NOW_S - HOUR_S - 1), Some(Reason::ExpiredProviderToken)),
            ("of the future", signer.token(NOW_S + HOUR_S + 1), Some(Reason::ExpiredProviderToken)),
        ] {
            assert_eq!(signer.check(&token, NOW_MS).err(), expected, "{name}");
        }
        let mut tokens = ProviderTokens::default();
        let missing = signer.verifier.check(&mut tokens, None, NOW_MS);
        assert_eq!(missing, Err(Reason::MissingProviderToken));
        assert!(!tokens.any());
    }

    #[test]
    fn a_token_grows_old_on_its_connection() {
        let signer = Signer::new();
        let token = signer.token(NOW_S);
        let mut tokens = ProviderTokens::default();
        let mut check = |now_ms| signer.verifier.check(&mut tokens, Some(&token), now_ms);
        assert_eq!(check(NOW_MS), Ok(()));
        assert_eq!(check(NOW_MS + MAX_AGE_MS), Ok(()));
        let late = check(NOW_MS + MAX_AGE_MS + 1);
        assert_eq!(late, Err(Reason::ExpiredProviderToken));
    }

    #[test]
    fn a_connection_changes_its_token_every_20_minutes_at_most() {
        let signer = Signer::new();
        let (first, second) = (signer.token(NOW_S), signer.token(NOW_S + 600));
        let mut tokens = ProviderTokens::default();
        let mut check = |token: &[u8], minute: i64| {
            let now_ms = NOW_MS + minute * 60_000;
            signer.verifier.check(&mut tokens, Some(token), now_ms)
        };
        assert_eq!(check(&first, 0), Ok(()));
        let too_many = Err(Reason::TooManyProviderTokenUpdates);
        assert_eq!(check(&second, 10), too_many);
        assert_eq!(check(&first, 19), too_many, "the connection is unusable");
        assert_eq!(check(&first, 20), Ok(()));
        assert_eq!(check(&second, 21), Ok(()));
        assert_eq!(check(&first, 22), too_many);
    }
}
