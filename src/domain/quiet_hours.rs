//! Quiet hours: intervals of the local wall clock in which nothing is handed to a provider.
//!
//! An interval that starts on a given day is quiet from the first instant at which the clock shows its start or a later time, to the end of all
//! those at which it shows its end or an earlier time. So every instant whose wall clock lies in it is quiet, whatever the clocks do: a
//! boundary that is skipped moves to the end of the gap, of two starts the earlier counts, of two ends the later.

use std::collections::BTreeSet;

use chrono::{Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::local_time::{first_instant, last_instant, wall_clock};

/// Intervals of one person, at most.
pub const MAX_INTERVALS: usize = 14;

/// One interval `[start, end)` of the local wall clock; it wraps midnight where `end` is before `start`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietInterval {
    /// `HH:MM`.
    #[serde(with = "clock_face")]
    pub start: NaiveTime,
    /// `HH:MM`; never equal to `start`.
    #[serde(with = "clock_face")]
    pub end: NaiveTime,
    /// The days on which it starts; all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<Vec<Day>>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Whether it is quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiet {
    /// It is not.
    No,
    /// It is, and this is the first instant at which it is not any more.
    Until(Timestamp),
    /// It is, and there is no end: the intervals cover the whole week.
    Always,
}

/// How long an end is looked for. Quiet hours repeat weekly; a change of the clocks may swallow the one gap between them in a week, not in five.
const HORIZON: TimeDelta = TimeDelta::weeks(5);
/// On how many days from today on the next start is looked for: a change of the clocks may swallow the only one of a week.
const DAYS_AHEAD: usize = 16;

/// Whether `now` lies in one of the intervals, as clocks in `zone` go, and when that ends. Intervals that touch or overlap are one.
pub fn quiet_at(now: Timestamp, zone: Tz, intervals: &[QuietInterval]) -> Quiet {
    let Some(mut end) = end_at(now, zone, intervals) else { return Quiet::No };
    while end.signed_duration_since(now) < HORIZON {
        match end_at(end, zone, intervals) {
            Some(later) => end = later,
            None => return Quiet::Until(end),
        }
    }
    Quiet::Always
}

/// The first instant after `now` at which an interval begins, as clocks in `zone` go.
pub fn next_quiet(now: Timestamp, zone: Tz, intervals: &[QuietInterval]) -> Option<Timestamp> {
    // a start on an earlier date than the clock shows is past, also where the clock has gone back
    let today = wall_clock(zone, now).date();
    let mut days = today.iter_days().take(DAYS_AHEAD);
    days.find_map(|day| begun_on(day, zone, intervals).map(|(start, _)| start).filter(|start| *start > now).min())
}

/// What is wrong with these intervals: the field, as a path below `quiet_hours`, and a plain message. Empty: nothing.
pub fn validate(intervals: &[QuietInterval]) -> Vec<(String, &'static str)> {
    let mut errors = Vec::new();
    if intervals.len() > MAX_INTERVALS {
        errors.push((String::new(), "must have at most 14 intervals"));
    }
    for (index, interval) in intervals.iter().enumerate() {
        if interval.start == interval.end {
            errors.push((format!("[{index}].end"), "must not be the same as start"));
        }
        let Some(days) = &interval.days else { continue };
        if days.is_empty() {
            errors.push((format!("[{index}].days"), "must name a day, or be left out for all"));
        } else if days.iter().collect::<BTreeSet<_>>().len() < days.len() {
            errors.push((format!("[{index}].days"), "must name each day once"));
        }
    }
    errors
}

/// The latest end of those intervals that `now` lies in.
fn end_at(now: Timestamp, zone: Tz, intervals: &[QuietInterval]) -> Option<Timestamp> {
    // an interval spans two dates, and where the clock goes back over midnight it shows a day less or more than has begun
    let today = wall_clock(zone, now).date();
    let days = today.checked_sub_days(Days::new(2))?.iter_days().take(4);
    days.flat_map(|day| begun_on(day, zone, intervals)).filter(|(start, end)| *start <= now && now < *end).map(|(_, end)| end).max()
}

/// The intervals that start on `day`, as instants; those that a gap swallows are left out.
fn begun_on(day: NaiveDate, zone: Tz, intervals: &[QuietInterval]) -> impl Iterator<Item = (Timestamp, Timestamp)> {
    intervals.iter().filter(move |interval| interval.starts_on(day.weekday())).filter_map(move |interval| {
        let last_day = if interval.end > interval.start { day } else { day.succ_opt()? };
        let start = first_instant(zone, day.and_time(interval.start));
        let end = last_instant(zone, last_day.and_time(interval.end));
        (start < end).then_some((start, end))
    })
}

impl QuietInterval {
    fn starts_on(&self, weekday: Weekday) -> bool {
        self.days.as_ref().is_none_or(|days| days.iter().any(|day| day.weekday() == weekday))
    }
}

impl Day {
    /// Monday to Sunday.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// The same as the calendar has it.
    pub fn weekday(self) -> Weekday {
        match self {
            Self::Mon => Weekday::Mon,
            Self::Tue => Weekday::Tue,
            Self::Wed => Weekday::Wed,
            Self::Thu => Weekday::Thu,
            Self::Fri => Weekday::Fri,
            Self::Sat => Weekday::Sat,
            Self::Sun => Weekday::Sun,
        }
    }
}

/// `HH:MM` both ways.
mod clock_face {
    use chrono::NaiveTime;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    pub(super) fn serialize<S: Serializer>(time: &NaiveTime, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&time.format("%H:%M"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<NaiveTime, D::Error> {
        let text = String::deserialize(from)?;
        // chrono alone would also take "7:05" and " 7:05"
        let plain = text.len() == 5 && text.bytes().filter(u8::is_ascii_digit).count() == 4;
        let time = if plain { NaiveTime::parse_from_str(&text, "%H:%M").ok() } else { None };
        time.ok_or_else(|| serde::de::Error::custom("a time is written HH:MM, 00:00 to 23:59"))
    }
}

#[cfg(test)]
pub(super) mod tests;
