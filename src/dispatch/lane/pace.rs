//! The pace of a lane: half of it where a provider asks for patience, and back step by step.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::domain::clock::Clock;

/// A lane is never slower than so many a second.
const LEAST: u32 = 5;
/// Refusals in a second before it counts.
const KNOWN: u32 = 5;
/// One in so many answers of a second may be a refusal.
const CHANCE: u32 = 10;
/// A limit grows by one in so many of the pace before it, each second that goes well: it is back after 20 seconds at most.
const STEPS: u32 = 20;
/// A limit lasts until it is so many times the pace before it.
const BEYOND: u32 = 2;

/// A second's worth goes in so many portions.
pub(super) const PORTIONS: u32 = 4;

/// The lane's clock, as the library wants it.
struct Monotonic(Arc<dyn Clock>);

impl GovernorClock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

/// How fast a lane sends.
pub(super) struct Pace {
    clock: Arc<dyn Clock>,
    second: Second,
    limit: Option<Limit>,
}

/// What happened in one second of the monotonic clock.
#[derive(Default)]
struct Second {
    number: u64,
    started: u32,
    answers: u32,
    refusals: u32,
}

struct Limit {
    per_second: u32,
    /// What it was when it was first limited.
    before: u32,
    limiter: RateLimiter<NotKeyed, InMemoryState, Monotonic, NoOpMiddleware<Duration>>,
}

impl Pace {
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), second: Second::default(), limit: None }
    }

    /// It starts anew.
    pub(super) fn forget(&mut self) {
        (self.second, self.limit) = (Second::default(), None);
    }

    /// Pushes a second; `None` while nothing limits it.
    pub(super) fn per_second(&self) -> Option<u32> {
        self.limit.as_ref().map(|limit| limit.per_second)
    }

    /// Whether one may go now, by the monotonic clock; else how long to wait.
    pub(super) fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        self.roll(now);
        if let Some(limit) = &self.limit {
            limit.limiter.check().map_err(|not_until| not_until.wait_time_from(now))?;
        }
        self.second.started += 1;
        Ok(())
    }

    /// The provider answered; `refused`: it asked for patience, or failed.
    pub(super) fn answered(&mut self, refused: bool, now: Duration) {
        self.roll(now);
        self.second.answers += 1;
        self.second.refusals += u32::from(refused);
    }

    /// Draws the conclusion from a second that is over.
    fn roll(&mut self, now: Duration) {
        let number = now.as_secs();
        if number == self.second.number {
            return;
        }
        let Second { started, answers, refusals, .. } = std::mem::replace(&mut self.second, Second { number, ..Second::default() });
        if refusals >= KNOWN && refusals * CHANCE >= answers {
            // answers may be those of an earlier second
            self.slow_down(started.max(answers));
        } else if answers > refusals {
            self.speed_up();
        }
    }

    fn slow_down(&mut self, pace: u32) {
        let (per_second, before) = self.limit.as_ref().map_or((pace, pace), |limit| (limit.per_second, limit.before));
        self.set((per_second / 2).max(LEAST), before.max(LEAST));
    }

    fn speed_up(&mut self) {
        let Some(Limit { per_second, before, .. }) = self.limit else { return };
        let faster = per_second + (before / STEPS).max(1);
        if faster >= before.saturating_mul(BEYOND) { self.limit = None } else { self.set(faster, before) }
    }

    fn set(&mut self, per_second: u32, before: u32) {
        let Some(rate) = NonZeroU32::new(per_second) else { return };
        // what is held comes back in portions of this
        let burst = NonZeroU32::new(per_second / PORTIONS).unwrap_or(NonZeroU32::MIN);
        let limiter = RateLimiter::direct_with_clock(Quota::per_second(rate).allow_burst(burst), Monotonic(Arc::clone(&self.clock)));
        self.limit = Some(Limit { per_second, before, limiter });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::tests::clock::TestClock;

    struct Lane {
        clock: Arc<TestClock>,
        pace: Pace,
    }

    impl Lane {
        fn new() -> Self {
            let clock = Arc::new(TestClock::default());
            let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
            Self { pace: Pace::new(&shared), clock }
        }

        fn admit(&mut self) -> Result<(), Duration> {
            self.pace.admit(self.clock.monotonic())
        }

        /// A second in which as many as may go are started, of those that want to; every `refused`th is refused, 0 for none. How many were started.
        fn second(&mut self, wanted: u32, refused: u32) -> u32 {
            let mut started = 0;
            for n in 1..=wanted {
                if self.admit().is_ok() {
                    started += 1;
                    self.pace.answered(refused > 0 && n % refused == 0, self.clock.monotonic());
                }
                self.clock.pass(Duration::from_secs(1) / wanted);
            }
            started
        }
    }

    #[test]
    fn nothing_limits_a_lane_that_is_answered() {
        let mut lane = Lane::new();
        for refused in [0, 50, 11] {
            assert_eq!(lane.second(1000, refused), 1000, "one in {refused} refused");
            assert_eq!(lane.second(1000, 0), 1000);
            assert_eq!(lane.pace.per_second(), None);
        }
    }

    #[test]
    fn few_refusals_are_chance() {
        let mut lane = Lane::new();
        assert_eq!(lane.second(4, 1), 4);
        assert_eq!(lane.second(4, 0), 4);
        assert_eq!(lane.pace.per_second(), None);
    }

    #[test]
    fn a_refused_second_halves_the_next_and_no_lane_stands_still() {
        let mut lane = Lane::new();
        assert_eq!(lane.second(1000, 2), 1000);
        let second = lane.second(1000, 1);
        assert!((450..=630).contains(&second), "{second}");
        let third = lane.second(1000, 1);
        assert!((225..=320).contains(&third), "{third}");
        (0..20).for_each(|_| assert!(lane.second(1000, 1) <= 1000));
        assert_eq!(lane.pace.per_second(), Some(LEAST));
    }

    #[test]
    fn it_is_at_its_old_pace_within_twenty_seconds_and_free_soon_after() {
        let mut lane = Lane::new();
        lane.second(1000, 1);
        (0..5).for_each(|_| assert!(lane.second(1000, 2) <= 1000));
        let mut seconds = 0;
        while lane.second(1000, 0) < 990 {
            seconds += 1;
            assert!(seconds <= 21, "slow still: {:?}", lane.pace.per_second());
        }
        (0..25).for_each(|_| assert!(lane.second(1000, 0) <= 1000));
        assert_eq!(lane.pace.per_second(), None);
    }

    #[test]
    fn a_lane_that_is_not_answered_gets_no_faster() {
        let mut lane = Lane::new();
        lane.second(1000, 1);
        lane.second(1, 0);
        let limit = lane.pace.per_second();
        lane.clock.pass(Duration::from_mins(1));
        lane.admit().unwrap();
        assert_eq!(lane.pace.per_second(), limit.map(|per_second| per_second + 50), "only the second with an answer counts");
    }

    #[test]
    fn who_has_to_wait_is_told_how_long() {
        let mut lane = Lane::new();
        lane.second(100, 1);
        lane.admit().unwrap();
        let wait = std::iter::repeat_with(|| lane.admit()).find_map(Result::err).unwrap();
        assert!(wait > Duration::ZERO && wait <= Duration::from_millis(20), "{wait:?}");
    }
}
