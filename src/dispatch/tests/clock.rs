//! A clock that stands until it is moved: the time of day, the time that only goes forward, or both.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};

use crate::domain::Timestamp;
use crate::domain::clock::Clock;

/// The 2nd of November 2026, 09:00 UTC, in microseconds since 1970.
const START: i64 = 1_793_610_000_000_000;

pub(in crate::dispatch) struct TestClock {
    wall: AtomicI64,
    monotonic: AtomicU64,
}

impl Default for TestClock {
    fn default() -> Self {
        Self { wall: AtomicI64::new(START), monotonic: AtomicU64::new(1_000_000_000) }
    }
}

impl TestClock {
    /// Time passes.
    pub(in crate::dispatch) fn pass(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap();
        self.monotonic.fetch_add(micros, Ordering::SeqCst);
        self.step(TimeDelta::from_std(time).unwrap());
    }

    /// Someone sets the clock.
    pub(in crate::dispatch) fn step(&self, by: TimeDelta) {
        self.wall.fetch_add(by.num_microseconds().unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        DateTime::from_timestamp_micros(self.wall.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.monotonic.load(Ordering::SeqCst))
    }
}
