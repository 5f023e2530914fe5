//! The real clock, ids and chance. Everything else is handed them as traits, so that it can be run under a clock and a seed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::SubsecRound;
use rustix::time::{ClockId, clock_gettime};
use uuid::{ContextV7, Uuid};

use crate::domain::Timestamp;
use crate::domain::clock::{Clock, Ids, Rng};
use crate::domain::id::{NotificationId, WorkId};

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// `CLOCK_MONOTONIC` stands still while a Linux machine sleeps, and a lease would seem alive after a night in a laptop bag.
#[cfg(any(target_os = "linux", target_os = "android"))]
const STEADY: ClockId = ClockId::Boottime;
/// Elsewhere (macOS) the monotonic clock goes on.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const STEADY: ClockId = ClockId::Monotonic;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the wall clock comes from")]
    fn now(&self) -> Timestamp {
        // no store keeps more, and what is answered first must be what is read later
        chrono::Utc::now().trunc_subsecs(6)
    }

    fn monotonic(&self) -> Duration {
        let time = clock_gettime(STEADY);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
    }
}

/// Ids that sort in the order in which this process made them, also when the clock steps back.
pub struct SystemIds {
    sequence: Mutex<Sequence>,
}

struct Sequence {
    context: ContextV7,
    latest: (u64, u32),
}

impl SystemIds {
    /// A sequence of its own; one per process.
    pub fn new() -> Self {
        Self { sequence: Mutex::new(Sequence { context: ContextV7::new(), latest: (0, 0) }) }
    }
}

impl Default for SystemIds {
    fn default() -> Self {
        Self::new()
    }
}

impl Ids for SystemIds {
    fn notification(&self, now: Timestamp) -> NotificationId {
        let instant = (u64::try_from(now.timestamp()).unwrap_or_default(), now.timestamp_subsec_nanos().min(999_999_999));
        let mut sequence = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
        sequence.latest = sequence.latest.max(instant);
        let (seconds, nanoseconds) = sequence.latest;
        NotificationId(Uuid::new_v7(uuid::Timestamp::from_unix(&sequence.context, seconds, nanoseconds)))
    }

    fn work(&self) -> WorkId {
        WorkId((rand::random::<u64>() >> 2).cast_signed())
    }
}

/// The operating system's chance, through a generator per thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn fraction(&self) -> f64 {
        rand::random::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn ids_grow_though_the_clock_steps_back() {
        let ids = SystemIds::new();
        let noon: Timestamp = "2026-11-01T12:00:00Z".parse().unwrap();
        let mut latest = ids.notification(noon);
        for step in [0, 1, -3_600_000, 5, -86_400_000, 0, 2] {
            for _ in 0..200 {
                let id = ids.notification(noon + TimeDelta::milliseconds(step));
                assert!(id > latest, "{id} is not after {latest}");
                latest = id;
            }
        }
    }

    #[test]
    fn an_id_carries_its_instant() {
        let noon: Timestamp = "2026-11-01T12:00:00.250Z".parse().unwrap();
        let id = SystemIds::new().notification(noon);
        assert_eq!(id.0.get_timestamp().unwrap().to_unix(), (noon.timestamp().cast_unsigned(), 250_000_000));
    }

    #[test]
    fn work_ids_are_positive() {
        let ids = SystemIds::new();
        assert!((0..1000).all(|_| ids.work().0 >= 0));
    }

    #[test]
    fn the_steady_clock_goes_forward() {
        let first = SystemClock.monotonic();
        assert!(SystemClock.monotonic() >= first);
        assert!(first > Duration::ZERO);
    }
}
