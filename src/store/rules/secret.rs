//! Secrets as text.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// A secret as the store keeps it, before it is sealed.
pub(in crate::store) fn to_text(value: &[u8]) -> String {
    STANDARD.encode(value)
}

/// What [`to_text`] wrote.
pub(in crate::store) fn to_value(text: Option<Cow<'_, str>>) -> Option<Zeroizing<Vec<u8>>> {
    let text = Zeroizing::new(text?.into_owned());
    STANDARD.decode(text.as_bytes()).ok().map(Zeroizing::new)
}
