//! Cancelling, and what nodes read of it.

use super::super::Result;
use super::super::engine::{RunChange, RunStatus};
use super::SqliteStore;
use super::batch::{Binds, execute, fetch, fetch_one};
use super::row::{Cells, micros};
use super::writer::Tx;
use crate::domain::Timestamp;
use crate::domain::id::{AppId, NotificationId};

pub(super) const FIND: &str = "SELECT n.id, n.start_at, r.status, EXISTS (SELECT 1 FROM work w WHERE w.notification_id = n.id) \
                    FROM notification n LEFT JOIN run r ON r.notification_id = n.id WHERE n.app = ?1 AND n.id = ?2";
const CANCEL: &str = "INSERT INTO run (notification_id, app, fan_out, status, start_at, open, changed_at) VALUES (?2, ?1, 0, 'cancelled', ?3, 0, ?4) \
                      ON CONFLICT (notification_id) DO UPDATE SET status = 'cancelled', changed_at = excluded.changed_at";
const STOP_EXPANDING: &str = "DELETE FROM work WHERE notification_id = ?2 AND app = ?1 AND kind = 'expand'";
pub(super) const DUE: &str = "UPDATE work SET due_at = min(?3, expires_at), guard_until = 0 \
                   WHERE notification_id = ?2 AND app = ?1 AND (due_at > min(?3, expires_at) OR guard_until > 0)";
pub(super) const DUE_UNLEASED: &str = "UPDATE work SET due_at = min(?3, expires_at), guard_until = 0 \
                            WHERE notification_id = ?2 AND app = ?1 AND lease_until <= ?3 AND (due_at > min(?3, expires_at) OR guard_until > 0) \
                            AND EXISTS (SELECT 1 FROM run r WHERE r.notification_id = ?2 AND r.status = 'cancelled')";
pub(super) const CHANGES: &str =
    "SELECT notification_id, status, changed_at, app FROM run WHERE changed_at >= ?1 ORDER BY changed_at, notification_id";

/// Cancels a notification; whether there is one. What is done stays done.
pub(super) async fn cancel(tx: &mut Tx<'_>, app: AppId, id: NotificationId) -> Result<bool> {
    let named = |binds: &mut Binds| {
        binds.push(app.0).push(id.0.as_bytes().as_slice());
    };
    let Some(row) = fetch_one(tx.conn, FIND, named).await? else { return Ok(false) };
    let cells = Cells::new(&row, "notification", 0);
    let start_at: i64 = cells.get(1, "start_at")?;
    let status = cells.maybe_word(2, "status", RunStatus::parse)?;
    let has_work: bool = cells.get(3, "id")?;
    if !has_work || matches!(status, Some(RunStatus::Done)) {
        return Ok(true);
    }
    let now = tx.now;
    if status != Some(RunStatus::Cancelled) {
        let upsert = execute(tx.conn, CANCEL, |binds| {
            named(binds);
            binds.push(start_at).push(now);
        });
        upsert.await?;
        execute(tx.conn, STOP_EXPANDING, named).await?;
    }
    let due = execute(tx.conn, DUE, |binds| {
        named(binds);
        binds.push(now);
    });
    due.await?;
    Ok(true)
}

/// Makes the unleased work of a cancelled notification due.
pub(super) async fn hasten(tx: &mut Tx<'_>, app: AppId, id: NotificationId) -> Result<()> {
    let due = execute(tx.conn, DUE_UNLEASED, |binds| {
        binds.push(app.0).push(id.0.as_bytes().as_slice()).push(tx.now);
    });
    due.await?;
    Ok(())
}

impl SqliteStore {
    /// Runs that were cancelled, paused or resumed at or after `since`.
    pub(super) async fn changes(&self, since: Timestamp) -> Result<Vec<RunChange>> {
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, CHANGES, |binds| {
            binds.push(micros(since));
        });
        let read = |row| {
            let cells = Cells::new(row, "run", 0);
            Ok(RunChange {
                app: AppId(cells.get(3, "app")?),
                notification: cells.notification(0, "notification_id")?,
                status: cells.word(1, "status", RunStatus::parse)?,
                changed_at: cells.instant(2, "changed_at")?,
            })
        };
        rows.await?.iter().map(read).collect()
    }
}
