//! Work rows: written by accept, by an expansion and as what follows other work.

use super::super::Result;
use super::batch::{Binds, Tuples, no_lead};
use super::row::micros;
use super::writer::Tx;
use crate::domain::id::{AppId, NotificationId};
use crate::domain::work::{NewWork, WorkKey};

const INSERT: Tuples = Tuples {
    head: "INSERT INTO work (notification_id, id, app, kind, stream, fan_out, targets, n, attempt, reason, first, made_at, \
           due_at, expires_at, guard_until) VALUES ",
    width: 15,
    tail: "",
};

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
    pub(super) guard_until: i64,
}

/// Inserts rows; none is due after it expires.
pub(super) async fn insert(tx: &mut Tx<'_>, rows: &[Row<'_>]) -> Result<()> {
    let now = tx.now;
    let bind = |binds: &mut Binds, row: &Row<'_>| {
        let work = row.work;
        let expires_at = micros(work.expires_at);
        binds.push(row.notification.0.as_bytes().as_slice()).push(work.id.0).push(row.app.0).push(work.kind.as_str());
        binds.push(work.stream.as_str()).push(work.fan_out).push(work.targets.encode()).push(count(work.targets.len()));
        binds.push(work.attempt).push(work.reason.map(crate::domain::reason::WaitReason::as_str)).push(row.first).push(now);
        binds.push(micros(work.due_at).min(expires_at)).push(expires_at).push(row.guard_until);
    };
    INSERT.execute(tx.conn, rows, no_lead, bind).await?;
    Ok(())
}

/// A length as the store keeps it.
pub(super) fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Binds a row's key: notification, work.
pub(super) fn bind_key(binds: &mut Binds, key: WorkKey) {
    binds.push(key.notification.0.as_bytes().as_slice()).push(key.work.0);
}

/// Binds a row's key and the epoch that it must have.
pub(super) fn bind_held(binds: &mut Binds, (key, epoch): &(WorkKey, i64)) {
    bind_key(binds, *key);
    binds.push(*epoch);
}
