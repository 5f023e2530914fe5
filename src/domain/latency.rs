//! How long pushes took, in few numbers: a histogram whose steps grow with what they measure, so that a percentile is right within 4 %.

use std::collections::BTreeMap;

use chrono::TimeDelta;

/// Milliseconds up to here have a step of their own.
const EXACT: u64 = 32;
/// Steps into which each doubling beyond is cut.
const STEPS: u64 = 16;

/// A step of the histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Latency(u16);

impl Latency {
    /// The step of a time; one below zero, when clocks differ, is zero.
    pub fn of(time: TimeDelta) -> Self {
        let millis = u64::try_from(time.num_milliseconds()).unwrap_or(0).min(u64::from(u32::MAX));
        let step = if millis < EXACT {
            millis
        } else {
            let doubling = u64::from(millis.ilog2() - EXACT.ilog2());
            EXACT + doubling * STEPS + (millis >> (doubling + 1)) - STEPS
        };
        Self(u16::try_from(step).unwrap_or(u16::MAX))
    }

    /// As the store has it.
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }

    /// As the store has it.
    pub fn raw(self) -> u16 {
        self.0
    }

    /// Its middle, in milliseconds.
    pub fn millis(self) -> u64 {
        let step = u64::from(self.0);
        if step < EXACT {
            return step;
        }
        let (doubling, part) = ((step - EXACT) / STEPS, (step - EXACT) % STEPS);
        let width = 2_u64.saturating_pow(u32::try_from(doubling).unwrap_or(u32::MAX).saturating_add(1));
        (STEPS + part).saturating_mul(width).saturating_add(width / 2)
    }
}

/// In milliseconds, what `percent` of these took no longer than; `None` where there is none.
pub fn percentile(histogram: &BTreeMap<Latency, u64>, percent: u64) -> Option<u64> {
    let total: u64 = histogram.values().sum();
    let wanted = (u128::from(total) * u128::from(percent)).div_ceil(100).max(1);
    let mut seen = 0;
    let step = histogram.iter().find(|(_, n)| {
        seen += u128::from(**n);
        seen >= wanted
    });
    step.map(|(latency, _)| latency.millis())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(millis: i64) -> Latency {
        Latency::of(TimeDelta::milliseconds(millis))
    }

    #[test]
    fn steps_stay() {
        for (millis, step) in
            [(-5, 0), (0, 0), (31, 31), (32, 32), (33, 32), (34, 33), (63, 47), (64, 48), (1000, 111), (i64::MAX / 2, 463)]
        {
            assert_eq!(of(millis).raw(), step, "{millis}");
        }
    }

    #[test]
    fn percentiles_are_of_what_is_there() {
        assert_eq!(percentile(&BTreeMap::new(), 50), None);
        let hundred: BTreeMap<Latency, u64> = (1..=20).map(|millis| (of(millis), 5)).collect();
        for (percent, millis) in [(0, 1), (1, 1), (5, 1), (6, 2), (50, 10), (95, 19), (99, 20), (100, 20)] {
            assert_eq!(percentile(&hundred, percent), Some(millis), "{percent}");
        }
    }

    proptest! {
        #[test]
        fn a_step_is_near_what_it_stands_for(millis in 0_i64..=i64::from(u32::MAX)) {
            let middle = i64::try_from(of(millis).millis()).unwrap();
            prop_assert!((middle - millis).abs() * 32 <= millis.max(32), "{millis} is told as {middle}");
        }

        #[test]
        fn what_takes_longer_is_no_lower(millis in 0_i64..100_000_000, more in 0_i64..100_000_000) {
            prop_assert!(of(millis) <= of(millis + more));
        }
    }
}
