//! Collapse keys: what makes a later push replace an earlier one, on the wire and in the store.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::hash::sha256;
use super::id::{DevicePk, NotificationId};

/// A caller's collapse key, at most, in bytes (`apns-collapse-id` takes no more).
pub const MAX_COLLAPSE_KEY: usize = 64;
/// The length of a Web Push `Topic`, at most, in characters (RFC 8030).
const TOPIC_LENGTH: usize = 32;

/// Why a collapse key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CollapseKeyError {
    /// Nothing there.
    #[error("must not be empty")]
    Empty,
    /// Over [`MAX_COLLAPSE_KEY`].
    #[error("must have at most 64 bytes")]
    TooLong,
}

/// Whether a caller's key is taken: 1–64 bytes.
pub fn check_collapse_key(key: &str) -> Result<(), CollapseKeyError> {
    match key.len() {
        0 => Err(CollapseKeyError::Empty),
        1..=MAX_COLLAPSE_KEY => Ok(()),
        _ => Err(CollapseKeyError::TooLong),
    }
}

/// The key as `apns-collapse-id`, Android's `tag` and the `tag` of Web Push carry it.
///
/// The caller's own as given where it is 1–64 bytes of visible ASCII, else the base64url of its SHA-256 (43 characters); without a key the
/// notification's id, so that a repeated send replaces itself.
pub fn wire_key(notification: NotificationId, key: Option<&str>) -> Cow<'_, str> {
    match key {
        None => Cow::Owned(notification.to_string()),
        Some(key) if check_collapse_key(key).is_ok() && key.bytes().all(|byte| byte.is_ascii_graphic()) => Cow::Borrowed(key),
        Some(key) => Cow::Owned(URL_SAFE_NO_PAD.encode(key_hash(key))),
    }
}

/// The key as Web Push's `Topic`: 32 characters of the base64url of the SHA-256 of [`wire_key`], since a `Topic` is short and plain, and
/// the push service reads it.
pub fn webpush_topic(wire_key: &str) -> String {
    let mut topic = URL_SAFE_NO_PAD.encode(key_hash(wire_key));
    topic.truncate(TOPIC_LENGTH);
    topic
}

/// SHA-256 of a caller's key, under which the store remembers what was shown.
pub fn key_hash(key: &str) -> [u8; 32] {
    sha256(key.as_bytes())
}

/// The `apns-id` of a notification at a device: the same for every repeat, and unlike that of any other.
pub fn apns_id(notification: NotificationId, device: DevicePk) -> Uuid {
    Uuid::new_v5(&notification.0, &device.0.to_be_bytes())
}

/// The same id for a broadcast, which goes to no device: the same for every repeat.
pub fn broadcast_id(notification: NotificationId) -> Uuid {
    apns_id(notification, DevicePk(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id() -> NotificationId {
        "0190163d-8694-739b-aea5-966c26f8ad91".parse().unwrap()
    }

    #[test]
    fn a_key_goes_over_the_wire_as_given_where_it_can() {
        for key in ["chat-9", "a", "~!{}\"", &"k".repeat(64)] {
            assert_eq!(wire_key(id(), Some(key)), key);
        }
        assert_eq!(wire_key(id(), None), "0190163d-8694-739b-aea5-966c26f8ad91");
        // SHA-256 of "é" (c3 a9) and of "a b", unpadded base64url
        assert_eq!(wire_key(id(), Some("é")), "SplVfkAzw1Od4utlRyAXytX5VX96BiWgnxw_biumnEw");
        assert_eq!(wire_key(id(), Some("a b")), "yGh6CKpdbtIEQyj6aml6uOltw0KR6MIDSujDjm_MbWU");
        assert_eq!(wire_key(id(), Some(&"k".repeat(65))).len(), 43);
    }

    #[test]
    fn keys_have_one_to_sixty_four_bytes() {
        assert_eq!(check_collapse_key(""), Err(CollapseKeyError::Empty));
        assert_eq!(check_collapse_key(&"é".repeat(32)), Ok(()));
        assert_eq!(check_collapse_key(&"é".repeat(33)), Err(CollapseKeyError::TooLong));
    }

    #[test]
    fn the_hash_is_plain_sha_256() {
        assert_eq!(hex::encode(key_hash("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn an_apns_id_is_the_same_for_every_repeat_only() {
        let (one, two) = (DevicePk(1), DevicePk(2));
        let other: NotificationId = "0190163d-8694-739b-aea5-966c26f8ad92".parse().unwrap();
        assert_eq!(apns_id(id(), one), apns_id(id(), one));
        assert_ne!(apns_id(id(), one), apns_id(id(), two));
        assert_ne!(apns_id(id(), one), apns_id(other, one));
        assert_eq!(apns_id(id(), one).get_version_num(), 5);
    }

    proptest! {
        #[test]
        fn every_key_fits_its_headers(key in ".{0,80}") {
            let wire = wire_key(id(), Some(&key));
            prop_assert!((1..=64).contains(&wire.len()) && wire.bytes().all(|byte| byte.is_ascii_graphic()));
            let topic = webpush_topic(&wire);
            prop_assert!(topic.len() == 32 && topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        }
    }
}
