//! What is personal as the store keeps it: sealed where there is a key.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::seal::{Place, Seal};
use super::super::{Error, Result};
use super::words::{token, token_text};
use crate::domain::device::{Device, PushToken};
use crate::domain::id::{AppId, DevicePk, PersonPk};
use crate::domain::preferences::{Contacts, Preferences};
use crate::domain::profile::Profile;
use crate::domain::token_kind::TokenKind;

/// A device's token and the text that keeps it.
pub(in crate::store) struct KeptToken {
    /// What it is.
    pub(in crate::store) token: PushToken,
    /// How it stands there.
    pub(in crate::store) text: String,
}

/// The text that is to keep a device's token. A token that the device had keeps its text: so a registration that is repeated changes
/// nothing there, and a key seals no more than it has to.
pub(in crate::store) fn device_text(seal: &Seal, app: AppId, device: &Device, before: Option<&KeptToken>) -> Result<String> {
    match before {
        Some(before) if before.token == device.token && seal.is_newest(&before.text) => Ok(before.text.clone()),
        _ => seal.seal(Place::Device(app, &device.name), token_text(&device.token)),
    }
}

/// What [`device_text`] wrote of a device by name.
pub(in crate::store) fn device_token(seal: &Seal, (app, name): (AppId, &str), kept: &str) -> Option<PushToken> {
    token(&seal.open(Place::Device(app, name), kept)?)
}

/// The text that is to keep another address of a device's.
pub(in crate::store) fn address_text(seal: &Seal, (device, kind): (DevicePk, &TokenKind), token: &PushToken) -> Result<String> {
    seal.seal(Place::Address(device, &kind.to_string()), token_text(token))
}

/// What [`address_text`] wrote.
pub(in crate::store) fn address_token(seal: &Seal, (device, kind): (DevicePk, &TokenKind), kept: &str) -> Option<PushToken> {
    token(&seal.open(Place::Address(device, &kind.to_string()), kept)?)
}

/// A document of a person's; kept as JSON.
pub(in crate::store) trait Personal: Default + Serialize + DeserializeOwned + Sync {
    /// The text that is to keep it.
    fn to_text(&self, _: &Seal, _: PersonPk) -> Result<String> {
        json(self)
    }

    /// What [`Personal::to_text`] wrote.
    fn of_text(_: &Seal, _: PersonPk, kept: &str) -> Option<Self> {
        serde_json::from_str(kept).ok()
    }
}

impl Personal for Preferences {}

impl Personal for Profile {}

/// Sealed, they are a JSON string.
impl Personal for Contacts {
    fn to_text(&self, seal: &Seal, person: PersonPk) -> Result<String> {
        Ok(quoted(seal.seal(Place::Contacts(person), json(self)?)?))
    }

    fn of_text(seal: &Seal, person: PersonPk, kept: &str) -> Option<Self> {
        serde_json::from_str(&seal.open(Place::Contacts(person), unquoted(kept))?).ok()
    }
}

/// Contacts as the column takes them: no sign of a sealed text has to be escaped.
pub(in crate::store) fn quoted(text: String) -> String {
    if text.starts_with('{') { text } else { format!("\"{text}\"") }
}

/// A sealed text without the quotes of a JSON string; contacts that are kept plain are none.
pub(in crate::store) fn unquoted(kept: &str) -> &str {
    kept.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(kept)
}

fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Refused(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
    }

    #[test]
    fn contacts_are_json_whether_they_are_sealed_or_not() {
        let contacts: Contacts = serde_json::from_str(r#"{"email": "ann@example.com"}"#).unwrap();
        for seal in [Seal::default(), seal()] {
            let kept = contacts.to_text(&seal, PersonPk(7)).unwrap();
            assert!(serde_json::from_str::<serde_json::Value>(&kept).is_ok(), "{kept}");
            assert_eq!(kept.contains("ann@"), seal.is_empty());
            assert!(seal.is_newest(unquoted(&kept)));
            assert_eq!(Contacts::of_text(&seal, PersonPk(7), &kept).unwrap(), contacts);
            assert_eq!(Contacts::of_text(&seal, PersonPk(8), &kept).is_none(), !seal.is_empty());
        }
    }

    #[test]
    fn addresses_open_at_their_device_and_kind_only() {
        let (seal, token) = (seal(), PushToken::Apns("abcd".to_owned()));
        let (voip, location) = (TokenKind::parse("voip").unwrap(), TokenKind::parse("location").unwrap());
        let kept = address_text(&seal, (DevicePk(1), &voip), &token).unwrap();
        assert_eq!(address_token(&seal, (DevicePk(1), &voip), &kept), Some(token));
        assert_eq!(address_token(&seal, (DevicePk(2), &voip), &kept), None);
        assert_eq!(address_token(&seal, (DevicePk(1), &location), &kept), None);
    }
}
