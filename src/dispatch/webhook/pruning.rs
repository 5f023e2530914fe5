//! What has been kept for long enough is forgotten, now and then.

use std::time::Duration;

use chrono::TimeDelta;

use super::Parts;
use crate::dispatch::outage::tell;
use crate::domain::Timestamp;

/// How often: days are what is counted.
const EVERY: Duration = Duration::from_mins(10);

/// When it was begun last, and what is not over yet.
#[derive(Default)]
pub(super) struct Pruning {
    /// On the monotonic clock; not at once, since nodes start together.
    last: Option<Duration>,
    /// What was made before is being forgotten.
    before: Option<Timestamp>,
}

impl Pruning {
    /// Does a part of it if it is time; whether there is no more to do now. It may be much, and meanwhile messages are sent and the node can stop.
    pub(super) async fn turn(&mut self, parts: &Parts) -> bool {
        let now = parts.clock.monotonic();
        let last = *self.last.get_or_insert(now);
        if self.before.is_none() && now.saturating_sub(last) >= EVERY {
            self.last = Some(now);
            self.before = TimeDelta::from_std(parts.kept).ok().and_then(|kept| parts.clock.now().checked_sub_signed(kept));
        }
        let Some(before) = self.before else { return true };
        let is_over = parts.store.prune_webhooks(before).await.unwrap_or_else(|error| {
            tell(&error, "webhook messages whose retention is over cannot be cleared away");
            true
        });
        if is_over {
            self.before = None;
        }
        is_over
    }
}
