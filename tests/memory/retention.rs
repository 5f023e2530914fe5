//! Days whose retention is over.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::DateTime;
use herald::domain::Timestamp;
use herald::domain::id::NotificationId;

use super::state::State;

const MILLIS_OF_DAY: u128 = 86_400_000;

impl State {
    /// Deliveries go, and then notifications that have none left; nothing of which work is left.
    pub fn forget_days(&mut self, retention: Duration, now: Timestamp) {
        let is_over = |day: i64| DateTime::from_timestamp((day + 1) * 86_400, 0).unwrap() + retention <= now;
        let busy: BTreeSet<NotificationId> = self.work.keys().map(|(id, _)| *id).collect();
        self.deliveries.retain(|(day, id, _), _| !is_over(i64::from(*day)) || busy.contains(id));
        let kept: BTreeSet<NotificationId> = self.deliveries.keys().map(|(_, id, _)| *id).collect();
        let day_of = |id: &NotificationId| i64::try_from((id.0.as_u128() >> 80) / MILLIS_OF_DAY).unwrap();
        self.notifications.retain(|id, _| !is_over(day_of(id)) || busy.contains(id) || kept.contains(id));
        let there = &self.notifications;
        self.runs.retain(|id, _| there.contains_key(id));
        self.counts.retain(|(id, _, _), _| there.contains_key(id));
    }
}
