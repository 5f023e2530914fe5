//! Where the nodes keep a team's provider token together: sealed with what only who has the `.p8` can derive.
//!
//! A provider token is good for an hour at Apple for whoever holds it, so that neither it nor the team's name lies open in what is shared.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use zeroize::Zeroizing;

use crate::providers::{Replacement, ShareError, Shared, TokenShare};

/// Ties the derived keys to this use; another form of what is kept takes another number.
const SALT: &[u8] = b"herald apns provider token 1";
/// Bytes of a name.
const NAME_BYTES: usize = 16;
/// Bytes of the instant before the token.
const INSTANT_BYTES: usize = 8;

/// One team's and key's place.
pub(super) struct Shelf {
    share: Arc<dyn TokenShare>,
    name: String,
    key: RandomizedNonceKey,
}

/// A token as it lies there.
pub(super) struct Kept {
    /// `None`: it was put by somebody else, or in another form.
    pub(super) jwt: Option<Jwt>,
    /// For how long it has been there.
    pub(super) age: Duration,
    sealed: Vec<u8>,
}

/// A signed token.
pub(super) struct Jwt {
    /// UNIX seconds, as it says of itself.
    pub(super) issued_at: i64,
    pub(super) text: Zeroizing<String>,
}

impl Shelf {
    /// The place of this team and key; `private_key` is the key's own bytes, the same at every node.
    pub(super) fn new(share: Arc<dyn TokenShare>, (team_id, key_id): (&str, &str), private_key: &[u8]) -> Result<Self, Unspecified> {
        let secret = Salt::new(HKDF_SHA256, SALT).extract(private_key);
        let derive = |purpose: &str| derive(&secret, &[team_id, "\n", key_id, "\n", purpose]);
        let name = hex::encode(derive("name")?.iter().take(NAME_BYTES).copied().collect::<Vec<u8>>());
        Ok(Self { share, name, key: RandomizedNonceKey::new(&AES_256_GCM, derive("seal")?.as_slice())? })
    }

    /// What lies there.
    pub(super) async fn look(&self) -> Result<Option<Kept>, ShareError> {
        let found = self.share.look(&self.name).await?;
        Ok(found.map(|Shared { value, age }| Kept { jwt: self.open(&value), age, sealed: value }))
    }

    /// Puts a token in the place of another, unless somebody else has been quicker or the other lies there for less than `rest`.
    pub(super) async fn replace(&self, old: Option<&Kept>, new: &Jwt, rest: Duration, lives: Duration) -> Result<bool, ShareError> {
        let value = self.seal(new).map_err(|error| ShareError(Box::new(error)))?;
        let expected = old.map(|old| old.sealed.as_slice());
        self.share.replace(&self.name, Replacement { expected, value: &value, rest, lives }).await
    }

    fn seal(&self, jwt: &Jwt) -> Result<Vec<u8>, Unspecified> {
        let mut text = jwt.issued_at.to_be_bytes().to_vec();
        text.extend_from_slice(jwt.text.as_bytes());
        let nonce = self.key.seal_in_place_append_tag(Aad::from(self.name.as_bytes()), &mut text)?;
        Ok([nonce.as_ref().as_slice(), &text].concat())
    }

    fn open(&self, sealed: &[u8]) -> Option<Jwt> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let opened = self.key.open_in_place(nonce, Aad::from(self.name.as_bytes()), &mut text).ok()?;
        let (issued_at, text) = opened.split_first_chunk::<INSTANT_BYTES>()?;
        Some(Jwt { issued_at: i64::from_be_bytes(*issued_at), text: Zeroizing::new(std::str::from_utf8(text).ok()?.to_owned()) })
    }
}

fn derive(secret: &Prk, info: &[&str]) -> Result<Zeroizing<[u8; 32]>, Unspecified> {
    let info: Vec<&[u8]> = info.iter().map(|part| part.as_bytes()).collect();
    let mut bytes = Zeroizing::new([0; 32]);
    secret.expand(&info, HKDF_SHA256)?.fill(bytes.as_mut_slice())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::testing::Memory;

    const IDS: (&str, &str) = ("DEF123GHIJ", "ABC123DEFG");

    fn jwt() -> Jwt {
        Jwt { issued_at: 1_790_000_000, text: Zeroizing::new("eyJ.secret.sig".to_owned()) }
    }

    #[tokio::test]
    async fn only_who_has_the_key_reads_what_is_kept() {
        let memory = Memory::new();
        let shelf = |ids, key: &[u8]| Shelf::new(Arc::clone(&memory) as _, ids, key).unwrap();
        let (one, other) = (shelf(IDS, b"key"), shelf(IDS, b"key"));
        assert!(one.replace(None, &jwt(), Duration::ZERO, Duration::from_hours(1)).await.unwrap());
        let kept = other.look().await.unwrap().unwrap().jwt.unwrap();
        assert_eq!((kept.issued_at, kept.text.as_str()), (1_790_000_000, "eyJ.secret.sig"));
        for stranger in [shelf(IDS, b"other key"), shelf(("DEF123GHIJ", "OTHER12345"), b"key"), shelf(("OTHER12345", "ABC123DEFG"), b"key")]
        {
            assert!(stranger.look().await.unwrap().is_none(), "has a place of its own");
            assert!(stranger.open(&memory.only_value()).is_none());
        }
        let dump = String::from_utf8_lossy(&memory.only_value()).into_owned() + &memory.only_name();
        for word in ["eyJ", "secret", IDS.0, IDS.1] {
            assert!(!dump.contains(word), "{word}");
        }
    }

    #[test]
    fn what_was_changed_on_the_way_is_not_read() {
        let shelf = Shelf::new(Memory::new(), IDS, b"key").unwrap();
        let sealed = shelf.seal(&jwt()).unwrap();
        assert!(shelf.open(&sealed).is_some());
        for place in [0, NONCE_LEN, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(shelf.open(&changed).is_none(), "{place}");
        }
        assert!(shelf.open(&sealed[..NONCE_LEN - 1]).is_none());
    }
}
