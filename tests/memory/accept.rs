//! Step 1.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use herald::domain::Timestamp;
use herald::domain::id::{AppId, NotificationId, WorkId};
use herald::domain::work::{NewWork, WorkKind};
use herald::store::Result;
use herald::store::engine::{IdempotencyKey, Item, ItemVerdict, NewNotification, RunStatus, Submission, Verdict};
use herald::store::idempotency::Before;

use super::conflict;
use super::state::{Answered, Row, Run, State};

const KEY_LIFE: TimeDelta = TimeDelta::hours(24);

impl State {
    /// What came before under a key.
    pub fn before(&self, key: &IdempotencyKey, now: Timestamp) -> Before {
        match self.idempotency.get(&(key.app, key.route, key.key.clone())).filter(|known| known.at + KEY_LIFE > now) {
            None => Before::Nothing,
            Some(known) if known.body_hash == key.body_hash => Before::Same(known.answer.clone()),
            Some(_) => Before::Other,
        }
    }

    pub fn forget_keys(&mut self, now: Timestamp) {
        self.idempotency.retain(|_, known| known.at + KEY_LIFE > now);
    }

    fn remember(&mut self, key: &IdempotencyKey, answer: bytes::Bytes, now: Timestamp) {
        let known = Answered { body_hash: key.body_hash, answer, at: now };
        self.idempotency.insert((key.app, key.route, key.key.clone()), known);
    }

    pub fn accept(&mut self, submissions: Vec<Submission>, now: Timestamp) -> Result<Vec<Verdict>> {
        self.check_new_notifications(&submissions)?;
        submissions.into_iter().map(|submission| self.submit(submission, now)).collect()
    }

    fn check_new_notifications(&self, submissions: &[Submission]) -> Result<()> {
        let items = submissions.iter().flat_map(|submission| &submission.items).map(|item| &item.notification);
        let mut new = BTreeMap::new();
        for notification in items.filter(|notification| !self.notifications.contains_key(&notification.id)) {
            new.entry(notification.id).or_insert(notification);
        }
        if new.values().any(|notification| notification.fan_out && self.runs.contains_key(&notification.id)) {
            return Err(conflict("run"));
        }
        self.check_new_work(new.values().flat_map(|notification| notification.work.iter().map(|work| (notification.id, work.id))))
    }

    /// Refuses rows of work that are there, or come twice.
    pub fn check_new_work(&self, rows: impl Iterator<Item = (NotificationId, WorkId)>) -> Result<()> {
        let mut seen = BTreeSet::new();
        for row in rows {
            if self.work.contains_key(&row) || !seen.insert(row) {
                return Err(conflict("work"));
            }
        }
        Ok(())
    }

    fn submit(&mut self, submission: Submission, now: Timestamp) -> Result<Verdict> {
        match submission.key.as_ref().map_or(Before::Nothing, |key| self.before(key, now)) {
            Before::Same(answer) => return Ok(Verdict::Replayed(answer)),
            Before::Other => return Ok(Verdict::Reused),
            Before::Nothing => {}
        }
        let verdicts = submission.items.into_iter().map(|item| self.item(item, now)).collect::<Result<Vec<_>>>()?;
        if let Some(key) = &submission.key {
            self.remember(key, (submission.answer)(&verdicts), now);
        }
        Ok(Verdict::New(verdicts))
    }

    fn item(&mut self, item: Item, now: Timestamp) -> Result<ItemVerdict> {
        match item.key.as_ref().map_or(Before::Nothing, |key| self.before(key, now)) {
            Before::Same(answer) => return Ok(ItemVerdict::Replayed(answer)),
            Before::Other => return Ok(ItemVerdict::Reused),
            Before::Nothing => {}
        }
        if let Some(key) = &item.key {
            self.remember(key, item.answer, now);
        }
        // the same ids may be sent again after a commit whose fate was unknown
        if !self.notifications.contains_key(&item.notification.id) {
            self.add(item.notification, now)?;
        }
        Ok(ItemVerdict::Accepted)
    }

    /// Writes a notification with its run and its work.
    pub fn add(&mut self, new: NewNotification, now: Timestamp) -> Result<()> {
        if new.fan_out {
            let expands = new.work.iter().any(|work| work.kind == WorkKind::Expand);
            let run = Run {
                app: new.app,
                fan_out: true,
                status: if new.start_at > now { RunStatus::Scheduled } else { RunStatus::Running },
                start_at: new.start_at,
                open: true,
                targeted: expands.then_some(0),
                stale: 0,
                cursor: None,
                campaign: new.campaign,
                max_targets: new.terms.max_targets,
                held: expands && new.terms.max_targets.is_some(),
                pace: new.terms.pace,
                next_slot: None,
                served_at: Timestamp::MIN_UTC,
                changed_at: None,
            };
            if self.runs.insert(new.id, run).is_some() {
                return Err(conflict("run"));
            }
        }
        for work in &new.work {
            // a row that is due later than its notification begins, for no reason, is published by accept itself
            let published = work.reason.is_none() && !work.fan_out && work.due_at > new.start_at;
            self.add_work((new.app, new.id), work, (true, now))?;
            if let Some(row) = self.work.get_mut(&(new.id, work.id)).filter(|_| published) {
                row.guard_until = Some(row.work.due_at);
            }
        }
        self.notifications.insert(new.id, new);
        Ok(())
    }

    /// Adds a row; none is due after it expires.
    pub fn add_work(&mut self, (app, id): (AppId, NotificationId), work: &NewWork, (first, now): (bool, Timestamp)) -> Result<()> {
        let work = NewWork { due_at: work.due_at.min(work.expires_at), ..work.clone() };
        let key = (id, work.id);
        let row =
            Row { app, work, first, made_at: now, lease_until: None, guard_until: None, slot_at: None, epoch: 0, takes: 0, died_at: None };
        if self.work.insert(key, row).is_some() { Err(conflict("work")) } else { Ok(()) }
    }
}
