use std::ops::RangeInclusive;

use chrono::NaiveDateTime;
use proptest::prelude::*;

use super::super::local_time::tests::{at, distinct_changes, zone_and_instant};
use super::*;

/// `22:00-07:00`, or with days `22:00-07:00 fri,sat`.
pub(in crate::domain) fn interval(text: &str) -> QuietInterval {
    let (times, days) = text.split_once(' ').map_or((text, None), |(times, days)| (times, Some(days)));
    let (start, end) = times.split_once('-').unwrap();
    let day = |name: &str| serde_json::from_value(name.into()).unwrap();
    QuietInterval { start: start.parse().unwrap(), end: end.parse().unwrap(), days: days.map(|days| days.split(',').map(day).collect()) }
}

/// Several of them, separated by semicolons.
pub(in crate::domain) fn intervals(text: &str) -> Vec<QuietInterval> {
    text.split("; ").filter(|text| !text.is_empty()).map(interval).collect()
}

impl QuietInterval {
    /// Whether the wall clock lies in it: the definition of quiet hours, without any thought of zones.
    fn covers(&self, wall: NaiveDateTime) -> bool {
        let (day, time) = (wall.date(), wall.time());
        if self.start < self.end {
            self.starts_on(day.weekday()) && self.start <= time && time < self.end
        } else {
            self.starts_on(day.weekday()) && self.start <= time || self.starts_on(day.pred_opt().unwrap().weekday()) && time < self.end
        }
    }
}

/// Whether the wall clock at `instant` lies in one of them.
pub(in crate::domain) fn covered(instant: Timestamp, zone: Tz, intervals: &[QuietInterval]) -> bool {
    let wall = instant.with_timezone(&zone).naive_local();
    intervals.iter().any(|interval| interval.covers(wall))
}

/// Every minute of two days around an instant and what the clock shows then: the rules for boundaries, word by word.
struct Walk(Vec<(Timestamp, NaiveDateTime)>);

impl Walk {
    const MINUTES: RangeInclusive<i64> = -30 * 60..=30 * 60;

    fn around(instant: Timestamp, zone: Tz) -> Self {
        let minutes = Self::MINUTES.map(|minute| instant + TimeDelta::minutes(minute));
        Self(minutes.map(|minute| (minute, minute.with_timezone(&zone).naive_local())).collect())
    }

    /// The minutes that show `wall`; in a gap, the first after it.
    fn shown(&self, wall: NaiveDateTime) -> Vec<Timestamp> {
        let shown: Vec<_> = self.0.iter().filter(|(_, shows)| *shows == wall).map(|(minute, _)| *minute).collect();
        if shown.is_empty() {
            self.0.iter().find(|(_, shows)| *shows > wall).map(|(minute, _)| *minute).into_iter().collect()
        } else {
            shown
        }
    }

    /// Whether an interval has begun (by the earlier of two starts) and not ended (by the later of two ends) in the middle of the walk.
    fn quiet(&self, intervals: &[QuietInterval]) -> bool {
        let (now, wall) = self.0[self.0.len() / 2];
        let days = || (-2..=1).map(|days| wall.date() + TimeDelta::days(days));
        let mut all = intervals.iter().flat_map(|interval| days().map(move |day| (interval, day)));
        all.any(|(interval, day)| {
            let last_day = if interval.start < interval.end { day } else { day.succ_opt().unwrap() };
            let (start, end) = (day.and_time(interval.start), last_day.and_time(interval.end));
            // the walk reaches far enough for what could be quiet now
            let near = (start - wall).abs() < TimeDelta::hours(27) && (end - wall).abs() < TimeDelta::hours(27);
            near && interval.starts_on(day.weekday()) && self.shown(start).first() <= Some(&now) && Some(&now) < self.shown(end).last()
        })
    }
}

fn quiet_by_walking(instant: Timestamp, zone: Tz, intervals: &[QuietInterval]) -> bool {
    Walk::around(instant, zone).quiet(intervals)
}

/// Zone, intervals, now, and when it is quiet no more (empty: it is not quiet). Worked out by hand.
const ENDS: &[(Tz, &str, &str, &str)] = &[
    // an ordinary night
    (Tz::Europe__Paris, "22:00-07:00", "2026-01-15T20:59:59.999999Z", ""),
    (Tz::Europe__Paris, "22:00-07:00", "2026-01-15T21:00:00Z", "2026-01-16T06:00:00Z"),
    (Tz::Europe__Paris, "22:00-07:00", "2026-01-16T05:59:59.999999Z", "2026-01-16T06:00:00Z"),
    (Tz::Europe__Paris, "22:00-07:00", "2026-01-16T06:00:00Z", ""),
    (Tz::Asia__Kathmandu, "13:15-14:00", "2026-01-15T07:30:00Z", "2026-01-15T08:15:00Z"),
    // the day is the one on which it starts: Friday's night is not Friday's morning
    (Tz::UTC, "22:00-07:00 fri", "2026-01-16T03:00:00Z", ""),
    (Tz::UTC, "22:00-07:00 fri", "2026-01-16T22:00:00Z", "2026-01-17T07:00:00Z"),
    (Tz::UTC, "22:00-07:00 fri", "2026-01-17T03:00:00Z", "2026-01-17T07:00:00Z"),
    (Tz::UTC, "22:00-07:00 fri", "2026-01-17T22:00:00Z", ""),
    // a start in the gap
    (Tz::Europe__Paris, "02:30-06:00", "2026-03-29T00:59:59Z", ""),
    (Tz::Europe__Paris, "02:30-06:00", "2026-03-29T01:00:00Z", "2026-03-29T04:00:00Z"),
    // an end in the gap
    (Tz::Europe__Paris, "22:00-02:30", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"),
    (Tz::Europe__Paris, "22:00-02:30", "2026-03-29T01:00:00Z", ""),
    // wholly in the gap: it is not quiet that day
    (Tz::America__New_York, "02:10-02:50", "2026-03-08T06:59:59Z", ""),
    (Tz::America__New_York, "02:10-02:50", "2026-03-08T07:00:00Z", ""),
    // an ambiguous start: the earlier, and no hole while the hour is repeated
    (Tz::Europe__Paris, "02:30-06:00", "2026-10-25T00:29:59Z", ""),
    (Tz::Europe__Paris, "02:30-06:00", "2026-10-25T00:30:00Z", "2026-10-25T05:00:00Z"),
    (Tz::Europe__Paris, "02:30-06:00", "2026-10-25T01:10:00Z", "2026-10-25T05:00:00Z"),
    // an ambiguous end: the later
    (Tz::Europe__Paris, "22:00-02:30", "2026-10-25T00:45:00Z", "2026-10-25T01:30:00Z"),
    (Tz::America__New_York, "22:00-01:00", "2026-11-01T05:30:00Z", "2026-11-01T06:00:00Z"),
    (Tz::America__New_York, "01:10-01:20", "2026-11-01T05:40:00Z", "2026-11-01T06:20:00Z"),
    // half an hour, two hours, winter as the exception, Ramadan
    (Tz::Australia__Lord_Howe, "22:00-01:45", "2026-04-04T14:50:00Z", "2026-04-04T15:15:00Z"),
    (Tz::Australia__Lord_Howe, "02:15-05:00", "2026-10-03T15:30:00Z", "2026-10-03T18:00:00Z"),
    (Tz::Antarctica__Troll, "22:00-02:00", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"),
    (Tz::Antarctica__Troll, "01:30-04:00", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"),
    (Tz::Europe__Dublin, "22:00-01:30", "2026-10-25T00:45:00Z", "2026-10-25T01:30:00Z"),
    (Tz::Africa__Casablanca, "22:00-02:30", "2026-02-15T01:45:00Z", "2026-02-15T02:30:00Z"),
    (Tz::Africa__Casablanca, "02:30-07:00", "2026-03-22T02:00:00Z", "2026-03-22T06:00:00Z"),
    // changes at midnight
    (Tz::Asia__Beirut, "23:00-00:00", "2026-10-24T21:30:00Z", "2026-10-24T22:00:00Z"),
    (Tz::Asia__Beirut, "00:00-06:00", "2026-10-24T21:30:00Z", ""),
    (Tz::Asia__Beirut, "00:00-06:00", "2026-03-28T22:00:00Z", "2026-03-29T03:00:00Z"),
    (Tz::Africa__Cairo, "22:00-23:30", "2026-10-29T20:45:00Z", "2026-10-29T21:30:00Z"),
    (Tz::Africa__Cairo, "22:00-00:30", "2026-04-23T21:45:00Z", "2026-04-23T22:00:00Z"),
    (Tz::America__Asuncion, "22:00-23:30 sat", "2024-03-24T02:45:00Z", "2024-03-24T03:30:00Z"),
    (Tz::America__Sao_Paulo, "00:00-07:00 sun", "2018-11-04T03:00:00Z", "2018-11-04T09:00:00Z"),
    (Tz::America__Sao_Paulo, "00:00-07:00 sun", "2019-02-17T02:30:00Z", ""),
    (Tz::America__Havana, "22:00-00:30 sat", "2026-11-01T04:45:00Z", "2026-11-01T05:30:00Z"),
    (Tz::America__Havana, "00:30-06:00 sun", "2026-11-01T05:10:00Z", "2026-11-01T11:00:00Z"),
    (Tz::America__St_Johns, "00:00-06:00 sun", "2010-11-07T02:31:00Z", "2010-11-07T09:30:00Z"),
    (Tz::America__St_Johns, "23:59-23:58 fri", "2010-11-07T02:30:30Z", "2010-11-07T03:28:00Z"),
    // a day that never was: Friday's night begins with Saturday, Thursday's ends with it
    (Tz::Pacific__Apia, "22:00-07:00 fri", "2011-12-30T09:59:59Z", ""),
    (Tz::Pacific__Apia, "22:00-07:00 fri", "2011-12-30T10:00:00Z", "2011-12-30T17:00:00Z"),
    (Tz::Pacific__Apia, "22:00-07:00 thu", "2011-12-30T08:00:00Z", "2011-12-30T10:00:00Z"),
    (Tz::Pacific__Apia, "22:00-07:00", "2011-12-30T08:00:00Z", "2011-12-30T17:00:00Z"),
    (Tz::Pacific__Kwajalein, "22:00-07:00", "1993-08-21T10:00:00Z", "1993-08-21T19:00:00Z"),
    // what touches or overlaps is one
    (Tz::UTC, "22:00-02:00; 02:00-07:00", "2026-01-15T22:00:00Z", "2026-01-16T07:00:00Z"),
    (Tz::UTC, "22:00-03:00; 02:00-07:00; 06:30-06:45", "2026-01-15T22:00:00Z", "2026-01-16T07:00:00Z"),
    (Tz::UTC, "00:00-12:00 sat,sun; 12:00-00:00 sat,sun", "2026-01-17T12:00:00Z", "2026-01-19T00:00:00Z"),
    // an hour a week that is not quiet; once the gap swallows it, once the repeated hour does
    (Tz::UTC, "00:00-23:00; 23:00-00:00 mon,tue,wed,thu,fri,sat", "2026-01-12T00:00:00Z", "2026-01-18T23:00:00Z"),
    (Tz::America__New_York, "03:00-02:00; 02:00-03:00 mon,tue,wed,thu,fri,sat", "2026-03-07T12:00:00Z", "2026-03-15T06:00:00Z"),
    (Tz::America__New_York, "01:30-01:00; 01:00-01:30 mon,tue,wed,thu,fri,sat", "2026-10-31T12:00:00Z", "2026-11-08T06:00:00Z"),
    (Tz::UTC, "", "2026-01-15T22:00:00Z", ""),
];

#[test]
fn it_is_quiet_until_the_interval_ends_on_that_clock() {
    for (zone, hours, now, end) in ENDS {
        let expected = if end.is_empty() { Quiet::No } else { Quiet::Until(at(end)) };
        assert_eq!(quiet_at(at(now), *zone, &intervals(hours)), expected, "{hours} at {now} in {zone}");
    }
}

#[test]
fn quiet_all_week_has_no_end() {
    for hours in ["00:00-12:00; 12:00-00:00", "18:00-17:59; 17:30-18:30", "00:00-23:59; 23:00-01:00"] {
        for zone in [Tz::UTC, Tz::America__New_York, Tz::Pacific__Apia] {
            assert_eq!(quiet_at(at("2026-03-08T06:30:00Z"), zone, &intervals(hours)), Quiet::Always, "{hours} in {zone}");
        }
    }
}

/// Zone, intervals, now, and when it is quiet next (empty: never).
const STARTS: &[(Tz, &str, &str, &str)] = &[
    (Tz::Europe__Paris, "22:00-07:00", "2026-01-15T12:00:00Z", "2026-01-15T21:00:00Z"),
    (Tz::Europe__Paris, "22:00-07:00; 13:00-14:00", "2026-01-15T11:00:00Z", "2026-01-15T12:00:00Z"),
    (Tz::Europe__Paris, "02:30-06:00", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"),
    (Tz::Europe__Paris, "02:30-06:00", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"),
    (Tz::UTC, "22:00-07:00 wed", "2026-01-15T12:00:00Z", "2026-01-21T22:00:00Z"),
    // a start is not after itself
    (Tz::UTC, "22:00-07:00 thu", "2026-01-15T22:00:00Z", "2026-01-22T22:00:00Z"),
    // the gap swallows this week's
    (Tz::America__New_York, "02:10-02:50 sun", "2026-03-02T12:00:00Z", "2026-03-15T06:10:00Z"),
    // the clock shows Saturday again, and Sunday's start is behind or ahead
    (Tz::Asia__Beirut, "00:00-06:00 sun", "2026-10-24T21:30:00Z", "2026-10-24T22:00:00Z"),
    (Tz::America__St_Johns, "00:30-06:00 sun", "2010-11-07T02:31:00Z", "2010-11-07T04:00:00Z"),
    (Tz::Pacific__Apia, "12:00-13:00", "2011-12-30T09:00:00Z", "2011-12-30T22:00:00Z"),
    (Tz::UTC, "", "2026-01-15T12:00:00Z", ""),
];

#[test]
fn the_next_quiet_hours_begin_on_that_clock() {
    for (zone, hours, now, start) in STARTS {
        let expected = (!start.is_empty()).then(|| at(start));
        assert_eq!(next_quiet(at(now), *zone, &intervals(hours)), expected, "{hours} at {now} in {zone}");
    }
}

#[test]
fn a_bad_interval_is_named() {
    assert_eq!(validate(&intervals("22:00-07:00 mon,sun; 12:00-00:00")), []);
    let mut bad = intervals("22:00-22:00; 22:00-07:00 mon,tue,mon; 10:00-11:00");
    bad[2].days = Some(Vec::new());
    let fields: Vec<_> = validate(&bad).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["[0].end", "[1].days", "[2].days"]);
    assert_eq!(validate(&vec![interval("22:00-07:00"); 14]), []);
    assert_eq!(validate(&vec![interval("22:00-07:00"); 15]).len(), 1);
}

#[test]
fn times_are_written_with_four_digits() {
    let read = |start: &str| serde_json::from_value::<QuietInterval>(serde_json::json!({ "start": start, "end": "07:00" }));
    assert_eq!(read("22:00").unwrap(), interval("22:00-07:00"));
    for bad in ["7:05", "24:00", "22:60", "22:00:00", " 2:00", "2200", "+2:00", "", "２２:00"] {
        assert!(read(bad).is_err(), "{bad:?}");
    }
    let written = serde_json::to_value(interval("09:05-00:00 sat")).unwrap();
    assert_eq!(written, serde_json::json!({ "start": "09:05", "end": "00:00", "days": ["sat"] }));
}

#[test]
fn the_ends_of_the_calendar_do_not_panic() {
    for now in [Timestamp::MIN_UTC, Timestamp::MAX_UTC] {
        for zone in [Tz::UTC, Tz::Pacific__Kiritimati, Tz::Etc__GMTPlus12] {
            for hours in ["22:00-07:00", "00:00-12:00; 12:00-00:00"] {
                quiet_at(now, zone, &intervals(hours));
                next_quiet(now, zone, &intervals(hours));
            }
        }
    }
}

/// Around every change of any clock in the years: whenever the wall clock lies in the intervals it is quiet, and what follows an end is not.
#[test]
fn nobody_is_woken_around_a_change_of_the_clocks() {
    let some = ["22:00-07:00", "02:30-06:00; 23:30-00:30", "22:00-02:00", "01:15-01:45", "00:00-12:00 sun; 12:00-00:00 sat", "03:00-02:00"];
    let some = some.map(intervals);
    for change in distinct_changes() {
        for intervals in &some {
            for quarter in -12..=12 {
                let now = change.at + TimeDelta::minutes(15 * quarter);
                let quiet = quiet_at(now, change.zone, intervals);
                assert!(quiet != Quiet::No || !covered(now, change.zone, intervals), "{intervals:?} at {now} in {}", change.zone);
                if let Quiet::Until(end) = quiet {
                    assert!(!covered(end, change.zone, intervals), "{intervals:?} at {now} in {} ends {end}", change.zone);
                }
            }
        }
    }
}

/// Up to four intervals, with a liking for whole hours at night.
pub(in crate::domain) fn some_intervals() -> impl Strategy<Value = Vec<QuietInterval>> {
    let time = || prop_oneof![(0..24_u32).prop_map(|hour| hour * 60), 0..180_u32, 1380..1440_u32, 0..1440_u32];
    let days = prop::option::of(prop::sample::subsequence(Day::ALL.to_vec(), 1..=7));
    let interval = (time(), time(), days).prop_filter_map("start is not end", |(start, end, days)| {
        let clock = |minute: u32| NaiveTime::from_hms_opt(minute / 60, minute % 60, 0).unwrap();
        (start != end).then(|| QuietInterval { start: clock(start), end: clock(end), days })
    });
    prop::collection::vec(interval, 0..=4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn it_is_quiet_exactly_when_the_words_say((zone, now) in zone_and_instant(), intervals in some_intervals()) {
        let quiet = quiet_at(now, zone, &intervals);
        prop_assert_eq!(quiet != Quiet::No, quiet_by_walking(now, zone, &intervals));
        prop_assert!(quiet != Quiet::No || !covered(now, zone, &intervals));
        match quiet {
            // never longer than needed
            Quiet::Until(end) => {
                prop_assert!(end > now);
                prop_assert!(quiet_by_walking(end - TimeDelta::minutes(1), zone, &intervals));
                prop_assert!(!quiet_by_walking(end, zone, &intervals));
            }
            // not for a minute until the next begin
            Quiet::No => {
                let next = next_quiet(now, zone, &intervals);
                let until = next.unwrap_or(now + TimeDelta::days(2)).min(now + TimeDelta::days(2));
                let mut minutes = (0..(until - now).num_minutes()).map(|minute| now + TimeDelta::minutes(minute));
                prop_assert!(!minutes.any(|minute| covered(minute, zone, &intervals)));
                prop_assert!(next.is_none_or(|next| next > now && quiet_by_walking(next, zone, &intervals)));
                prop_assert_eq!(next.is_none(), intervals.is_empty());
            }
            Quiet::Always => {
                let mut minutes = (0..7 * 1440).map(|minute| now + TimeDelta::minutes(minute));
                prop_assert!(minutes.all(|minute| covered(minute, zone, &intervals)));
            }
        }
    }
}
