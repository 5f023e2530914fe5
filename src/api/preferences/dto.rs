//! Preferences as callers write and read them. One form for PUT and PATCH: a PUT is a patch of the defaults.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::instant::Instant;
use crate::api::json::{Given, UniqueMap, objects};
use crate::api::schema;
use crate::domain::preferences::{CategoryChoice, Preferences, Switches};
use crate::domain::quiet_hours::{Day, QuietInterval};
use crate::domain::zone::effective_zone;

/// A person's preferences; null is the default.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(super) struct PreferencesRequest {
    /// IANA name; a device's own goes before it.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub(super) timezone: Given<String>,
    /// Switches of whole channels.
    #[schema(value_type = Option<SwitchesRequest>)]
    #[serde(default)]
    pub(super) channels: Given<SwitchesRequest>,
    /// Switches by category.
    #[schema(value_type = Option<BTreeMap<String, ChoiceOrNull>>)]
    #[serde(default)]
    pub(super) categories: Given<UniqueMap<Given<ChoiceRequest>>>,
    /// At most 14 intervals; `[]` is none, null the app's default.
    #[schema(value_type = Option<Vec<IntervalRequest>>, max_items = 14)]
    #[serde(default)]
    pub(super) quiet_hours: Given<Vec<IntervalRequest>>,
    /// Until then as if in quiet hours.
    #[schema(value_type = Option<schema::Instant>)]
    #[serde(default)]
    pub(super) muted_until: Given<Instant>,
}

/// On, off or null for the default, by channel.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = ChannelSwitches)]
pub(super) struct SwitchesRequest {
    /// Pushes to devices.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    push: Given<bool>,
    /// E-mail.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    email: Given<bool>,
    /// Text messages.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    sms: Given<bool>,
    /// The list inside the app.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    inbox: Given<bool>,
}

/// A person's choice for one category.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = CategoryChoice)]
pub(super) struct ChoiceRequest {
    /// Pushes to devices.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    push: Given<bool>,
    /// E-mail.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    email: Given<bool>,
    /// Text messages.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    sms: Given<bool>,
    /// The list inside the app.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    inbox: Given<bool>,
    /// The person lets this category through in quiet hours.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    in_quiet_hours: Given<bool>,
}

/// A choice, or null to go back to the default.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a schema only")]
struct ChoiceOrNull(Option<ChoiceRequest>);

/// An interval `[start, end)` of the local wall clock; it wraps midnight where `end` is before `start`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = QuietInterval)]
pub(super) struct IntervalRequest {
    /// `HH:MM`.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    pub(super) start: String,
    /// `HH:MM`, not the same as `start`.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    pub(super) end: String,
    /// The days on which it starts; all where absent.
    #[schema(value_type = Option<Vec<schema::Day>>)]
    #[serde(default)]
    pub(super) days: Option<Vec<Day>>,
}

objects!(PreferencesRequest, SwitchesRequest, ChoiceRequest, IntervalRequest);

impl Serialize for IntervalRequest {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, to)
    }
}

/// A person's preferences, with the defaults of the channels filled in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Preferences)]
pub(in crate::api) struct PreferencesResponse {
    /// IANA name.
    timezone: Option<String>,
    /// For phones: the zone that counts where a device has none of its own, since `timezone` need not be known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, required = false)]
    timezone_effective: Option<String>,
    /// Whole channels.
    channels: ChannelsResponse,
    /// What was chosen, by category; the rest is at the category's default.
    #[schema(value_type = BTreeMap<String, ChoiceRequest>)]
    categories: BTreeMap<String, CategoryChoice>,
    /// Null: the app's default.
    quiet_hours: Option<Vec<IntervalRequest>>,
    /// Until then as if in quiet hours.
    #[schema(value_type = Option<schema::Instant>)]
    muted_until: Option<Instant>,
}

/// On or off, by channel.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Channels)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches")]
struct ChannelsResponse {
    /// Pushes to devices.
    push: bool,
    /// E-mail.
    email: bool,
    /// Text messages.
    sms: bool,
    /// The list inside the app.
    inbox: bool,
}

impl PreferencesResponse {
    /// As a phone reads them; `app` is the zone of people that have none.
    #[must_use]
    pub(super) fn for_phone(mut self, app: Tz) -> Self {
        self.timezone_effective = Some(effective_zone(None, self.timezone.as_deref(), app).name().to_owned());
        self
    }
}

impl From<Preferences> for PreferencesResponse {
    fn from(preferences: Preferences) -> Self {
        let Switches { push, email, sms, inbox } = preferences.channels;
        let on = |switch: Option<bool>| switch.unwrap_or(true);
        let interval = |one: QuietInterval| IntervalRequest {
            start: one.start.format("%H:%M").to_string(),
            end: one.end.format("%H:%M").to_string(),
            days: one.days,
        };
        Self {
            timezone: preferences.timezone,
            timezone_effective: None,
            channels: ChannelsResponse { push: on(push), email: on(email), sms: on(sms), inbox: on(inbox) },
            categories: preferences.categories,
            quiet_hours: preferences.quiet_hours.map(|intervals| intervals.into_iter().map(interval).collect()),
            muted_until: preferences.muted_until.map(Instant),
        }
    }
}

impl SwitchesRequest {
    /// RFC 7396.
    pub(super) fn over(self, old: Switches) -> Switches {
        Switches {
            push: self.push.over(old.push),
            email: self.email.over(old.email),
            sms: self.sms.over(old.sms),
            inbox: self.inbox.over(old.inbox),
        }
    }
}

impl ChoiceRequest {
    /// The switches of the channels, by name.
    pub(super) fn switches(&self) -> [(&'static str, &Given<bool>); 4] {
        [("push", &self.push), ("email", &self.email), ("sms", &self.sms), ("inbox", &self.inbox)]
    }

    /// RFC 7396.
    pub(super) fn over(self, old: CategoryChoice) -> CategoryChoice {
        CategoryChoice {
            push: self.push.over(old.push),
            email: self.email.over(old.email),
            sms: self.sms.over(old.sms),
            inbox: self.inbox.over(old.inbox),
            in_quiet_hours: self.in_quiet_hours.over(old.in_quiet_hours),
        }
    }
}
