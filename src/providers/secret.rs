//! Text that is never shown.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::InitError;

/// A secret: hidden from `Debug`, overwritten when dropped, never serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Reads it from a file that the setting `key` names.
    pub(super) fn read(key: &'static str, path: &Path) -> Result<Self, InitError> {
        let unreadable = |source| InitError::Unreadable { key, path: path.to_owned(), source };
        std::fs::read_to_string(path).map(Self::new).map_err(unreadable)
    }

    /// The same where it is a line: without what ends it.
    pub(super) fn read_line(key: &'static str, path: &Path) -> Result<Self, InitError> {
        Ok(Self::new(Self::read(key, path)?.expose().trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
