//! Step 6 and what becomes of a lease: claim, renewal, handing back.
//!
//! The `+` before a column of a list keeps the planner from reading all work and looking it up in the list.

use std::time::Duration;

use serde::Deserialize;

use super::super::engine::Claim;
use super::super::rules::pacing::Paced;
use super::super::rules::suspects;
use super::super::{Error, Result};
use super::allot;
use super::batch::{Binds, Tuples};
use super::row::{Cells, instant, span};
use super::work::{bind_held, bind_key};
use super::writer::Tx;
use crate::domain::id::{AppId, NotificationId, WorkId};
use crate::domain::pace::Pace;
use crate::domain::reason::WaitReason;
use crate::domain::work::{Stream, TakenWork, Targets, WorkKey, WorkKind};

/// A row for one target that was taken so often without progress is dead.
const TAKES: u32 = 5;

/// A row `w` whose takes are spent, unless it has expired or its run `r` is cancelled: then it is taken once more, to be recorded.
macro_rules! dead {
    () => {
        "w.n = 1 AND w.kind = 'send' AND w.takes >= 5 AND w.expires_at > (SELECT at FROM now) AND r.status IS NOT 'cancelled'"
    };
}
macro_rules! asked {
    () => {
        " FROM key CROSS JOIN work w ON w.notification_id = key.id AND w.id = key.work \
         LEFT JOIN run r ON r.notification_id = w.notification_id WHERE w.lease_until <= (SELECT at FROM now) AND "
    };
}
const NOW_AND_KEYS: &str = "WITH now (at) AS (SELECT ?), key (id, work) AS (VALUES ";

/// What can be taken of some rows.
pub(super) const TAKEABLE: Tuples = Tuples {
    head: NOW_AND_KEYS,
    width: 2,
    tail: concat!(
        ") SELECT json_group_array(json_array(hex(w.notification_id), w.id, w.app, w.epoch, w.takes, w.kind, w.stream, w.fan_out, \
         hex(w.targets), w.attempt, w.reason, w.first, w.expires_at, w.n, w.due_at, CASE WHEN r.status = 'running' THEN r.pace END, r.next_slot))",
        asked!(),
        "coalesce(r.status, '') NOT IN ('paused', 'scheduled') AND NOT (",
        dead!(),
        ")"
    ),
};
pub(super) const TAKE: Tuples = Tuples {
    head: "WITH lease (until) AS (SELECT ?), key (id, work) AS (VALUES ",
    width: 2,
    tail: ") UPDATE work SET epoch = epoch + 1, takes = takes + 1, lease_until = (SELECT until FROM lease) FROM key \
           WHERE work.notification_id = +key.id AND work.id = +key.work",
};
pub(super) const PUT_OFF: Tuples = Tuples {
    head: "WITH later (at) AS (SELECT ?), key (id, work) AS (VALUES ",
    width: 2,
    tail: ") UPDATE work SET due_at = min((SELECT at FROM later), expires_at), guard_until = 0 FROM key \
           WHERE work.notification_id = +key.id AND work.id = +key.work",
};
/// Whatever brought a dead row here, it is not due before it expires.
pub(super) const BURY: Tuples = Tuples {
    head: NOW_AND_KEYS,
    width: 2,
    tail: concat!(
        "), dead (id, work) AS MATERIALIZED (SELECT w.notification_id, w.id",
        asked!(),
        dead!(),
        ") UPDATE work SET due_at = expires_at, guard_until = 0, lease_until = 0, reason = 'dead_letter', died_at = (SELECT at FROM now) FROM dead \
         WHERE work.notification_id = +dead.id AND work.id = +dead.work"
    ),
};
pub(super) const RENEW: Tuples = Tuples {
    head: "WITH lease (until) AS (SELECT ?), held (id, work, epoch) AS (VALUES ",
    width: 3,
    tail: ") UPDATE work SET lease_until = (SELECT until FROM lease) FROM held \
           WHERE work.notification_id = +held.id AND work.id = +held.work AND work.epoch = +held.epoch \
           RETURNING work.notification_id, work.id, work.app",
};
/// Under the next epoch: a renewal of this one that is on its way comes too late.
pub(super) const HAND_BACK: Tuples = Tuples {
    head: "WITH now (at) AS (SELECT ?), held (id, work, epoch) AS (VALUES ",
    width: 3,
    tail: ") UPDATE work SET epoch = work.epoch + 1, lease_until = 0, guard_until = 0, due_at = min((SELECT at FROM now), work.expires_at) FROM held \
           WHERE work.notification_id = +held.id AND work.id = +held.work AND work.epoch = +held.epoch",
};

/// A row that can be taken, as the store writes it in JSON.
#[derive(Deserialize)]
pub(super) struct Takeable {
    notification: NotificationId,
    id: i64,
    app: i64,
    epoch: i64,
    pub(super) takes: u32,
    kind: WorkKind,
    stream: Stream,
    fan_out: u8,
    targets: String,
    attempt: u32,
    reason: Option<WaitReason>,
    first: u8,
    expires_at: i64,
    pub(super) n: usize,
    pub(super) due_at: i64,
    /// The run's, while it is running.
    pace: Option<u32>,
    next_slot: Option<i64>,
}

/// Takes what can be taken of `keys`.
pub(super) async fn claim(mut tx: Tx<'_>, mut keys: Vec<WorkKey>, lease: Duration) -> Result<Claim> {
    let now = tx.now;
    keys.sort_unstable();
    keys.dedup();
    let key = |binds: &mut Binds, key: &WorkKey| bind_key(binds, *key);
    let at = |binds: &mut Binds| {
        binds.push(now);
    };
    let rows: Vec<Takeable> = TAKEABLE.fetch_list(tx.conn, (&keys, "work"), at, key).await?;
    if rows.len() < keys.len() {
        BURY.execute(tx.conn, &keys, at, key).await?;
    }
    let (paced, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.needs_time(now));
    let (mut suspects, mut rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(Takeable::is_suspect);
    suspects.sort_unstable_by_key(|row| (row.takes, row.notification, row.id));
    let others = suspects.split_off(suspects::at_once(suspects.len()));
    let put_off = |binds: &mut Binds| {
        binds.push(now.saturating_add(suspects::WAIT.num_microseconds().unwrap_or_default()));
    };
    PUT_OFF.execute(tx.conn, &others, put_off, |binds, row: &Takeable| bind_key(binds, row.key())).await?;
    rows.append(&mut suspects);
    let mut work = rows.into_iter().map(Takeable::taken).collect::<Result<Vec<_>>>()?;
    let until = now.saturating_add(span(lease));
    let lead = |binds: &mut Binds| {
        binds.push(until);
    };
    TAKE.execute(tx.conn, &work, lead, |binds, work: &TakenWork| bind_key(binds, work.key)).await?;
    if !paced.is_empty() {
        work.extend(allot::take(&mut tx, paced, until).await?);
    }
    Ok(Claim { now: instant(now).unwrap_or_default(), work })
}

impl Takeable {
    pub(super) fn key(&self) -> WorkKey {
        WorkKey { app: AppId(self.app), notification: self.notification, work: WorkId(self.id) }
    }

    /// See [`suspects`].
    fn is_suspect(&self) -> bool {
        self.kind == WorkKind::Send && self.takes >= suspects::TAKES
    }

    /// Whether it is taken only where its run has time for it: what is over is only recorded.
    fn needs_time(&self, now: i64) -> bool {
        self.pace.is_some() && self.kind == WorkKind::Send && self.expires_at > now
    }

    /// Its run, with the pace that it has.
    pub(super) fn run(&self) -> Option<(NotificationId, Paced)> {
        let paced = Paced { pace: Pace::new(self.pace?)?, next: self.next_slot.and_then(instant) };
        Some((self.notification, paced))
    }

    /// The row after it was taken; of one of a run with a pace its slot is to be added.
    pub(super) fn taken(self) -> Result<TakenWork> {
        let unreadable = |column| Error::Unreadable { table: "work", column, row: self.id.to_string() };
        let targets = hex::decode(&self.targets).ok().and_then(|bytes| Targets::decode(&bytes).ok());
        Ok(TakenWork {
            key: self.key(),
            epoch: self.epoch + 1,
            takes: self.takes + 1,
            kind: self.kind,
            stream: self.stream,
            fan_out: self.fan_out == 1,
            targets: targets.ok_or_else(|| unreadable("targets"))?,
            attempt: self.attempt,
            reason: self.reason,
            first: self.epoch == 0 && self.first == 1,
            expires_at: instant(self.expires_at).ok_or_else(|| unreadable("expires_at"))?,
            slot: None,
            spent: self.n == 1 && self.kind == WorkKind::Send && self.takes >= TAKES,
        })
    }
}

/// The key of a row that begins with notification, work and app.
pub(super) fn key_of(cells: &Cells<'_>) -> Result<WorkKey> {
    Ok(WorkKey {
        app: AppId(cells.get(2, "app")?),
        notification: cells.notification(0, "notification_id")?,
        work: WorkId(cells.get(1, "id")?),
    })
}

/// Renews leases under their epochs.
pub(super) async fn renew(tx: Tx<'_>, held: Vec<(WorkKey, i64)>, lease: Duration) -> Result<Vec<WorkKey>> {
    let until = tx.now.saturating_add(span(lease));
    let lead = |binds: &mut Binds| {
        binds.push(until);
    };
    let rows = RENEW.fetch(tx.conn, &held, lead, bind_held).await?;
    rows.iter().map(|row| key_of(&Cells::new(row, "work", 0))).collect()
}

/// Ends leases under their epochs; their rows are due.
pub(super) async fn hand_back(tx: Tx<'_>, held: Vec<(WorkKey, i64)>) -> Result<()> {
    let now = tx.now;
    let lead = |binds: &mut Binds| {
        binds.push(now);
    };
    HAND_BACK.execute(tx.conn, &held, lead, bind_held).await?;
    Ok(())
}
