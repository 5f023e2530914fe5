//! When to try a dead origin again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::error::ConnectError;

/// After the first failure.
const FIRST: Duration = Duration::from_millis(200);
/// At most: an origin that returns is to have its traffic again within half a minute.
const LONGEST: Duration = Duration::from_secs(8);

/// Doubles with every failure in a row; half of each wait is jitter, so that nodes do not return together.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    until: Option<Instant>,
    cause: Option<Arc<ConnectError>>,
}

impl Backoff {
    /// No connection came about. `fraction`: chance, in `[0, 1)`.
    pub(super) fn failed(&mut self, cause: Arc<ConnectError>, now: Instant, fraction: f64) {
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + wait(self.failures, fraction));
        self.cause = Some(cause);
    }

    /// A connection ended before it carried an answer. The first in a row is forgiven: that is how a server that is
    /// being replaced behaves.
    pub(super) fn barren(&mut self, now: Instant, fraction: f64) {
        if self.failures == 0 {
            self.failures = 1;
        } else {
            self.failed(Arc::new(ConnectError::Barren), now, fraction);
        }
    }

    /// A connection carried an answer.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// What is left of the wait, and what for.
    pub(super) fn left(&self, now: Instant) -> Option<(Duration, Arc<ConnectError>)> {
        let left = self.until?.checked_duration_since(now).filter(|left| !left.is_zero())?;
        Some((left, Arc::clone(self.cause.as_ref()?)))
    }
}

fn wait(failures: u32, fraction: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(LONGEST).mul_f64(0.5 + fraction.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<_> = [1, 2, 3, 6, 7, 40, u32::MAX].iter().map(|n| wait(*n, 1.0).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 6_400, 8_000, 8_000, 8_000]);
        assert_eq!(wait(1, 0.0).as_millis(), 100);
    }

    #[test]
    fn one_barren_connection_is_forgiven_and_the_second_is_not() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        backoff.barren(now, 0.5);
        assert!(backoff.left(now).is_none());
        backoff.barren(now, 0.5);
        assert!(backoff.left(now).is_some());
        backoff.succeeded();
        assert!(backoff.left(now).is_none());
    }
}
