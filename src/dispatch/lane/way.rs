//! A way to one peer: what is known of it, and how much may go there.

use std::sync::Arc;
use std::time::Duration;

use super::breaker::{Breaker, Standing};
use super::pace::Pace;
use super::word::Word;
use super::{Admission, Hold};
use crate::domain::clock::Clock;
use crate::domain::outcome::{Outcome, ThrottleScope};
use crate::domain::reason::WaitReason;

/// How long what found its way too slow waits before it looks again.
pub(super) const BUSY: Duration = Duration::from_secs(1);

/// How freely pushes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The breaker.
    pub breaker: Standing,
    /// Pushes a second that it is limited to; `None` while it is not.
    pub per_second: Option<u32>,
    /// How much longer nothing goes: the provider asked to wait, or the breaker is open.
    pub held_for: Option<Duration>,
}

impl Flow {
    /// Nothing holds anything.
    pub const FREE: Self = Self { breaker: Standing::Closed, per_second: None, held_for: None };
}

/// One way.
pub(super) struct Way {
    pub(super) breaker: Breaker,
    pub(super) pace: Pace,
    /// The provider asked to wait until then.
    throttled_until: Option<Duration>,
    /// It was too slow for what came; until then nobody waits for it.
    busy_until: Option<Duration>,
    /// Pushes of it on the wire.
    pub(super) on_wire: usize,
    /// When the last of what it holds comes back.
    pub(super) line: Duration,
    /// Whether anything was ever heard from there.
    pub(super) has_answered: bool,
}

impl Way {
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self {
            breaker: Breaker::default(),
            pace: Pace::new(clock),
            throttled_until: None,
            busy_until: None,
            on_wire: 0,
            line: Duration::ZERO,
            has_answered: false,
        }
    }

    /// What holds everything that would go there now.
    pub(super) fn hold(&mut self, now: Duration) -> Option<Hold> {
        for until in [&mut self.throttled_until, &mut self.busy_until] {
            match *until {
                Some(instant) if instant > now => return Some(Hold::new(instant.saturating_sub(now), WaitReason::Throttled)),
                Some(_) | None => *until = None,
            }
        }
        self.breaker.hold(now).map(|wait| Hold::new(wait, WaitReason::Unavailable))
    }

    /// Nobody waits for it for a moment.
    pub(super) fn is_busy(&mut self, now: Duration) -> Admission {
        self.busy_until = Some(now + BUSY);
        Admission::Hold(Hold::new(BUSY, WaitReason::Throttled))
    }

    /// Takes note of the wait that an outcome asks for, if it asks all that goes there.
    pub(super) fn throttle(&mut self, outcome: &Outcome, now: Duration) {
        if let Outcome::Throttled { retry_after: Some(wait), scope: ThrottleScope::Lane, .. } = outcome {
            self.throttled_until = self.throttled_until.max(Some(now + *wait));
        }
    }

    /// Takes note of a word of its peer. Where its breaker stood before, and stands now.
    pub(super) fn answered(&mut self, word: Word, turn: u64, now: Duration, fraction: f64) -> (Standing, Standing) {
        let before = self.breaker.standing();
        self.has_answered |= word != (Word::Failed { answered: false });
        self.breaker.answered(matches!(word, Word::Failed { .. }), turn, now, fraction);
        self.pace.answered(matches!(word, Word::Patience | Word::Failed { answered: true }), now);
        let after = self.breaker.standing();
        if before != after && after != Standing::HalfOpen {
            // what it was slowed down by is an outage, or was one
            self.pace.forget();
        }
        (before, after)
    }

    pub(super) fn flow(&self, now: Duration) -> Flow {
        let throttled_for = self.throttled_until.and_then(|until| until.checked_sub(now)).filter(|left| !left.is_zero());
        Flow {
            breaker: self.breaker.standing(),
            per_second: self.pace.per_second(),
            held_for: throttled_for.max(self.breaker.open_for(now)),
        }
    }
}
