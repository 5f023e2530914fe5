//! What comes again and again: the instants of a cron pattern in a zone.
//!
//! Patterns have five fields: minute, hour, day of the month, month and day of the week, as cron(8) and the Open Cron Pattern Specification have
//! them. Around a change of the clocks a pattern of fixed times means what a local time means elsewhere: one in the gap is the first instant
//! after it, one that comes twice is the earlier. A pattern that repeats within the day follows the wall clock.

use chrono::TimeDelta;
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use serde::{Deserialize, Serialize};

use super::Timestamp;

/// An occurrence that was missed by more than this is skipped.
pub const MISSED_BY: TimeDelta = TimeDelta::hours(1);
/// Skipped occurrences that are told of one look, at most; of more, the earliest.
pub const MAX_TOLD: usize = 100;
/// The longest pattern, in bytes.
pub const MAX_PATTERN: usize = 256;

/// Why a pattern is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is not one.
    #[error("is not a cron pattern of five fields: {0}")]
    Pattern(String),
    /// It has no instant in all the years to come, as the 30th of February.
    #[error("never comes")]
    Never,
}

/// A cron pattern in a zone, until an instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurrence {
    cron: String,
    timezone: Tz,
    until: Option<Timestamp>,
}

/// What a look at a recurrence comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Missed for too long: skipped.
    pub skipped: Vec<Timestamp>,
    /// The occurrence that is due.
    pub due: Option<Timestamp>,
    /// The one after; `None`: there is none any more.
    pub next: Option<Timestamp>,
}

impl Recurrence {
    /// A pattern that has an instant after `now`; after `until`, where one is given, it has none.
    pub fn new(cron: &str, timezone: Tz, until: Option<Timestamp>, now: Timestamp) -> Result<Self, Unusable> {
        if cron.len() > MAX_PATTERN {
            return Err(Unusable::Pattern(format!("it is longer than {MAX_PATTERN} bytes")));
        }
        parse(cron)?;
        let new = Self { cron: cron.to_owned(), timezone, until };
        if new.after(now).is_some() { Ok(new) } else { Err(Unusable::Never) }
    }

    /// The first instant after another.
    pub fn after(&self, instant: Timestamp) -> Option<Timestamp> {
        let cron = parse(&self.cron).ok()?;
        let next = cron.find_next_occurrence(&instant.with_timezone(&self.timezone), false).ok()?;
        Some(next.to_utc()).filter(|next| self.until.is_none_or(|until| *next <= until))
    }

    /// What of it is due now, where `at` is its first instant that nobody looked at.
    pub fn look(&self, at: Timestamp, now: Timestamp) -> Look {
        let mut look = Look { next: Some(at), ..Look::default() };
        while let Some(at) = look.next.filter(|at| *at <= now) {
            if now - at <= MISSED_BY {
                look.due = Some(at);
                look.next = self.after(at);
                return look;
            }
            look.skipped.push(at);
            let from = if look.skipped.len() < MAX_TOLD { at } else { now - MISSED_BY - TimeDelta::microseconds(1) };
            look.next = self.after(from);
        }
        look
    }
}

fn parse(cron: &str) -> Result<Cron, Unusable> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(cron).map_err(|error| Unusable::Pattern(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::local_time::{first_instant, wall_clock};
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn of(cron: &str, zone: &str) -> Recurrence {
        Recurrence::new(cron, zone.parse().unwrap(), None, at("2026-01-01T00:00:00Z")).unwrap()
    }

    #[test]
    fn patterns_are_in_their_zone() {
        for (cron, zone, after, next) in [
            ("0 9 * * MON", "Europe/Paris", "2026-11-22T12:00:00Z", "2026-11-23T08:00:00Z"),
            ("0 9 * * MON", "Europe/Paris", "2026-06-20T12:00:00Z", "2026-06-22T07:00:00Z"),
            ("*/15 * * * *", "UTC", "2026-11-22T12:15:00Z", "2026-11-22T12:30:00Z"),
            ("0 0 1 1 *", "Pacific/Kiritimati", "2026-11-22T12:00:00Z", "2026-12-31T10:00:00Z"),
            ("0 12 L * *", "UTC", "2027-02-01T00:00:00Z", "2027-02-28T12:00:00Z"),
            // the clocks of Paris skip 02:00 to 03:00 on 29 March 2026, and show 02:00 to 03:00 twice on 25 October
            ("30 2 * * *", "Europe/Paris", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
            ("30 2 * * *", "Europe/Paris", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"),
            ("30 2 * * *", "Europe/Paris", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
            ("30 2 * * *", "Europe/Paris", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
        ] {
            assert_eq!(of(cron, zone).after(at(after)), Some(at(next)), "{cron} in {zone} after {after}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let now = at("2026-01-01T00:00:00Z");
        for cron in
            ["", "every day", "* * * *", "* * * * * *", "0 0 * * * 2027", "61 * * * *", "0 24 * * *", "0 0 32 * *", &"*".repeat(300)]
        {
            assert!(matches!(Recurrence::new(cron, Tz::UTC, None, now), Err(Unusable::Pattern(_))), "{cron}");
        }
        assert_eq!(Recurrence::new("0 0 30 2 *", Tz::UTC, None, now), Err(Unusable::Never));
        assert_eq!(Recurrence::new("0 0 1 2 *", Tz::UTC, Some(at("2026-01-31T23:59:59Z")), now), Err(Unusable::Never));
    }

    #[test]
    fn until_is_the_last_instant() {
        let daily = Recurrence::new("0 9 * * *", Tz::UTC, Some(at("2026-01-03T09:00:00Z")), at("2026-01-01T00:00:00Z")).unwrap();
        assert_eq!(daily.after(at("2026-01-02T12:00:00Z")), Some(at("2026-01-03T09:00:00Z")));
        assert_eq!(daily.after(at("2026-01-03T09:00:00Z")), None);
    }

    #[test]
    fn a_look_finds_what_is_due_and_what_was_missed() {
        let daily = of("0 9 * * *", "UTC");
        let monday = at("2026-11-23T09:00:00Z");
        let tuesday = monday + TimeDelta::days(1);
        for (now, look) in [
            (monday - TimeDelta::seconds(1), Look { next: Some(monday), ..Look::default() }),
            (monday, Look { due: Some(monday), next: Some(tuesday), skipped: Vec::new() }),
            (monday + MISSED_BY, Look { due: Some(monday), next: Some(tuesday), skipped: Vec::new() }),
            (monday + MISSED_BY + TimeDelta::seconds(1), Look { due: None, next: Some(tuesday), skipped: vec![monday] }),
            (tuesday, Look { due: Some(tuesday), next: Some(tuesday + TimeDelta::days(1)), skipped: vec![monday] }),
        ] {
            assert_eq!(daily.look(monday, now), look, "at {now}");
        }
    }

    #[test]
    fn a_year_away_is_told_in_part() {
        let minutely = of("* * * * *", "UTC");
        let began = at("2026-01-01T00:00:00Z");
        let now = at("2027-01-01T00:00:30Z");
        let look = minutely.look(began, now);
        assert_eq!(look.skipped.len(), MAX_TOLD);
        // the first that was missed by no more than an hour
        assert_eq!(look.due, Some(at("2026-12-31T23:01:00Z")));
    }

    proptest! {
        /// Each day has its time once, at the instant that this time means elsewhere.
        #[test]
        fn a_time_of_the_day_is_a_local_time(zone in proptest::sample::select(chrono_tz::TZ_VARIANTS.to_vec()), hour in 0_u32..24, minute in 0_u32..60, day in 0_i64..4000) {
            let daily = Recurrence { cron: format!("{minute} {hour} * * *"), timezone: zone, until: None };
            let date = at("2020-01-01T00:00:00Z").date_naive() + TimeDelta::days(day);
            let wall = date.and_hms_opt(hour, minute, 0).unwrap();
            let instant = first_instant(zone, wall);
            let before = instant - TimeDelta::hours(3);
            let found = daily.after(before).unwrap();
            // where the clocks skip a whole day there is no such time on it
            prop_assume!(wall_clock(zone, instant).date() == date);
            prop_assert_eq!(found, instant, "{} in {}", wall, zone);
        }
    }
}
