//! The keys that an app's own tokens may be signed by: a JSON Web Key Set (RFC 7517).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde_json::Value;

/// Keys of one set, at most.
const MAX_KEYS: usize = 100;
/// An RSA key's modulus, in bytes: 2048 to 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;
/// Half of a point on P-256, and an Ed25519 key, in bytes.
const POINT: usize = 32;

/// Why a key set is refused.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// It is none.
    #[error("is not a JSON Web Key Set: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// It gives away a private or shared key, with which anybody who has the file could sign in as anybody.
    #[error("has a key that is not public, which must not lie here")]
    Secret,
    /// None of its keys can be used.
    #[error("has no public key for RS256 (2048 bits or more), ES256 or EdDSA (Ed25519) signatures")]
    NoneUsable,
    /// It has too many.
    #[error("has more than {MAX_KEYS} keys")]
    TooMany,
}

/// A key, and the one algorithm that it is for.
pub(super) struct TrustedKey {
    id: Option<String>,
    /// Its algorithm.
    pub(super) algorithm: Algorithm,
    /// The key.
    pub(super) verifying: DecodingKey,
}

impl TrustedKey {
    /// Whether a token with this header may be signed by it.
    pub(super) fn fits(&self, header: &Header) -> bool {
        let is_named = match (&self.id, &header.kid) {
            (Some(own), Some(named)) => own == named,
            // one of both says nothing
            _ => true,
        };
        header.alg == self.algorithm && is_named
    }
}

/// The keys of a set that can be used; others are passed over, since a sign-in may have them for other uses.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<TrustedKey>, KeySetError> {
    let value: Value = serde_json::from_slice(bytes)?;
    let is_secret = |key: &Value| ["d", "k"].iter().any(|name| key.get(name).is_some());
    if value.get("keys").and_then(Value::as_array).is_some_and(|keys| keys.iter().any(is_secret)) {
        return Err(KeySetError::Secret);
    }
    let set: JwkSet = serde_json::from_value(value)?;
    if set.keys.len() > MAX_KEYS {
        return Err(KeySetError::TooMany);
    }
    let keys: Vec<TrustedKey> = set.keys.iter().filter_map(usable).collect();
    if keys.is_empty() { Err(KeySetError::NoneUsable) } else { Ok(keys) }
}

fn usable(key: &Jwk) -> Option<TrustedKey> {
    let common = &key.common;
    let signs = common.public_key_use.as_ref().is_none_or(|one| *one == PublicKeyUse::Signature);
    let verifies = common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    let length = |text: &str| URL_SAFE_NO_PAD.decode(text).map_or(0, |bytes| bytes.len());
    let (algorithm, named) = match &key.algorithm {
        AlgorithmParameters::RSA(rsa) if MODULUS.contains(&length(&rsa.n)) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(point)
            if point.curve == EllipticCurve::P256 && length(&point.x) == POINT && length(&point.y) == POINT =>
        {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 && length(&pair.x) == POINT => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let is_for = common.key_algorithm.is_none_or(|own| own == named);
    let verifying = DecodingKey::from_jwk(key).ok()?;
    (signs && verifies && is_for).then(|| TrustedKey { id: common.key_id.clone(), algorithm, verifying })
}
