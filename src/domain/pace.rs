//! A run's pace: how many pushes a second it hands to providers, over all nodes.
//!
//! Whoever claims a row of the run allots it a span of time of its own under the lock of the run, and the row's pushes are spread evenly over it.
//! Two rows never share an instant, so that nodes need not know of each other. What comes too late for its span goes back and gets another: time
//! that passed is lost, and never caught up with.
//!
//! Rows are let into the ready window by a measure of its own ([`feed`]): how long they stand there does not matter, since their time is allotted
//! when they come out.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::work::MAX_TARGETS;

/// Spans begin up to so far ahead: long enough to bridge what lies between two claims of the run, and short enough for what the worker read of a
/// row's targets to be true when the last of them is sent.
pub const AHEAD: TimeDelta = TimeDelta::milliseconds(400);
/// How far ahead the first span begins, and one after a rest: long enough for a worker to read the row's targets.
const LEAD: TimeDelta = TimeDelta::milliseconds(100);
/// A row whose time has not come is due so long before its span could begin, to be released and claimed by then. Less than [`AHEAD`], so that it
/// waits for a while in any case.
const EARLY: TimeDelta = TimeDelta::milliseconds(200);
/// A push that is later than this is not started in its span any more.
pub const LATE: TimeDelta = TimeDelta::milliseconds(25);
/// A run is fed as if it had waited so long, at most: then so much of its pace is let into the window at once.
const STOCK: TimeDelta = TimeDelta::seconds(1);
/// A run that seems to be fed for longer than this was fed before the clock was set back. More than the time of any row.
const FED: TimeDelta = TimeDelta::seconds(2);
/// Runs take turns, the longest not served first; one with a pace counts as if its turn had been so much longer ago. It takes no more than its
/// pace, and would not reach it if each of many others had a turn in between; those that have waited for longer than this go first all the same.
const PRECEDENCE: TimeDelta = TimeDelta::seconds(10);
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

/// What becomes of rows that are claimed together, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allotment {
    /// The beginnings of the spans of those that are taken: the first ones.
    pub spans: Vec<Timestamp>,
    /// When each of the others is due again.
    pub later: Vec<Timestamp>,
    /// Where the run's next span begins; it may be another than before although nothing is taken.
    pub next: Timestamp,
}

/// Allots time to rows with so many targets, none of which has more than [`Pace::row`]. `next`: where the run's next span begins so far.
///
/// Where `next` is further ahead than spans can be, the clock was set back: what was allotted is over when as much time has passed as it was
/// ahead then.
pub fn allot(pace: Pace, next: Option<Timestamp>, now: Timestamp, rows: impl IntoIterator<Item = usize>) -> Allotment {
    let (first, last) = (now + LEAD, now + AHEAD + pace.span(pace.row()));
    let mut at = next.map_or(first, |next| next.clamp(first, last));
    let mut allotted = Allotment { spans: Vec::new(), later: Vec::new(), next: at };
    for targets in rows {
        let after = at + pace.span(targets);
        if at < now + AHEAD {
            allotted.spans.push(at);
            allotted.next = after;
        } else {
            allotted.later.push(at - EARLY);
        }
        at = after;
    }
    allotted
}

/// When a run is fed again: where its last turn counts as before the first instant, or as after the second (see [`feed`]).
pub fn hungry(now: Timestamp) -> (Timestamp, Timestamp) {
    let present = now - PRECEDENCE;
    (present, present + FED)
}

/// How many of the rows with so many targets are let into the ready window now, and as when this turn counts. `served`: the same of the last one.
///
/// It is a quarter more than the pace. So there is always a row to claim, also where some come at the wrong moment; what is too much goes back
/// when it is claimed, with the instant at which its time comes. Nothing is held against what is in the window already: behind the work of
/// others a row may stand there for long, and the run needs as many as its pace asks for in that time.
pub fn feed(pace: Pace, served: Option<Timestamp>, now: Timestamp, rows: impl IntoIterator<Item = usize>) -> (usize, Timestamp) {
    let (present, stepped) = hungry(now);
    let least = present - STOCK;
    let mut at = served.filter(|served| *served <= stepped).map_or(least, |served| served.max(least));
    let mut released = 0;
    for targets in rows {
        if at > present {
            break;
        }
        at += pace.span(targets) * 4 / 5;
        released += 1;
    }
    (released, at)
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
    fn what_is_far_ahead_is_left_for_later() {
        let pace = Pace(500);
        let first = allot(pace, None, at(0), [125; 4]);
        assert_eq!(first, Allotment { spans: vec![at(100_000), at(356_410)], later: vec![at(412_820), at(669_230)], next: at(612_820) });
        let next = Some(first.next);
        assert_eq!(allot(pace, next, at(0), [125]), Allotment { spans: Vec::new(), later: vec![at(412_820)], next: first.next });
        assert_eq!(allot(pace, next, at(412_820), [125]).spans, [first.next]);
    }

    #[test]
    fn time_that_passed_is_lost() {
        assert_eq!(allot(Pace(500), Some(at(0)), at(9_000_000), [125; 10]).spans, [at(9_100_000), at(9_356_410)]);
    }

    #[test]
    fn what_has_no_targets_takes_no_time() {
        let allotted = allot(Pace(1), None, at(0), [0, 1]);
        assert_eq!((allotted.spans, allotted.next), (vec![at(100_000), at(100_000)], at(1_125_641)));
    }

    #[test]
    fn a_run_is_fed_a_second_at_first_and_a_quarter_more_than_its_pace_then() {
        let pace = Pace(500);
        let (first, mut fed) = feed(pace, None, at(0), [125; 100]);
        assert_eq!(first, 5);
        let mut more = 0;
        for n in 1..=100 {
            let (rows, after) = feed(pace, Some(fed), at(n * 100_000), [125; 100]);
            (more, fed) = (more + rows, after);
        }
        // a row each 205 ms, from the first 26 ms on
        assert_eq!(more, 49);
    }

    #[test]
    fn what_was_fed_before_the_clock_was_set_back_does_not_count() {
        let (rows, fed) = feed(Pace(500), Some(at(3_600_000_000)), at(0), [125]);
        assert_eq!((rows, fed), (1, at(-10_794_872)));
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
                let allotted = allot(pace, next, at(now), std::iter::repeat_n(pace.row(), 8));
                for slot in allotted.spans {
                    let slot = Slot { at: slot, pace };
                    sent.extend((0..pace.row()).map(|n| slot.instant(n, pace.row(), pace.row())));
                }
                next = Some(allotted.next);
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

        /// Whoever claims, whenever, whatever the rows: by a clock that only goes on no two spans share an instant, none begins too far
        /// ahead, and what is left for later comes back before its time, but not at once.
        #[test]
        fn spans_never_overlap(pace in 1_u32..5000, claims in proptest::collection::vec((0_i64..700_000, 1_usize..6, 0_usize..500), 1..40)) {
            let pace = Pace(pace);
            let (mut now, mut next, mut free_from) = (at(0), None, at(0));
            for (passed, rows, targets) in claims {
                now += TimeDelta::microseconds(passed);
                let targets = targets.min(pace.row());
                let Allotment { spans, later, next: after } = allot(pace, next, now, std::iter::repeat_n(targets, rows));
                prop_assert_eq!(spans.len() + later.len(), rows);
                for span in spans {
                    prop_assert!(span >= free_from && span >= now + LEAD && span < now + AHEAD);
                    free_from = span + pace.span(targets);
                }
                prop_assert!(later.is_sorted() && later.iter().all(|due| *due >= now + AHEAD - EARLY));
                prop_assert!(after >= free_from);
                next = Some(after);
            }
        }

        /// By a clock that is set back a run has to wait no longer than by one that is not.
        #[test]
        fn a_clock_that_is_set_back_stalls_nobody(pace in 1_u32..5000, ahead in 0_i64..100_000_000) {
            let pace = Pace(pace);
            let targets = pace.row();
            let allotted = allot(pace, Some(at(ahead)), at(0), [targets]);
            let again = allotted.later.first().copied().unwrap_or(at(0));
            prop_assert!(again <= at(0) + AHEAD + pace.span(targets));
            let then = allot(pace, Some(allotted.next), again, [targets]);
            prop_assert!(allotted.spans.len() + then.spans.len() >= 1);
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
