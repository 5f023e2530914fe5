//! Step 6, and what becomes of a lease.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use herald::domain::Timestamp;
use herald::domain::id::{NotificationId, WorkId};
use herald::domain::pace::{Allotment, Pace, Slot, allot};
use herald::domain::reason::WaitReason;
use herald::domain::work::{TakenWork, WorkKey, WorkKind};
use herald::store::engine::{Claim, RunStatus};

use super::state::{Row, State};

/// A row for one target that was taken so often without progress is dead.
const TAKES: u32 = 5;

/// Of rows that were taken in vain so often only one in sixteen is taken at once, and the others a second later.
const SUSPECT: u32 = 2;
const PUT_OFF: Duration = Duration::from_secs(1);

fn is_spent(row: &Row) -> bool {
    row.work.kind == WorkKind::Send && row.work.targets.len() == 1 && row.takes >= TAKES
}

fn bury(row: &mut Row, now: Timestamp) {
    row.make_due(row.work.expires_at);
    row.lease_until = None;
    row.work.reason = Some(WaitReason::DeadLetter);
    row.died_at = Some(now);
}

fn take(row: &mut Row, key: WorkKey, (slot, lease_until): (Option<Slot>, Timestamp)) -> TakenWork {
    let (first, spent) = (row.first && row.epoch == 0, is_spent(row));
    row.epoch += 1;
    row.takes += 1;
    row.lease_until = Some(lease_until);
    row.slot_at = slot.map_or(row.slot_at, |slot| Some(slot.at));
    TakenWork {
        key: WorkKey { app: row.app, ..key },
        epoch: row.epoch,
        takes: row.takes,
        kind: row.work.kind,
        stream: row.work.stream,
        fan_out: row.work.fan_out,
        targets: row.work.targets.clone(),
        attempt: row.work.attempt,
        reason: row.work.reason,
        first,
        expires_at: row.work.expires_at,
        slot,
        spent,
    }
}

/// Of suspects those that are taken at once, the least taken first, and the others.
fn few(mut suspects: Vec<Suspect>) -> (Vec<Suspect>, Vec<Suspect>) {
    suspects.sort_unstable();
    let others = suspects.split_off(suspects.len().div_ceil(16));
    (suspects, others)
}

/// Takes, notification, row.
type Suspect = (u32, NotificationId, WorkId);
type RowKey = (NotificationId, WorkId);

impl State {
    pub fn claim(&mut self, keys: &[WorkKey], lease: Duration, now: Timestamp) -> Claim {
        let (mut work, mut suspects, mut paced) = (Vec::new(), Vec::new(), BTreeMap::<_, Vec<_>>::new());
        for key in keys.iter().collect::<BTreeSet<_>>() {
            let (run, pace) = (self.run_status(key.notification), self.pace(key.notification));
            let free = self.work.get_mut(&(key.notification, key.work)).filter(|row| !row.is_held(now));
            let Some(row) = free else { continue };
            if is_spent(row) && row.work.expires_at > now && run != Some(RunStatus::Cancelled) {
                bury(row, now);
                continue;
            }
            if matches!(run, Some(RunStatus::Paused | RunStatus::Scheduled)) {
                continue;
            }
            let pace = pace.filter(|_| run == Some(RunStatus::Running) && row.work.kind == WorkKind::Send && row.work.expires_at > now);
            if let Some(pace) = pace {
                paced.entry((key.notification, pace)).or_default().push((row.work.due_at, key.work));
            } else if row.work.kind == WorkKind::Send && row.takes >= SUSPECT {
                suspects.push((row.takes, key.notification, key.work));
            } else {
                work.push(take(row, *key, (None, now + lease)));
            }
        }
        let (few, others) = few(suspects);
        for (_, notification, id) in few {
            work.extend(self.take_row((notification, id), (None, now + lease)));
        }
        for (_, notification, id) in others {
            if let Some(row) = self.work.get_mut(&(notification, id)) {
                row.make_due(now + PUT_OFF);
            }
        }
        for ((run, pace), rows) in paced {
            work.extend(self.claim_in_time((run, pace), rows, (now, lease)));
        }
        Claim { now, work }
    }

    /// Of these rows of a run with a pace, with when they are due, those for which there is time.
    fn claim_in_time(
        &mut self,
        (run, pace): (NotificationId, Pace),
        mut rows: Vec<(Timestamp, WorkId)>,
        (now, lease): (Timestamp, Duration),
    ) -> Vec<TakenWork> {
        rows.sort_unstable();
        let (mut ripe, mut suspects) = (Vec::new(), Vec::new());
        for (_, id) in rows {
            let takes = self.work.get(&(run, id)).map_or(0, |row| row.takes);
            if takes >= SUSPECT { suspects.push((takes, run, id)) } else { ripe.push(id) }
        }
        let (few, others) = few(suspects);
        ripe.extend(few.into_iter().map(|(.., id)| id));
        let next = self.runs.get(&run).and_then(|run| run.next_slot);
        let targets = ripe.iter().map(|id| self.work.get(&(run, *id)).map_or(0, |row| row.work.targets.len()));
        let Allotment { spans, later, next } = allot(pace, next, now, targets.collect::<Vec<_>>());
        let left = ripe.split_off(spans.len());
        if let Some(run) = self.runs.get_mut(&run) {
            run.next_slot = Some(next);
        }
        let others = others.into_iter().map(|(.., id)| (id, now + PUT_OFF));
        for (id, due) in left.into_iter().zip(later).chain(others) {
            if let Some(row) = self.work.get_mut(&(run, id)).filter(|row| row.guard_until.is_some()) {
                row.make_due(due);
            }
        }
        let slots = ripe.into_iter().zip(spans);
        slots.filter_map(|(id, at)| self.take_row((run, id), (Some(Slot { at, pace }), now + lease))).collect()
    }

    fn take_row(&mut self, (notification, id): RowKey, how: (Option<Slot>, Timestamp)) -> Option<TakenWork> {
        let row = self.work.get_mut(&(notification, id))?;
        let key = WorkKey { app: row.app, notification, work: id };
        Some(take(row, key, how))
    }

    pub fn renew(&mut self, held: &[(WorkKey, i64)], lease: Duration, now: Timestamp) -> Vec<WorkKey> {
        let mut renewed = Vec::new();
        for (key, epoch) in held {
            if let Some(row) = self.fenced(*key, *epoch) {
                row.lease_until = Some(now + lease);
                renewed.push(*key);
            }
        }
        renewed
    }

    pub fn hand_back(&mut self, held: &[(WorkKey, i64)], now: Timestamp) {
        for (key, epoch) in held {
            if let Some(row) = self.fenced(*key, *epoch) {
                row.epoch += 1;
                row.lease_until = None;
                row.make_due(now);
            }
        }
    }
}
