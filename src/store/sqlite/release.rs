//! Step 4: the work of fan-outs, one run at a time, the least recently served first; and the ends of runs.

use super::super::Result;
use super::super::engine::{Ready, Sweep};
use super::super::rules::pacing::Fed;
use super::batch::{Binds, execute, fetch};
use super::paced;
use super::row::{Cells, instant, micros};
use super::schedule::{AT_ONCE, Due, publish};
use super::work::count;
use super::writer::Tx;
use crate::domain::pace::{self, Pace};
use crate::domain::work::Stream;

const START: &str = "UPDATE run SET status = 'running' WHERE open = 1 AND status = 'scheduled' AND start_at <= ?1";
pub(super) const END: &str = "UPDATE run SET open = 0, status = CASE status WHEN 'cancelled' THEN 'cancelled' ELSE 'done' END \
                   WHERE open = 1 AND status <> 'scheduled' AND NOT EXISTS (SELECT 1 FROM work w WHERE w.notification_id = run.notification_id)";

/// Rows of a run that could be released now; `?2` to `?4` say which streams have room, `?5` whether a lapsed lease is enough.
macro_rules! releasable {
    () => {
        "w.notification_id = r.notification_id AND w.fan_out = 1 AND w.due_at <= ?1 AND w.guard_until <= ?1 \
         AND (w.lease_until <= ?1 OR w.expires_at > ?1) AND (?5 OR w.lease_until = 0 OR w.lease_until > ?1) \
         AND ((w.stream = 'high' AND ?2) OR (w.stream = 'normal' AND ?3) OR (w.stream = 'bulk' AND ?4))"
    };
}
/// Whether nothing of a run but its expansion is released: until all of its audience is taken, or its time is over.
macro_rules! held {
    () => {
        "(r.held = 1 AND r.status <> 'cancelled' AND EXISTS \
         (SELECT 1 FROM notification n WHERE n.app = r.app AND n.id = r.notification_id AND n.expires_at > ?1))"
    };
}
/// That a run is not scheduled is said twice, in the words of the index of those that have begun: without them it is not used.
///
/// `?6` and `?7`: when runs with a pace are fed (see [`pace::hungry`]).
///
/// Where a run's time is over it has no pace: all of its rows end at the same instant, and what is over is only recorded.
pub(super) const TURN: &str = concat!(
    "SELECT id, stream, pace, served_at FROM (SELECT r.notification_id AS id, r.served_at, CASE WHEN ",
    held!(),
    " THEN (SELECT w.stream FROM work w INDEXED BY work_expanding WHERE w.kind = 'expand' AND ",
    releasable!(),
    " ORDER BY w.due_at LIMIT 1) ELSE (SELECT w.stream FROM work w WHERE ",
    releasable!(),
    " ORDER BY w.due_at LIMIT 1) END AS stream, CASE WHEN r.pace IS NOT NULL AND r.status <> 'cancelled' AND NOT ",
    held!(),
    " AND \
     (SELECT w.expires_at FROM work w WHERE w.notification_id = r.notification_id AND w.fan_out = 1 ORDER BY w.due_at LIMIT 1) > ?1 \
     THEN r.pace END AS pace FROM run r \
     WHERE r.open = 1 AND r.status <> 'scheduled' AND r.status IN ('running', 'cancelled')) \
     WHERE stream IS NOT NULL AND (pace IS NULL OR served_at <= ?6 OR served_at > ?7) ORDER BY served_at, id"
);
pub(super) const DUE: &str = concat!(
    "SELECT w.app, w.notification_id, w.id, w.lease_until > ?1, w.n FROM run r JOIN work w WHERE r.notification_id = ?6 AND w.stream = ?7 AND (w.kind = 'expand' OR NOT ",
    held!(),
    ") AND ",
    releasable!(),
    " ORDER BY w.due_at LIMIT ?8"
);
pub(super) const SERVED: &str = "UPDATE run SET served_at = ?2 WHERE notification_id = ?1";

/// Serves one run and answers what of it is ready.
pub(super) async fn release(mut tx: Tx<'_>, Sweep { room, guard, lapsed }: Sweep) -> Result<Ready> {
    let at = |binds: &mut Binds| {
        binds.push(tx.now);
    };
    execute(tx.conn, START, at).await?;
    execute(tx.conn, END, super::batch::no_lead).await?;
    let mut ready = Ready::default();

    let space = |stream: Stream| room.get(&stream).copied().unwrap_or_default();
    let streams = |binds: &mut Binds| {
        binds.push(tx.now).push(space(Stream::High) > 0).push(space(Stream::Normal) > 0).push(space(Stream::Bulk) > 0).push(lapsed);
    };
    let (before, after) = pace::hungry(instant(tx.now).unwrap_or_default());
    let turns = fetch(tx.conn, TURN, |binds| {
        streams(binds);
        binds.push(micros(before)).push(micros(after));
    });
    let turns = turns.await?;
    let Some(first) = turns.first() else { return Ok(ready) };
    let cells = Cells::new(first, "run", 0);
    let run: Vec<u8> = cells.get(0, "notification_id")?;
    let stream = cells.word(1, "stream", Stream::parse)?;
    // each run gets its share of the window, so that one does not fill it while others wait
    let share = space(stream).div_ceil(turns.len()).min(AT_ONCE);
    let rows = fetch(tx.conn, DUE, |binds| {
        streams(binds);
        binds.push(run.as_slice()).push(stream.as_str()).push(count(share) + 1);
    });
    let due = Due::read(&rows.await?, stream, share)?;
    if let Some(pace) = cells.get::<Option<u32>>(2, "pace")?.and_then(Pace::new) {
        let fed = Fed { pace, served: cells.maybe_instant(3, "served_at")? };
        let ready = paced::serve(&mut tx, guard, (&run, fed), due).await?;
        return Ok(Ready { more: turns.len() > 1, ..ready });
    }
    publish(&mut tx, &due, guard).await?;
    ready.more = due.more || turns.len() > 1;
    ready.entries = due.free;
    let served = execute(tx.conn, SERVED, |binds| {
        binds.push(run.as_slice()).push(tx.now);
    });
    served.await?;
    Ok(ready)
}
