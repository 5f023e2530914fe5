//! Step 4: the work of fan-outs, one run at a time, the least recently served first; and the ends of runs.
//!
//! The locked row of the run is the whole coordination: two nodes never serve the same run at the same time.

use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::Result;
use super::super::engine::{Ready, Sweep};
use super::super::rules::pacing::Fed;
use super::batch::{Binds, count, execute, fetch, fetch_one, nothing};
use super::paced;
use super::row::Cells;
use super::schedule::{AT_ONCE, free, publish, ready, until};
use super::tx::Tx;
use super::work;
use crate::domain::pace;
use crate::domain::work::Stream;

/// Runs that are looked at for the next turn: more than so many share the window as if they were so many.
const TURNS: i64 = 16;

pub(super) const START: &str = "UPDATE run SET status = 'running' FROM (SELECT notification_id AS id FROM run \
                     WHERE open AND status = 'scheduled' AND start_at <= $1 FOR UPDATE SKIP LOCKED) due WHERE notification_id = due.id";
pub(super) const END: &str = "UPDATE run SET open = false, status = CASE status WHEN 'cancelled' THEN 'cancelled' ELSE 'done' END \
                   FROM (SELECT notification_id AS id FROM run r \
                   WHERE r.open AND r.status <> 'scheduled' AND NOT EXISTS (SELECT 1 FROM work w WHERE w.notification_id = r.notification_id) FOR UPDATE SKIP LOCKED) over \
                   WHERE notification_id = over.id";
/// Whether nothing of a run `r` but its expansion is released at `$1`: until all of its audience is taken, or its time is over.
macro_rules! held {
    ($now:literal) => {
        concat!(
            "(r.held AND r.status <> 'cancelled' AND EXISTS (SELECT 1 FROM notification n WHERE n.app = r.app AND n.id = r.notification_id AND n.expires_at > ",
            $now,
            "))"
        )
    };
}
/// Rows of a run `r` that could be released now.
macro_rules! releasable {
    () => {
        concat!(
            "w.notification_id = r.notification_id AND w.fan_out AND ",
            ready!(),
            " AND ((w.stream = 'high' AND $3) OR (w.stream = 'normal' AND $4) OR (w.stream = 'bulk' AND $5))"
        )
    };
}
/// `$3` to `$5` say which streams have room. That a run is not scheduled is said twice, in the words of the index of those that have begun.
///
/// `$7` and `$8`: when runs with a pace are fed (see [`pace::hungry`]).
pub(super) const TURN: &str = concat!(
    "SELECT r.notification_id, w.stream, w.expires_at <= $1 FROM run r CROSS JOIN LATERAL (\
     (SELECT w.stream, w.expires_at FROM work w WHERE NOT ",
    held!("$1"),
    " AND ",
    releasable!(),
    " ORDER BY w.due_at, w.id LIMIT 1) UNION ALL (SELECT w.stream, w.expires_at FROM work w WHERE r.held AND w.kind = 'expand' AND ",
    releasable!(),
    " ORDER BY w.due_at, w.id LIMIT 1) LIMIT 1) w \
     WHERE r.open AND r.status <> 'scheduled' AND r.status IN ('running', 'cancelled') \
     AND (r.pace IS NULL OR r.status = 'cancelled' OR r.served_at <= $7 OR r.served_at > $8 OR w.expires_at <= $1) ORDER BY r.served_at, r.notification_id LIMIT $6"
);
pub(super) const LOCK: &str = concat!(
    "SELECT r.notification_id, CASE WHEN r.status <> 'cancelled' THEN r.pace END, CASE WHEN isfinite(r.served_at) THEN r.served_at END, ",
    held!("$2"),
    " FROM run r WHERE r.notification_id = $1 AND r.open AND r.status IN ('running', 'cancelled') FOR UPDATE SKIP LOCKED"
);
pub(super) const DUE: &str = concat!(
    "WITH due AS MATERIALIZED (SELECT w.notification_id, w.id, w.due_at FROM work w WHERE w.notification_id = $5 AND w.fan_out AND w.stream = $6 \
     AND (NOT $7 OR w.kind = 'expand') AND ",
    ready!(),
    " ORDER BY w.due_at, w.id LIMIT $4 + 1 FOR UPDATE SKIP LOCKED) ",
    publish!()
);
pub(super) const SERVED: &str = "UPDATE run SET served_at = $2 WHERE notification_id = $1";

/// Serves one run and answers what of it is ready.
pub(super) async fn release(tx: &mut Tx, sweep: &Sweep) -> Result<Ready> {
    let now = tx.now;
    execute(tx, START, |binds| {
        binds.push(now);
    })
    .await?;
    execute(tx, END, nothing).await?;
    let space = |stream: Stream| sweep.room.get(&stream).copied().unwrap_or_default();
    let (before, after) = pace::hungry(now);
    let bind = |binds: &mut Binds| {
        binds.push(now).push(sweep.lapsed);
        binds
            .push(space(Stream::High) > 0)
            .push(space(Stream::Normal) > 0)
            .push(space(Stream::Bulk) > 0)
            .push(TURNS)
            .push(before)
            .push(after);
    };
    let mut turns = Vec::new();
    for row in &fetch(tx, TURN, bind).await? {
        let cells = Cells::new(row, "run", 0);
        turns.push((
            cells.get::<Uuid>(0, "notification_id")?,
            cells.word(1, "stream", Stream::parse)?,
            cells.get::<bool>(2, "expires_at")?,
        ));
    }
    for (run, stream, is_over) in turns.iter().copied() {
        let lock = fetch_one(tx, LOCK, |binds| {
            binds.push(run).push(now);
        });
        if let Some(row) = lock.await? {
            // each run gets its share of the window, so that one does not fill it while others wait
            let share = space(stream).div_ceil(turns.len()).min(AT_ONCE);
            let held: bool = Cells::new(&row, "run", 0).get(3, "held")?;
            // what is over is only recorded, and needs no pace; nor does an expansion
            let mut ready = match fed(&row)?.filter(|_| !is_over && !held) {
                Some(fed) => paced::serve(tx, sweep, (run, stream), fed, share).await?,
                None => serve(tx, sweep, (run, stream, held), share).await?,
            };
            ready.more |= turns.len() > 1;
            return Ok(ready);
        }
    }
    Ok(Ready::default())
}

fn fed(run: &PgRow) -> Result<Option<Fed>> {
    let cells = Cells::new(run, "run", 0);
    let served = cells.maybe_instant(2, "served_at")?;
    Ok(work::pace(cells.get(1, "pace")?).map(|pace| Fed { pace, served }))
}

async fn serve(tx: &mut Tx, sweep: &Sweep, (run, stream, held): (Uuid, Stream, bool), share: usize) -> Result<Ready> {
    let now = tx.now;
    let rows = fetch(tx, DUE, |binds| {
        binds.push(now).push(sweep.lapsed).push(until(now, sweep));
        binds.push(count(share)).push(run).push(stream.as_str()).push(held);
    });
    let rows = rows.await?;
    let served = execute(tx, SERVED, |binds| {
        binds.push(run).push(now);
    });
    served.await?;
    free(&rows, stream)
}
