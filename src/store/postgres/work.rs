//! Work rows: written by accept, by an expansion and as what follows other work.

use uuid::Uuid;

use super::super::Result;
use super::batch::{Binds, execute};
use super::row::Cells;
use super::tx::Tx;
use crate::domain::Timestamp;
use crate::domain::id::{AppId, NotificationId, WorkId};
use crate::domain::pace::Pace;
use crate::domain::reason::WaitReason;
use crate::domain::work::{NewWork, WorkKey};

pub(super) const INSERT: &str = "INSERT INTO work (notification_id, id, app, kind, stream, fan_out, targets, n, attempt, reason, first, made_at, due_at, \
                      expires_at, guard_until) \
                      SELECT new.notification_id, new.id, new.app, new.kind, new.stream, new.fan_out, new.targets, new.n, new.attempt, new.reason, \
                      new.first, $1, least(new.due_at, new.expires_at), new.expires_at, coalesce(new.guard_until, '-infinity') \
                      FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bool[], $8::bytea[], $9::int[], $10::int[], \
                      $11::text[], $12::bool[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[]) \
                      AS new (notification_id, id, app, kind, stream, fan_out, targets, n, attempt, reason, first, due_at, expires_at, guard_until)";

/// A row to be inserted.
pub(super) struct Row<'a> {
    /// The notification's app.
    pub(super) app: AppId,
    /// The notification.
    pub(super) notification: NotificationId,
    /// What is to be done.
    pub(super) work: &'a NewWork,
    /// Made by accept or by an expansion.
    pub(super) first: bool,
    /// Accept publishes it itself: it is not published again before this.
    pub(super) guard_until: Option<Timestamp>,
}

/// Inserts rows; none is due after it expires.
pub(super) async fn insert(tx: &mut Tx, mut rows: Vec<Row<'_>>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort_unstable_by_key(|row| (row.notification, row.work.id));
    let now = tx.now;
    execute(tx, INSERT, |binds| bind(binds, now, &rows)).await?;
    Ok(())
}

fn bind(binds: &mut Binds, now: Timestamp, rows: &[Row<'_>]) {
    binds.push(now);
    binds.push(rows.iter().map(|row| row.notification.0).collect::<Vec<Uuid>>());
    binds.push(rows.iter().map(|row| row.work.id.0).collect::<Vec<i64>>());
    binds.push(rows.iter().map(|row| row.app.0).collect::<Vec<i64>>());
    binds.push(rows.iter().map(|row| row.work.kind.as_str()).collect::<Vec<&str>>());
    binds.push(rows.iter().map(|row| row.work.stream.as_str()).collect::<Vec<&str>>());
    binds.push(rows.iter().map(|row| row.work.fan_out).collect::<Vec<bool>>());
    binds.push(rows.iter().map(|row| row.work.targets.encode()).collect::<Vec<Vec<u8>>>());
    binds.push(rows.iter().map(|row| small(row.work.targets.len())).collect::<Vec<i32>>());
    binds.push(rows.iter().map(|row| i32::try_from(row.work.attempt).unwrap_or(i32::MAX)).collect::<Vec<i32>>());
    binds.push(rows.iter().map(|row| row.work.reason.map(WaitReason::as_str)).collect::<Vec<Option<&str>>>());
    binds.push(rows.iter().map(|row| row.first).collect::<Vec<bool>>());
    binds.push(rows.iter().map(|row| row.work.due_at).collect::<Vec<Timestamp>>());
    binds.push(rows.iter().map(|row| row.work.expires_at).collect::<Vec<Timestamp>>());
    binds.push(rows.iter().map(|row| row.guard_until).collect::<Vec<Option<Timestamp>>>());
}

/// A run's pace as the store keeps it.
pub(super) fn pace_cell(pace: Option<Pace>) -> Option<i32> {
    pace.and_then(|pace| i32::try_from(pace.per_second()).ok())
}

/// What [`pace_cell`] wrote.
pub(super) fn pace(cell: Option<i32>) -> Option<Pace> {
    Pace::new(u32::try_from(cell?).ok()?)
}

/// The greatest number of a run's targets as the store keeps it.
pub(super) fn bound_cell(max_targets: Option<u64>) -> Option<i64> {
    max_targets.map(|most| i64::try_from(most).unwrap_or(i64::MAX))
}

fn small(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// Binds rows' keys as two arrays: notifications, numbers.
pub(super) fn bind_keys(binds: &mut Binds, keys: &[WorkKey]) {
    binds.push(keys.iter().map(|key| key.notification.0).collect::<Vec<Uuid>>());
    binds.push(keys.iter().map(|key| key.work.0).collect::<Vec<i64>>());
}

/// Binds rows' keys and the epochs that they must have, as three arrays.
pub(super) fn bind_held(binds: &mut Binds, held: &[(WorkKey, i64)]) {
    let keys: Vec<WorkKey> = held.iter().map(|(key, _)| *key).collect();
    bind_keys(binds, &keys);
    binds.push(held.iter().map(|(_, epoch)| *epoch).collect::<Vec<i64>>());
}

/// Rows in the order in which everybody locks them.
pub(super) fn in_order(held: &[(WorkKey, i64)]) -> Vec<(WorkKey, i64)> {
    let mut held = held.to_vec();
    held.sort_unstable_by_key(|(key, _)| (key.notification, key.work));
    held
}

/// The key of a row that begins with notification, work and app.
pub(super) fn key_of(cells: &Cells<'_>) -> Result<WorkKey> {
    Ok(WorkKey {
        app: AppId(cells.get(2, "app")?),
        notification: cells.notification(0, "notification_id")?,
        work: WorkId(cells.get(1, "id")?),
    })
}
