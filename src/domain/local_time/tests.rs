use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::{Datelike, TimeDelta};
use chrono_tz::TZ_VARIANTS;
use proptest::prelude::*;

use super::*;

/// An instant in RFC 3339.
pub(in crate::domain) fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

/// A change of the clocks: the first instant of the new offset.
#[derive(Clone, Copy, Debug)]
pub(in crate::domain) struct Changed {
    pub zone: Tz,
    pub at: Timestamp,
    pub before: i64,
    pub after: i64,
}

/// Every change of every zone from 2020 to 2035, found by walking through the years in steps of six hours. They all fall on whole minutes.
pub(in crate::domain) static CHANGES: LazyLock<Vec<Changed>> = LazyLock::new(|| {
    let (from, to) = (at("2020-01-01T00:00:00Z").timestamp(), at("2036-01-01T00:00:00Z").timestamp());
    let mut changes = Vec::new();
    for zone in TZ_VARIANTS {
        let mut before = offset(zone, from);
        for later in (from..to).step_by(6 * 3600).skip(1) {
            let after = offset(zone, later);
            if after != before {
                let second = (later - 6 * 3600..=later).step_by(60).find(|second| offset(zone, *second) == after).unwrap();
                changes.push(Changed { zone, at: DateTime::from_timestamp(second, 0).unwrap(), before, after });
                before = after;
            }
        }
    }
    changes
});

/// One zone for each instant and kind of change: around it all of them go alike.
pub(in crate::domain) fn distinct_changes() -> Vec<Changed> {
    let distinct: BTreeMap<_, _> = CHANGES.iter().map(|change| ((change.at, change.before, change.after), *change)).collect();
    distinct.into_values().collect()
}

/// Some zone and some instant from 2020 to 2035, half of them within two days of a change of that zone's clocks.
pub(in crate::domain) fn zone_and_instant() -> impl Strategy<Value = (Tz, Timestamp)> {
    let years = at("2020-01-03T00:00:00Z").timestamp() / 60..at("2035-12-29T00:00:00Z").timestamp() / 60;
    let anywhere = (prop::sample::select(TZ_VARIANTS.to_vec()), years).prop_map(|(zone, minute)| (zone, minute));
    let near = (prop::sample::select(CHANGES.clone()), -2880..2880_i64)
        .prop_map(|(change, minutes)| (change.zone, change.at.timestamp() / 60 + minutes));
    prop_oneof![anywhere, near].prop_map(|(zone, minute)| (zone, DateTime::from_timestamp(minute * 60, 0).unwrap()))
}

fn offset(zone: Tz, second: i64) -> i64 {
    zone.offset_from_utc_datetime(&DateTime::from_timestamp(second, 0).unwrap().naive_utc()).fix().local_minus_utc().into()
}

fn wall(text: &str) -> NaiveDateTime {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

/// Zone, wall clock, the first and the last instant that count for it. Worked out by hand from the rules of the tz database.
const HARD: &[(Tz, &str, &str, &str)] = &[
    // an ordinary hour each way; the hour is skipped at 01:00Z, repeated from 01:00Z on
    (Tz::Europe__Paris, "2026-03-29T01:59:59", "2026-03-29T00:59:59Z", "2026-03-29T00:59:59Z"),
    (Tz::Europe__Paris, "2026-03-29T02:00:00", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"),
    (Tz::Europe__Paris, "2026-03-29T02:30:00", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"),
    (Tz::Europe__Paris, "2026-03-29T03:00:00", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"),
    (Tz::Europe__Paris, "2026-10-25T01:59:59", "2026-10-24T23:59:59Z", "2026-10-24T23:59:59Z"),
    (Tz::Europe__Paris, "2026-10-25T02:00:00", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"),
    (Tz::Europe__Paris, "2026-10-25T02:30:00", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
    (Tz::Europe__Paris, "2026-10-25T03:00:00", "2026-10-25T02:00:00Z", "2026-10-25T02:00:00Z"),
    (Tz::America__New_York, "2026-03-08T02:30:00", "2026-03-08T07:00:00Z", "2026-03-08T07:00:00Z"),
    (Tz::America__New_York, "2026-11-01T01:00:00", "2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z"),
    (Tz::America__New_York, "2026-11-01T01:30:00", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"),
    (Tz::Europe__Paris, "2026-03-29T02:30:00.5", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"),
    // half an hour
    (Tz::Australia__Lord_Howe, "2026-04-05T01:45:00", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"),
    (Tz::Australia__Lord_Howe, "2026-10-04T02:15:00", "2026-10-03T15:30:00Z", "2026-10-03T15:30:00Z"),
    (Tz::America__Caracas, "2016-05-01T02:45:00", "2016-05-01T07:00:00Z", "2016-05-01T07:00:00Z"),
    (Tz::Asia__Pyongyang, "2018-05-04T23:45:00", "2018-05-04T15:00:00Z", "2018-05-04T15:00:00Z"),
    // two hours
    (Tz::Antarctica__Troll, "2026-03-29T02:30:00", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"),
    (Tz::Antarctica__Troll, "2026-10-25T02:00:00", "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"),
    // a day that never was
    (Tz::Pacific__Apia, "2011-12-29T23:59:59", "2011-12-30T09:59:59Z", "2011-12-30T09:59:59Z"),
    (Tz::Pacific__Apia, "2011-12-30T12:00:00", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"),
    (Tz::Pacific__Apia, "2011-12-31T00:00:00", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"),
    (Tz::Pacific__Kwajalein, "1993-08-21T08:00:00", "1993-08-21T12:00:00Z", "1993-08-21T12:00:00Z"),
    // a day that was twice
    (Tz::America__Sitka, "1867-10-18T20:00:00", "1867-10-18T05:01:13Z", "1867-10-19T05:01:13Z"),
    // at midnight
    (Tz::Asia__Beirut, "2026-03-29T00:00:00", "2026-03-28T22:00:00Z", "2026-03-28T22:00:00Z"),
    (Tz::Asia__Beirut, "2026-10-24T23:30:00", "2026-10-24T20:30:00Z", "2026-10-24T21:30:00Z"),
    (Tz::Asia__Beirut, "2026-10-25T00:00:00", "2026-10-24T22:00:00Z", "2026-10-24T22:00:00Z"),
    (Tz::Africa__Cairo, "2026-04-24T00:30:00", "2026-04-23T22:00:00Z", "2026-04-23T22:00:00Z"),
    (Tz::Africa__Cairo, "2026-10-29T23:30:00", "2026-10-29T20:30:00Z", "2026-10-29T21:30:00Z"),
    (Tz::America__Asuncion, "2023-10-01T00:30:00", "2023-10-01T04:00:00Z", "2023-10-01T04:00:00Z"),
    (Tz::America__Asuncion, "2024-03-23T23:30:00", "2024-03-24T02:30:00Z", "2024-03-24T03:30:00Z"),
    (Tz::America__Sao_Paulo, "2018-11-04T00:00:00", "2018-11-04T03:00:00Z", "2018-11-04T03:00:00Z"),
    (Tz::America__Sao_Paulo, "2019-02-16T23:15:00", "2019-02-17T01:15:00Z", "2019-02-17T02:15:00Z"),
    (Tz::America__Havana, "2026-03-08T00:30:00", "2026-03-08T05:00:00Z", "2026-03-08T05:00:00Z"),
    (Tz::America__Havana, "2026-11-01T00:00:00", "2026-11-01T04:00:00Z", "2026-11-01T05:00:00Z"),
    (Tz::America__Havana, "2026-11-01T00:30:00", "2026-11-01T04:30:00Z", "2026-11-01T05:30:00Z"),
    (Tz::America__Nuuk, "2024-03-30T23:30:00", "2024-03-31T01:00:00Z", "2024-03-31T01:00:00Z"),
    // a minute past midnight, so that the date goes back as well
    (Tz::America__St_Johns, "2010-11-07T00:00:00", "2010-11-07T02:30:00Z", "2010-11-07T03:30:00Z"),
    // winter time is the exception, by an hour less; and so is Ramadan
    (Tz::Europe__Dublin, "2026-03-29T01:30:00", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"),
    (Tz::Europe__Dublin, "2026-10-25T01:30:00", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
    (Tz::Africa__Casablanca, "2026-02-15T02:30:00", "2026-02-15T01:30:00Z", "2026-02-15T02:30:00Z"),
    (Tz::Africa__Casablanca, "2026-03-22T02:30:00", "2026-03-22T02:00:00Z", "2026-03-22T02:00:00Z"),
    // no change at all
    (Tz::Asia__Kathmandu, "2026-01-01T00:00:00", "2025-12-31T18:15:00Z", "2025-12-31T18:15:00Z"),
    (Tz::UTC, "2026-01-01T00:00:00.25", "2026-01-01T00:00:00.25Z", "2026-01-01T00:00:00.25Z"),
];

#[test]
fn hard_zones_are_exact() {
    for (zone, time, first, last) in HARD {
        assert_eq!(first_instant(*zone, wall(time)), at(first), "first {time} in {zone}");
        assert_eq!(last_instant(*zone, wall(time)), at(last), "last {time} in {zone}");
    }
}

#[test]
fn the_clock_shows_what_the_library_says() {
    for change in distinct_changes() {
        for hours in -30..30 {
            let instant = change.at + TimeDelta::hours(hours);
            assert_eq!(wall_clock(change.zone, instant), instant.with_timezone(&change.zone).naive_local(), "{instant} in {}", change.zone);
        }
    }
}

#[test]
fn no_zone_changes_twice_within_the_window() {
    for pair in CHANGES.windows(2) {
        if pair[0].zone == pair[1].zone {
            assert!(pair[1].at - pair[0].at > TimeDelta::seconds(2 * MAX_OFFSET), "{pair:?}");
        }
    }
    assert!(CHANGES.iter().all(|change| change.before.abs() < MAX_OFFSET && change.after.abs() < MAX_OFFSET));
}

/// Both instants as the words define them, found by walking through every minute of two days.
fn by_walking(zone: Tz, wall: NaiveDateTime) -> (Timestamp, Timestamp) {
    let around = || (-1440..=1440).map(|minutes| wall.and_utc() + TimeDelta::minutes(minutes));
    let shows = |instant: &Timestamp| instant.with_timezone(&zone).naive_local();
    let shown: Vec<Timestamp> = around().filter(|instant| shows(instant) == wall).collect();
    let after_the_gap = || around().find(|instant| shows(instant) > wall).unwrap();
    (shown.first().copied().unwrap_or_else(after_the_gap), shown.last().copied().unwrap_or_else(after_the_gap))
}

#[test]
fn every_change_of_the_clocks_is_exact() {
    for Changed { zone, at, before, after } in distinct_changes() {
        let old = at.naive_utc() + TimeDelta::seconds(before);
        let new = at.naive_utc() + TimeDelta::seconds(after);
        let between = old + (new - old) / 2;
        for edge in [old, new, between] {
            for minutes in [-1, 0, 1] {
                let wall = edge + TimeDelta::minutes(minutes);
                assert_eq!((first_instant(zone, wall), last_instant(zone, wall)), by_walking(zone, wall), "{wall} in {zone}");
            }
        }
    }
}

#[test]
fn the_ends_of_the_calendar_do_not_panic() {
    for zone in [Tz::Pacific__Kiritimati, Tz::Etc__GMTPlus12, Tz::Asia__Manila] {
        for wall in [NaiveDateTime::MIN, NaiveDateTime::MAX] {
            assert!(first_instant(zone, wall) <= last_instant(zone, wall));
            assert!(earliest_on_earth(wall) <= latest_on_earth(wall));
        }
        for instant in [Timestamp::MIN_UTC, Timestamp::MAX_UTC] {
            assert!((wall_clock(zone, instant).year() - instant.year()).abs() <= 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn both_instants_are_what_the_words_say((zone, instant) in zone_and_instant()) {
        let wall = instant.naive_utc();
        let (first, last) = (first_instant(zone, wall), last_instant(zone, wall));
        prop_assert_eq!((first, last), by_walking(zone, wall));
        prop_assert!(earliest_on_earth(wall) <= first && first <= latest_on_earth(wall));
    }

    #[test]
    fn the_way_there_and_back_is_the_same((zone, instant) in zone_and_instant()) {
        let wall = wall_clock(zone, instant);
        let (first, last) = (first_instant(zone, wall), last_instant(zone, wall));
        prop_assert!(first == instant || last == instant);
        prop_assert_eq!(wall_clock(zone, first), wall);
    }
}
