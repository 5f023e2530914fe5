//! What has been kept for long enough is forgotten, now and then.

use std::time::Duration;

use chrono::TimeDelta;

use super::Parts;
use crate::dispatch::outage::tell;

/// How often: days are what is counted.
const EVERY: Duration = Duration::from_mins(10);

/// When it was done last, on the monotonic clock; not at once, since nodes start together.
#[derive(Default)]
pub(super) struct Pruning(Option<Duration>);

impl Pruning {
    /// Does it if it is time.
    pub(super) async fn turn(&mut self, parts: &Parts) {
        let now = parts.clock.monotonic();
        let last = *self.0.get_or_insert(now);
        if now.saturating_sub(last) < EVERY {
            return;
        }
        self.0 = Some(now);
        let before = TimeDelta::from_std(parts.kept).ok().and_then(|kept| parts.clock.now().checked_sub_signed(kept));
        let Some(before) = before else { return };
        if let Err(error) = parts.store.prune_webhooks(before).await {
            tell(&error, "webhook messages whose retention is over cannot be cleared away");
        }
    }
}
