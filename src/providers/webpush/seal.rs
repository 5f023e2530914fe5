//! A message that only one browser can read: `aes128gcm` (RFC 8188) with keys agreed upon with the subscription's (RFC 8291).

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

/// What a push service takes, in bytes (RFC 8030, 7.2).
const BODY_LIMIT: usize = 4096;
/// The record size that is written: one record holds all.
const RECORD_SIZE: u32 = 4096;
/// RFC 8188, 2.1: salt, record size, the length of the key id, and the key id, which is our public key (RFC 8291, 4).
const HEADER: usize = SALT + 4 + 1 + POINT;
/// A message, at most, in bytes: what is left of [`BODY_LIMIT`] by header, delimiter and tag.
pub(super) const PLAINTEXT_LIMIT: usize = BODY_LIMIT - HEADER - 1 - TAG;

const SALT: usize = 16;
const POINT: usize = 65;
const SECRET: usize = 16;
const TAG: usize = 16;
/// Ends the last record (RFC 8188, 2).
const LAST: u8 = 2;

/// Why a message cannot be encrypted: the subscription's keys are none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the subscription's keys cannot be used")]
pub(super) struct SealError;

/// What a browser gave out.
pub(super) struct Keys {
    /// Its public key, uncompressed.
    point: [u8; POINT],
    /// Its secret.
    auth: [u8; SECRET],
}

impl Keys {
    /// Reads `p256dh` and `auth`, base64url without padding, as they are stored.
    pub(super) fn parse(p256dh: &str, auth: &str) -> Result<Self, SealError> {
        let point = URL_SAFE_NO_PAD.decode(p256dh).ok().and_then(|bytes| bytes.try_into().ok());
        let auth = URL_SAFE_NO_PAD.decode(auth).ok().and_then(|bytes| bytes.try_into().ok());
        point.zip(auth).map(|(point, auth)| Self { point, auth }).ok_or(SealError)
    }
}

/// Encrypts `text` for a browser, with a key and a salt of this message alone. The body of the request.
///
/// It costs some 67 us: 50 for the agreement, 10 for the key (measured, see `docs/scale.md`). That is more than all else of a push,
/// and RFC 8291, 3.1 wants a key for each.
pub(super) fn seal(text: &[u8], keys: &Keys) -> Result<Bytes, SealError> {
    let mut salt = [0; SALT];
    rand::fill(&mut salt).map_err(|_: Unspecified| SealError)?;
    let own = PrivateKey::generate(&ECDH_P256).map_err(|_| SealError)?;
    seal_with(text, keys, &own, salt)
}

fn seal_with(text: &[u8], keys: &Keys, own: &PrivateKey, salt: [u8; SALT]) -> Result<Bytes, SealError> {
    let own_point = own.compute_public_key().map_err(|_| SealError)?;
    let own_point = own_point.as_ref();
    let (key, nonce) = agree(keys, own, own_point, salt)?;
    let mut body = Vec::with_capacity(HEADER + text.len() + 1 + TAG);
    body.extend_from_slice(&salt);
    body.extend_from_slice(&RECORD_SIZE.to_be_bytes());
    body.push(u8::try_from(own_point.len()).map_err(|_| SealError)?);
    body.extend_from_slice(own_point);
    body.extend_from_slice(text);
    body.push(LAST);
    let record = body.get_mut(HEADER..).ok_or(SealError)?;
    let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), record).map_err(|_| SealError)?;
    body.extend_from_slice(tag.as_ref());
    Ok(Bytes::from(body))
}

/// RFC 8291, 3.3 and 3.4: the content encryption key and the nonce.
fn agree(keys: &Keys, own: &PrivateKey, own_point: &[u8], salt: [u8; SALT]) -> Result<(LessSafeKey, Nonce), SealError> {
    agreement::agree(own, UnparsedPublicKey::new(&ECDH_P256, keys.point), SealError, |shared| {
        let mut input = [0; 32];
        let info = [b"WebPush: info\0", keys.point.as_slice(), own_point];
        expand(&keys.auth, shared, &info, &mut input).map_err(|_| SealError)?;
        let (mut key, mut nonce) = ([0; 16], [0; 12]);
        expand(&salt, &input, &[b"Content-Encoding: aes128gcm\0"], &mut key).map_err(|_| SealError)?;
        expand(&salt, &input, &[b"Content-Encoding: nonce\0"], &mut nonce).map_err(|_| SealError)?;
        let key = UnboundKey::new(&AES_128_GCM, &key).map_err(|_| SealError)?;
        Ok((LessSafeKey::new(key), Nonce::assume_unique_for_key(nonce)))
    })
}

/// HKDF (RFC 5869) with SHA-256.
fn expand(salt: &[u8], secret: &[u8], info: &[&[u8]], out: &mut [u8]) -> Result<(), Unspecified> {
    Salt::new(HKDF_SHA256, salt).extract(secret).expand(info, Length(out.len()))?.fill(out)
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn decode<const N: usize>(text: &str) -> [u8; N] {
        URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
    }

    /// RFC 8291, section 5 and appendix A.
    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let keys = Keys::parse(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "BTBZMqHH6r4Tts7J_aSIgg",
        )
        .unwrap();
        let own = PrivateKey::from_private_key(&ECDH_P256, &decode::<32>("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")).unwrap();
        let body = seal_with(b"When I grow up, I want to be a watermelon", &keys, &own, decode("DGv6ra1nlYgDCS1FRnbzlw")).unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(&body),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_\
             yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    fn browser() -> (PrivateKey, Keys) {
        let private = PrivateKey::generate(&ECDH_P256).unwrap();
        let point = private.compute_public_key().unwrap().as_ref().try_into().unwrap();
        (private, Keys { point, auth: [7; SECRET] })
    }

    #[test]
    fn every_message_has_a_key_and_a_salt_of_its_own() {
        let (_, keys) = browser();
        let heads: HashSet<Vec<u8>> = (0..100).map(|_| seal(b"{}", &keys).unwrap()[..HEADER].to_vec()).collect();
        assert_eq!(heads.len(), 100);
        let salts: HashSet<&[u8]> = heads.iter().map(|head| &head[..SALT]).collect();
        let points: HashSet<&[u8]> = heads.iter().map(|head| &head[HEADER - POINT..]).collect();
        assert_eq!((salts.len(), points.len()), (100, 100));
    }

    #[test]
    fn the_largest_message_fills_the_body() {
        assert_eq!(PLAINTEXT_LIMIT, 3993);
        let (_, keys) = browser();
        assert_eq!(seal(&vec![b'x'; PLAINTEXT_LIMIT], &keys).unwrap().len(), BODY_LIMIT);
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        let (_, good) = browser();
        let (p256dh, auth) = (URL_SAFE_NO_PAD.encode(good.point), URL_SAFE_NO_PAD.encode(good.auth));
        assert!(Keys::parse(&p256dh, &auth).is_ok());
        for (p256dh, auth) in [("", &*auth), (&*p256dh, ""), (&*auth, &*p256dh), ("!", &*auth)] {
            assert!(Keys::parse(p256dh, auth).is_err());
        }
        let mut off_the_curve = good;
        off_the_curve.point[64] ^= 1;
        assert_eq!(seal(b"{}", &off_the_curve), Err(SealError));
    }

    proptest! {
        /// The browser's side, written from the RFC: what is sealed opens, whatever it is.
        #[test]
        fn what_is_sealed_opens(text in prop::collection::vec(any::<u8>(), 0..=PLAINTEXT_LIMIT)) {
            let (private, keys) = browser();
            let body = seal(&text, &keys).unwrap();
            prop_assert_eq!(body.len(), text.len() + 103);
            let (head, record) = body.split_at(HEADER);
            prop_assert_eq!(&head[SALT..SALT + 5], &[0, 0, 16, 0, 65]);
            let point: [u8; POINT] = head[SALT + 5..].try_into().unwrap();
            let salt: [u8; SALT] = head[..SALT].try_into().unwrap();
            let theirs = UnparsedPublicKey::new(&ECDH_P256, point);
            let (key, nonce) = agreement::agree(&private, theirs, Unspecified, |shared| {
                let mut input = [0; 32];
                expand(&keys.auth, shared, &[b"WebPush: info\0", &keys.point, &point], &mut input)?;
                let (mut key, mut nonce) = ([0; 16], [0; 12]);
                expand(&salt, &input, &[b"Content-Encoding: aes128gcm\0"], &mut key)?;
                expand(&salt, &input, &[b"Content-Encoding: nonce\0"], &mut nonce)?;
                Ok((key, nonce))
            }).unwrap();
            let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
            let mut record = record.to_vec();
            let opened = key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record).unwrap();
            prop_assert_eq!(opened.split_last(), Some((&LAST, text.as_slice())));
        }
    }
}
