//! Step 6 and what becomes of a lease: claim, renewal, handing back.
//!
//! Rows are looked up key by key and locked in the order of their keys; what someone else has locked is left to them. Rows of runs that have a
//! pace are taken run by run, after the others (see [`allot`]).

use std::collections::HashSet;
use std::time::Duration;

use chrono::TimeDelta;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::Result;
use super::super::engine::Claim;
use super::super::rules::suspects;
use super::PostgresStore;
use super::allot;
use super::batch::{execute, fetch};
use super::row::Cells;
use super::tx::{Tx, transaction};
use super::work::{bind_held, bind_keys, in_order, key_of};
use crate::domain::Timestamp;
use crate::domain::reason::WaitReason;
use crate::domain::work::{Stream, TakenWork, Targets, WorkKey, WorkKind};

/// A row for one target that was taken so often without progress is dead.
const TAKES: u32 = 5;

/// The rows of `$2` and `$3` without a live lease, with where their run is; those that need time of their run only where they are dead. They are
/// not even locked here: their run is locked first.
macro_rules! asked {
    () => {
        "WITH asked AS MATERIALIZED (SELECT w.*, r.status FROM unnest($2::uuid[], $3::bigint[]) AS key (id, work) \
         LEFT JOIN LATERAL (SELECT r.status, r.status = 'running' AND r.pace IS NOT NULL AS paced FROM run r \
         WHERE r.notification_id = key.id LIMIT 1) r ON true CROSS JOIN LATERAL \
         (SELECT w.notification_id, w.id, w.app, w.n, w.kind, w.takes, w.lease_until, w.expires_at FROM work w \
         WHERE w.notification_id = key.id AND w.id = key.work \
         AND (r.paced IS NOT TRUE OR w.kind <> 'send' OR w.expires_at <= $1 OR (w.n = 1 AND w.takes >= 5)) LIMIT 1 FOR UPDATE SKIP LOCKED) w \
         WHERE w.lease_until <= $1) "
    };
}
/// A row whose takes are spent, unless it has expired or its run is cancelled: then it is taken once more, to be recorded.
macro_rules! dead {
    () => {
        "asked.n = 1 AND asked.kind = 'send' AND asked.takes >= 5 AND asked.expires_at > $1 AND asked.status IS DISTINCT FROM 'cancelled'"
    };
}
macro_rules! takeable {
    () => {
        concat!("coalesce(asked.status, '') NOT IN ('paused', 'scheduled') AND NOT (", dead!(), ")")
    };
}
/// See [`suspects`].
macro_rules! suspect {
    () => {
        "(asked.kind = 'send' AND asked.takes >= 2)"
    };
}
/// What is read of a row that is taken.
macro_rules! returning {
    () => {
        " RETURNING work.notification_id, work.id, work.app, work.epoch, work.takes, work.kind, work.stream, work.fan_out, work.targets, \
         work.attempt, work.reason, work.first, work.expires_at, work.n"
    };
}
pub(super) use returning;

/// `$5`: suspects too.
pub(super) const TAKE: &str = concat!(
    asked!(),
    "UPDATE work SET epoch = work.epoch + 1, takes = work.takes + 1, lease_until = $4 FROM asked \
     WHERE work.notification_id = asked.notification_id AND work.id = asked.id AND ",
    takeable!(),
    " AND ($5 OR NOT ",
    suspect!(),
    ")",
    returning!()
);
pub(super) const SUSPECTS: &str = concat!(
    asked!(),
    "SELECT asked.notification_id, asked.id, asked.app FROM asked WHERE ",
    takeable!(),
    " AND ",
    suspect!(),
    " ORDER BY asked.takes, asked.notification_id, asked.id"
);
/// Those of some notifications whose run has a pace.
pub(super) const PACED: &str = "SELECT r.notification_id FROM unnest($1::uuid[]) AS key (id) CROSS JOIN LATERAL (SELECT r.notification_id FROM run r \
     WHERE r.notification_id = key.id AND r.status = 'running' AND r.pace IS NOT NULL LIMIT 1) r";
pub(super) const PUT_OFF: &str = "UPDATE work SET due_at = least($1, work.expires_at), guard_until = '-infinity' \
     FROM unnest($2::uuid[], $3::bigint[]) AS key (id, work) WHERE work.notification_id = key.id AND work.id = key.work";
/// Whatever brought a dead row here, it is not due before it expires.
pub(super) const BURY: &str = concat!(
    asked!(),
    "UPDATE work SET due_at = work.expires_at, guard_until = '-infinity', lease_until = '-infinity', reason = 'dead_letter', died_at = $1 \
     FROM asked WHERE work.notification_id = asked.notification_id AND work.id = asked.id AND ",
    dead!()
);
/// What somebody else has locked is left for the next time: all others would wait with it, for longer than a short lease lasts.
pub(super) const RENEW: &str = "WITH held AS MATERIALIZED (SELECT w.* FROM unnest($2::uuid[], $3::bigint[], $4::bigint[]) AS key (id, work, epoch) \
     CROSS JOIN LATERAL (SELECT w.notification_id, w.id FROM work w \
     WHERE w.notification_id = key.id AND w.id = key.work AND w.epoch = key.epoch LIMIT 1 FOR UPDATE SKIP LOCKED) w) \
     UPDATE work SET lease_until = $1 FROM held WHERE work.notification_id = held.notification_id AND work.id = held.id \
     RETURNING work.notification_id, work.id, work.app";
/// Under the next epoch: a renewal of this one that is on its way comes too late.
pub(super) const HAND_BACK: &str = "UPDATE work SET epoch = work.epoch + 1, lease_until = '-infinity', guard_until = '-infinity', \
     due_at = least($1, work.expires_at) \
     FROM unnest($2::uuid[], $3::bigint[], $4::bigint[]) AS held (id, work, epoch) \
     WHERE work.notification_id = held.id AND work.id = held.work AND work.epoch = held.epoch";

/// Takes what can be taken of `keys`.
pub(super) async fn claim(store: &PostgresStore, keys: &[WorkKey], lease: Duration) -> Result<Claim> {
    let mut keys = keys.to_vec();
    keys.sort_unstable_by_key(|key| (key.notification, key.work));
    keys.dedup();
    let (mut claim, paced) = transaction!(store.engine, tx => without_pace(&mut tx, &keys, lease))?;
    for run in paced {
        let works: Vec<i64> = keys.iter().filter(|key| key.notification.0 == run).map(|key| key.work.0).collect();
        match allot::claim(store, run, &works, lease).await {
            Ok(Claim { now, work }) => {
                claim.now = now;
                claim.work.extend(work);
            }
            // what is taken is in the caller's hands, and has to reach them
            Err(error) if !claim.work.is_empty() => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "work of a run with a pace cannot be taken; its guard brings it back"
                );
            }
            Err(error) => return Err(error),
        }
    }
    Ok(claim)
}

/// Takes what needs no time of its run; and which runs have a pace, of those whose rows may still be taken.
async fn without_pace(tx: &mut Tx, keys: &[WorkKey], lease: Duration) -> Result<(Claim, Vec<Uuid>)> {
    let now = tx.now;
    let until = later(now, lease);
    let mut work = take(tx, keys, until, false).await?;
    let mut runs = Vec::new();
    if work.len() < keys.len() {
        let bury = execute(tx, BURY, |binds| {
            binds.push(now);
            bind_keys(binds, keys);
        });
        bury.await?;
        work.extend(take_few(tx, keys, until).await?);
        runs = paced(tx, keys, &work).await?;
    }
    Ok((Claim { now, work }, runs))
}

async fn paced(tx: &mut Tx, keys: &[WorkKey], taken: &[TakenWork]) -> Result<Vec<Uuid>> {
    let taken: HashSet<WorkKey> = taken.iter().map(|work| work.key).collect();
    let mut left: Vec<Uuid> = keys.iter().filter(|key| !taken.contains(key)).map(|key| key.notification.0).collect();
    left.dedup();
    let rows = fetch(tx, PACED, |binds| {
        binds.push(left);
    });
    rows.await?.iter().map(|row| Cells::new(row, "run", 0).get(0, "notification_id")).collect()
}

async fn take(tx: &mut Tx, keys: &[WorkKey], until: Timestamp, suspects: bool) -> Result<Vec<TakenWork>> {
    let now = tx.now;
    let rows = fetch(tx, TAKE, |binds| {
        binds.push(now);
        bind_keys(binds, keys);
        binds.push(until).push(suspects);
    });
    rows.await?.iter().map(taken).collect()
}

/// Takes a few of the suspects, and puts the others off.
async fn take_few(tx: &mut Tx, keys: &[WorkKey], until: Timestamp) -> Result<Vec<TakenWork>> {
    let now = tx.now;
    let rows = fetch(tx, SUSPECTS, |binds| {
        binds.push(now);
        bind_keys(binds, keys);
    });
    let all = rows.await?.iter().map(|row| key_of(&Cells::new(row, "work", 1))).collect::<Result<Vec<WorkKey>>>()?;
    let (few, others) = all.split_at(suspects::at_once(all.len()));
    if !others.is_empty() {
        let put_off = execute(tx, PUT_OFF, |binds| {
            binds.push(now + suspects::WAIT);
            bind_keys(binds, others);
        });
        put_off.await?;
    }
    if few.is_empty() { Ok(Vec::new()) } else { take(tx, few, until, true).await }
}

/// The end of a lease that begins now.
pub(super) fn later(now: Timestamp, time: Duration) -> Timestamp {
    now + TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX)
}

/// Reads a row that was taken; of one of a run with a pace its slot is to be added.
pub(super) fn taken(row: &PgRow) -> Result<TakenWork> {
    let cells = Cells::new(row, "work", 1);
    let (epoch, takes): (i64, u32) = (cells.get(3, "epoch")?, cells.small(4, "takes")?);
    let kind = cells.word(5, "kind", WorkKind::parse)?;
    Ok(TakenWork {
        key: key_of(&cells)?,
        epoch,
        takes,
        kind,
        stream: cells.word(6, "stream", Stream::parse)?,
        fan_out: cells.get(7, "fan_out")?,
        targets: Targets::decode(cells.get(8, "targets")?).map_err(|_| cells.unreadable("targets"))?,
        attempt: cells.small(9, "attempt")?,
        reason: cells.maybe_word(10, "reason", WaitReason::parse)?,
        first: epoch == 1 && cells.get(11, "first")?,
        expires_at: cells.instant(12, "expires_at")?,
        slot: None,
        spent: cells.get::<i32>(13, "n")? == 1 && kind == WorkKind::Send && takes > TAKES,
    })
}

/// Renews leases under their epochs.
pub(super) async fn renew(tx: &mut Tx, held: &[(WorkKey, i64)], lease: Duration) -> Result<Vec<WorkKey>> {
    let until = later(tx.now, lease);
    let rows = fetch(tx, RENEW, |binds| {
        binds.push(until);
        bind_held(binds, &in_order(held));
    });
    rows.await?.iter().map(|row| key_of(&Cells::new(row, "work", 1))).collect()
}

/// Ends leases and their epochs; their rows are due.
pub(super) async fn hand_back(tx: &mut Tx, held: &[(WorkKey, i64)]) -> Result<()> {
    let now = tx.now;
    let back = execute(tx, HAND_BACK, |binds| {
        binds.push(now);
        bind_held(binds, &in_order(held));
    });
    back.await?;
    Ok(())
}
