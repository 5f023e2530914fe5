//! The store's clock, as this node knows it. All instants of the path are the store's, and the machine's own clock may be another.

use std::sync::Arc;
use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};
use parking_lot::Mutex;

use crate::domain::Timestamp;
use crate::domain::clock::Clock;

/// Clocks that went apart by more than this did not drift: one of them stepped.
const STEP: TimeDelta = TimeDelta::seconds(2);

/// What the store's clock was when it was last read, carried on by the monotonic clock; the machine's clock before that.
pub struct StoreClock {
    machine: Arc<dyn Clock>,
    zero: Mutex<Option<Zero>>,
}

/// What the store's clock showed when the monotonic one was zero: at least and at most, since its answer took time.
#[derive(Clone, Copy)]
struct Zero {
    least: Timestamp,
    most: Timestamp,
    /// When the latest question was asked that says so.
    asked_at: Duration,
}

impl StoreClock {
    /// A clock that was not compared with the store's yet.
    pub fn new(machine: Arc<dyn Clock>) -> Self {
        Self { machine, zero: Mutex::new(None) }
    }

    /// Takes note of an instant that the store answered when asked at this monotonic instant; by how much its clock stepped, if it did.
    pub fn read(&self, answer: Timestamp, asked_at: Duration) -> Option<TimeDelta> {
        let new = Zero { least: answer - delta(self.machine.monotonic()), most: answer - delta(asked_at), asked_at };
        let mut zero = self.zero.lock();
        let old = zero.unwrap_or(new);
        if asked_at < old.asked_at {
            // it was overtaken by a later one, and may be of before a step
            return None;
        }
        let (least, most) = (old.least.max(new.least), old.most.min(new.most));
        // drift makes them miss each other in the end, by little
        *zero = Some(if least <= most { Zero { least, most, asked_at } } else { new });
        let step = if new.least > old.most { new.least - old.most } else { (new.most - old.least).min(TimeDelta::zero()) };
        (step.abs() > STEP).then_some(step)
    }
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        match *self.zero.lock() {
            // no store keeps more than microseconds
            Some(zero) => (zero.least + delta(self.machine.monotonic())).trunc_subsecs(6),
            None => self.machine.now(),
        }
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }
}

fn delta(monotonic: Duration) -> TimeDelta {
    TimeDelta::from_std(monotonic).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::tests::clock::TestClock;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    struct World {
        machine: Arc<TestClock>,
        clock: StoreClock,
    }

    impl World {
        fn new() -> Self {
            let machine = Arc::new(TestClock::default());
            Self { clock: StoreClock::new(Arc::clone(&machine) as _), machine }
        }

        /// Asks a store whose clock is ahead of the machine's by so much; the answer takes `on_the_way` after the store read its clock.
        fn ask(&self, ahead: TimeDelta, on_the_way: Duration) -> Option<TimeDelta> {
            let (asked_at, answer) = (self.machine.monotonic(), self.machine.now() + ahead);
            self.machine.pass(on_the_way);
            self.clock.read(answer, asked_at)
        }
    }

    #[test]
    fn the_time_is_the_store_s_once_it_is_known() {
        let world = World::new();
        assert_eq!(world.clock.now(), world.machine.now());
        assert_eq!(world.ask(TimeDelta::minutes(5), Duration::ZERO), None, "nothing was known before");
        world.machine.pass(SECOND);
        assert_eq!(world.clock.now(), world.machine.now() + TimeDelta::minutes(5));
        world.machine.step(TimeDelta::hours(1));
        assert_eq!(
            world.clock.now(),
            world.machine.now() + TimeDelta::minutes(5) - TimeDelta::hours(1),
            "another machine's step is not the store's"
        );
    }

    #[test]
    fn a_step_either_way_is_seen_and_the_new_time_holds() {
        for step in [TimeDelta::hours(1), TimeDelta::hours(-1), TimeDelta::milliseconds(2500), TimeDelta::milliseconds(-2500)] {
            let world = World::new();
            world.ask(TimeDelta::zero(), Duration::ZERO);
            world.machine.pass(SECOND);
            assert_eq!(world.ask(step, Duration::ZERO), Some(step));
            assert_eq!(world.clock.now(), world.machine.now() + step);
            assert_eq!(world.ask(step, Duration::ZERO), None, "it is seen once");
        }
    }

    #[test]
    fn an_answer_that_was_overtaken_does_not_undo_a_step() {
        let world = World::new();
        world.ask(TimeDelta::zero(), Duration::ZERO);
        let (overtaken, asked_at) = (world.machine.now(), world.machine.monotonic());
        world.machine.pass(SECOND);
        assert_eq!(world.ask(TimeDelta::hours(1), Duration::ZERO), Some(TimeDelta::hours(1)));
        assert_eq!(world.clock.read(overtaken, asked_at), None);
        assert_eq!(world.clock.now(), world.machine.now() + TimeDelta::hours(1));
    }

    #[test]
    fn a_slow_answer_is_no_step() {
        let world = World::new();
        world.ask(TimeDelta::zero(), Duration::ZERO);
        assert_eq!(world.ask(TimeDelta::zero(), 20 * SECOND), None);
        assert_eq!(world.ask(TimeDelta::zero(), Duration::ZERO), None);
        assert_eq!(world.clock.now(), world.machine.now(), "a late answer does not set the clock back");
    }

    #[test]
    fn drift_is_followed() {
        let world = World::new();
        for tenths in 0..100 {
            world.machine.pass(SECOND);
            assert_eq!(world.ask(TimeDelta::milliseconds(tenths * 100), Duration::from_millis(1)), None);
        }
        assert!(world.clock.now() - world.machine.now() > TimeDelta::seconds(9));
    }
}
