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

/// What may forbid a request at any time.
type Stopped = Box<dyn Fn() -> bool + Send + Sync>;

struct State {
    clock: Arc<dyn Clock>,
    not_from: Timestamp,
    good_until: Duration,
    stopped: Option<Stopped>,
    requests: AtomicU32,
}

impl Handover {
    /// Requests may start before `not_from`, where the person's quiet hours begin or the push's life ends, and before `good_until` on the
    /// monotonic clock, where its lease ends or what was read of the device is too old.
    pub fn until(not_from: Timestamp, good_until: Duration, clock: Arc<dyn Clock>) -> Self {
        Self::new(not_from, good_until, clock, None)
    }

    /// The same, and none once `stopped` says so.
    pub fn until_stopped(
        not_from: Timestamp,
        good_until: Duration,
        clock: Arc<dyn Clock>,
        stopped: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::new(not_from, good_until, clock, Some(Box::new(stopped)))
    }

    fn new(not_from: Timestamp, good_until: Duration, clock: Arc<dyn Clock>, stopped: Option<Stopped>) -> Self {
        Self(Arc::new(State { clock, not_from, good_until, stopped, requests: AtomicU32::new(0) }))
    }

    /// Whether a request may start now.
    pub fn is_open(&self) -> bool {
        self.is_open_at(self.0.clock.now())
    }

    fn is_open_at(&self, now: Timestamp) -> bool {
        let State { clock, not_from, good_until, stopped, .. } = &*self.0;
        let is_stopped = stopped.as_ref().is_some_and(|stopped| stopped());
        now < *not_from && clock.monotonic() < *good_until && !is_stopped
    }

    /// The same, and counts the request if so. The log tells its instant, at `trace`: what a pace comes to over several nodes is seen nowhere else.
    pub fn start(&self) -> bool {
        let now = self.0.clock.now();
        let may = self.is_open_at(now);
        if may {
            self.0.requests.fetch_add(1, Ordering::Relaxed);
            tracing::trace!(at_micros = now.timestamp_micros(), "a request starts");
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
