//! Clocks over the runtime's paused time: a wall clock that may step, and a steady one that may leap forward but never goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use herald::domain::Timestamp;
use herald::domain::clock::Clock;
use tokio::time::Instant;

/// The wall clock that everybody's time of day comes from: the store's.
pub struct WallClock {
    origin: Instant,
    start: Timestamp,
    stepped: AtomicI64,
}

impl WallClock {
    pub fn starting_at(start: Timestamp) -> Self {
        Self { origin: Instant::now(), start, stepped: AtomicI64::new(0) }
    }

    /// Time since the run began, which nothing but the run itself knows.
    pub fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    pub fn step(&self, by: TimeDelta) {
        self.stepped.fetch_add(by.num_microseconds().unwrap(), Ordering::Relaxed);
    }

    fn time_of_day(&self) -> Timestamp {
        let elapsed = i64::try_from(self.elapsed().as_micros()).unwrap();
        self.start + TimeDelta::microseconds(elapsed + self.stepped.load(Ordering::Relaxed))
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        self.time_of_day()
    }

    fn monotonic(&self) -> Duration {
        self.elapsed()
    }
}

/// One node's clock: the common time of day, and a steady time of its own.
pub struct NodeClock {
    wall: Arc<WallClock>,
    leapt: AtomicU64,
}

impl NodeClock {
    pub fn of(wall: Arc<WallClock>) -> Self {
        Self { wall, leapt: AtomicU64::new(0) }
    }

    /// The steady time goes forward at once, as when a machine slept.
    pub fn leap(&self, by: Duration) {
        self.leapt.fetch_add(u64::try_from(by.as_micros()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for NodeClock {
    fn now(&self) -> Timestamp {
        self.wall.time_of_day()
    }

    fn monotonic(&self) -> Duration {
        self.wall.elapsed() + Duration::from_micros(self.leapt.load(Ordering::Relaxed))
    }
}
