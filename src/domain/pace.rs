//! A run's pace: how many pushes a second it hands to providers, over all nodes.
//!
//! Whoever releases work of the run allots each row a span of time of its own under the lock of the run, and the row's pushes are spread evenly
//! over it. Two rows never share an instant, so that nodes need not know of each other. What comes too late for its span is released anew: time
//! that passed is lost, and never caught up with.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::work::MAX_TARGETS;

/// Spans are allotted up to so far ahead: long enough for a row to reach a worker, and short enough for what the worker read of its targets to be
/// true when the last of them is sent.
pub const AHEAD: TimeDelta = TimeDelta::milliseconds(400);
/// How far ahead the first span begins, and one after a rest.
const LEAD: TimeDelta = TimeDelta::milliseconds(100);
/// A push that is later than this is not started in its span any more.
pub const LATE: TimeDelta = TimeDelta::milliseconds(25);
/// Rows of a paced run take at most this part of a second.
const ROWS_A_SECOND: u32 = 4;
/// In thousandths, how much of the pace is planned. With what may be [`LATE`] no second gets more than the pace, and each gets 95 % of it.
const PLANNED: i64 = 975;
/// In a second.
const MICROS: i64 = 1_000_000;

/// Pushes a second, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pace(u32);

impl Pace {
    /// The greatest.
    pub const MAX: u32 = 100_000;

    /// So many a second; `None` beyond 1 to [`Pace::MAX`].
    pub fn new(per_second: u32) -> Option<Self> {
        (1..=Self::MAX).contains(&per_second).then_some(Self(per_second))
    }

    /// Pushes a second.
    pub fn per_second(self) -> u32 {
        self.0
    }

    /// How many targets a row of a run of this pace has, at most.
    pub fn row(self) -> usize {
        usize::try_from(self.0 / ROWS_A_SECOND).unwrap_or(MAX_TARGETS).clamp(1, MAX_TARGETS)
    }

    /// How long so many pushes take.
    pub fn span(self, pushes: usize) -> TimeDelta {
        let pushes = i64::try_from(pushes).unwrap_or(i64::MAX);
        TimeDelta::microseconds(pushes.saturating_mul(MICROS * 1000 / PLANNED) / i64::from(self.0))
    }
}

/// The span of time of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// When it begins, by the store's clock.
    pub at: Timestamp,
    /// The run's.
    pub pace: Pace,
}

impl Slot {
    /// When the push of this number, from 0, of `pushes` is to start, in a row of so many targets.
    pub fn instant(&self, number: usize, pushes: usize, targets: usize) -> Timestamp {
        let span = self.pace.span(targets).num_microseconds().unwrap_or(i64::MAX);
        let part = i128::from(span) * number as i128 / pushes.max(1) as i128;
        self.at + TimeDelta::microseconds(i64::try_from(part).unwrap_or(i64::MAX))
    }
}

/// The beginnings of the spans of rows with so many targets, in their order, and where the next one begins: of as many rows as there are instants.
/// `next`: what it was before.
pub fn allot(pace: Pace, next: Option<Timestamp>, now: Timestamp, rows: impl IntoIterator<Item = usize>) -> (Vec<Timestamp>, Timestamp) {
    let mut at = next.map_or(now + LEAD, |next| next.max(now + LEAD));
    let mut slots = Vec::new();
    for targets in rows {
        if at >= now + AHEAD {
            break;
        }
        slots.push(at);
        at += pace.span(targets);
    }
    (slots, at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_timestamp_micros(1_800_000_000_000_000 + micros).unwrap()
    }

    #[test]
    fn a_pace_is_within_its_limits() {
        for (given, taken) in [(0, false), (1, true), (100_000, true), (100_001, false)] {
            assert_eq!(Pace::new(given).is_some(), taken, "{given}");
        }
    }

    #[test]
    fn rows_are_a_quarter_of_a_second_at_most() {
        for (pace, row) in [(1, 1), (7, 1), (8, 2), (500, 125), (2000, 500), (100_000, 500)] {
            assert_eq!(Pace(pace).row(), row);
        }
    }

    #[test]
    fn what_is_far_ahead_is_left_for_the_next_time() {
        let pace = Pace(500);
        let (slots, next) = allot(pace, None, at(0), [125; 10]);
        assert_eq!(slots, [at(100_000), at(356_410)]);
        assert_eq!(allot(pace, Some(next), at(0), [125]), (Vec::new(), next));
        let (slots, _) = allot(pace, Some(next), at(300_000), [125; 10]);
        assert_eq!(slots, [next]);
    }

    #[test]
    fn time_that_passed_is_lost() {
        let (slots, _) = allot(Pace(500), Some(at(0)), at(9_000_000), [125; 10]);
        assert_eq!(slots, [at(9_100_000), at(9_356_410)]);
    }

    #[test]
    fn an_expansion_takes_no_time() {
        let (slots, next) = allot(Pace(1), None, at(0), [0, 1]);
        assert_eq!((slots, next), (vec![at(100_000), at(100_000)], at(1_125_641)));
    }

    proptest! {
        /// However late each push is within what is allowed, and wherever the second begins.
        #[test]
        fn no_second_has_more_than_the_pace_and_each_has_95_percent_of_it(
            pace in 20_u32..5000, lateness in proptest::collection::vec(0_i64..25_000, 64), offset in 0_i64..1_000_000,
        ) {
            let pace = Pace(pace);
            let (mut now, mut next, mut sent) = (0, None, Vec::new());
            while now < 4_000_000 {
                let (slots, after) = allot(pace, next, at(now), std::iter::repeat(pace.row()));
                for slot in slots {
                    let slot = Slot { at: slot, pace };
                    sent.extend((0..pace.row()).map(|n| slot.instant(n, pace.row(), pace.row())));
                }
                next = Some(after);
                now += 100_000;
            }
            let late = sent.iter().zip(lateness.iter().cycle()).map(|(at, late)| *at + TimeDelta::microseconds(*late));
            let late: Vec<Timestamp> = late.collect();
            for second in 1..3 {
                let from = at(offset + second * 1_000_000);
                let n = late.iter().filter(|at| (from..from + TimeDelta::seconds(1)).contains(at)).count();
                let pace = pace.per_second() as usize;
                prop_assert!(n <= pace, "{n} of {pace}");
                prop_assert!(n * 100 + 100 >= pace * 95, "{n} of {pace}");
            }
        }

        #[test]
        fn those_that_go_are_spread_over_all_of_the_span(pushes in 1_usize..500, more in 0_usize..500) {
            let slot = Slot { at: at(0), pace: Pace(500) };
            let instants: Vec<Timestamp> = (0..pushes).map(|n| slot.instant(n, pushes, pushes + more)).collect();
            prop_assert!(instants.is_sorted());
            prop_assert_eq!(instants[0], slot.at);
            prop_assert!(*instants.last().unwrap() < slot.at + Pace(500).span(pushes + more));
        }
    }
}
