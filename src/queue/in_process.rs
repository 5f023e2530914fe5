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

/// Shares of a take, in the order in which they are served.
const WEIGHTS: [(Stream, usize); 3] = [(Stream::High, 8), (Stream::Normal, 4), (Stream::Bulk, 1)];

/// A queue for one node.
pub struct InProcessQueue {
    window: usize,
    streams: Mutex<Streams>,
    filled: Notify,
}

#[derive(Default)]
struct Streams {
    entries: BTreeMap<Stream, VecDeque<Entry>>,
    /// What waits, so that a row published twice is taken once.
    waiting: HashSet<WorkKey>,
    /// Where the round of shares stands: many small takes keep to the weights as one large does.
    turn: usize,
}

impl InProcessQueue {
    /// A queue whose streams hold `window` entries each.
    pub fn new(window: usize) -> Self {
        Self { window, streams: Mutex::default(), filled: Notify::new() }
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        // nothing that could panic runs under the lock
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Streams {
    fn push(&mut self, entry: Entry, window: usize) -> bool {
        let stream = self.entries.entry(entry.stream).or_default();
        if stream.len() >= window || !self.waiting.insert(entry.key) {
            return false;
        }
        stream.push_back(entry);
        true
    }

    /// At most `max` entries: rounds of 8 high, 4 normal and 1 bulk, an empty stream's share passed on.
    fn take(&mut self, max: usize) -> Vec<Taken> {
        let mut taken = Vec::with_capacity(max.min(self.waiting.len()));
        while taken.len() < max && !self.waiting.is_empty() {
            let stream = stream_of(self.turn);
            self.turn = self.turn.wrapping_add(1) % rounds();
            if let Some(entry) = self.entries.get_mut(&stream).and_then(VecDeque::pop_front) {
                self.waiting.remove(&entry.key);
                taken.push(Taken { entry, receipt: String::new() });
            }
        }
        taken
    }
}

fn rounds() -> usize {
    WEIGHTS.iter().map(|(_, weight)| weight).sum()
}

fn stream_of(turn: usize) -> Stream {
    let mut left = turn;
    for (stream, weight) in WEIGHTS {
        if left < weight {
            return stream;
        }
        left -= weight;
    }
    Stream::Bulk
}

#[async_trait]
impl Queue for InProcessQueue {
    async fn publish(&self, entries: &[Entry]) -> Result<(), Error> {
        let mut streams = self.streams();
        let added = entries.iter().filter(|entry| streams.push(**entry, self.window)).count();
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
        Ok(self.streams().entries.get(&stream).map_or(0, VecDeque::len))
    }

    fn window(&self) -> usize {
        self.window
    }
}
