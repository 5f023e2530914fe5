//! Step 3: direct rows that are due and in nobody's hands are made ready, and guarded until they are published again.

use chrono::TimeDelta;
use sqlx::postgres::PgRow;

use super::super::Result;
use super::super::engine::{Ready, Sweep};
use super::batch::{count, fetch};
use super::row::Cells;
use super::tx::Tx;
use super::work::key_of;
use crate::domain::Timestamp;
use crate::domain::work::{Entry, Stream};

/// Rows that one call makes ready in each stream.
pub(super) const AT_ONCE: usize = 1_000;

/// Rows `w` that could be made ready at `$1`; `$2`: also those whose lease lapsed. A row that expired is due for ever: it is passed over
/// while it is held or guarded.
macro_rules! ready {
    () => {
        "w.due_at <= $1 AND w.guard_until <= $1 AND (w.lease_until <= $1 OR w.expires_at > $1) \
         AND ($2 OR w.lease_until = '-infinity' OR w.lease_until > $1)"
    };
}
/// What is done with the first `$4` rows of `due`, which has one more if there are more: free ones move a guard ahead, to `$3`; held ones
/// to the end of their lease.
macro_rules! publish {
    () => {
        "UPDATE work SET due_at = least(CASE WHEN work.lease_until > $1 THEN work.lease_until ELSE $3 END, work.expires_at), \
         guard_until = CASE WHEN work.lease_until > $1 THEN work.guard_until ELSE $3 END \
         FROM (SELECT * FROM due ORDER BY due_at, notification_id, id LIMIT $4) due WHERE work.notification_id = due.notification_id AND work.id = due.id \
         RETURNING work.notification_id, work.id, work.app, work.lease_until > $1, work.n, due.due_at, (SELECT count(*) FROM due) > $4"
    };
}
pub(super) use {publish, ready};

pub(super) const DUE: &str = concat!(
    "WITH due AS MATERIALIZED (SELECT w.notification_id, w.id, w.due_at FROM work w WHERE NOT w.fan_out AND w.stream = $5 AND ",
    ready!(),
    " ORDER BY w.due_at, w.notification_id, w.id LIMIT $4 + 1 FOR UPDATE SKIP LOCKED) ",
    publish!()
);

/// Makes rows ready up to the room of their streams.
pub(super) async fn schedule(tx: &mut Tx, sweep: &Sweep) -> Result<Ready> {
    let now = tx.now;
    let guard = until(now, sweep);
    let mut ready = Ready::default();
    for stream in Stream::ALL.iter().copied() {
        let space = sweep.room.get(&stream).copied().unwrap_or_default().min(AT_ONCE);
        if space == 0 {
            continue;
        }
        let rows = fetch(tx, DUE, |binds| {
            binds.push(now).push(sweep.lapsed).push(guard).push(count(space)).push(stream.as_str());
        });
        let rows = rows.await?;
        let due = free(&rows, stream)?;
        ready.more |= due.more;
        ready.entries.extend(due.entries);
    }
    Ok(ready)
}

/// The end of the guard of what is made ready now.
pub(super) fn until(now: Timestamp, sweep: &Sweep) -> Timestamp {
    now + TimeDelta::from_std(sweep.guard).unwrap_or(TimeDelta::MAX)
}

/// Of the rows that were due those in nobody's hands, the longest due first, and whether there were more.
pub(super) fn free(rows: &[PgRow], stream: Stream) -> Result<Ready> {
    let (mut free, mut more) = (Vec::with_capacity(rows.len()), false);
    for row in rows {
        let cells = Cells::new(row, "work", 1);
        more = cells.get(6, "more")?;
        if !cells.get::<bool>(3, "lease_until")? {
            let entry = Entry { key: key_of(&cells)?, stream, targets: cells.small(4, "n")? };
            free.push((cells.instant(5, "due_at")?, entry));
        }
    }
    free.sort_unstable_by_key(|(due_at, entry)| (*due_at, entry.key));
    Ok(Ready { entries: free.into_iter().map(|(_, entry)| entry).collect(), more })
}
