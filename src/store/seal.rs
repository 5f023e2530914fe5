//! Values sealed at rest: whoever has a copy of the store and not the key cannot read them.
//!
//! AES-256-GCM with random nonces. A sealed text is bound to its place, so that it opens nowhere else: it cannot be put into another row
//! or column. One key seals, any of a set opens, so that a key can be replaced while the store is in use.

mod keys;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::{Error, Result};
use crate::domain::id::{AppId, DevicePk, PersonPk};
use keys::Key;

pub use keys::KeysError;

/// What a sealed text begins with, before the id of its key. Nothing that is kept plain begins so.
const MARK: &str = "sealed:";
/// The version of the schema that began to keep the keys' proofs.
pub(in crate::store) const SEALING_SINCE: i64 = 13;
/// What is sealed to prove later that a key is there.
const PROOF: &str = "herald";
/// In the place of a key's id: nothing is sealed.
const PLAIN: &str = "plain";

/// Where a text stands in the store.
#[derive(Clone, Copy)]
pub(in crate::store) enum Place<'a> {
    /// A device's token, by the device's name: a new one has no number yet.
    Device(AppId, &'a str),
    /// Another address of a device's, by its kind.
    Address(DevicePk, &'a str),
    /// A person's contacts.
    Contacts(PersonPk),
    /// A secret, by its name.
    Secret(&'a str),
    /// What signs a webhook's messages, now or before.
    Webhook(Uuid),
    /// What proves a key.
    Proof,
}

impl Place<'_> {
    fn table(self) -> &'static str {
        match self {
            Self::Device(..) => "device",
            Self::Address(..) => "device_token",
            Self::Contacts(_) => "person",
            Self::Secret(_) => "secret",
            Self::Webhook(_) => "webhook",
            Self::Proof => "seal_key",
        }
    }

    /// What is authenticated with the text. What may be any text comes last.
    fn bytes(self) -> String {
        match self {
            Self::Device(app, name) => format!("device.token\0{}\0{name}", app.0),
            Self::Address(device, kind) => format!("device_token.token\0{}\0{kind}", device.0),
            Self::Contacts(person) => format!("person.contacts\0{}", person.0),
            Self::Secret(name) => format!("secret.value\0{name}"),
            Self::Webhook(id) => format!("webhook.secret\0{}", id.simple()),
            Self::Proof => "seal_key.proof".to_owned(),
        }
    }
}

/// The keys of a store.
#[derive(Clone, Default)]
pub struct Seal(Arc<Keys>);

#[derive(Default)]
struct Keys {
    /// The first of them seals; otherwise nothing is sealed.
    seals: bool,
    all: Vec<Key>,
}

/// Why the keys do not fit a store.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Locked {
    /// There are none, and values are sealed.
    #[error("values in it are sealed with the key {0}, and no key is given: database.encryption_key_file must name the file that has it")]
    NoKey(String),
    /// Others sealed it.
    #[error("values in it are sealed with the key {0}, which is not among the keys of database.encryption_key_file")]
    OtherKey(String),
}

#[derive(Debug, thiserror::Error)]
#[error("a value cannot be sealed")]
struct Unsealable;

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.all.iter().map(Key::id)).finish()
    }
}

impl Seal {
    /// Whether there are no keys at all.
    pub fn is_empty(&self) -> bool {
        self.0.all.is_empty()
    }

    /// What is written with it: the id of the key that seals, or `plain`.
    pub(in crate::store) fn id(&self) -> &str {
        self.sealing().map_or(PLAIN, Key::id)
    }

    fn sealing(&self) -> Option<&Key> {
        self.0.all.first().filter(|_| self.0.seals)
    }

    /// The text as it is to be kept in this place: as it is where no key seals.
    pub(in crate::store) fn seal(&self, place: Place<'_>, text: String) -> Result<String> {
        let Some(key) = self.sealing() else { return Ok(text) };
        let mut bytes = text.into_bytes();
        let unsealable = |_| Error::Refused(Box::new(Unsealable));
        let nonce = key.aead().seal_in_place_append_tag(Aad::from(place.bytes()), &mut bytes).map_err(unsealable)?;
        bytes.splice(0..0, nonce.as_ref().iter().copied());
        let mut sealed = format!("{MARK}{}:", key.id());
        URL_SAFE_NO_PAD.encode_string(&bytes, &mut sealed);
        Ok(sealed)
    }

    /// What was kept in this place, sealed or not. `None`: none of the keys sealed it, or not for this place.
    pub(in crate::store) fn open<'t>(&self, place: Place<'_>, kept: &'t str) -> Option<Cow<'t, str>> {
        let Some(sealed) = kept.strip_prefix(MARK) else { return Some(Cow::Borrowed(kept)) };
        let (id, sealed) = sealed.split_once(':')?;
        let key = self.0.all.iter().find(|key| key.id() == id)?;
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, rest) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = key.aead().open_in_place(nonce, Aad::from(place.bytes()), rest).ok()?;
        String::from_utf8(text.to_vec()).ok().map(Cow::Owned)
    }

    /// What texts begin with that the newest key sealed, and that they are to. Where no key seals: what no text is to begin with.
    pub(in crate::store) fn beginning(&self) -> (String, bool) {
        self.sealing().map_or((MARK.to_owned(), false), |key| (format!("{MARK}{}:", key.id()), true))
    }

    /// A text that was kept in this place as it would be written now; `None` where it is so already. What no key opens is left alone.
    pub(in crate::store) fn anew(&self, place: Place<'_>, kept: &str) -> Result<Option<String>> {
        if self.is_newest(kept) {
            return Ok(None);
        }
        let Some(text) = self.open(place, kept) else {
            tracing::error!(place = place.table(), "a sealed value opens with none of the keys, and is left as it is");
            return Ok(None);
        };
        self.seal(place, text.into_owned()).map(Some)
    }

    /// Whether a text is kept as it would be if it were written now.
    pub(in crate::store) fn is_newest(&self, kept: &str) -> bool {
        let Some(sealed) = kept.strip_prefix(MARK) else { return self.sealing().is_none() };
        self.sealing().is_some_and(|key| sealed.strip_prefix(key.id()).is_some_and(|rest| rest.starts_with(':')))
    }

    /// The text that proves the sealing key, to be kept under its id; `None` where no key seals.
    pub(in crate::store) fn proof(&self) -> Result<Option<String>> {
        self.sealing().map(|_| self.seal(Place::Proof, PROOF.to_owned())).transpose()
    }

    /// Whether the key of this id is here, as the proof that was kept with it tells.
    pub(in crate::store) fn check(&self, id: &str, proof: &str) -> Result<(), Locked> {
        let is_sealed = proof.strip_prefix(MARK).is_some_and(|rest| rest.starts_with(id));
        if is_sealed && self.open(Place::Proof, proof).as_deref() == Some(PROOF) {
            return Ok(());
        }
        Err(if self.is_empty() { Locked::NoKey(id.to_owned()) } else { Locked::OtherKey(id.to_owned()) })
    }
}
