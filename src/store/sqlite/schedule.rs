//! Step 3: direct rows that are due and in nobody's hands are made ready, and guarded until they are published again.

use std::time::Duration;

use super::super::Result;
use super::super::engine::{Ready, Sweep};
use super::batch::{Binds, Tuples, fetch, no_lead};
use super::row::{Cells, span};
use super::work::{bind_key, count};
use super::writer::Tx;
use crate::domain::id::{AppId, WorkId};
use crate::domain::work::{Entry, Stream, WorkKey};

/// Rows that one call makes ready in each stream.
pub(super) const AT_ONCE: usize = 1_000;

/// A row that expired is due for ever: it is passed over while it is held or guarded.
pub(super) const DUE: &str = "SELECT app, notification_id, id, lease_until > ?2, n FROM work \
                   WHERE fan_out = 0 AND stream = ?1 AND due_at <= ?2 AND guard_until <= ?2 \
                   AND (lease_until <= ?2 OR expires_at > ?2) AND (?4 OR lease_until = 0 OR lease_until > ?2) ORDER BY due_at LIMIT ?3";
pub(super) const GUARD: Tuples = Tuples {
    head: "UPDATE work SET due_at = min(?, expires_at), guard_until = ? WHERE (notification_id, id) IN (VALUES ",
    width: 2,
    tail: ")",
};
pub(super) const HELD: Tuples =
    Tuples { head: "UPDATE work SET due_at = min(lease_until, expires_at) WHERE (notification_id, id) IN (VALUES ", width: 2, tail: ")" };

/// Makes rows ready up to the room of their streams.
pub(super) async fn schedule(mut tx: Tx<'_>, Sweep { room, guard, lapsed }: Sweep) -> Result<Ready> {
    let mut ready = Ready::default();
    for stream in Stream::ALL.iter().copied() {
        let space = room.get(&stream).copied().unwrap_or_default().min(AT_ONCE);
        if space == 0 {
            continue;
        }
        let due = fetch(tx.conn, DUE, |binds| {
            binds.push(stream.as_str()).push(tx.now).push(count(space) + 1).push(lapsed);
        });
        let due = Due::read(&due.await?, stream, space)?;
        ready.more |= due.more;
        publish(&mut tx, &due, guard).await?;
        ready.entries.extend(due.free);
    }
    Ok(ready)
}

/// Rows that are due.
pub(super) struct Due {
    /// In nobody's hands.
    pub(super) free: Vec<Entry>,
    /// Under a live lease.
    pub(super) held: Vec<WorkKey>,
    /// There was no room for all.
    pub(super) more: bool,
}

impl Due {
    /// Reads rows of app, notification, work, whether it is held and its targets; one beyond `space` says that there are more.
    pub(super) fn read(rows: &[sqlx::sqlite::SqliteRow], stream: Stream, space: usize) -> Result<Self> {
        let mut due = Self { free: Vec::new(), held: Vec::new(), more: rows.len() > space };
        for row in rows.iter().take(space) {
            let cells = Cells::new(row, "work", 1);
            let key = WorkKey {
                app: AppId(cells.get(0, "app")?),
                notification: cells.notification(1, "notification_id")?,
                work: WorkId(cells.get(2, "id")?),
            };
            if cells.get(3, "lease_until")? {
                due.held.push(key);
            } else {
                due.free.push(Entry { key, stream, targets: cells.count(4, "n")? });
            }
        }
        Ok(due)
    }
}

/// Moves free rows `guard` ahead and held ones to the end of their lease.
pub(super) async fn publish(tx: &mut Tx<'_>, due: &Due, guard: Duration) -> Result<()> {
    let until = tx.now.saturating_add(span(guard));
    let lead = |binds: &mut Binds| {
        binds.push(until).push(until);
    };
    GUARD.execute(tx.conn, &due.free, lead, |binds: &mut Binds, entry: &Entry| bind_key(binds, entry.key)).await?;
    hold(tx, &due.held).await
}

/// Moves held rows to the end of their lease.
pub(super) async fn hold(tx: &mut Tx<'_>, held: &[WorkKey]) -> Result<()> {
    HELD.execute(tx.conn, held, no_lead, |binds: &mut Binds, key: &WorkKey| bind_key(binds, *key)).await?;
    Ok(())
}
