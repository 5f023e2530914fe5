//! What is in the tokens that are signed here: JWTs (RFC 7519), `EdDSA` (RFC 8037), told apart by the claim `typ`.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::Timestamp;

/// The claims of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    /// Who signed it.
    pub(super) iss: String,
    /// The app, by its name.
    pub(super) aud: String,
    /// When it was made, in seconds since 1970.
    pub(super) iat: i64,
    /// From when on it holds no more, likewise.
    pub(super) exp: i64,
    /// Its own id.
    pub(super) jti: Uuid,
    /// Whose it is; absent where nobody is signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sub: Option<String>,
    /// What it is for.
    #[serde(flatten)]
    pub(super) use_of: Use,
}

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "typ", rename_all = "snake_case")]
pub(super) enum Use {
    /// To act for a user, or for a device on which nobody is signed in.
    Access {
        /// The family, which can be revoked.
        sid: Uuid,
        /// The generation of the refresh token that came with it.
        #[serde(rename = "gen")]
        generation: i64,
        /// The one device it is bound to, if it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device_id: Option<String>,
    },
    /// To report the receipts of one device.
    Receipt {
        /// The device.
        device_id: String,
    },
}

/// What can be wrong with a token of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is none: its form, its signature, or what it says.
    Invalid,
    /// Its time is over.
    Expired,
}

impl Claims {
    /// Signs them with the key of this id.
    pub(super) fn sign(&self, id: &str, key: &EncodingKey) -> Result<String, jsonwebtoken::errors::Error> {
        let header = Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, self, key)
    }

    /// Reads a token that this key signed and whose time is not over.
    pub(super) fn read(token: &str, key: &DecodingKey, issuer: &str, now: Timestamp) -> Result<Self, Wrong> {
        let claims = verified::<Self>(token, key, Algorithm::EdDSA).ok_or(Wrong::Invalid)?;
        if claims.iss != issuer {
            return Err(Wrong::Invalid);
        }
        if claims.exp <= now.timestamp() { Err(Wrong::Expired) } else { Ok(claims) }
    }
}

/// The claims of a token that this key signed with this algorithm, whatever they say: its times and names are judged by the caller, whose
/// clock is not the library's.
pub(in crate::api) fn verified<T: serde::de::DeserializeOwned>(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<T> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    let read = jsonwebtoken::decode::<T>(token, key, &validation).ok()?;
    // what must be understood to read it (RFC 7515, 4.1.11) is not
    read.header.crit.is_none().then_some(read.claims)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn keys() -> (EncodingKey, DecodingKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let document = pair.to_pkcs8v1().unwrap();
        (EncodingKey::from_ed_der(document.as_ref()), DecodingKey::from_ed_der(pair.public_key().as_ref()))
    }

    fn now() -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn claims(use_of: Use) -> Claims {
        let iat = now().timestamp();
        Claims { iss: "herald".into(), aud: "demo".into(), iat, exp: iat + 60, jti: Uuid::from_u128(1), sub: Some("ann".into()), use_of }
    }

    fn access() -> Claims {
        claims(Use::Access { sid: Uuid::from_u128(2), generation: 3, device_id: Some("phone".into()) })
    }

    fn read(token: &str) -> Result<Claims, Wrong> {
        Claims::read(token, &keys().1, "herald", now())
    }

    #[test]
    fn the_claims_have_their_names() {
        let value = serde_json::to_value(access()).unwrap();
        let expected = json!({
            "iss": "herald", "aud": "demo", "iat": 1_800_000_000, "exp": 1_800_000_060, "jti": Uuid::from_u128(1), "sub": "ann",
            "typ": "access", "sid": Uuid::from_u128(2), "gen": 3, "device_id": "phone",
        });
        assert_eq!(value, expected);
        let receipt = Claims { sub: None, ..claims(Use::Receipt { device_id: "phone".into() }) };
        let value = serde_json::to_value(receipt).unwrap();
        assert_eq!((value.get("sub"), &value["typ"], &value["device_id"]), (None, &json!("receipt"), &json!("phone")));
    }

    #[test]
    fn a_token_ends_at_its_second() {
        let sign = |exp: i64| Claims { exp, ..access() }.sign("k", &keys().0).unwrap();
        let now = now().timestamp();
        for (exp, wrong) in
            [(now + 1, None), (now, Some(Wrong::Expired)), (now - 1, Some(Wrong::Expired)), (i64::MIN, Some(Wrong::Expired))]
        {
            assert_eq!(read(&sign(exp)).err(), wrong, "{exp}");
        }
    }

    /// RFC 8725, 3.1 and 3.8: the algorithm and the issuer are ours, whatever the token says.
    #[test]
    fn what_another_signed_or_nobody_is_invalid() {
        let good = access().sign("k", &keys().0).unwrap();
        assert_eq!(read(&good).unwrap(), access());
        let parts: Vec<&str> = good.split('.').collect();
        let header = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let none = format!("{}.{}.", header(json!({"alg": "none"})), parts[1]);
        // the public key as an HMAC secret: the classic confusion
        let public = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap().public_key().as_ref().to_vec();
        let hmac = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &access(), &EncodingKey::from_secret(&public)).unwrap();
        let other = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap().to_pkcs8v1().unwrap();
        let other = access().sign("k", &EncodingKey::from_ed_der(other.as_ref())).unwrap();
        let critical = {
            let header = Header { crit: Some(vec!["b64".into()]), ..Header::new(Algorithm::EdDSA) };
            jsonwebtoken::encode(&header, &access(), &keys().0).unwrap()
        };
        let foreign = Claims { iss: "elsewhere".into(), ..access() }.sign("k", &keys().0).unwrap();
        for token in [
            none,
            hmac,
            other,
            critical,
            foreign,
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{good}."),
            format!(".{good}"),
            String::new(),
            "..".to_owned(),
        ] {
            assert_eq!(read(&token), Err(Wrong::Invalid), "{token}");
        }
    }

    #[test]
    fn a_token_for_no_known_use_is_invalid() {
        for (name, value) in
            [("typ", json!("refresh")), ("typ", Value::Null), ("sid", Value::Null), ("gen", json!("1")), ("exp", json!(1e300))]
        {
            let mut claims = serde_json::to_value(access()).unwrap();
            claims[name] = value;
            let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &keys().0).unwrap();
            assert_eq!(read(&token), Err(Wrong::Invalid), "{claims}");
        }
    }

    proptest! {
        #[test]
        fn a_token_is_read_as_it_was_signed(sub in proptest::option::of("\\PC{1,20}"), sid: u128, generation: i64, device in "[A-Za-z0-9._:-]{1,20}", bound: bool) {
            let use_of = if bound {
                Use::Receipt { device_id: device }
            } else {
                Use::Access { sid: Uuid::from_u128(sid), generation, device_id: Some(device) }
            };
            let claims = Claims { sub, ..claims(use_of) };
            prop_assert_eq!(read(&claims.sign("k", &keys().0).unwrap()), Ok(claims));
        }

        #[test]
        fn a_token_that_was_changed_is_invalid(place: prop::sample::Index, byte in "[A-Za-z0-9_-]") {
            let good = access().sign("k", &keys().0).unwrap();
            let place = place.index(good.len());
            prop_assume!(good.as_bytes()[place] != byte.as_bytes()[0] && good.as_bytes()[place] != b'.');
            let mut changed = good.into_bytes();
            changed[place] = byte.as_bytes()[0];
            prop_assert_eq!(read(std::str::from_utf8(&changed).unwrap()), Err(Wrong::Invalid));
        }

        #[test]
        fn no_text_is_read_nor_panics(text in "\\PC{0,60}", parts in "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}") {
            prop_assert_eq!(read(&text), Err(Wrong::Invalid));
            prop_assert_eq!(read(&parts), Err(Wrong::Invalid));
        }
    }
}
