//! A notification: one message and its audience, accepted once.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::broadcast::Broadcast;
use super::content::Content;
use super::device::Platform;
use super::pace::Pace;
use super::push_type::PushType;
use super::segment::Segment;
use super::template::UsedTemplate;
use super::variant::Variant;

/// How urgent a notification is, for the provider and for Herald's own queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// May wait until the phone wakes. APNs 5, FCM NORMAL.
    Normal,
    /// At once. APNs 10, FCM HIGH.
    High,
    /// As `High`, and not held by quiet hours nor caps. Needs the scope `critical`.
    Critical,
}

/// What becomes of a push that is due in quiet hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InQuietHours {
    /// It waits for their end.
    #[default]
    Defer,
    /// It is suppressed.
    Drop,
    /// It is sent. Needs the scope `critical`.
    Ignore,
}

/// What becomes of a device where the local time of a `send_at_local` had passed when the notification began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfPast {
    /// It gets the push at once.
    Send,
    /// It is left out.
    #[default]
    Skip,
}

/// When a notification is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// At an instant: `send_at`, else the acceptance.
    At(Timestamp),
    /// When each device's own wall clock shows this.
    Local {
        /// The wall clock.
        time: NaiveDateTime,
        /// What if it has passed.
        if_past: IfPast,
    },
}

/// How long a push may live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifetime {
    /// Seconds from the instant it is due at the device; 0 is now or never: one attempt, no deferral, no retry.
    Seconds(u32),
    /// Until an instant.
    Until(Timestamp),
}

/// The longest life: 28 days, in seconds (FCM's and Apple's 30 are longer or the same).
pub const MAX_TTL_SECONDS: u32 = 2_419_200;
/// The life of a push whose notification and category say nothing: a day, in seconds.
pub const DEFAULT_TTL_SECONDS: u32 = 86_400;

/// Whom a notification is for, as accepted. Names of direct audiences live in the work, nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Users or devices by name.
    Named,
    /// Every active device of the app.
    All,
    /// The active devices that it means when the notification begins.
    Segment(Arc<Segment>),
    /// The active devices that follow it when the notification begins, themselves or through their user.
    Topic(String),
    /// Whoever subscribed with the provider, which fans it out: one delivery, without a device.
    Broadcast(Broadcast),
}

impl Audience {
    /// Whether it is told by what devices are, and taken page by page.
    pub fn is_taken(&self) -> bool {
        match self {
            Self::All | Self::Segment(_) | Self::Topic(_) => true,
            Self::Named | Self::Broadcast(_) => false,
        }
    }
}

/// RFC 7396 patches over what was rendered, by provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Overrides {
    /// `{"headers": {…}, "payload": {…}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apns: Option<serde_json::Value>,
    /// A patch over `message`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fcm: Option<serde_json::Value>,
    /// A patch over the web push payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webpush: Option<serde_json::Value>,
}

impl Overrides {
    /// Whether they give a push to Apple something to be seen or heard.
    fn alert_apple(&self) -> bool {
        let aps = self.apns.as_ref().and_then(|patch| patch.pointer("/payload/aps"));
        let has = |name: &str| aps.and_then(|aps| aps.get(name)).is_some_and(|value| !value.is_null());
        has("alert") || has("sound")
    }
}

/// A notification as accepted: checked, every default of its category filled in, never changed afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// Whom for.
    pub audience: Audience,
    /// Each user's latest seen device only.
    #[serde(default)]
    pub latest_device_only: bool,
    /// Device names that are left out.
    #[serde(default)]
    pub except_devices: Vec<String>,
    /// Of the audience's devices, only those that it means when the notification begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Arc<Segment>>,
    /// The category, declared.
    pub category: Option<String>,
    /// How urgent.
    pub priority: Priority,
    /// The words.
    #[serde(default)]
    pub content: Content,
    /// Words over `localized` and `content`, by platform.
    #[serde(default)]
    pub platforms: BTreeMap<Platform, Content>,
    /// Words over `content`, by locale.
    #[serde(default)]
    pub localized: BTreeMap<String, Content>,
    /// A data-only background push.
    #[serde(default)]
    pub silent: bool,
    /// When it is due.
    pub when: When,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// Of the same key the newest accepted wins at each device.
    #[serde(default)]
    pub collapse_key: Option<String>,
    /// What in quiet hours.
    #[serde(default)]
    pub in_quiet_hours: InQuietHours,
    /// Merged last.
    #[serde(default)]
    pub overrides: Overrides,
    /// A test send: counted nowhere in analytics.
    #[serde(default)]
    pub test: bool,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The Android channel of its category, where the content names none.
    #[serde(default)]
    pub android_channel: Option<String>,
    /// What kind of push it is, and so which of an installation's addresses it goes to.
    #[serde(default, skip_serializing_if = "PushType::is_usual")]
    pub push_type: PushType,
    /// How fast an audience that is not named is sent to; `None`: as fast as it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// Words under all others, with blanks that are filled in for those who get them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<UsedTemplate>,
    /// The variants of its campaign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
}

impl Notification {
    /// Whether it brings no alert: a data-only push, or one of a kind that shows nothing by itself.
    pub fn is_silent(&self) -> bool {
        self.push_type.is_silent(self.silent, !self.push_type.is_usual() && self.has_words())
    }

    /// The words by locale that are chosen from: the template's, beside which there are no others. Those of a variant go over them.
    pub fn by_locale(&self) -> &BTreeMap<String, Content> {
        self.template.as_ref().map_or(&self.localized, |template| &template.words.localized)
    }

    /// Those of any variant and of the caller's patch included: what Apple is told to show is to be held as any alert.
    fn has_words(&self) -> bool {
        let variants = self.variants.iter().flat_map(|variant| std::iter::once(&variant.content).chain(variant.localized.values()));
        let mut all = std::iter::once(&self.content).chain(self.platforms.values()).chain(self.localized.values()).chain(variants);
        all.any(Content::is_visible) || self.overrides.alert_apple()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn update(content: &Value, overrides: &Value) -> Notification {
        let push_type = json!({"live_activity": {"event": {"update": {"activity_id": "a1"}}}});
        serde_json::from_value(json!({
            "audience": "named", "category": null, "priority": "high", "when": {"at": "2026-12-01T09:00:00Z"},
            "lifetime": {"seconds": 60}, "accepted_at": "2026-12-01T09:00:00Z",
            "content": content, "overrides": overrides, "push_type": push_type,
        }))
        .unwrap()
    }

    /// What is seen or heard is held in quiet hours, wherever the caller wrote it.
    #[test]
    fn a_live_activity_is_silent_unless_something_gives_it_an_alert() {
        let patch = |aps: &Value| json!({"apns": {"payload": {"aps": aps}}});
        for (content, overrides, expected) in [
            (json!({}), json!({}), true),
            (json!({"title": "t"}), json!({}), false),
            (json!({}), patch(&json!({"alert": {"title": "t"}})), false),
            (json!({}), patch(&json!({"alert": "t"})), false),
            (json!({}), patch(&json!({"sound": "default"})), false),
            (json!({}), patch(&json!({"alert": null, "relevance-score": 1})), true),
            (json!({}), json!({"fcm": {"apns": {"payload": {"aps": {"alert": "t"}}}}}), true),
        ] {
            assert_eq!(update(&content, &overrides).is_silent(), expected, "{content} {overrides}");
        }
        for (variant, expected) in [
            (json!({"content": {}}), true),
            (json!({"content": {"title": "t"}}), false),
            (json!({"content": {}, "localized": {"fr": {"body": "b"}}}), false),
        ] {
            let mut whole = json!({"name": "a", "weight": 1});
            whole.as_object_mut().unwrap().extend(variant.as_object().unwrap().clone());
            let variants = vec![serde_json::from_value(whole).unwrap()];
            assert_eq!(Notification { variants, ..update(&json!({}), &json!({})) }.is_silent(), expected, "{variant}");
        }
    }
}
