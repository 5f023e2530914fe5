//! Rows of runs that have a pace: which are let into the ready window, and which of those that come out of it are taken, over which span of time
//! each.

use super::suspects;
use crate::domain::Timestamp;
use crate::domain::pace::{Pace, allot, feed};
use crate::domain::work::Entry;

/// A run's pace, and as when its last turn counts.
#[derive(Clone, Copy)]
pub(in crate::store) struct Fed {
    pub(in crate::store) pace: Pace,
    pub(in crate::store) served: Option<Timestamp>,
}

/// Those of these rows, the longest due first, that are released now; and as when this turn counts.
pub(in crate::store) fn release(run: Fed, now: Timestamp, mut free: Vec<Entry>) -> (Vec<Entry>, Timestamp) {
    let (released, served) = feed(run.pace, run.served, now, free.iter().map(|entry| entry.targets));
    free.truncate(released);
    (free, served)
}

/// A run's pace, and where its next span begins.
#[derive(Clone, Copy)]
pub(in crate::store) struct Paced {
    pub(in crate::store) pace: Pace,
    pub(in crate::store) next: Option<Timestamp>,
}

/// A row that could be taken if there is time for it.
#[derive(Clone, Copy)]
pub(in crate::store) struct Ripe<K> {
    pub(in crate::store) key: K,
    pub(in crate::store) targets: usize,
    pub(in crate::store) takes: u32,
}

/// What becomes of rows that are claimed.
pub(in crate::store) struct Allotted<K> {
    /// Those that are taken, each with the beginning of its span.
    pub(in crate::store) taken: Vec<(K, Timestamp)>,
    /// Those that are not, each with when it is due again.
    pub(in crate::store) later: Vec<(K, Timestamp)>,
    /// Where the run's next span begins then; to be written also where nothing is taken, since it may have been beyond what a clock that was set
    /// back reaches.
    pub(in crate::store) next: Timestamp,
}

/// Allots time to these rows of a run, the first published first. Of suspects only a few are taken, after the others.
pub(in crate::store) fn claim<K: Copy + Ord>(run: Paced, now: Timestamp, rows: Vec<Ripe<K>>) -> Allotted<K> {
    let (mut few, mut rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.takes >= suspects::TAKES);
    few.sort_unstable_by_key(|row| (row.takes, row.key));
    let others = few.split_off(suspects::at_once(few.len()));
    rows.append(&mut few);
    let allotted = allot(run.pace, run.next, now, rows.iter().map(|row| row.targets));
    let left = rows.split_off(allotted.spans.len());
    let later = left.iter().map(|row| row.key).zip(allotted.later);
    let put_off = others.iter().map(|row| (row.key, now + suspects::WAIT));
    Allotted {
        taken: rows.iter().map(|row| row.key).zip(allotted.spans).collect(),
        later: later.chain(put_off).collect(),
        next: allotted.next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::pace::AHEAD;

    #[test]
    fn suspects_are_taken_a_few_at_a_time_and_last() {
        let run = Paced { pace: Pace::new(1000).unwrap(), next: None };
        let now = Timestamp::UNIX_EPOCH;
        let rows = (0..4).map(|key| Ripe { key, targets: 1, takes: if key < 2 { 2 } else { 0 } }).collect();
        let Allotted { taken, later, next } = claim(run, now, rows);
        assert_eq!(taken.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [2, 3, 0]);
        assert_eq!(later, [(1, now + suspects::WAIT)]);
        assert!(taken.is_sorted_by_key(|(_, at)| *at) && next < now + AHEAD);
    }
}
