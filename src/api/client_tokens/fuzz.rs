//! Tokens of phones, in fuzzing.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;

use super::claims::Claims;
use super::refresh_token::RefreshTokens;
use crate::domain::Timestamp;

/// The key that the seeds are signed with.
pub(in crate::api) fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

/// The present.
pub(in crate::api) fn now() -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000, 0).unwrap()
}

/// A token of a header and claims that are apart by a line's end, signed by [`key`], so that what is behind the signature is reached.
pub(in crate::api) fn signed(text: &str) -> String {
    let (header, claims) = text.split_once('\n').unwrap_or((r#"{"alg":"EdDSA"}"#, text));
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key().sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// Whether a token has a signature of [`key`].
pub(in crate::api) fn is_signed(token: &str) -> bool {
    let Some((message, signature)) = token.rsplit_once('.') else { return false };
    let public = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, key().public_key().as_ref().to_vec());
    URL_SAFE_NO_PAD.decode(signature).is_ok_and(|signature| public.verify(message.as_bytes(), &signature).is_ok())
}

/// A client token is refused, or is signed, by the issuer, and its time is not over.
pub fn access(text: &str) {
    let verifying = DecodingKey::from_ed_der(key().public_key().as_ref());
    for token in [text, &signed(text)] {
        if let Ok(claims) = Claims::read(token, &verifying, "herald", now()) {
            assert!(is_signed(token) && claims.iss == "herald" && claims.exp > now().timestamp(), "{claims:?}");
        }
    }
}

/// A refresh token is refused, or is written as it was read; one made of the same bytes is read.
pub fn refresh(bytes: &[u8]) {
    let tokens = RefreshTokens::new(b"the secret of the seeds");
    if let Ok(text) = std::str::from_utf8(bytes) {
        for text in [text, text.trim()] {
            if let Some(token) = tokens.parse(text) {
                assert_eq!(*token.text(), *text);
            }
        }
    }
    let Some((family, rest)) = bytes.split_first_chunk::<16>() else { return };
    let Some((key, _)) = rest.split_first_chunk::<32>() else { return };
    let first = tokens.first(uuid::Uuid::from_bytes(*family), key);
    let next = tokens.next(&first).unwrap();
    assert_eq!(tokens.parse(&first.text()).unwrap().hash(), first.hash());
    assert_eq!((next.family(), next.generation()), (first.family(), 2));
}
