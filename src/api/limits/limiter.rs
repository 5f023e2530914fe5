//! One rate for callers of one kind, each counted alone.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::StateInformationMiddleware;
use governor::{Quota, RateLimiter};

use super::buckets::Buckets;
use super::standing::Standing;
use crate::api::settings::Rate;
use crate::domain::clock::Clock;

/// Callers that are as never seen are forgotten so often, and where there was no room every second.
const SWEEP: Duration = Duration::from_mins(1);
const SWEEP_WHEN_FULL: Duration = Duration::from_secs(1);

/// A burst is so many times what comes in the rate's time.
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

#[derive(Clone)]
struct Ticks(Arc<dyn Clock>);

impl GovernorClock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

pub(super) struct Limiter {
    name: &'static str,
    burst: u32,
    /// In which the burst is whole again, in seconds.
    window: u64,
    interval: Duration,
    callers: RateLimiter<u128, Buckets, Ticks, StateInformationMiddleware>,
    clock: Arc<dyn Clock>,
    swept_at: AtomicU64,
    is_full: Arc<AtomicBool>,
}

impl Limiter {
    pub(super) fn new(name: &'static str, rate: Rate, clock: &Arc<dyn Clock>) -> Self {
        let burst = rate.count.saturating_mul(BURST);
        let interval = (rate.per / rate.count.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(interval).unwrap_or(Quota::per_second(rate.count)).allow_burst(burst);
        let buckets = Buckets::new();
        let is_full = buckets.is_full();
        let callers = RateLimiter::new(quota, buckets, Ticks(Arc::clone(clock)));
        let window = ceil(rate.per * BURST.get());
        let swept_at = AtomicU64::new(clock.monotonic().as_secs());
        Self { name, burst: burst.get(), window, interval, callers, clock: Arc::clone(clock), swept_at, is_full }
    }

    /// Counts one request of this caller; how it stands then.
    pub(super) fn take(&self, caller: u128) -> Standing {
        let taken = self.callers.check_key(&caller);
        self.sweep();
        let of = |is_refused, remaining: u32, reset| Standing {
            name: self.name,
            burst: self.burst,
            window: self.window,
            remaining,
            reset,
            is_refused,
        };
        match taken {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                of(false, remaining, ceil(self.interval * self.burst.saturating_sub(remaining)))
            }
            Err(until) => of(true, 0, ceil(until.wait_time_from(self.clock.monotonic())).max(1)),
        }
    }

    /// Forgets who is as never seen, by one of those who ask, now and then.
    fn sweep(&self) {
        let (now, last) = (self.clock.monotonic().as_secs(), self.swept_at.load(Ordering::Relaxed));
        let pause = now.saturating_sub(last);
        if pause < SWEEP_WHEN_FULL.as_secs() || (pause < SWEEP.as_secs() && !self.is_full.swap(false, Ordering::Relaxed)) {
            return;
        }
        if self.swept_at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.callers.retain_recent();
        }
    }
}

/// Whole seconds, upwards.
fn ceil(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
