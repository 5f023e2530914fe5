//! What the gate is asked and what it answers.

use chrono_tz::Tz;

use super::Timestamp;
use super::category::Category;
use super::device::{Permission, Platform, ProviderKind};
use super::notification::{InQuietHours, Lifetime, Notification, Priority, When};
use super::preferences::Preferences;
use super::quiet_hours::QuietInterval;
use super::reason::{SuppressReason, WaitReason};

/// What becomes of one push at one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Hand it to the provider.
    Send {
        /// The decision holds until this instant, the beginning of the next quiet hours; `None`: they do not hold this push, or there are none.
        until: Option<Timestamp>,
    },
    /// Not yet: ask again then.
    Defer {
        /// Later than now.
        until: Timestamp,
        /// `Scheduled` or `QuietHours`.
        reason: WaitReason,
    },
    /// Never.
    Suppress(SuppressReason),
    /// Its time is over. What it last waited for, or its last outcome, is known to who asks.
    Expire,
}

/// What the gate needs to know of a notification.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Push<'a> {
    /// The name of its category.
    pub category: Option<&'a str>,
    /// What the app declared of it; `None` where it has none, or the declaration is gone by now: then it is judged as one declared without a word.
    pub declared: Option<&'a Category>,
    /// How urgent.
    pub priority: Priority,
    /// It brings no alert: a data-only background push, a call, a Live Activity without words.
    pub silent: bool,
    /// What in quiet hours.
    pub in_quiet_hours: InQuietHours,
    /// When it is due.
    pub when: When,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// When the notification, or its campaign's run, began: the later of its acceptance and its earliest time anywhere. `if_past` is judged
    /// at this instant, so that our own lateness never turns into a skip.
    pub start_at: Timestamp,
}

impl<'a> Push<'a> {
    /// Of a notification as accepted.
    pub fn of(notification: &'a Notification, declared: Option<&'a Category>, start_at: Timestamp) -> Self {
        Self {
            category: notification.category.as_deref(),
            declared,
            priority: notification.priority,
            silent: notification.is_silent(),
            in_quiet_hours: notification.in_quiet_hours,
            when: notification.when,
            lifetime: notification.lifetime,
            start_at,
        }
    }
}

/// What the gate needs to know of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceFacts<'a> {
    /// What it runs on.
    pub platform: Platform,
    /// Who carries pushes to it.
    pub provider: ProviderKind,
    /// What the system lets the app show.
    pub permission: Permission,
    /// Its own zone, known to us or not.
    pub timezone: Option<&'a str>,
}

/// What holds for an app's people who said nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppDefaults {
    /// Where neither the device nor its person has a known zone.
    pub timezone: Tz,
    /// Where the preferences name no quiet hours; empty: none.
    pub quiet_hours: Vec<QuietInterval>,
}

/// One push at one device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question<'a> {
    /// What is to be sent.
    pub push: Push<'a>,
    /// What the device's person wants; `None` where they never said.
    pub preferences: Option<&'a Preferences>,
    /// Where to.
    pub device: DeviceFacts<'a>,
    /// What holds otherwise.
    pub defaults: &'a AppDefaults,
}
