//! The keyed hash under which API keys are stored.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Result, Store};
use crate::domain::hash::sha256;
use crate::domain::key_text;

/// The vault's name for the secret.
const NAME: &str = "api_key_hash";

/// Makes the hashes of API keys: HMAC-SHA-256 of the SHA-256 of a key's text, under a secret that the vault keeps.
///
/// Without the secret a hash tells nobody whether a text is a key, and nobody can write the hash of a text of their own into the store.
pub struct KeyHasher {
    secret: hmac::Key,
}

impl KeyHasher {
    /// With the secret of the store, which is made where there is none, by whoever comes first. Keys that were stored before under
    /// their SHA-256 alone get their keyed hash now; any number of nodes may do so at the same time.
    pub async fn open(store: &dyn Store) -> Result<Self> {
        let made = Zeroizing::new(rand::random::<[u8; 32]>());
        let secret = store.keep_secret(NAME, made.as_slice()).await?;
        let hasher = Self { secret: hmac::Key::new(hmac::HMAC_SHA256, &secret.value) };
        for (id, plain) in store.plain_keys().await? {
            store.key_hash(id, plain, hasher.of_digest(&plain)).await?;
        }
        Ok(hasher)
    }

    /// The hash of a key's text.
    pub fn of(&self, text: &str) -> [u8; 32] {
        self.of_digest(&digest_of(text))
    }

    /// The hash of the text that has this SHA-256.
    pub fn of_digest(&self, digest: &[u8; 32]) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&self.secret, digest).as_ref());
        hash
    }

    /// A new key: its text, to be shown once, and the hash to store.
    pub fn new_key(&self, id: Uuid) -> (String, [u8; 32]) {
        let secret = Zeroizing::new(rand::random::<[u8; 32]>());
        let text = key_text::write(id, &secret);
        let hash = self.of(&text);
        (text, hash)
    }
}

/// The SHA-256 of a text.
pub fn digest_of(text: &str) -> [u8; 32] {
    sha256(text.as_bytes())
}

/// Whether two hashes are one, in a time that does not tell where they differ.
pub fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    verify_slices_are_equal(one, other).is_ok()
}
