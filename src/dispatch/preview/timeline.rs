//! When a draft would be sent, and where: how many devices at each instant and in each zone.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use chrono_tz::Tz;

use crate::domain::Timestamp;

/// Moments of a timeline, at most.
const MAX_MOMENTS: usize = 10_000;
/// To what instants are rounded down where there are too many, in seconds; each is a multiple of the one before. In no life of 28 days there are
/// more weeks and zones than moments.
const GRAINS: [i64; 4] = [60, 3_600, 86_400, 604_800];

/// Devices that would be sent to at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// The zone that counts for them.
    pub timezone: Tz,
    /// How many.
    pub devices: u64,
}

/// Moments as they are found. Those of a long audience with instants of their own are told by the minute, by the hour, or as coarsely as they must
/// be, whatever their order.
pub(super) struct Timeline {
    start: Timestamp,
    grains: std::slice::Iter<'static, i64>,
    grain: Option<i64>,
    most: usize,
    devices: BTreeMap<(Timestamp, &'static str), (Tz, u64)>,
}

impl Timeline {
    /// Of a draft that starts then: nothing is told to be sent earlier.
    pub(super) fn from(start: Timestamp) -> Self {
        Self::of_most(MAX_MOMENTS, start)
    }

    fn of_most(most: usize, start: Timestamp) -> Self {
        Self { start, grains: GRAINS.iter(), grain: None, most, devices: BTreeMap::new() }
    }

    /// Adds a device.
    pub(super) fn add(&mut self, at: Timestamp, timezone: Tz) {
        self.put(at, timezone, 1);
        while self.devices.len() > self.most {
            let Some(grain) = self.grains.next() else { return };
            self.grain = Some(*grain);
            for ((at, _), (timezone, devices)) in std::mem::take(&mut self.devices) {
                self.put(at, timezone, devices);
            }
        }
    }

    /// In the order of their instants, then of the zones' names.
    pub(super) fn into_moments(self) -> Vec<Moment> {
        self.devices.into_iter().map(|((at, _), (timezone, devices))| Moment { at, timezone, devices }).collect()
    }

    fn put(&mut self, at: Timestamp, timezone: Tz, devices: u64) {
        let at = self.grain.map_or(at, |grain| rounded_down(at, grain)).max(self.start);
        self.devices.entry((at, timezone.name())).or_insert((timezone, 0)).1 += devices;
    }
}

fn rounded_down(at: Timestamp, seconds: i64) -> Timestamp {
    let beyond = at.timestamp_micros().rem_euclid(seconds.saturating_mul(1_000_000));
    at.checked_sub_signed(TimeDelta::microseconds(beyond)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use chrono_tz::{Asia, Europe};
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn told(most: usize, start: &str, all: &[(&str, Tz)]) -> Vec<(String, Tz, u64)> {
        let mut timeline = Timeline::of_most(most, at(start));
        for (instant, timezone) in all {
            timeline.add(at(instant), *timezone);
        }
        let moment = |moment: Moment| (moment.at.format("%dT%H:%M:%S%.f").to_string(), moment.timezone, moment.devices);
        timeline.into_moments().into_iter().map(moment).collect()
    }

    const START: &str = "2026-11-02T09:00:30.25Z";
    const ALL: [(&str, Tz); 5] = [
        ("2026-11-02T10:00:20Z", Tz::Europe__Paris),
        ("2026-11-02T09:00:30.25Z", Tz::Europe__Paris),
        ("2026-11-02T09:00:40Z", Tz::Europe__Paris),
        ("2026-11-02T10:00:20Z", Tz::Asia__Tokyo),
        ("2026-11-02T10:00:20Z", Tz::Europe__Paris),
    ];

    #[test]
    fn moments_are_told_exactly_and_in_order() {
        let expected = [
            ("02T09:00:30.250".to_owned(), Europe::Paris, 1),
            ("02T09:00:40".to_owned(), Europe::Paris, 1),
            ("02T10:00:20".to_owned(), Asia::Tokyo, 1),
            ("02T10:00:20".to_owned(), Europe::Paris, 2),
        ];
        assert_eq!(told(4, START, &ALL), expected);
    }

    /// Never before it starts.
    #[test]
    fn too_many_are_told_more_coarsely() {
        let minutes = [
            ("02T09:00:30.250".to_owned(), Europe::Paris, 2),
            ("02T10:00:00".to_owned(), Asia::Tokyo, 1),
            ("02T10:00:00".to_owned(), Europe::Paris, 2),
        ];
        assert_eq!(told(3, START, &ALL), minutes);
        let days = [("02T09:00:30.250".to_owned(), Asia::Tokyo, 1), ("02T09:00:30.250".to_owned(), Europe::Paris, 4)];
        assert_eq!(told(2, START, &ALL), days);
    }

    proptest! {
        #[test]
        fn nobody_is_lost_and_the_order_does_not_matter(
            found in proptest::collection::vec((0..2_000_000_i64, prop::sample::select(vec![Tz::UTC, Tz::Asia__Tokyo])), 0..200),
            most in 12_usize..40,
        ) {
            let start = at(START);
            let of = |found: &[(i64, Tz)]| {
                let mut timeline = Timeline::of_most(most, start);
                for (seconds, timezone) in found {
                    timeline.add(start + TimeDelta::seconds(*seconds), *timezone);
                }
                timeline.into_moments()
            };
            let moments = of(&found);
            prop_assert!(moments.len() <= most);
            prop_assert_eq!(moments.iter().map(|moment| moment.devices).sum::<u64>(), found.len() as u64);
            prop_assert!(moments.iter().all(|moment| moment.at >= start));
            let backwards: Vec<_> = found.iter().rev().copied().collect();
            prop_assert_eq!(of(&backwards), moments);
        }
    }
}
