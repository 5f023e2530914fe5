//! Notifications as callers read them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use async_trait::async_trait;
use herald::domain::Timestamp;
use herald::domain::delivery::State as DeliveryState;
use herald::domain::id::{AppId, NotificationId};
use herald::domain::reason::WaitReason;
use herald::store::engine::{NewNotification, RunStatus};
use herald::store::notification::{
    Counts, DeliveryFilter, DeliveryView, LeftOut, NotificationFilter, NotificationStatus, NotificationView, Notifications,
};
use herald::store::{Page, PageRequest, Result};

use super::MemoryStore;
use super::page::page;
use super::receipts::WORDS;
use super::state::State;

type Reasons = BTreeMap<DeliveryState, BTreeMap<String, u64>>;

/// Targets by state and reason, and receipts under their words.
#[derive(Default)]
struct Tally {
    counts: Counts,
    reasons: Reasons,
}

impl Tally {
    fn add(&mut self, word: &str, reason: &str, n: u64) {
        let counts = &mut self.counts;
        *match word {
            "waiting" => &mut counts.waiting,
            "sent" => &mut counts.sent,
            "suppressed" => &mut counts.suppressed,
            "failed" => &mut counts.failed,
            "expired" => &mut counts.expired,
            "cancelled" => &mut counts.cancelled,
            "delivered" => &mut counts.delivered,
            "opened" => &mut counts.opened,
            _ => &mut counts.dismissed,
        } += n;
        if let Some(state) = DeliveryState::parse(word).filter(|_| !reason.is_empty() && n > 0) {
            *self.reasons.entry(state).or_default().entry(reason.to_owned()).or_default() += n;
        }
    }

    fn over(&self) -> u64 {
        let Counts { sent, suppressed, failed, expired, cancelled, .. } = self.counts;
        sent + suppressed + failed + expired + cancelled
    }
}

impl State {
    /// Why a target waits, where anything can be said.
    pub fn waits_for(&self, new: &NewNotification, reason: Option<WaitReason>, now: Timestamp) -> Option<WaitReason> {
        if self.run_status(new.id) == Some(RunStatus::Paused) {
            return Some(WaitReason::Paused);
        }
        reason.or_else(|| (new.start_at > now).then_some(WaitReason::Scheduled))
    }

    pub fn view(&self, new: &NewNotification, now: Timestamp) -> NotificationView {
        let mut tally = Tally::default();
        self.add_ended(new, &mut tally);
        self.add_waiting(new, now, &mut tally);
        NotificationView {
            id: new.id,
            status: self.status(new, tally.over(), now),
            category: new.category.clone(),
            labels: new.labels.clone(),
            accepted_at: new.accepted_at,
            counts: tally.counts,
            reasons: tally.reasons,
            left_out: LeftOut { stale: self.runs.get(&new.id).map_or(0, |run| run.stale) },
        }
    }

    fn add_ended(&self, new: &NewNotification, tally: &mut Tally) {
        if new.fan_out {
            for ((_, word, reason), n) in self.counts.iter().filter(|((id, _, _), _)| *id == new.id) {
                tally.add(word, reason, *n);
            }
            return;
        }
        for (_, row) in self.deliveries_of(new.day(), new.id) {
            let ending = &row.delivery.ending;
            tally.add(ending.state().as_str(), ending.reason().unwrap_or_default(), 1);
            for (word, _) in WORDS.iter().zip(row.receipts).filter(|(_, stamp)| stamp.is_some()) {
                tally.add(word, "", 1);
            }
        }
    }

    fn add_waiting(&self, new: &NewNotification, now: Timestamp, tally: &mut Tally) {
        let targeted = self.runs.get(&new.id).and_then(|run| run.targeted);
        for (_, row, places) in self.waiting(new) {
            let reason = self.waits_for(new, row.work.reason, now).filter(|_| !row.is_held(now));
            let reason = reason.map_or("", WaitReason::as_str);
            match targeted {
                None => tally.add("waiting", reason, places.len() as u64),
                // the rows of an audience are too many to open: its reasons count what they name
                Some(_) => {
                    tally.add("waiting", reason, row.work.targets.len() as u64);
                }
            }
        }
        if let Some(targeted) = targeted {
            tally.counts.waiting = targeted - tally.over();
        }
    }

    fn status(&self, new: &NewNotification, over: u64, now: Timestamp) -> NotificationStatus {
        let run = self.run_status(new.id);
        let held = self.works_on(new.id).any(|(_, row)| row.is_held(now));
        if run == Some(RunStatus::Cancelled) {
            NotificationStatus::Cancelled
        } else if self.works_on(new.id).next().is_none() {
            NotificationStatus::Done
        } else if run == Some(RunStatus::Paused) {
            NotificationStatus::Paused
        } else if new.start_at > now {
            NotificationStatus::Scheduled
        } else if held || over > 0 {
            NotificationStatus::Sending
        } else {
            NotificationStatus::Accepted
        }
    }
}

fn is_wanted(view: &NotificationView, filter: &NotificationFilter) -> bool {
    filter.status.is_none_or(|status| view.status == status)
        && (filter.category.is_none() || view.category == filter.category)
        && filter.labels.iter().all(|(name, value)| view.labels.get(name) == Some(value))
        && filter.from.is_none_or(|from| view.accepted_at >= from)
        && filter.to.is_none_or(|to| view.accepted_at < to)
}

#[async_trait]
impl Notifications for MemoryStore {
    async fn notification(&self, app: AppId, id: NotificationId) -> Result<Option<NotificationView>> {
        Ok(self.read(|state, now| state.notification_of(app, id).map(|new| state.view(new, now))))
    }

    async fn notifications(&self, app: AppId, filter: &NotificationFilter, request: &PageRequest) -> Result<Page<NotificationView>> {
        let rows = self.read(|state, now| {
            let of_campaign = |new: &&NewNotification| filter.campaign.is_none() || new.campaign == filter.campaign;
            let of_app = state.notifications.values().rev().filter(|new| new.app == app);
            let all = of_app.filter(of_campaign).map(|new| state.view(new, now));
            all.filter(|view| is_wanted(view, filter)).map(|view| (Reverse(view.id), view)).collect()
        });
        page(rows, request)
    }

    async fn deliveries(
        &self,
        app: AppId,
        id: NotificationId,
        filter: &DeliveryFilter,
        request: &PageRequest,
    ) -> Result<Option<Page<DeliveryView>>> {
        let rows = self.read(|state, now| state.notification_of(app, id).map(|new| state.targets_of(new, filter, now)));
        rows.map(|rows| page(rows, request)).transpose()
    }

    async fn user_deliveries(&self, app: AppId, user: &str, request: &PageRequest) -> Result<Page<DeliveryView>> {
        page(self.read(|state, now| state.targets_of_user(app, user, now)), request)
    }
}
