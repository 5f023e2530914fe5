//! A request over preferences: a PUT over the defaults, a PATCH over what is stored.

use std::collections::BTreeMap;

use chrono::NaiveTime;

use super::dto::{ChoiceRequest, IntervalRequest, PreferencesRequest};
use crate::api::checks::Checks;
use crate::api::instant::Instant;
use crate::api::json::{Given, Reading, UniqueMap, Unknown};
use crate::api::problem::Problem;
use crate::domain::category::Category;
use crate::domain::name::check_category_id;
use crate::domain::preferences::{CategoryChoice, Preferences, Switches};
use crate::domain::quiet_hours::{self, QuietInterval};

/// Categories of one person, at most.
const MAX_CATEGORIES: usize = 500;

/// The request over `base`. `stored` is what the person has: a category that was taken back meanwhile may stay in it. One that is not known is passed
/// over where the caller's unknown things are.
pub(super) fn apply(
    reading: Reading<PreferencesRequest>,
    unknown: Unknown,
    declared: &BTreeMap<String, Category>,
    stored: &Preferences,
    base: Preferences,
) -> Result<Preferences, Problem> {
    let mut checks = Checks::with(reading.errors);
    let request = reading.value;
    if let Some(zone) = request.timezone.as_value() {
        checks.zone_of("timezone", zone, unknown);
    }
    let categories = match request.categories {
        Given::Absent => base.categories,
        Given::Null => BTreeMap::new(),
        Given::Value(UniqueMap(mut choices)) => {
            if unknown == Unknown::Ignored {
                choices.retain(|name, _| declared.contains_key(name) || stored.categories.contains_key(name));
            }
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
            for (channel, _) in
                choice.as_value().into_iter().flat_map(ChoiceRequest::switches).filter(|(_, on)| **on == Given::Value(false))
            {
                checks.refuse(format_args!("{at}.{channel}"), "category_required", "people cannot switch this category off");
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
