//! Whose preferences they are: a user's, or those of a device on which nobody is signed in.

use crate::api::Api;
use crate::api::auth::Phone;
use crate::api::etag::Tag;
use crate::api::problem::{Code, Problem};
use crate::domain::id::AppId;
use crate::domain::preferences::Preferences;
use crate::store::person::{DevicePreferencesPut, Versioned};

/// Who has preferences.
#[derive(Clone, Copy)]
pub(in crate::api) enum Owner<'a> {
    /// A user.
    User(&'a str),
    /// A device, until somebody signs in on it.
    Device(&'a str),
}

impl<'a> Owner<'a> {
    /// Whoever is signed in on a phone, or the device that it acts for alone.
    pub(in crate::api) fn of(phone: &'a Phone) -> Self {
        phone.user().map_or_else(|| Self::Device(phone.device().unwrap_or_default()), Self::User)
    }

    /// The tag of a version of them.
    pub(super) fn tag(self, version: i64) -> Tag {
        match self {
            Self::User(user) => Tag::of_user(user, version),
            // no user's id begins so
            Self::Device(device) => Tag::of_user(&format!("\0{device}"), version),
        }
    }

    /// What they are; `None`: the device is somebody's by now.
    pub(in crate::api) async fn find(self, api: &Api, app: AppId) -> Result<Option<Versioned<Preferences>>, Problem> {
        Ok(match self {
            Self::User(user) => Some(api.store.preferences(app, user).await?),
            Self::Device(device) => api.store.device_preferences(app, device).await?,
        })
    }

    /// What they are.
    pub(super) async fn stored(self, api: &Api, app: AppId) -> Result<Versioned<Preferences>, Problem> {
        self.find(api, app).await?.ok_or_else(signed_in)
    }

    /// Replaces them; `None`: they have another version than they must have.
    pub(super) async fn put(
        self,
        api: &Api,
        app: AppId,
        preferences: &Preferences,
        if_match: Option<i64>,
    ) -> Result<Option<Versioned<Preferences>>, Problem> {
        match self {
            Self::User(user) => Ok(api.store.put_preferences(app, user, preferences, if_match).await?),
            Self::Device(device) => match api.store.put_device_preferences(app, device, preferences, if_match).await? {
                DevicePreferencesPut::Written(written) => Ok(Some(written)),
                DevicePreferencesPut::Stale => Ok(None),
                DevicePreferencesPut::SignedIn => Err(signed_in()),
            },
        }
    }
}

fn signed_in() -> Problem {
    Problem::new(Code::DeviceOfAnotherUser, "somebody is signed in on the device: only their own client token has their preferences")
}
