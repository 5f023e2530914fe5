//! Step 6 for rows of a run that has a pace: each gets a span of time of its own, under the lock of the run.
//!
//! The run is locked before its work, as everywhere. Whoever holds it for longer, as a page of an audience or a cancel may, is not waited for: the
//! rows are due again soon.

use std::time::Duration;

use chrono::TimeDelta;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::Result;
use super::super::engine::Claim;
use super::super::rules::pacing::{Paced, Ripe, claim as allot};
use super::PostgresStore;
use super::batch::{execute, fetch, fetch_one};
use super::claim::{later, returning, taken};
use super::fault::is_busy;
use super::row::Cells;
use super::tx::{Tx, transaction};
use super::work;
use crate::domain::Timestamp;
use crate::domain::pace::{Pace, Slot};
use crate::domain::work::TakenWork;

/// When rows are due again whose run somebody else has locked.
const LOCKED: TimeDelta = TimeDelta::milliseconds(50);

pub(super) const LOCK: &str = "SELECT notification_id, pace, next_slot FROM run \
     WHERE notification_id = $1 AND status = 'running' AND pace IS NOT NULL FOR UPDATE";
/// Those that can be taken of the rows `$3`, the first published first, and the present instant: the transaction began before it had the run. A dead
/// one is left where it is.
pub(super) const RIPE: &str = "SELECT w.notification_id, w.id, w.n, w.takes, clock_timestamp() FROM unnest($3::bigint[]) AS key (work) CROSS JOIN LATERAL \
     (SELECT w.* FROM work w WHERE w.notification_id = $2 AND w.id = key.work AND w.lease_until <= $1 AND w.kind = 'send' AND w.expires_at > $1 \
     AND NOT (w.n = 1 AND w.takes >= 5) LIMIT 1 FOR UPDATE SKIP LOCKED) w ORDER BY w.due_at, w.id";
pub(super) const TAKE: &str = concat!(
    "UPDATE work SET epoch = work.epoch + 1, takes = work.takes + 1, lease_until = $1, slot_at = slot.at \
     FROM unnest($3::bigint[], $4::timestamptz[]) AS slot (id, at) WHERE work.notification_id = $2 AND work.id = slot.id",
    returning!(),
    ", slot.at"
);
pub(super) const NEXT: &str = "UPDATE run SET next_slot = $2 WHERE notification_id = $1";
/// What somebody has locked or taken is left to them, and what was not published is due when it was to be.
pub(super) const PUT_OFF: &str = "UPDATE work SET due_at = least(free.at, work.expires_at), guard_until = '-infinity' \
     FROM (SELECT w.id, key.at FROM unnest($3::bigint[], $4::timestamptz[]) AS key (work, at) CROSS JOIN LATERAL \
     (SELECT w.id FROM work w WHERE w.notification_id = $2 AND w.id = key.work AND w.lease_until <= $1 AND w.guard_until > '-infinity' \
     LIMIT 1 FOR UPDATE SKIP LOCKED) w) free \
     WHERE work.notification_id = $2 AND work.id = free.id";

/// Takes those of these rows of a run for which there is time, and puts the others off.
pub(super) async fn claim(store: &PostgresStore, run: Uuid, works: &[i64], lease: Duration) -> Result<Claim> {
    let mut tx = store.engine.begin_impatiently().await?;
    let done = claim_locked(store, &mut tx, (run, works), lease).await;
    match tx.end(done).await {
        Err(error) if is_busy(&error) => transaction!(store.engine, tx => leave(&mut tx, run, works)),
        claimed => claimed,
    }
}

async fn claim_locked(store: &PostgresStore, tx: &mut Tx, (run, works): (Uuid, &[i64]), lease: Duration) -> Result<Claim> {
    let now = tx.now;
    let row = fetch_one(tx, LOCK, |binds| {
        binds.push(run);
    });
    let Some(paced) = row.await?.map(|row| paced(&row)).transpose()?.flatten() else { return Ok(Claim { now, work: Vec::new() }) };
    let rows = fetch(tx, RIPE, |binds| {
        binds.push(now).push(run).push(works.to_vec());
    });
    let rows = rows.await?;
    let Some(first) = rows.first() else { return Ok(Claim { now, work: Vec::new() }) };
    // who had the run before may have allotted its time at a later instant than that at which this began, which would look like a clock set back
    let locked_at = store.engine.clock().map_or_else(|| Cells::new(first, "work", 1).instant(4, "clock_timestamp"), Ok)?;
    let ripe = rows.iter().map(ripe).collect::<Result<Vec<_>>>()?;
    let allotted = allot(paced, locked_at, ripe);
    let work = take(tx, run, &allotted.taken, (paced.pace, later(now, lease))).await?;
    make_due(tx, run, &allotted.later).await?;
    if paced.next != Some(allotted.next) {
        let next = execute(tx, NEXT, |binds| {
            binds.push(run).push(allotted.next);
        });
        next.await?;
    }
    Ok(Claim { now, work })
}

/// Leaves rows to the next time, since their run is locked.
async fn leave(tx: &mut Tx, run: Uuid, works: &[i64]) -> Result<Claim> {
    let now = tx.now;
    let due = works.iter().map(|work| (*work, now + LOCKED)).collect::<Vec<_>>();
    make_due(tx, run, &due).await?;
    Ok(Claim { now, work: Vec::new() })
}

fn paced(run: &PgRow) -> Result<Option<Paced>> {
    let cells = Cells::new(run, "run", 0);
    let next = cells.maybe_instant(2, "next_slot")?;
    Ok(work::pace(cells.get(1, "pace")?).map(|pace| Paced { pace, next }))
}

fn ripe(row: &PgRow) -> Result<Ripe<i64>> {
    let cells = Cells::new(row, "work", 1);
    Ok(Ripe { key: cells.get(1, "id")?, targets: cells.small(2, "n")?, takes: cells.small(3, "takes")? })
}

async fn take(tx: &mut Tx, run: Uuid, rows: &[(i64, Timestamp)], (pace, until): (Pace, Timestamp)) -> Result<Vec<TakenWork>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let rows = fetch(tx, TAKE, |binds| {
        binds.push(until).push(run);
        binds.push(rows.iter().map(|(work, _)| *work).collect::<Vec<i64>>());
        binds.push(rows.iter().map(|(_, at)| *at).collect::<Vec<Timestamp>>());
    });
    let read = |row| {
        let at = Cells::new(row, "work", 1).instant(14, "slot_at")?;
        Ok(TakenWork { slot: Some(Slot { at, pace }), ..taken(row)? })
    };
    rows.await?.iter().map(read).collect()
}

async fn make_due(tx: &mut Tx, run: Uuid, rows: &[(i64, Timestamp)]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let now = tx.now;
    let due = execute(tx, PUT_OFF, |binds| {
        binds.push(now).push(run);
        binds.push(rows.iter().map(|(work, _)| *work).collect::<Vec<i64>>());
        binds.push(rows.iter().map(|(_, at)| *at).collect::<Vec<Timestamp>>());
    });
    due.await?;
    Ok(())
}
