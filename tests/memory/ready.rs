//! Steps 3 and 4.

use herald::domain::Timestamp;
use herald::domain::id::{NotificationId, WorkId};
use herald::domain::pace::{Pace, feed, hungry};
use herald::domain::work::{Entry, Stream, WorkKey, WorkKind};
use herald::store::engine::{Ready, RunStatus, Sweep};

use super::state::{Row, Run, State};

/// Rows that one call makes ready in each stream.
const AT_ONCE: usize = 1_000;

/// Whether a row can be made ready, or is held and only to be looked at again.
fn is_ready(row: &Row, sweep: &Sweep, now: Timestamp) -> bool {
    let held = row.is_held(now);
    let guarded = row.guard_until.is_some_and(|until| until > now);
    // one that expired is due for ever, and passed over while it is held
    let over = held && row.work.expires_at <= now;
    let held_back = !sweep.lapsed && row.lease_until.is_some() && !held;
    row.work.due_at <= now && !guarded && !over && !held_back
}

impl Run {
    /// Its pace; cancelled ones are emptied without one.
    fn paced(&self) -> Option<Pace> {
        self.pace.filter(|_| self.status != RunStatus::Cancelled && !self.held)
    }

    /// Whether it gets more already.
    fn is_hungry(&self, now: Timestamp) -> bool {
        let (before, after) = hungry(now);
        self.paced().is_none() || self.served_at <= before || self.served_at > after
    }
}

impl State {
    /// Whether a row cannot be released before all of its run's audience is taken. After the notification's end it is only recorded.
    fn is_kept(&self, id: NotificationId, row: &Row, now: Timestamp) -> bool {
        let held = self.runs.get(&id).is_some_and(|run| run.held && run.status != RunStatus::Cancelled);
        let lives = self.notifications.get(&id).is_some_and(|new| new.expires_at > now);
        held && lives && row.work.kind != WorkKind::Expand
    }

    pub fn schedule(&mut self, sweep: &Sweep, now: Timestamp) -> Ready {
        let mut ready = Ready::default();
        for stream in Stream::ALL {
            let space = sweep.room.get(stream).copied().unwrap_or_default().min(AT_ONCE);
            let due = |row: &Row| !row.work.fan_out && row.work.stream == *stream && is_ready(row, sweep, now);
            let rows = self.longest_due(due);
            if space > 0 {
                self.make_ready(rows, space, (sweep, now), &mut ready);
            }
        }
        ready
    }

    pub fn release(&mut self, sweep: &Sweep, now: Timestamp) -> Ready {
        self.begin_and_end_runs(now);
        let has_room = |row: &Row| sweep.room.get(&row.work.stream).is_some_and(|free| *free > 0);
        let mut turns = Vec::new();
        for (id, run) in &self.runs {
            let due = self
                .works_on(*id)
                .filter(|(_, row)| row.work.fan_out && has_room(row) && is_ready(row, sweep, now) && !self.is_kept(*id, row, now));
            let first = due.min_by_key(|(work, row)| (row.work.due_at, *work));
            let is_over = first.as_ref().is_some_and(|(_, row)| row.work.expires_at <= now);
            let has_begun = run.open && matches!(run.status, RunStatus::Running | RunStatus::Cancelled);
            let is_served = has_begun && (is_over || run.is_hungry(now));
            if let Some((_, row)) = first.filter(|_| is_served) {
                turns.push((run.served_at, *id, row.work.stream, is_over));
            }
        }
        let mut ready = Ready::default();
        let Some((_, id, stream, is_over)) = turns.iter().min().copied() else { return ready };
        let space = sweep.room.get(&stream).copied().unwrap_or_default().div_ceil(turns.len()).min(AT_ONCE);
        let due =
            |key: NotificationId, row: &Row| key == id && row.work.stream == stream && row.work.fan_out && !self.is_kept(id, row, now);
        let rows = self.work.iter().filter(|((key, _), row)| due(*key, row) && is_ready(row, sweep, now));
        let mut rows: Vec<_> = rows.map(|(key, row)| (row.work.due_at, *key)).collect();
        rows.sort_unstable();
        if let Some(pace) = self.runs.get(&id).and_then(Run::paced).filter(|_| !is_over) {
            self.make_ready_as_fed((id, pace), rows.into_iter().take(space).collect(), (sweep, now), &mut ready);
        } else {
            self.make_ready(rows, space, (sweep, now), &mut ready);
            if let Some(run) = self.runs.get_mut(&id) {
                run.served_at = now;
            }
        }
        ready.more |= turns.len() > 1;
        ready
    }

    fn begin_and_end_runs(&mut self, now: Timestamp) {
        let working: Vec<NotificationId> = self.work.keys().map(|(id, _)| *id).collect();
        for (id, run) in self.runs.iter_mut().filter(|(_, run)| run.open) {
            if run.status == RunStatus::Scheduled && run.start_at <= now {
                run.status = RunStatus::Running;
            }
            if working.binary_search(id).is_err() {
                run.open = false;
                if run.status != RunStatus::Cancelled {
                    run.status = RunStatus::Done;
                }
            }
        }
    }

    fn longest_due(&self, due: impl Fn(&Row) -> bool) -> Vec<(Timestamp, (NotificationId, WorkId))> {
        let mut rows: Vec<_> = self.work.iter().filter(|(_, row)| due(row)).map(|(key, row)| (row.work.due_at, *key)).collect();
        rows.sort_unstable();
        rows
    }

    /// The same for a run with a pace: of the free rows only as many as it is fed.
    fn make_ready_as_fed(
        &mut self,
        (id, pace): (NotificationId, Pace),
        rows: Vec<(Timestamp, (NotificationId, WorkId))>,
        (sweep, now): (&Sweep, Timestamp),
        ready: &mut Ready,
    ) {
        let is_held = |(_, key): &(_, _)| self.work.get(key).is_some_and(|row| row.is_held(now));
        let (held, free): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_held);
        let served = self.runs.get(&id).map(|run| run.served_at);
        let (released, served_at) =
            feed(pace, served, now, free.iter().map(|(_, key)| self.work.get(key).map_or(0, |row| row.work.targets.len())));
        let space = held.len() + released;
        self.make_ready(held.into_iter().chain(free.into_iter().take(released)).collect(), space, (sweep, now), ready);
        if let Some(run) = self.runs.get_mut(&id) {
            run.served_at = served_at;
        }
    }

    /// Moves free rows a guard ahead and held ones to the end of their lease.
    fn make_ready(
        &mut self,
        rows: Vec<(Timestamp, (NotificationId, WorkId))>,
        space: usize,
        (sweep, now): (&Sweep, Timestamp),
        ready: &mut Ready,
    ) {
        ready.more |= rows.len() > space;
        for (_, key) in rows.into_iter().take(space) {
            let Some(row) = self.work.get_mut(&key) else { continue };
            if let Some(until) = row.lease_until.filter(|until| *until > now) {
                row.work.due_at = until.min(row.work.expires_at);
                continue;
            }
            let until = now + sweep.guard;
            row.make_due(until);
            row.guard_until = Some(until);
            let key = WorkKey { app: row.app, notification: key.0, work: key.1 };
            ready.entries.push(Entry { key, stream: row.work.stream, targets: row.work.targets.len() });
        }
    }
}
