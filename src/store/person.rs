//! People: their preferences, contacts and profiles.

use async_trait::async_trait;

use super::Result;
use crate::domain::id::AppId;
use crate::domain::preferences::{Contacts, Preferences};
use crate::domain::profile::Profile;

/// A document and its version; version 0 is the default of a person who never wrote one.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned<T> {
    /// The document.
    pub value: T,
    /// Grows with each change, and is greater than any from before an erasure; the `ETag`.
    pub version: i64,
}

/// What became of a device's own preferences.
#[derive(Clone, Debug, PartialEq)]
pub enum DevicePreferencesPut {
    /// They are these now.
    Written(Versioned<Preferences>),
    /// They have another version than they must have.
    Stale,
    /// Somebody is signed in on it, whose preferences count.
    SignedIn,
}

/// People by app. A person who is not known reads as the default; writing makes the row.
#[async_trait]
pub trait People: Send + Sync {
    /// A person's preferences.
    async fn preferences(&self, app: AppId, user: &str) -> Result<Versioned<Preferences>>;

    /// Replaces them; `None` when `if_match` names another version.
    async fn put_preferences(
        &self,
        app: AppId,
        user: &str,
        preferences: &Preferences,
        if_match: Option<i64>,
    ) -> Result<Option<Versioned<Preferences>>>;

    /// Those of a device on which nobody is signed in; `None`: somebody is. A device that is not known reads as the default.
    async fn device_preferences(&self, app: AppId, device: &str) -> Result<Option<Versioned<Preferences>>>;

    /// Replaces those of a device on which nobody is signed in. They go as soon as somebody is.
    async fn put_device_preferences(
        &self,
        app: AppId,
        device: &str,
        preferences: &Preferences,
        if_match: Option<i64>,
    ) -> Result<DevicePreferencesPut>;

    /// A person's contacts.
    async fn contacts(&self, app: AppId, user: &str) -> Result<Versioned<Contacts>>;

    /// Replaces them; `None` when `if_match` names another version.
    async fn put_contacts(&self, app: AppId, user: &str, contacts: &Contacts, if_match: Option<i64>)
    -> Result<Option<Versioned<Contacts>>>;

    /// Forgets them; whether there were any.
    async fn delete_contacts(&self, app: AppId, user: &str) -> Result<bool>;

    /// A person's tags and locale.
    async fn profile(&self, app: AppId, user: &str) -> Result<Versioned<Profile>>;

    /// Replaces them; `None` when `if_match` names another version.
    async fn put_profile(&self, app: AppId, user: &str, profile: &Profile, if_match: Option<i64>) -> Result<Option<Versioned<Profile>>>;

    /// Forgets everything of a person, part by part: their devices, active or not, with the addresses and subscriptions of those, their own
    /// subscriptions, documents, client tokens and places under caps, and at last the row that gives them a number. Deliveries keep that number, which
    /// then means nobody; what waits for their devices finds none. Whether there was such a person. When it fails in between, the rest is
    /// left and it can be asked for again.
    async fn erase_user(&self, app: AppId, user: &str) -> Result<bool>;
}
