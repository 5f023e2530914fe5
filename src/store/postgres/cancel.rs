//! Cancelling, pausing, and what nodes read of it. The run is locked before the work, as everywhere.

use sqlx::postgres::PgRow;

use super::super::Result;
use super::super::engine::{RunChange, RunStatus};
use super::batch::{Binds, execute, fetch_one};
use super::row::Cells;
use super::tx::Tx;
use crate::domain::id::{AppId, NotificationId};

pub(super) const FIND: &str = "SELECT n.id, n.start_at, EXISTS (SELECT 1 FROM work w WHERE w.notification_id = n.id) FROM notification n \
                    WHERE n.app = $1 AND n.id = $2";
pub(super) const STATUS: &str = "SELECT notification_id, status FROM run WHERE notification_id = $1 FOR UPDATE";
pub(super) const CANCEL: &str = "INSERT INTO run (notification_id, app, fan_out, status, start_at, open, changed_at) VALUES ($2, $1, false, 'cancelled', $3, false, $4) \
                      ON CONFLICT (notification_id) DO UPDATE SET status = 'cancelled', changed_at = excluded.changed_at";
pub(super) const STOP_EXPANDING: &str = "DELETE FROM work WHERE notification_id = $2 AND app = $1 AND kind = 'expand'";
pub(super) const DUE: &str = "UPDATE work SET due_at = least($3, expires_at), guard_until = '-infinity' \
                   WHERE notification_id = $2 AND app = $1 AND (due_at > least($3, expires_at) OR guard_until > '-infinity')";
pub(super) const DUE_UNLEASED: &str = "UPDATE work SET due_at = least($3, expires_at), guard_until = '-infinity' \
                            WHERE notification_id = $2 AND app = $1 AND lease_until <= $3 \
                            AND (due_at > least($3, expires_at) OR guard_until > '-infinity') \
                            AND EXISTS (SELECT 1 FROM run r WHERE r.notification_id = $2 AND r.status = 'cancelled')";
pub(super) const CHANGES: &str =
    "SELECT notification_id, status, changed_at, app FROM run WHERE changed_at >= $1 ORDER BY changed_at, notification_id";
pub(super) const PAUSE: &str = "UPDATE run SET status = 'paused', changed_at = CASE status WHEN 'paused' THEN changed_at ELSE $3 END \
                     WHERE notification_id = $2 AND app = $1 AND status IN ('running', 'paused')";
pub(super) const RESUME: &str = "UPDATE run SET status = 'running', changed_at = CASE status WHEN 'running' THEN changed_at ELSE $3 END \
                      WHERE notification_id = $2 AND app = $1 AND status IN ('running', 'paused')";
pub(super) const UNTAKEN: &str = "UPDATE work SET due_at = least($3, expires_at), guard_until = '-infinity' \
                       WHERE notification_id = $2 AND app = $1 AND guard_until > '-infinity' AND lease_until <= $3";

/// Cancels a notification; whether there is one. What is done stays done.
pub(super) async fn cancel(tx: &mut Tx, app: AppId, id: NotificationId) -> Result<bool> {
    let Some(row) = fetch_one(tx, FIND, named(app, id)).await? else { return Ok(false) };
    let cells = Cells::new(&row, "notification", 0);
    let start_at = cells.instant(1, "start_at")?;
    let has_work: bool = cells.get(2, "id")?;
    let locked = fetch_one(tx, STATUS, |binds| {
        binds.push(id.0);
    });
    let status = locked.await?.map(|row| Cells::new(&row, "run", 0).word(1, "status", RunStatus::parse)).transpose()?;
    if !has_work || status == Some(RunStatus::Done) {
        return Ok(true);
    }
    let now = tx.now;
    if status != Some(RunStatus::Cancelled) {
        let upsert = execute(tx, CANCEL, |binds| {
            named(app, id)(binds);
            binds.push(start_at).push(now);
        });
        upsert.await?;
        execute(tx, STOP_EXPANDING, named(app, id)).await?;
    }
    execute(tx, DUE, named_at(app, id, now)).await?;
    Ok(true)
}

/// Makes the unleased work of a cancelled notification due.
pub(super) async fn hasten(tx: &mut Tx, app: AppId, id: NotificationId) -> Result<()> {
    let now = tx.now;
    execute(tx, DUE_UNLEASED, named_at(app, id, now)).await?;
    Ok(())
}

/// Holds a run; whether it is paused now.
pub(super) async fn pause(tx: &mut Tx, app: AppId, id: NotificationId) -> Result<bool> {
    let now = tx.now;
    Ok(execute(tx, PAUSE, named_at(app, id, now)).await? > 0)
}

/// Lets a run go on; whether it is running now.
pub(super) async fn resume(tx: &mut Tx, app: AppId, id: NotificationId) -> Result<bool> {
    let now = tx.now;
    let running = execute(tx, RESUME, named_at(app, id, now)).await? > 0;
    if running {
        execute(tx, UNTAKEN, named_at(app, id, now)).await?;
    }
    Ok(running)
}

fn named(app: AppId, id: NotificationId) -> impl FnOnce(&mut Binds) + Send {
    move |binds| {
        binds.push(app.0).push(id.0);
    }
}

fn named_at(app: AppId, id: NotificationId, now: crate::domain::Timestamp) -> impl FnOnce(&mut Binds) + Send {
    move |binds| {
        binds.push(app.0).push(id.0).push(now);
    }
}

/// Reads a row of [`CHANGES`].
pub(super) fn change(row: &PgRow) -> Result<RunChange> {
    let cells = Cells::new(row, "run", 0);
    Ok(RunChange {
        app: AppId(cells.get(3, "app")?),
        notification: cells.notification(0, "notification_id")?,
        status: cells.word(1, "status", RunStatus::parse)?,
        changed_at: cells.instant(2, "changed_at")?,
    })
}
