//! Holding a run and letting it go on.

use super::super::Result;
use super::batch::{Binds, execute};
use super::writer::Tx;
use crate::domain::id::{AppId, NotificationId};

pub(super) const PAUSE: &str = "UPDATE run SET status = 'paused', changed_at = iif(status = 'paused', changed_at, ?3) \
                                WHERE notification_id = ?2 AND app = ?1 AND status IN ('running', 'paused')";
pub(super) const RESUME: &str = "UPDATE run SET status = 'running', changed_at = iif(status = 'running', changed_at, ?3) \
                                 WHERE notification_id = ?2 AND app = ?1 AND status IN ('running', 'paused')";
pub(super) const UNTAKEN: &str = "UPDATE work SET due_at = min(?3, expires_at), guard_until = 0 \
                                  WHERE notification_id = ?2 AND app = ?1 AND guard_until > 0 AND lease_until <= ?3";

/// Holds a run; whether it is paused now.
pub(super) async fn pause(tx: &mut Tx<'_>, app: AppId, id: NotificationId) -> Result<bool> {
    let bind = named(app, id, tx.now);
    Ok(execute(tx.conn, PAUSE, bind).await? > 0)
}

/// Lets a run go on; whether it is running now.
pub(super) async fn resume(tx: &mut Tx<'_>, app: AppId, id: NotificationId) -> Result<bool> {
    let bind = named(app, id, tx.now);
    let running = execute(tx.conn, RESUME, &bind).await? > 0;
    if running {
        execute(tx.conn, UNTAKEN, &bind).await?;
    }
    Ok(running)
}

fn named(app: AppId, id: NotificationId, now: i64) -> impl Fn(&mut Binds) + Send + Sync {
    move |binds| {
        binds.push(app.0).push(id.0.as_bytes().as_slice()).push(now);
    }
}
