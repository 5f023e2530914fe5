//! A paced run's turn: which of its due rows are released, and over which span of time each.

use crate::domain::Timestamp;
use crate::domain::pace::{Pace, allot};
use crate::domain::work::Entry;

/// A run's pace, and up to when its time is allotted.
#[derive(Clone, Copy)]
pub(in crate::store) struct Paced {
    pub(in crate::store) pace: Pace,
    pub(in crate::store) next: Option<Timestamp>,
}

/// What of a run is released at an instant.
pub(in crate::store) struct Released {
    /// The rows, each with the beginning of its span.
    pub(in crate::store) rows: Vec<(Entry, Timestamp)>,
    /// Up to when the run's time is allotted now.
    pub(in crate::store) next: Timestamp,
}

/// Releases as many of these rows, the longest due first, as there is time allotted for.
pub(in crate::store) fn release(run: Paced, now: Timestamp, free: Vec<Entry>) -> Released {
    let (slots, next) = allot(run.pace, run.next, now, free.iter().map(|entry| entry.targets));
    Released { rows: free.into_iter().zip(slots).collect(), next }
}
