//! Step 6, and what becomes of a lease.

use std::collections::BTreeSet;
use std::time::Duration;

use herald::domain::Timestamp;
use herald::domain::pace::{Pace, Slot};
use herald::domain::reason::WaitReason;
use herald::domain::work::{TakenWork, WorkKey, WorkKind};
use herald::store::engine::{Claim, RunStatus};

use super::state::{Row, State};

/// A row for one target that was taken so often without progress is dead.
const TAKES: u32 = 5;

/// Of rows that were taken in vain so often only one in sixteen is taken at once, and the others a second later.
const SUSPECT: u32 = 2;

fn is_spent(row: &Row) -> bool {
    row.work.kind == WorkKind::Send && row.work.targets.len() == 1 && row.takes >= TAKES
}

fn bury(row: &mut Row, now: Timestamp) {
    row.make_due(row.work.expires_at);
    row.lease_until = None;
    row.work.reason = Some(WaitReason::DeadLetter);
    row.died_at = Some(now);
}

fn take(row: &mut Row, key: WorkKey, (pace, lease_until): (Option<Pace>, Timestamp)) -> TakenWork {
    let (first, spent) = (row.first && row.epoch == 0, is_spent(row));
    row.epoch += 1;
    row.takes += 1;
    row.lease_until = Some(lease_until);
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
        slot: row.slot_at.zip(pace).map(|(at, pace)| Slot { at, pace }),
        spent,
    }
}

impl State {
    pub fn claim(&mut self, keys: &[WorkKey], lease: Duration, now: Timestamp) -> Claim {
        let (mut work, mut suspects) = (Vec::new(), Vec::new());
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
            if row.work.kind == WorkKind::Send && row.takes >= SUSPECT {
                suspects.push((row.takes, key.notification, key.work));
            } else {
                work.push(take(row, *key, (pace, now + lease)));
            }
        }
        suspects.sort_unstable();
        let few = suspects.len().div_ceil(16);
        for (number, (_, notification, id)) in suspects.into_iter().enumerate() {
            let pace = self.pace(notification);
            let Some(row) = self.work.get_mut(&(notification, id)) else { continue };
            if number < few {
                work.push(take(row, WorkKey { app: row.app, notification, work: id }, (pace, now + lease)));
            } else {
                row.make_due(now + Duration::from_secs(1));
            }
        }
        Claim { now, work }
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
