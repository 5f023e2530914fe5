//! What lanes have under way: none so much that nothing is left for the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::{Lane, Service};

/// A lane may have so many times what is free under way: three quarters of everything where it is alone, and the more lanes are slow,
/// the less each has. So there is always room for one that is not (Choudhury and Hahne, "Dynamic queue length thresholds for
/// shared-memory packet switches", 1998).
const TIMES: usize = 3;

/// The pushes of all lanes that are under way.
pub struct Wire {
    most: usize,
    under_way: AtomicUsize,
    ended: Notify,
}

impl Wire {
    pub(super) fn new(most: usize) -> Self {
        Self { most, under_way: AtomicUsize::new(0), ended: Notify::new() }
    }

    /// Whether a lane that has so many under way may have another; `of_way`: to a way that has so many of them and is one of several, for
    /// which the same holds within the lane.
    pub(super) fn has_room(&self, of_lane: usize, of_way: Option<usize>) -> bool {
        let free = self.most.saturating_sub(self.under_way.load(Ordering::Relaxed));
        let left = (free * TIMES).max(1).saturating_sub(of_lane);
        left > 0 && of_way.is_none_or(|of_way| of_way < left * TIMES)
    }

    /// Ends when a push does.
    pub fn ended(&self) -> Notified<'_> {
        self.ended.notified()
    }
}

/// The right of one push to be on the wire.
#[derive(Debug)]
pub struct Pass {
    lane: Arc<Lane>,
    service: Service,
    /// The turn of the way's breaker in which it began, until it has told what became of it.
    turn: Option<u64>,
}

impl Pass {
    pub(super) fn new(lane: Arc<Lane>, service: Service, turn: u64) -> Self {
        lane.wire.under_way.fetch_add(1, Ordering::Relaxed);
        Self { lane, service, turn: Some(turn) }
    }

    /// Its lane.
    pub fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    /// It has an outcome. The turn in which it began, once.
    pub(super) fn tell(&mut self) -> Option<u64> {
        self.turn.take()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.lane.ended(&self.service, self.turn);
        self.lane.wire.under_way.fetch_sub(1, Ordering::Relaxed);
        self.lane.wire.ended.notify_waiters();
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").field("key", &self.key).finish_non_exhaustive()
    }
}
