//! Runs are cancelled, paused and resumed.

use herald::domain::Timestamp;
use herald::domain::id::{AppId, NotificationId};
use herald::domain::work::WorkKind;
use herald::store::engine::{RunChange, RunStatus};

use super::state::{Run, State};

impl State {
    pub fn cancel(&mut self, app: AppId, id: NotificationId, now: Timestamp) -> bool {
        let Some(start_at) = self.notification_of(app, id).map(|new| new.start_at) else { return false };
        let is_done = self.works_on(id).next().is_none() || self.run_status(id) == Some(RunStatus::Done);
        if is_done {
            return true;
        }
        if self.run_status(id) != Some(RunStatus::Cancelled) {
            let direct = Run {
                app,
                fan_out: false,
                status: RunStatus::Cancelled,
                start_at,
                open: false,
                targeted: None,
                stale: 0,
                cursor: None,
                campaign: None,
                max_targets: None,
                held: false,
                pace: None,
                next_slot: None,
                served_at: Timestamp::MIN_UTC,
                changed_at: None,
            };
            let run = self.runs.entry(id).or_insert(direct);
            (run.status, run.changed_at) = (RunStatus::Cancelled, Some(now));
            self.work.retain(|(of, _), row| *of != id || row.work.kind != WorkKind::Expand);
        }
        for row in self.works_on_mut(id).filter(|row| row.work.due_at > now || row.guard_until.is_some()) {
            row.make_due(now);
        }
        true
    }

    /// For follow-ups that were written beside a cancel.
    pub fn hasten(&mut self, app: AppId, id: NotificationId, now: Timestamp) {
        if self.runs.get(&id).is_some_and(|run| run.app == app && run.status == RunStatus::Cancelled) {
            for row in self.works_on_mut(id).filter(|row| !row.is_held(now)) {
                // what is due already keeps its place
                if row.guard_until.is_some() || row.work.due_at > now {
                    row.make_due(now);
                }
            }
        }
    }

    pub fn pause(&mut self, app: AppId, id: NotificationId, now: Timestamp) -> bool {
        self.turn(app, id, (RunStatus::Paused, now))
    }

    pub fn resume(&mut self, app: AppId, id: NotificationId, now: Timestamp) -> bool {
        let running = self.turn(app, id, (RunStatus::Running, now));
        if running {
            for row in self.works_on_mut(id).filter(|row| row.guard_until.is_some() && !row.is_held(now)) {
                row.make_due(now);
            }
        }
        running
    }

    /// Between running and paused; whether it is there now.
    fn turn(&mut self, app: AppId, id: NotificationId, (to, now): (RunStatus, Timestamp)) -> bool {
        let turns = |run: &&mut Run| run.app == app && matches!(run.status, RunStatus::Running | RunStatus::Paused);
        let Some(run) = self.runs.get_mut(&id).filter(turns) else { return false };
        if run.status != to {
            (run.status, run.changed_at) = (to, Some(now));
        }
        true
    }

    pub fn run_changes(&self, since: Timestamp) -> Vec<RunChange> {
        let change = |(id, run): (&NotificationId, &Run)| {
            Some(RunChange { app: run.app, notification: *id, status: run.status, changed_at: run.changed_at? })
        };
        let mut changes: Vec<RunChange> = self.runs.iter().filter_map(change).filter(|change| change.changed_at >= since).collect();
        changes.sort_by_key(|change| (change.changed_at, change.notification));
        changes
    }
}
