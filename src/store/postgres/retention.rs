//! Days whose time is over: their partitions go as a whole, and what belongs to their notifications elsewhere follows row by row.
//!
//! A partition goes only when no work of its notifications is left, and notifications only after their deliveries, which may be of later
//! days. Dropping needs a lock against everybody for a moment: it is waited for only briefly, since others queue behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use super::super::Result;
use super::super::rules::days::{first_id, last_over, midnight};
use super::PostgresStore;
use super::batch::{Binds, answered, execute, fetch, fetch_one, nothing};
use super::fault::is_busy;
use super::partitions::{Partition, lock};
use super::row::Cells;
use super::tx::{Tx, transaction};

const THERE: &str = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
                     WHERE i.inhparent IN ('notification'::regclass, 'delivery'::regclass)";
const PATIENCE: &str = "SET LOCAL lock_timeout = '200ms'";
/// Work of notifications that began on a day.
pub(super) const WORK_OF_DAY: &str = "SELECT EXISTS (SELECT 1 FROM work w \
    CROSS JOIN LATERAL (SELECT start_at FROM notification WHERE app = w.app AND id = w.notification_id LIMIT 1) n \
    WHERE w.notification_id < $1 AND n.start_at >= $2 AND n.start_at < $3)";
pub(super) const WORK_OF_IDS: &str = "SELECT EXISTS (SELECT 1 FROM work WHERE notification_id >= $1 AND notification_id < $2)";
pub(super) const DELIVERIES_OF_IDS: &str = "SELECT EXISTS (SELECT 1 FROM unnest($3::int[]) AS kept (day) \
    CROSS JOIN LATERAL (SELECT 1 FROM delivery WHERE day = kept.day AND notification_id >= $1 AND notification_id < $2 LIMIT 1) d)";
pub(super) const RUNS: &str = "DELETE FROM run WHERE ctid = ANY (ARRAY (SELECT ctid FROM run WHERE notification_id < $1 \
    ORDER BY notification_id LIMIT $2 FOR UPDATE SKIP LOCKED))";
pub(super) const COUNTS: &str = "DELETE FROM notification_count WHERE ctid = ANY (ARRAY (SELECT ctid FROM notification_count \
    WHERE notification_id < $1 ORDER BY notification_id LIMIT $2 FOR UPDATE SKIP LOCKED))";
pub(super) const LATENCIES: &str = "DELETE FROM latency WHERE ctid = ANY (ARRAY (SELECT ctid FROM latency \
    WHERE notification_id < $1 ORDER BY notification_id LIMIT $2 FOR UPDATE SKIP LOCKED))";

/// Rows that one commit forgets.
const AT_ONCE: i64 = 5_000;

/// Drops the days whose retention is over. What is in use just now, or takes too long to look at, is left for the next time.
pub(super) async fn drop_over(store: &PostgresStore) -> Result<()> {
    let Some(retention) = store.retention else { return Ok(()) };
    let there = transaction!(store.callers, tx => list(&mut tx, retention))?;
    let mut kept = BTreeSet::new();
    // deliveries come first
    for (partition, is_over) in there.into_iter().rev() {
        if !is_over || !drop_unless_needed(store, partition, &kept).await? {
            kept.insert(partition);
        }
    }
    let oldest = kept.iter().find_map(|partition| match partition {
        Partition::Notifications(day) => Some(*day),
        Partition::Deliveries(_) => None,
    });
    let Some(day) = oldest else { return Ok(()) };
    while !transaction!(store.callers, tx => forget_before(&mut tx, first_id(day)))? {}
    Ok(())
}

/// The partitions, and whether the retention of each is over.
async fn list(tx: &mut Tx, retention: Duration) -> Result<BTreeMap<Partition, bool>> {
    let rows = fetch(tx, THERE, nothing).await?;
    let last = last_over(tx.now, retention);
    let mut there = BTreeMap::new();
    for row in &rows {
        if let Some(partition) = Partition::parse(Cells::new(row, "pg_class", 0).get(0, "relname")?) {
            there.insert(partition, last.is_some_and(|last| partition.day() <= last));
        }
    }
    Ok(there)
}

/// Whether it is gone.
async fn drop_unless_needed(store: &PostgresStore, partition: Partition, kept: &BTreeSet<Partition>) -> Result<bool> {
    match transaction!(store.callers, tx => attempt(&mut tx, partition, kept)) {
        Ok(gone) => {
            if gone {
                store.partitions.forget();
                tracing::info!(partition = partition.name(), "a day was dropped, since its retention is over");
            }
            Ok(gone)
        }
        Err(error) if is_busy(&error) => {
            tracing::debug!(partition = partition.name(), "a day whose retention is over is in use and will be dropped later");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

async fn attempt(tx: &mut Tx, partition: Partition, kept: &BTreeSet<Partition>) -> Result<bool> {
    execute(tx, PATIENCE, nothing).await?;
    lock(tx).await?;
    if is_needed(tx, partition, kept).await? {
        return Ok(false);
    }
    answered(tx.execute(sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE IF EXISTS {}", partition.name()))))).await?;
    Ok(true)
}

async fn is_needed(tx: &mut Tx, partition: Partition, kept: &BTreeSet<Partition>) -> Result<bool> {
    match partition {
        Partition::Notifications(day) => {
            let ids = [first_id(day), first_id(day + 1)];
            if holds(tx, WORK_OF_IDS, |binds| bind_ids(binds, ids)).await? {
                return Ok(true);
            }
            let days = kept.iter().filter_map(|partition| match partition {
                Partition::Deliveries(day) => Some(*day),
                Partition::Notifications(_) => None,
            });
            let days: Vec<i32> = days.collect();
            let has_deliveries = holds(tx, DELIVERIES_OF_IDS, |binds| {
                bind_ids(binds, ids);
                binds.push(days);
            });
            has_deliveries.await
        }
        Partition::Deliveries(day) => {
            let day = i64::from(day);
            // an id is made a moment after the instant at which its notification begins
            let later_ids = first_id(day + 2);
            let has_work = holds(tx, WORK_OF_DAY, |binds| {
                binds.push(later_ids).push(midnight(day)).push(midnight(day + 1));
            });
            has_work.await
        }
    }
}

fn bind_ids(binds: &mut Binds, [from, to]: [Uuid; 2]) {
    binds.push(from).push(to);
}

async fn holds(tx: &mut Tx, text: &'static str, bind: impl FnOnce(&mut Binds) + Send) -> Result<bool> {
    fetch_one(tx, text, bind).await?.map_or(Ok(false), |row| Cells::new(&row, "work", 0).get(0, "notification_id"))
}

/// Forgets what is left of notifications with smaller ids, which are gone; whether that is all.
async fn forget_before(tx: &mut Tx, id: Uuid) -> Result<bool> {
    let mut over = true;
    for text in [RUNS, COUNTS, LATENCIES] {
        let gone = execute(tx, text, |binds| {
            binds.push(id).push(AT_ONCE);
        });
        over &= gone.await? < AT_ONCE.unsigned_abs();
    }
    Ok(over)
}
