//! The turn of a run that has a pace: as many of its rows are released as it is fed. The caller has locked the run.

use uuid::Uuid;

use super::super::Result;
use super::super::engine::{Ready, Sweep};
use super::super::rules::pacing::{Fed, release};
use super::batch::{count, execute, fetch};
use super::release::SERVED;
use super::row::Cells;
use super::schedule::{ready, until};
use super::tx::Tx;
use super::work::key_of;
use crate::domain::Timestamp;
use crate::domain::work::{Entry, Stream};

pub(super) const DUE: &str = concat!(
    "SELECT w.notification_id, w.id, w.app, w.lease_until > $1, w.n FROM work w WHERE w.notification_id = $3 AND w.fan_out AND w.stream = $4 AND ",
    ready!(),
    " ORDER BY w.due_at, w.id LIMIT $5 FOR UPDATE SKIP LOCKED"
);
pub(super) const RELEASE: &str = "UPDATE work SET due_at = least($1, work.expires_at), guard_until = $1 \
     FROM unnest($3::bigint[]) AS free (id) WHERE work.notification_id = $2 AND work.id = free.id";
pub(super) const HELD: &str =
    "UPDATE work SET due_at = least(work.lease_until, work.expires_at) WHERE notification_id = $1 AND id = ANY($2::bigint[])";

/// Serves it, as far as it is fed.
pub(super) async fn serve(tx: &mut Tx, sweep: &Sweep, (id, stream): (Uuid, Stream), run: Fed, share: usize) -> Result<Ready> {
    let now = tx.now;
    let rows = fetch(tx, DUE, |binds| {
        binds.push(now).push(sweep.lapsed).push(id).push(stream.as_str()).push(count(share));
    });
    let (mut free, mut held) = (Vec::new(), Vec::new());
    for row in &rows.await? {
        let cells = Cells::new(row, "work", 1);
        let entry = Entry { key: key_of(&cells)?, stream, targets: cells.small(4, "n")? };
        if cells.get(3, "lease_until")? { held.push(entry.key.work.0) } else { free.push(entry) }
    }
    hold(tx, id, held).await?;
    let (entries, at) = release(run, now, free);
    publish(tx, id, &entries, until(now, sweep)).await?;
    let served = execute(tx, SERVED, |binds| {
        binds.push(id).push(at);
    });
    served.await?;
    Ok(Ready { entries, more: false })
}

/// What someone holds is looked at again when its lease ends.
async fn hold(tx: &mut Tx, id: Uuid, held: Vec<i64>) -> Result<()> {
    if !held.is_empty() {
        let hold = execute(tx, HELD, |binds| {
            binds.push(id).push(held);
        });
        hold.await?;
    }
    Ok(())
}

async fn publish(tx: &mut Tx, id: Uuid, entries: &[Entry], guard: Timestamp) -> Result<()> {
    if !entries.is_empty() {
        let release = execute(tx, RELEASE, |binds| {
            binds.push(guard).push(id).push(entries.iter().map(|entry| entry.key.work.0).collect::<Vec<i64>>());
        });
        release.await?;
    }
    Ok(())
}
