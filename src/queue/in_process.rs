//! The ready window in the process itself: a bounded deque per stream.
//!
//! It is empty after a start and forgets an entry as soon as it is taken: the lease in the store brings back what a worker
//! dropped, so there is nothing to track, [`Queue::ack`] has nothing to do and [`Queue::reclaim`] nothing to find.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::{Entry, Error, Queue, Taken};
use crate::domain::work::{Stream, WorkKey};

/// What a target costs its stream, in the order in which streams go first: the inverse of the weights 8 : 4 : 1.
const COSTS: [(Stream, u64); 3] = [(Stream::High, 1), (Stream::Normal, 2), (Stream::Bulk, 8)];

/// A queue for one node.
pub struct InProcessQueue {
    window: usize,
    streams: Mutex<Streams>,
    filled: Notify,
}

#[derive(Default)]
struct Streams {
    lines: BTreeMap<Stream, Line>,
    /// What waits, so that a row published twice is taken once.
    waiting: HashSet<WorkKey>,
    /// What the line that was served last had been charged before: who comes back from idling starts there, and has saved nothing up.
    clock: u64,
}

/// One stream. The one that was charged least is served next, so that many small takes keep to the weights as one large does.
#[derive(Default)]
struct Line {
    entries: VecDeque<Entry>,
    charged: u64,
}

impl InProcessQueue {
    /// A queue whose streams should hold `window` entries each.
    pub fn new(window: usize) -> Self {
        Self { window, streams: Mutex::default(), filled: Notify::new() }
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        // nothing that could panic runs under the lock
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Streams {
    fn push(&mut self, entry: Entry, limit: usize) -> bool {
        let line = self.lines.entry(entry.stream).or_default();
        if line.entries.len() >= limit || !self.waiting.insert(entry.key) {
            return false;
        }
        if line.entries.is_empty() {
            line.charged = line.charged.max(self.clock);
        }
        line.entries.push_back(entry);
        true
    }

    /// Entries of at most `max` targets, or one with more.
    fn take(&mut self, max: usize) -> Vec<Taken> {
        let mut taken = Vec::with_capacity(max.min(self.waiting.len()));
        let mut room = max;
        while room > 0
            && let Some(entry) = self.next(if taken.is_empty() { usize::MAX } else { room })
        {
            room = room.saturating_sub(entry.targets.max(1));
            taken.push(Taken { entry, receipt: String::new() });
        }
        taken
    }

    /// The first entry of the stream whose turn it is, if it fits.
    fn next(&mut self, room: usize) -> Option<Entry> {
        let turn = |(stream, cost): &(Stream, u64)| {
            self.lines.get(stream).filter(|line| !line.entries.is_empty()).map(|line| (line.charged, *cost, *stream))
        };
        let (charged, cost, stream) = COSTS.iter().filter_map(turn).min()?;
        let line = self.lines.get_mut(&stream)?;
        let entry = line.entries.pop_front_if(|entry| entry.targets <= room)?;
        self.clock = charged;
        line.charged = charged.saturating_add(cost.saturating_mul(entry.targets.max(1) as u64));
        self.waiting.remove(&entry.key);
        Some(entry)
    }
}

#[async_trait]
impl Queue for InProcessQueue {
    async fn publish(&self, entries: &[Entry]) -> Result<(), Error> {
        let (mut streams, limit) = (self.streams(), self.limit());
        let added = entries.iter().filter(|entry| streams.push(**entry, limit)).count();
        drop(streams);
        if added > 0 {
            self.filled.notify_one();
        }
        Ok(())
    }

    async fn take(&self, max: usize, wait: Duration) -> Result<Vec<Taken>, Error> {
        let take = async {
            loop {
                let filled = self.filled.notified();
                let taken = self.streams().take(max);
                if !taken.is_empty() || max == 0 {
                    return taken;
                }
                filled.await;
            }
        };
        let taken = timeout(wait, take).await.unwrap_or_default();
        // another that waits may have been passed over
        if !self.streams().waiting.is_empty() {
            self.filled.notify_one();
        }
        Ok(taken)
    }

    async fn ack(&self, _taken: &[Taken]) -> Result<(), Error> {
        Ok(())
    }

    async fn reclaim(&self, _max: usize, _idle: Duration) -> Result<Vec<Taken>, Error> {
        Ok(Vec::new())
    }

    async fn len(&self, stream: Stream) -> Result<usize, Error> {
        Ok(self.streams().lines.get(&stream).map_or(0, |line| line.entries.len()))
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn tidy(&self) -> Result<(), Error> {
        Ok(())
    }

    fn window(&self) -> usize {
        self.window
    }
}
