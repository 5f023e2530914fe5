//! A ready window in memory that many nodes share: what a node took and did not end is found again by another.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use herald::domain::work::{Entry, Stream};
use herald::queue::{Error, Queue, Taken};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// What a target costs its stream: the inverse of the weights 8 : 4 : 1.
const COSTS: [(Stream, u64); 3] = [(Stream::High, 1), (Stream::Normal, 2), (Stream::Bulk, 8)];

/// A shared queue.
pub struct MemoryQueue {
    window: usize,
    pub streams: Mutex<Streams>,
    filled: Notify,
}

/// What is in it.
#[derive(Default)]
pub struct Streams {
    pub unread: BTreeMap<Stream, VecDeque<Entry>>,
    /// What was taken and not ended, by receipt, with the instant of the take.
    pub pending: BTreeMap<u64, (Entry, Instant)>,
    /// What each stream was charged for what was taken of it.
    charged: BTreeMap<Stream, u64>,
    /// What the stream that was served last had been charged before.
    turn: u64,
    taken: u64,
}

impl Streams {
    /// Entries of a stream, unread and pending.
    pub fn len(&self, stream: Stream) -> usize {
        let pending = self.pending.values().filter(|(entry, _)| entry.stream == stream).count();
        self.unread.get(&stream).map_or(0, VecDeque::len) + pending
    }

    fn push(&mut self, entry: Entry, limit: usize) {
        if self.len(entry.stream) >= limit {
            return;
        }
        let line = self.unread.entry(entry.stream).or_default();
        if line.is_empty() {
            // who comes back from idling has saved nothing up
            let charged = self.charged.entry(entry.stream).or_default();
            *charged = (*charged).max(self.turn);
        }
        line.push_back(entry);
    }

    fn take(&mut self, max: usize) -> Vec<Taken> {
        let mut taken: Vec<Taken> = Vec::new();
        let mut room = max;
        while room > 0 {
            let charge = |(stream, cost): &(Stream, u64)| {
                let waits = self.unread.get(stream).is_some_and(|line| !line.is_empty());
                waits.then(|| (self.charged.get(stream).copied().unwrap_or_default(), *cost, *stream))
            };
            let Some((charged, cost, stream)) = COSTS.iter().filter_map(charge).min() else { break };
            let fits = |entry: &mut Entry| entry.targets <= room || taken.is_empty();
            let Some(entry) = self.unread.get_mut(&stream).and_then(|line| line.pop_front_if(fits)) else { break };
            self.turn = charged;
            let weight = entry.targets.max(1);
            room = room.saturating_sub(weight);
            *self.charged.entry(stream).or_default() += cost * weight as u64;
            taken.push(self.hold(entry));
        }
        taken
    }

    fn hold(&mut self, entry: Entry) -> Taken {
        self.taken += 1;
        self.pending.insert(self.taken, (entry, Instant::now()));
        Taken { entry, receipt: self.taken.to_string() }
    }
}

impl MemoryQueue {
    /// A queue whose streams should hold `window` entries each.
    pub fn new(window: usize) -> Self {
        Self { window, streams: Mutex::default(), filled: Notify::new() }
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn publish(&self, entries: &[Entry]) -> Result<(), Error> {
        let mut streams = self.streams.lock();
        for entry in entries {
            streams.push(*entry, self.limit());
        }
        drop(streams);
        self.filled.notify_waiters();
        Ok(())
    }

    async fn take(&self, max: usize, wait: Duration) -> Result<Vec<Taken>, Error> {
        let take = async {
            loop {
                let filled = self.filled.notified();
                let taken = self.streams.lock().take(max);
                if !taken.is_empty() || max == 0 {
                    return taken;
                }
                filled.await;
            }
        };
        Ok(timeout(wait, take).await.unwrap_or_default())
    }

    async fn ack(&self, taken: &[Taken]) -> Result<(), Error> {
        let mut streams = self.streams.lock();
        for receipt in taken.iter().filter_map(|taken| taken.receipt.parse().ok()) {
            streams.pending.remove(&receipt);
        }
        Ok(())
    }

    async fn reclaim(&self, max: usize, idle: Duration) -> Result<Vec<Taken>, Error> {
        let mut streams = self.streams.lock();
        let now = Instant::now();
        let dropped = streams.pending.iter().filter(|(_, (_, taken_at))| now - *taken_at >= idle);
        let receipts: Vec<u64> = dropped.map(|(receipt, _)| *receipt).take(max).collect();
        Ok(receipts
            .iter()
            .filter_map(|receipt| streams.pending.remove(receipt))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(entry, _)| streams.hold(entry))
            .collect())
    }

    async fn len(&self, stream: Stream) -> Result<usize, Error> {
        Ok(self.streams.lock().len(stream))
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
