//! A category: a kind of notification people can switch on and off.

use serde::{Deserialize, Serialize};

use super::cap::FrequencyCap;
use super::notification::Priority;

/// What an app declared of one of its categories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Category {
    /// Whether people who chose nothing get it.
    pub default_on: bool,
    /// People cannot switch it off.
    pub required: bool,
    /// Not held by quiet hours.
    pub bypass_quiet_hours: bool,
    /// Of notifications that name none; `None`: `high`, in campaigns `normal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Of notifications that name none, in seconds; `None`: a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u32>,
    /// The Android channel of notifications that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub android_channel: Option<String>,
    /// How many of it a person may get in a span of time; `None`: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_cap: Option<FrequencyCap>,
}

impl Category {
    /// Whether a person who switched it so gets it by a channel: their own switch, else its default; what is required cannot be switched off.
    pub fn is_wanted(&self, switch: Option<bool>) -> bool {
        self.required || switch.unwrap_or(self.default_on)
    }
}

impl Default for Category {
    fn default() -> Self {
        Self {
            default_on: true,
            required: false,
            bypass_quiet_hours: false,
            priority: None,
            ttl_seconds: None,
            android_channel: None,
            frequency_cap: None,
        }
    }
}
