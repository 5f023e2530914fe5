//! The circuit breaker of a way: a peer that fails is sent a few probes instead of everything.

use std::time::Duration;

/// Answers that must be known before a breaker opens.
const KNOWN: f64 = 20.0;
/// Answers that are looked back on, at most. Several times the streams of one connection, so that the loss of one is no outage.
const WINDOW: f64 = 2000.0;
/// Half of what is known is forgotten after so long.
const HALF_LIFE: Duration = Duration::from_secs(5);
/// The share of failures at which it opens.
const FAILING: f64 = 0.7;
/// The first wait of an open breaker; it doubles while probes fail.
const FIRST: Duration = Duration::from_secs(1);
/// The longest: a provider that returns has its traffic again soon.
const LONGEST: Duration = Duration::from_secs(8);
/// Probes of a half-open breaker. Most of them decide.
const PROBES: u32 = 5;
/// How long others wait while the probes are under way.
const PROBING: Duration = Duration::from_secs(1);

/// Where a breaker stands; the further down, the less goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Everything goes.
    Closed,
    /// Probes go.
    HalfOpen,
    /// Nothing goes.
    Open,
}

impl Standing {
    /// The word of `GET /v1/lanes`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// A breaker. All instants are monotonic.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: State,
    /// How often in a row it opened.
    opened: u32,
    /// How often its state changed: what was sent before tells nothing of the time after.
    turns: u64,
}

#[derive(Debug)]
enum State {
    Closed { answers: f64, failures: f64, at: Duration },
    Open { until: Duration },
    HalfOpen { begun: u32, good: u32, failed: u32 },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { answers: 0.0, failures: 0.0, at: Duration::ZERO }
    }
}

impl Breaker {
    pub(super) fn standing(&self) -> Standing {
        match self.state {
            State::Closed { .. } => Standing::Closed,
            State::Open { .. } => Standing::Open,
            State::HalfOpen { .. } => Standing::HalfOpen,
        }
    }

    /// How long nothing may go, if so.
    pub(super) fn hold(&self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Open { until } if now < until => Some(until.saturating_sub(now)),
            State::HalfOpen { begun, .. } if begun >= PROBES => Some(PROBING),
            State::Closed { .. } | State::Open { .. } | State::HalfOpen { .. } => None,
        }
    }

    /// How much longer it is open.
    pub(super) fn open_for(&self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Open { until } => until.checked_sub(now).filter(|left| !left.is_zero()),
            State::Closed { .. } | State::HalfOpen { .. } => None,
        }
    }

    /// One goes, where nothing holds it: as a probe unless it is closed. Its turn, to be told with what becomes of it.
    pub(super) fn begin(&mut self) -> u64 {
        match &mut self.state {
            State::Closed { .. } => {}
            State::Open { .. } => self.turn(State::HalfOpen { begun: 1, good: 0, failed: 0 }),
            State::HalfOpen { begun, .. } => *begun += 1,
        }
        self.turns
    }

    /// What went in this turn ended without a word of the provider: another may go in its place.
    pub(super) fn withdraw(&mut self, turn: u64) {
        if let State::HalfOpen { begun, .. } = &mut self.state
            && turn == self.turns
        {
            *begun = begun.saturating_sub(1);
        }
    }

    /// The provider answered what went in this turn, or failed to. `fraction`: chance, in `[0, 1)`.
    pub(super) fn answered(&mut self, failed: bool, turn: u64, now: Duration, fraction: f64) {
        if turn != self.turns {
            return;
        }
        match &mut self.state {
            State::Closed { answers, failures, at } => {
                let kept = 0.5_f64.powf(now.saturating_sub(*at).as_secs_f64() / HALF_LIFE.as_secs_f64());
                let kept = if *answers >= WINDOW { kept.min(0.5) } else { kept };
                *at = now;
                *answers = *answers * kept + 1.0;
                *failures = *failures * kept + f64::from(u8::from(failed));
                if *answers >= KNOWN && *failures >= FAILING * *answers {
                    self.open(now, fraction);
                }
            }
            State::HalfOpen { good, failed: bad, .. } => {
                *(if failed { &mut *bad } else { &mut *good }) += 1;
                if *bad > PROBES / 2 {
                    self.open(now, fraction);
                } else if *good > PROBES / 2 {
                    self.opened = 0;
                    self.turn(State::default());
                }
            }
            State::Open { .. } => {}
        }
    }

    fn open(&mut self, now: Duration, fraction: f64) {
        let longest = FIRST.saturating_mul(1_u32.checked_shl(self.opened).unwrap_or(u32::MAX)).min(LONGEST);
        self.opened = self.opened.saturating_add(1);
        self.turn(State::Open { until: now + longest.mul_f64(0.75 + fraction.clamp(0.0, 1.0) / 4.0) });
    }

    fn turn(&mut self, state: State) {
        self.state = state;
        self.turns += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn answers(breaker: &mut Breaker, number: usize, failed: bool) {
        let turn = breaker.turns;
        (0..number).for_each(|_| breaker.answered(failed, turn, NOW, 1.0));
    }

    /// A breaker that has just opened for the first time.
    fn open() -> Breaker {
        let mut breaker = Breaker::default();
        answers(&mut breaker, 20, true);
        assert_eq!(breaker.standing(), Standing::Open);
        breaker
    }

    /// As many as may go at an instant, up to ten.
    fn go(breaker: &mut Breaker, now: Duration) -> Vec<u64> {
        let one = |breaker: &mut Breaker| breaker.hold(now).is_none().then(|| breaker.begin());
        std::iter::from_fn(|| one(breaker)).take(10).collect()
    }

    /// Probes at an instant, of which so many fail first.
    fn probe(breaker: &mut Breaker, now: Duration, failing: usize) {
        let probes = go(breaker, now);
        assert_eq!(probes.len(), 5);
        probes.into_iter().enumerate().for_each(|(n, turn)| breaker.answered(n < failing, turn, now, 1.0));
    }

    #[test]
    fn it_opens_when_most_fail_and_enough_is_known() {
        for (good, failed, standing) in [
            (0, 19, Standing::Closed),
            (0, 20, Standing::Open),
            (9, 20, Standing::Closed),
            (8, 20, Standing::Open),
            (100, 100, Standing::Closed),
            (2000, 500, Standing::Closed),
            (100_000, 3000, Standing::Open),
        ] {
            let mut breaker = Breaker::default();
            answers(&mut breaker, good, false);
            answers(&mut breaker, failed, true);
            assert_eq!(breaker.standing(), standing, "{good} good, then {failed} failed");
        }
    }

    #[test]
    fn one_failure_in_two_opens_nothing() {
        let mut breaker = Breaker::default();
        (0..10_000).for_each(|n| breaker.answered(n % 2 == 0, 0, NOW, 0.5));
        assert_eq!(breaker.standing(), Standing::Closed);
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let mut breaker = Breaker::default();
        answers(&mut breaker, 1000, false);
        let later = NOW + Duration::from_mins(2);
        (0..30).for_each(|_| breaker.answered(true, 0, later, 0.5));
        assert_eq!(breaker.standing(), Standing::Open);
    }

    #[test]
    fn nothing_goes_while_it_is_open_and_five_probes_after() {
        let mut breaker = open();
        assert_eq!(breaker.hold(NOW), Some(Duration::from_secs(1)));
        assert_eq!(breaker.open_for(NOW), Some(Duration::from_secs(1)));
        let later = NOW + Duration::from_secs(1);
        assert_eq!(breaker.open_for(later), None, "probes may go");
        let probes = go(&mut breaker, later);
        assert_eq!((probes.len(), breaker.hold(later)), (5, Some(PROBING)));
        breaker.withdraw(0);
        assert_eq!(breaker.hold(later), Some(PROBING), "that was none of them");
        breaker.withdraw(probes[0]);
        assert_eq!(go(&mut breaker, later).len(), 1, "one told nothing");
    }

    #[test]
    fn most_probes_decide_and_waits_double_up_to_the_longest() {
        let (mut breaker, mut now) = (open(), NOW);
        let mut waits = Vec::new();
        for _ in 0..5 {
            let wait = breaker.hold(now).unwrap();
            waits.push(wait.as_secs());
            now += wait;
            probe(&mut breaker, now, 3);
        }
        assert_eq!(waits, [1, 2, 4, 8, 8]);
        now += breaker.hold(now).unwrap();
        probe(&mut breaker, now, 2);
        assert_eq!(breaker.standing(), Standing::Closed);
        answers(&mut breaker, 20, true);
        assert_eq!(breaker.hold(NOW), Some(Duration::from_secs(1)), "it begins anew");
    }

    #[test]
    fn what_was_sent_before_tells_nothing_of_the_time_after() {
        let mut breaker = open();
        (0..100).for_each(|_| breaker.answered(false, 0, NOW, 0.5));
        assert_eq!(breaker.standing(), Standing::Open);
        let later = NOW + Duration::from_secs(1);
        let first = go(&mut breaker, later);
        (0..100).for_each(|_| breaker.answered(true, 0, later, 0.5));
        assert_eq!(breaker.standing(), Standing::HalfOpen);
        for turn in &first {
            breaker.answered(false, *turn, later, 0.5);
        }
        assert_eq!(breaker.standing(), Standing::Closed);
        (0..100).for_each(|_| breaker.answered(true, 0, later, 0.5));
        (0..100).for_each(|_| breaker.answered(true, first[0], later, 0.5));
        assert_eq!(breaker.standing(), Standing::Closed, "the late failures of the outage open nothing");
    }
}
