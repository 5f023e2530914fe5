//! What a segment is asked of: a device and its person's tags.

use super::{Field, tag};
use crate::domain::Timestamp;
use crate::domain::device::{Device, Platform};
use crate::domain::profile::Tags;

/// What is known of a device and its person.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields of the device")]
pub struct Facts<'a> {
    pub platform: Platform,
    pub locale: Option<&'a str>,
    pub timezone: Option<&'a str>,
    pub app_version: Option<&'a str>,
    pub os_version: Option<&'a str>,
    pub model: Option<&'a str>,
    pub last_seen_at: Timestamp,
    pub created_at: Timestamp,
    pub tags: &'a Tags,
    /// `None` where nobody is signed in.
    pub user_tags: Option<&'a Tags>,
}

impl<'a> Facts<'a> {
    /// Of a device, with the tags of its user.
    pub fn of(device: &'a Device, user_tags: Option<&'a Tags>) -> Self {
        Self {
            platform: device.platform,
            locale: device.locale.as_deref(),
            timezone: device.timezone.as_deref(),
            app_version: device.app_version.as_deref(),
            os_version: device.os_version.as_deref(),
            model: device.model.as_deref(),
            last_seen_at: device.last_seen_at,
            created_at: device.created_at,
            tags: &device.tags,
            user_tags,
        }
    }

    /// Whether a field is there.
    pub(super) fn has(&self, field: &Field) -> bool {
        match field {
            Field::LastSeenAt | Field::CreatedAt => true,
            Field::Tag(_) | Field::UserTag(_) => self.tag(field).is_some(),
            Field::Platform | Field::Locale | Field::Timezone | Field::AppVersion | Field::OsVersion | Field::Model => {
                self.text(field).is_some()
            }
        }
    }

    /// A field that is a text.
    pub(super) fn text(&self, field: &Field) -> Option<&'a str> {
        match field {
            Field::Platform => Some(self.platform.as_str()),
            Field::Locale => self.locale,
            Field::Timezone => self.timezone,
            Field::AppVersion => self.app_version,
            Field::OsVersion => self.os_version,
            Field::Model => self.model,
            Field::Tag(_) | Field::UserTag(_) => self.tag(field).and_then(serde_json::Value::as_str),
            Field::LastSeenAt | Field::CreatedAt => None,
        }
    }

    /// A field that is a tag.
    pub(super) fn tag(&self, field: &Field) -> Option<&'a serde_json::Value> {
        match field {
            Field::Tag(name) => tag(self.tags, name),
            Field::UserTag(name) => tag(self.user_tags?, name),
            _ => None,
        }
    }

    /// A field that is an instant.
    pub(super) fn instant(&self, field: &Field) -> Option<Timestamp> {
        match field {
            Field::LastSeenAt => Some(self.last_seen_at),
            Field::CreatedAt => Some(self.created_at),
            _ => None,
        }
    }
}
