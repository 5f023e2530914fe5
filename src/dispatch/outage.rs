//! Something that a node needs and cannot reach: said in the log when it begins, now and then while it lasts, and when it is over.

use std::error::Error;
use std::time::Duration;

use parking_lot::Mutex;

use crate::store;

/// How often an outage is spoken of.
const TELL_EVERY: Duration = Duration::from_secs(30);
/// How long after a failed call it is not worth asking again, where something can be done without.
const MOMENT: Duration = Duration::from_secs(1);

/// Whether one thing is away. All instants are monotonic.
pub struct Outage {
    what: &'static str,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    away: Option<Away>,
    told_at: Option<Duration>,
}

#[derive(Clone, Copy)]
struct Away {
    since: Duration,
    failed_at: Duration,
    calls: u64,
    /// Its beginning was in the log.
    is_told: bool,
}

impl Outage {
    /// Of what: `store`, `queue`.
    pub fn new(what: &'static str) -> Self {
        Self { what, state: Mutex::default() }
    }

    /// A call failed because it is away.
    pub fn failed(&self, now: Duration, error: &dyn Error) {
        let mut state = self.state.lock();
        let tells = state.told_at.is_none_or(|told_at| now.saturating_sub(told_at) >= TELL_EVERY);
        if tells {
            state.told_at = Some(now);
        }
        let away = state.away.get_or_insert(Away { since: now, failed_at: now, calls: 0, is_told: false });
        away.failed_at = now;
        away.calls += 1;
        away.is_told |= tells;
        let Away { since, calls, .. } = *away;
        drop(state);
        if tells {
            let away_seconds = now.saturating_sub(since).as_secs();
            tracing::warn!(error = %Causes(error), away_seconds, calls, "the {} cannot be reached; it is asked again and again", self.what);
        }
    }

    /// A call was answered; whether it had been away until then.
    pub fn answered(&self, now: Duration) -> bool {
        let Some(Away { since, calls, is_told, .. }) = self.state.lock().away.take() else { return false };
        if is_told {
            let away_seconds = now.saturating_sub(since).as_secs();
            tracing::warn!(away_seconds, calls, "the {} is back again", self.what);
        }
        true
    }

    /// Whether the last call failed.
    pub fn is_on(&self) -> bool {
        self.state.lock().away.is_some()
    }

    /// Whether the last call failed, and only a moment ago.
    pub fn is_fresh(&self, now: Duration) -> bool {
        self.state.lock().away.is_some_and(|away| now.saturating_sub(away.failed_at) < MOMENT)
    }
}

/// Says what an error of the store means here, unless the store is away, of which is spoken elsewhere.
pub fn tell(error: &store::Error, meaning: &str) {
    if error.is_transient() {
        tracing::debug!(error = %Causes(error), "{meaning}");
    } else {
        tracing::error!(error = %Causes(error), "{meaning}");
    }
}

/// An error with its causes.
pub struct Causes<'a>(pub &'a dyn Error);

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        while let Some(source) = error.source() {
            write!(f, ": {source}")?;
            error = source;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    #[test]
    fn it_lasts_from_the_first_failure_to_the_next_answer() {
        let outage = Outage::new("store");
        assert!(!outage.answered(NOW), "it was never away");
        outage.failed(NOW, &std::fmt::Error);
        assert!(outage.is_on());
        assert!(outage.is_fresh(NOW + MOMENT / 2));
        assert!(!outage.is_fresh(NOW + MOMENT), "it is worth asking again");
        assert!(outage.answered(NOW + MOMENT));
        assert!(!outage.is_on());
        assert!(!outage.answered(NOW + MOMENT));
    }

    #[test]
    fn it_is_spoken_of_now_and_then_however_often_it_comes_and_goes() {
        let outage = Outage::new("queue");
        let mut told = 0;
        for second in 0..60 {
            let now = NOW + Duration::from_secs(second);
            let before = outage.state.lock().told_at;
            outage.failed(now, &std::fmt::Error);
            told += usize::from(outage.state.lock().told_at != before);
            if second % 2 == 0 {
                outage.answered(now);
            }
        }
        assert_eq!(told, 2);
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let error = store::Error::Unavailable(Box::new(std::io::Error::other("no route")));
        assert_eq!(Causes(&error).to_string(), "the store cannot be reached: no route");
    }
}
