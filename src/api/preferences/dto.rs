//! Preferences as callers write and read them. One form for PUT and PATCH: a PUT is a patch of the defaults.

use std::collections::BTreeMap;

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::checks::Checks;
use crate::api::instant::Instant;
use crate::api::json::{Given, Reading, UniqueMap, objects};
use crate::api::problem::Problem;
use crate::api::schema;
use crate::domain::category::Category;
use crate::domain::name::check_category_id;
use crate::domain::preferences::{CategoryChoice, Preferences, Switches};
use crate::domain::quiet_hours::{self, Day, QuietInterval};

/// Categories of one person, at most.
const MAX_CATEGORIES: usize = 500;

/// A person's preferences; null is the default.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(super) struct PreferencesRequest {
    /// IANA name; a device's own goes before it.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    timezone: Given<String>,
    /// Switches of whole channels.
    #[schema(value_type = Option<SwitchesRequest>)]
    #[serde(default)]
    channels: Given<SwitchesRequest>,
    /// Switches by category.
    #[schema(value_type = Option<BTreeMap<String, ChoiceOrNull>>)]
    #[serde(default)]
    categories: Given<UniqueMap<Given<ChoiceRequest>>>,
    /// At most 14 intervals; `[]` is none, null the app's default.
    #[schema(value_type = Option<Vec<IntervalRequest>>, max_items = 14)]
    #[serde(default)]
    quiet_hours: Given<Vec<IntervalRequest>>,
    /// Until then as if in quiet hours.
    #[schema(value_type = Option<schema::Instant>)]
    #[serde(default)]
    muted_until: Given<Instant>,
}

/// On, off or null for the default, by channel.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = ChannelSwitches)]
struct SwitchesRequest {
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
struct ChoiceRequest {
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
    start: String,
    /// `HH:MM`, not the same as `start`.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    end: String,
    /// The days on which it starts; all where absent.
    #[schema(value_type = Option<Vec<schema::Day>>)]
    #[serde(default)]
    days: Option<Vec<Day>>,
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
pub(super) struct PreferencesResponse {
    /// IANA name.
    timezone: Option<String>,
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
            channels: ChannelsResponse { push: on(push), email: on(email), sms: on(sms), inbox: on(inbox) },
            categories: preferences.categories,
            quiet_hours: preferences.quiet_hours.map(|intervals| intervals.into_iter().map(interval).collect()),
            muted_until: preferences.muted_until.map(Instant),
        }
    }
}

/// The request over `base`. `stored` is what the person has: a category that was taken back meanwhile may stay in it.
pub(super) fn apply(
    reading: Reading<PreferencesRequest>,
    declared: &BTreeMap<String, Category>,
    stored: &Preferences,
    base: Preferences,
) -> Result<Preferences, Problem> {
    let mut checks = Checks::with(reading.errors);
    let request = reading.value;
    if let Some(zone) = request.timezone.as_value() {
        checks.zone("timezone", zone);
    }
    let categories = match request.categories {
        Given::Absent => base.categories,
        Given::Null => BTreeMap::new(),
        Given::Value(UniqueMap(choices)) => {
            for (name, choice) in &choices {
                check_choice(name, choice, declared, stored, &mut checks);
            }
            merged(choices, base.categories)
        }
    };
    if categories.len() > MAX_CATEGORIES {
        checks.invalid("categories", format_args!("must have at most {MAX_CATEGORIES} members"));
    }
    let quiet_hours = request.quiet_hours.map(|intervals| take_intervals(intervals, &mut checks)).over(base.quiet_hours);
    let preferences = Preferences {
        timezone: request.timezone.over(base.timezone),
        channels: match request.channels {
            Given::Absent => base.channels,
            Given::Null => Switches::default(),
            Given::Value(given) => given.over(base.channels),
        },
        categories,
        quiet_hours,
        muted_until: request.muted_until.map(|Instant(at)| at).over(base.muted_until),
    };
    checks.done(preferences)
}

impl SwitchesRequest {
    fn over(self, old: Switches) -> Switches {
        Switches {
            push: self.push.over(old.push),
            email: self.email.over(old.email),
            sms: self.sms.over(old.sms),
            inbox: self.inbox.over(old.inbox),
        }
    }
}

impl ChoiceRequest {
    fn over(self, old: CategoryChoice) -> CategoryChoice {
        CategoryChoice {
            push: self.push.over(old.push),
            email: self.email.over(old.email),
            sms: self.sms.over(old.sms),
            inbox: self.inbox.over(old.inbox),
            in_quiet_hours: self.in_quiet_hours.over(old.in_quiet_hours),
        }
    }
}

fn merged(choices: BTreeMap<String, Given<ChoiceRequest>>, mut old: BTreeMap<String, CategoryChoice>) -> BTreeMap<String, CategoryChoice> {
    for (name, choice) in choices {
        let before = old.remove(&name).unwrap_or_default();
        if let Given::Value(choice) = choice {
            let after = choice.over(before);
            if after != CategoryChoice::default() {
                old.insert(name, after);
            }
        }
    }
    old
}

fn check_choice(
    name: &str,
    choice: &Given<ChoiceRequest>,
    declared: &BTreeMap<String, Category>,
    stored: &Preferences,
    checks: &mut Checks,
) {
    let at = format!("categories.{name}");
    if let Err(error) = check_category_id(name) {
        checks.invalid(at, error);
        return;
    }
    match declared.get(name) {
        Some(category) if category.required => {
            if choice.as_value().is_some_and(|choice| choice.push == Given::Value(false)) {
                checks.refuse(format_args!("{at}.push"), "category_required", "people cannot switch this category off");
            }
        }
        None if !stored.categories.contains_key(name) && !matches!(choice, Given::Null) => {
            checks.refuse(at, "unknown_category", "is not a declared category");
        }
        Some(_) | None => {}
    }
}

fn take_intervals(intervals: Vec<IntervalRequest>, checks: &mut Checks) -> Vec<QuietInterval> {
    let mut taken = Vec::with_capacity(intervals.len());
    for (index, interval) in intervals.into_iter().enumerate() {
        let mut face = |name: &str, text: &str| {
            let time = clock_face(text);
            if time.is_none() {
                checks.invalid(format_args!("quiet_hours[{index}].{name}"), "must be a local time HH:MM, 00:00 to 23:59");
            }
            time
        };
        if let (Some(start), Some(end)) = (face("start", &interval.start), face("end", &interval.end)) {
            taken.push(QuietInterval { start, end, days: interval.days });
        }
    }
    // with one missing, the places of the others would be wrong
    if !checks.has_below("quiet_hours") {
        for (below, message) in quiet_hours::validate(&taken) {
            checks.invalid(format_args!("quiet_hours{below}"), message);
        }
    }
    taken
}

fn clock_face(text: &str) -> Option<NaiveTime> {
    // chrono alone would also take one digit
    (text.len() == 5).then(|| NaiveTime::parse_from_str(text, "%H:%M").ok()).flatten()
}

#[cfg(test)]
mod tests;
