//! Which faults a run has, and how many: each seed mixes its own, so that rare ones also come alone.

use std::time::Duration;

use crate::chance::Chance;

/// How rare faults are: one in so many; 0 is never.
#[derive(Clone, Debug)]
pub struct Weather {
    pub nodes: u64,
    /// Sends under way or not yet recorded, per node.
    pub permits: usize,
    /// Entries that a stream of the queue should hold.
    pub window: usize,
    /// Calls of the store that fail before they take effect, or after.
    pub failing_calls: u64,
    /// Calls that take long.
    pub slow_calls: u64,
    /// Records that are not answered, and take effect when nobody waits for it any more.
    pub late_records: u64,
    /// Calls of store, queue and provider in which the process is killed.
    pub deadly_calls: u64,
    /// The same in which it stands still.
    pub numbing_calls: u64,
    /// Entries that are lost, doubled or moved.
    pub queue_faults: u64,
    /// Sends that do not end as accepted.
    pub bad_sends: u64,
    /// One send in so many waits for a stream.
    pub busy_streams: u64,
    /// Disasters between two requests of callers, by kind.
    pub kills: u64,
    pub freezes: u64,
    pub stops: u64,
    pub outages: u64,
    pub flushes: u64,
    pub steps: u64,
    pub leaps: u64,
    pub fallbacks: u64,
    /// How long all this goes on.
    pub stormy: Duration,
}

impl Weather {
    /// Nothing goes wrong.
    pub fn fair(nodes: u64, permits: usize) -> Self {
        Self {
            nodes,
            permits,
            window: 20,
            failing_calls: 0,
            slow_calls: 0,
            late_records: 0,
            deadly_calls: 0,
            numbing_calls: 0,
            queue_faults: 0,
            bad_sends: 0,
            busy_streams: 10,
            kills: 0,
            freezes: 0,
            stops: 0,
            outages: 0,
            flushes: 0,
            steps: 0,
            leaps: 0,
            fallbacks: 0,
            stormy: Duration::ZERO,
        }
    }

    /// The weather that this chance makes.
    pub fn of(chance: &Chance) -> Self {
        // half of the kinds are absent from a run
        let maybe = |rarities: &[u64]| if chance.one_in(2) { 0 } else { chance.pick(rarities).copied().unwrap_or_default() };
        let fallbacks = if chance.one_in(12) { 60 } else { 0 };
        Self {
            nodes: 2 + chance.below(3),
            permits: 2 + usize::try_from(chance.below(6)).unwrap(),
            window: 4 + usize::try_from(chance.below(20)).unwrap(),
            failing_calls: maybe(&[30, 100, 300]),
            slow_calls: maybe(&[30, 100, 300]),
            // a store that falls back has lost all connections, and what was under way on them
            late_records: if fallbacks > 0 { 0 } else { maybe(&[10, 50]) },
            deadly_calls: maybe(&[200, 600]),
            numbing_calls: maybe(&[100, 300]),
            queue_faults: maybe(&[5, 20, 60]),
            bad_sends: maybe(&[2, 5, 20]),
            busy_streams: 10,
            kills: maybe(&[15, 40]),
            freezes: maybe(&[10, 30]),
            stops: maybe(&[15, 40]),
            outages: maybe(&[30, 60]),
            flushes: maybe(&[20, 60]),
            steps: maybe(&[30, 60]),
            leaps: maybe(&[30, 60]),
            fallbacks,
            stormy: Duration::from_secs(10 + chance.below(20)),
        }
    }
}
