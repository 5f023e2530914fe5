//! The browser's side of RFC 8291: a message is opened with the subscription's private key.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, UnparsedPublicKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

use super::subscriptions::Subscription;

pub(super) const SALT: usize = 16;
pub(super) const POINT: usize = 65;
pub(super) const TAG: usize = 16;
/// Salt, record size, length of the key id, key id.
pub(super) const HEADER: usize = SALT + 4 + 1 + POINT;

/// A body, taken apart.
pub(super) struct Sealed<'a> {
    pub(super) salt: &'a [u8],
    /// The sender's public key.
    pub(super) point: &'a [u8],
    pub(super) record: &'a [u8],
}

/// The message; `None` for one that was not encrypted for this browser.
pub(super) fn open(sealed: &Sealed<'_>, subscription: &Subscription) -> Option<Vec<u8>> {
    let theirs = UnparsedPublicKey::new(&ECDH_P256, sealed.point);
    let (key, nonce) = agreement::agree(&subscription.private, theirs, Unspecified, |shared| {
        let secret = Salt::new(HKDF_SHA256, &subscription.auth).extract(shared);
        let secret: [u8; 32] = derive(&secret, &[b"WebPush: info\0", &subscription.point, sealed.point])?;
        let secret = Salt::new(HKDF_SHA256, sealed.salt).extract(&secret);
        let key: [u8; 16] = derive(&secret, &[b"Content-Encoding: aes128gcm\0"])?;
        let nonce: [u8; 12] = derive(&secret, &[b"Content-Encoding: nonce\0"])?;
        Ok((UnboundKey::new(&AES_128_GCM, &key)?, nonce))
    })
    .ok()?;
    let mut record = sealed.record.to_vec();
    let opened = LessSafeKey::new(key).open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record).ok()?;
    // zero padding comes after the delimiter of the last record
    let end = opened.iter().rposition(|byte| *byte != 0)?;
    let (text, rest) = opened.split_at_checked(end)?;
    (rest.first() == Some(&2)).then(|| text.to_vec())
}

struct Bytes<const N: usize>;

impl<const N: usize> KeyType for Bytes<N> {
    fn len(&self) -> usize {
        N
    }
}

fn derive<const N: usize>(secret: &Prk, info: &[&[u8]]) -> Result<[u8; N], Unspecified> {
    let mut out = [0; N];
    secret.expand(info, Bytes::<N>)?.fill(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::agreement::PrivateKey;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::super::checks::check_body;
    use super::*;

    const BODY: &str = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_\
                        yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";

    fn decode(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// RFC 8291, section 5.
    #[test]
    fn the_example_of_the_rfc_opens() {
        let private = PrivateKey::from_private_key(&ECDH_P256, &decode("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")).unwrap();
        let mut subscription = Subscription {
            point: private.compute_public_key().unwrap().as_ref().to_vec(),
            private,
            auth: decode("BTBZMqHH6r4Tts7J_aSIgg").try_into().unwrap(),
            application_server_key: String::new(),
        };
        let mut body = decode(BODY);
        let text = open(&check_body(&body).unwrap(), &subscription);
        assert_eq!(text.as_deref(), Some(b"When I grow up, I want to be a watermelon".as_slice()));
        subscription.auth[0] ^= 1;
        assert_eq!(open(&check_body(&body).unwrap(), &subscription), None, "another browser's");
        subscription.auth[0] ^= 1;
        *body.last_mut().unwrap() ^= 1;
        assert_eq!(open(&check_body(&body).unwrap(), &subscription), None, "changed on the way");
    }
}
