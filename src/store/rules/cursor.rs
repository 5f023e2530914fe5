//! Where a list goes on: numbers and words in base64url, opaque to callers.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::{Error, Result};

/// A place in a list as text.
pub(in crate::store) fn to_text<T: Serialize>(place: &T) -> Result<String> {
    let bytes = serde_json::to_vec(place).map_err(|error| Error::Refused(Box::new(error)))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The place that a text stands for.
pub(in crate::store) fn from_text<T: DeserializeOwned>(text: &str) -> Result<T> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::ForeignCursor)?;
    serde_json::from_slice(&bytes).map_err(|_| Error::ForeignCursor)
}
