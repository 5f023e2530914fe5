//! A clock that stands until it is turned.

use std::sync::Mutex;
use std::time::Duration;

use chrono::TimeZone;

use crate::domain::Timestamp;
use crate::domain::clock::Clock;

pub(in crate::providers) struct TestClock(Mutex<Duration>);

impl TestClock {
    pub(in crate::providers) fn new() -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self(Mutex::new(Duration::from_hours(100))))
    }

    pub(in crate::providers) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        chrono::Utc.timestamp_opt(1_790_000_000, 0).unwrap() + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}
