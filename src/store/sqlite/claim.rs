//! Step 6 and what becomes of a lease: claim, renewal, handing back.

use std::time::Duration;

use sqlx::sqlite::SqliteRow;

use super::super::Result;
use super::super::engine::Claim;
use super::batch::{Binds, Tuples};
use super::row::{Cells, instant, span};
use super::work::{bind_held, bind_key};
use super::writer::Tx;
use crate::domain::id::{AppId, WorkId};
use crate::domain::reason::WaitReason;
use crate::domain::work::{Stream, TakenWork, Targets, WorkKey, WorkKind};

/// A row for one target that was taken so often without progress is dead.
const TAKES: i64 = 5;

/// Marks the dead among the asked: `TAKES`, now, then keys. What has expired or is cancelled is taken once more, to be recorded.
const BURY: Tuples = Tuples {
    head: "UPDATE work SET due_at = expires_at, guard_until = 0, lease_until = 0, reason = 'dead_letter' \
           WHERE n = 1 AND kind = 'send' AND takes >= ? AND lease_until <= ? AND expires_at > ? \
           AND NOT EXISTS (SELECT 1 FROM run r WHERE r.notification_id = work.notification_id AND r.status = 'cancelled') \
           AND (notification_id, id) IN (VALUES ",
    width: 2,
    tail: ")",
};
const TAKE: Tuples = Tuples {
    head: "UPDATE work SET epoch = epoch + 1, takes = takes + 1, lease_until = ? \
           WHERE lease_until <= ? AND NOT (n = 1 AND kind = 'send' AND takes >= ? AND expires_at > ? \
           AND NOT EXISTS (SELECT 1 FROM run r WHERE r.notification_id = work.notification_id AND r.status = 'cancelled')) \
           AND NOT EXISTS (SELECT 1 FROM run r WHERE r.notification_id = work.notification_id AND r.status IN ('paused', 'scheduled')) \
           AND (notification_id, id) IN (VALUES ",
    width: 2,
    tail: ") RETURNING notification_id, id, app, epoch, takes, kind, stream, fan_out, targets, attempt, reason, first, expires_at, n",
};
const RENEW: Tuples = Tuples {
    head: "UPDATE work SET lease_until = ? WHERE (notification_id, id, epoch) IN (VALUES ",
    width: 3,
    tail: ") RETURNING notification_id, id, app",
};
const HAND_BACK: Tuples = Tuples {
    head: "UPDATE work SET lease_until = 0, guard_until = 0, due_at = min(?, expires_at) WHERE (notification_id, id, epoch) IN (VALUES ",
    width: 3,
    tail: ")",
};

/// Takes what can be taken of `keys`.
pub(super) async fn claim(tx: Tx<'_>, keys: Vec<WorkKey>, lease: Duration) -> Result<Claim> {
    let now = tx.now;
    let until = now.saturating_add(span(lease));
    let key = |binds: &mut Binds, key: &WorkKey| bind_key(binds, *key);
    let lead = |binds: &mut Binds| {
        binds.push(until).push(now).push(TAKES).push(now);
    };
    let rows = TAKE.fetch(tx.conn, &keys, lead, key).await?;
    let work = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    if work.len() < keys.len() {
        let lead = |binds: &mut Binds| {
            binds.push(TAKES).push(now).push(now);
        };
        BURY.execute(tx.conn, &keys, lead, key).await?;
    }
    Ok(Claim { now: instant(now).unwrap_or_default(), work })
}

fn read(row: &SqliteRow) -> Result<TakenWork> {
    let cells = Cells::new(row, "work", 0);
    let (epoch, takes, n): (i64, i64, i64) = (cells.get(3, "epoch")?, cells.get(4, "takes")?, cells.get(13, "n")?);
    let kind = cells.word(5, "kind", WorkKind::parse)?;
    let targets: &[u8] = cells.get(8, "targets")?;
    Ok(TakenWork {
        key: key_of(&cells)?,
        epoch,
        takes: cells.count(4, "takes")?,
        kind,
        stream: cells.word(6, "stream", Stream::parse)?,
        fan_out: cells.get(7, "fan_out")?,
        targets: Targets::decode(targets).map_err(|_| cells.unreadable("targets"))?,
        attempt: cells.count(9, "attempt")?,
        reason: cells.maybe_word(10, "reason", WaitReason::parse)?,
        first: epoch == 1 && cells.get(11, "first")?,
        expires_at: cells.instant(12, "expires_at")?,
        spent: n == 1 && kind == WorkKind::Send && takes > TAKES,
    })
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
