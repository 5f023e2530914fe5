//! Refresh tokens: `family (16 bytes) | generation (4) | key (32) | tag (16)`, base64url without padding.
//!
//! The tag tells a token that was made here from one that was made up, without the store, so that a forged one revokes nothing. The key of
//! the next generation is a function of the token before, so that all who exchange one at the same time, or again because the answer was
//! lost, get the same successor, and the store need not keep it.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::domain::hash::sha256;

const FAMILY: usize = 16;
const GENERATION: usize = 4;
const KEY: usize = 32;
const TAG: usize = 16;
const SIGNED: usize = FAMILY + GENERATION + KEY;
const LENGTH: usize = SIGNED + TAG;

/// What the one secret is used for, so that no value of one use is one of another.
const FOR_TAG: &[u8] = b"herald refresh token tag\0";
const FOR_NEXT: &[u8] = b"herald refresh token next\0";

/// A refresh token that was made here.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RefreshToken {
    family: Uuid,
    generation: u32,
    bytes: Zeroizing<[u8; LENGTH]>,
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken").field("family", &self.family).field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// Makes refresh tokens, and tells its own from others.
pub(super) struct RefreshTokens(hmac::Key);

impl RefreshTokens {
    /// With the store's secret.
    pub(super) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The first of a family, with a random key.
    pub(super) fn first(&self, family: Uuid, key: &[u8; KEY]) -> RefreshToken {
        self.make(family, 1, key)
    }

    /// The one that takes the place of another. `None` after the last generation there can be.
    pub(super) fn next(&self, token: &RefreshToken) -> Option<RefreshToken> {
        let key = self.hmac(FOR_NEXT, &*token.bytes);
        let key = key.as_ref().first_chunk()?;
        Some(self.make(token.family, token.generation.checked_add(1)?, key))
    }

    /// Reads one; `None`: it was not made here.
    pub(super) fn parse(&self, text: &str) -> Option<RefreshToken> {
        let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        let bytes: Zeroizing<[u8; LENGTH]> = Zeroizing::new(decoded.as_slice().try_into().ok()?);
        let (signed, tag) = bytes.split_first_chunk::<SIGNED>()?;
        verify_slices_are_equal(&self.tag(signed), tag).ok()?;
        let (family, rest) = signed.split_first_chunk::<FAMILY>()?;
        let generation = u32::from_be_bytes(*rest.first_chunk::<GENERATION>()?);
        Some(RefreshToken { family: Uuid::from_bytes(*family), generation, bytes })
    }

    fn make(&self, family: Uuid, generation: u32, key: &[u8; KEY]) -> RefreshToken {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        let number = generation.to_be_bytes();
        write(&mut *bytes, family.as_bytes().iter().chain(&number).chain(key));
        let (signed, tag) = bytes.split_at_mut(SIGNED);
        write(tag, &self.tag(signed));
        RefreshToken { family, generation, bytes }
    }

    fn tag(&self, signed: &[u8]) -> [u8; TAG] {
        let whole = self.hmac(FOR_TAG, signed);
        whole.as_ref().first_chunk().copied().unwrap_or_default()
    }

    fn hmac(&self, purpose: &[u8], data: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(purpose);
        context.update(data);
        context.sign()
    }
}

fn write<'a>(place: &mut [u8], bytes: impl IntoIterator<Item = &'a u8>) {
    place.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
}

impl RefreshToken {
    /// Which family it is of.
    pub(super) fn family(&self) -> Uuid {
        self.family
    }

    /// Which of its family it is, from 1.
    pub(super) fn generation(&self) -> i64 {
        self.generation.into()
    }

    /// As phones have it.
    pub(super) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(*self.bytes)
    }

    /// As the store has it: SHA-256.
    pub(super) fn hash(&self) -> [u8; 32] {
        sha256(&*self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens() -> RefreshTokens {
        RefreshTokens::new(b"the secret of the tests")
    }

    proptest! {
        #[test]
        fn a_token_is_read_as_it_was_made(family: u128, key: [u8; 32], steps in 0_u8..5) {
            let made = (0..steps).fold(tokens().first(Uuid::from_u128(family), &key), |token, _| tokens().next(&token).unwrap());
            let read = tokens().parse(&made.text()).unwrap();
            prop_assert_eq!((read.family(), read.generation()), (Uuid::from_u128(family), i64::from(steps) + 1));
            prop_assert_eq!(read.hash(), made.hash());
            prop_assert_eq!(tokens().next(&read).unwrap().text(), tokens().next(&made).unwrap().text(), "all agree on the successor");
        }

        #[test]
        fn a_token_with_another_byte_is_none(key: [u8; 32], place in 0..LENGTH, other in 1_u8..) {
            let mut bytes = tokens().first(Uuid::from_u128(7), &key).bytes;
            bytes[place] ^= other;
            prop_assert!(tokens().parse(&URL_SAFE_NO_PAD.encode(*bytes)).is_none());
        }

        #[test]
        fn no_text_is_one_by_chance(text in "[A-Za-z0-9_-]{80,100}") {
            prop_assert!(tokens().parse(&text).is_none());
        }
    }

    #[test]
    fn what_was_made_elsewhere_or_cut_is_none() {
        let token = tokens().first(Uuid::from_u128(7), &[9; 32]);
        let text = token.text();
        assert!(RefreshTokens::new(b"another secret").parse(&text).is_none());
        for other in ["", "x", &text[1..], &text[..text.len() - 1], &format!("{text}="), &format!("{text}A"), &format!(" {text}")] {
            assert!(tokens().parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn the_last_generation_has_no_successor() {
        let last = tokens().make(Uuid::nil(), u32::MAX, &[1; 32]);
        assert!(tokens().next(&last).is_none());
    }

    #[test]
    fn a_token_does_not_show_itself() {
        let token = tokens().first(Uuid::from_u128(7), &[9; 32]);
        let shown = format!("{token:?}");
        assert!(!shown.contains(&token.text()) && !shown.contains('9'), "{shown}");
    }
}
