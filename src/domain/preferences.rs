//! What a person wants: channels, categories, quiet hours, a timezone, a mute.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::quiet_hours::QuietInterval;

/// A person's preferences document. What is absent is at its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preferences {
    /// IANA name; a device's own goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Switches of whole channels.
    pub channels: Switches,
    /// Switches by category.
    pub categories: BTreeMap<String, CategoryChoice>,
    /// `None`: the app's default; empty: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<Vec<QuietInterval>>,
    /// Until then as if in quiet hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<Timestamp>,
}

/// On, off or at the default, for each channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Pushes to devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<bool>,
    /// E-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<bool>,
    /// Text messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms: Option<bool>,
    /// The list inside the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inbox: Option<bool>,
}

/// A person's choice for one category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CategoryChoice {
    /// Pushes to devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<bool>,
    /// E-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<bool>,
    /// Text messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms: Option<bool>,
    /// The list inside the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inbox: Option<bool>,
    /// The person lets this category through in quiet hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_quiet_hours: Option<bool>,
}

/// Where fallbacks go. Personal: never logged.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Contacts {
    /// An e-mail address.
    pub email: Option<String>,
    /// E.164, with `+`.
    pub phone: Option<String>,
}

impl std::fmt::Debug for Contacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contacts(***)")
    }
}
