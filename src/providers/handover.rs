//! The handing over of a push: asked right before each request goes to a connection, whatever it waited for until then.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::domain::Timestamp;
use crate::domain::clock::Clock;

/// Says whether a request may still start, and counts those that did. Clones are the same.
#[derive(Clone)]
pub struct Handover(Arc<State>);

struct State {
    clock: Arc<dyn Clock>,
    not_from: Timestamp,
    lease_ends: Duration,
    requests: AtomicU32,
}

impl Handover {
    /// Requests may start before `not_from`, where the person's quiet hours begin or the push's life ends, and before `lease_ends` on the
    /// monotonic clock, so that a step of the wall clock never lengthens a lease.
    pub fn until(not_from: Timestamp, lease_ends: Duration, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(State { clock, not_from, lease_ends, requests: AtomicU32::new(0) }))
    }

    /// Whether a request may start now; counts it if so.
    pub fn start(&self) -> bool {
        let may = self.0.clock.now() < self.0.not_from && self.0.clock.monotonic() < self.0.lease_ends;
        if may {
            self.0.requests.fetch_add(1, Ordering::Relaxed);
        }
        may
    }

    /// Requests that were handed to a connection, immediate repeats included.
    pub fn requests(&self) -> u32 {
        self.0.requests.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").field("not_from", &self.0.not_from).field("requests", &self.requests()).finish()
    }
}
