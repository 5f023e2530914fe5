//! Keys as an operator writes them down.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::{Keys, PLAIN, Seal};

/// How many bytes a key has.
const LENGTH: usize = 32;
/// How many bytes of its hash name it.
const ID: usize = 4;

/// With or without the signs that fill it up.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const ALPHABETS: [GeneralPurpose; 2] =
    [GeneralPurpose::new(&alphabet::STANDARD, LENIENT), GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT)];

/// Why there are no keys; said of the file or the variable.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// There is nothing in it.
    #[error("holds no key")]
    Empty,
    /// A line is no key.
    #[error("must have 32 bytes in base64 on each line, as `openssl rand -base64 32` makes them: line {0} is no such key")]
    NotAKey(usize),
    /// A key is there twice.
    #[error("has the key of line {0} twice")]
    Twice(usize),
    /// The word stands elsewhere than before all keys.
    #[error("has `plain` on line {0}: it goes before the keys")]
    Plain(usize),
}

/// A key and the name that it goes by.
pub(super) struct Key {
    id: String,
    aead: RandomizedNonceKey,
}

impl Key {
    fn new(bytes: &[u8]) -> Option<Self> {
        let aead = RandomizedNonceKey::new(&AES_256_GCM, bytes).ok()?;
        let mut hash = Context::new(&SHA256);
        hash.update(b"herald encryption key\0");
        hash.update(bytes);
        let id = hex::encode(hash.finish().as_ref().get(..ID)?);
        Some(Self { id, aead })
    }

    /// Says which key it is and nothing about it.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn aead(&self) -> &RandomizedNonceKey {
        &self.aead
    }
}

impl Seal {
    /// The keys of a file, as [`Seal::parse`] takes them.
    pub fn load(path: &Path) -> Result<Self, KeysError> {
        Self::parse(&Zeroizing::new(std::fs::read_to_string(path).map_err(KeysError::Unreadable)?))
    }

    /// Keys of 32 bytes in base64, one a line; `#` begins a comment. The first seals, all of them open. The word `plain` before them:
    /// nothing is sealed, and what is sealed can be read.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let (mut seals, mut all) = (true, Vec::<Key>::new());
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split_once('#').map_or(line, |(line, _)| line).trim();
            if line == PLAIN && seals && all.is_empty() {
                seals = false;
            } else if line == PLAIN {
                return Err(KeysError::Plain(number));
            } else if !line.is_empty() {
                let key = read(line).ok_or(KeysError::NotAKey(number))?;
                if all.iter().any(|other| other.id == key.id) {
                    return Err(KeysError::Twice(number));
                }
                all.push(key);
            }
        }
        if all.is_empty() { Err(KeysError::Empty) } else { Ok(Self(Arc::new(Keys { seals, all }))) }
    }
}

fn read(line: &str) -> Option<Key> {
    let bytes = ALPHABETS.iter().find_map(|base64| base64.decode(line).ok()).map(Zeroizing::new)?;
    if bytes.len() == LENGTH { Key::new(&bytes) } else { None }
}
