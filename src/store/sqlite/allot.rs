//! Step 6 for rows of runs that have a pace: each gets a span of time of its own. The one writer is the lock of the run.

use std::collections::BTreeMap;

use super::super::Result;
use super::super::rules::pacing::{Allotted, Paced, Ripe, claim as allot};
use super::batch::{Binds, Tuples, execute, no_lead};
use super::claim::Takeable;
use super::row::{instant, micros};
use super::work::bind_key;
use super::writer::Tx;
use crate::domain::Timestamp;
use crate::domain::id::NotificationId;
use crate::domain::pace::Slot;
use crate::domain::work::{TakenWork, WorkKey};

pub(super) const TAKE: Tuples = Tuples {
    head: "WITH lease (until) AS (SELECT ?), slot (at, id, work) AS (VALUES ",
    width: 3,
    tail: ") UPDATE work SET epoch = epoch + 1, takes = takes + 1, lease_until = (SELECT until FROM lease), slot_at = slot.at FROM slot \
           WHERE work.notification_id = +slot.id AND work.id = +slot.work",
};
/// What was not published is due when it was to be.
pub(super) const PUT_OFF: Tuples = Tuples {
    head: "WITH later (at, id, work) AS (VALUES ",
    width: 3,
    tail: ") UPDATE work SET due_at = min(later.at, expires_at), guard_until = 0 FROM later \
           WHERE work.notification_id = +later.id AND work.id = +later.work AND guard_until > 0",
};
const NEXT: &str = "UPDATE run SET next_slot = ?2 WHERE notification_id = ?1";

/// Takes those of these rows for which their runs have time, and puts the others off.
pub(super) async fn take(tx: &mut Tx<'_>, mut rows: Vec<Takeable>, until: i64) -> Result<Vec<TakenWork>> {
    rows.sort_unstable_by_key(|row| (row.due_at, row.key()));
    let mut runs: BTreeMap<NotificationId, (Paced, Vec<Takeable>)> = BTreeMap::new();
    for row in rows {
        if let Some((run, paced)) = row.run() {
            runs.entry(run).or_insert((paced, Vec::new())).1.push(row);
        }
    }
    let mut work = Vec::new();
    for (run, (paced, rows)) in runs {
        work.extend(take_of_run(tx, (run, paced), rows, until).await?);
    }
    Ok(work)
}

async fn take_of_run(tx: &mut Tx<'_>, (run, paced): (NotificationId, Paced), rows: Vec<Takeable>, until: i64) -> Result<Vec<TakenWork>> {
    let ripe = rows.iter().map(|row| Ripe { key: row.key(), targets: row.n, takes: row.takes }).collect();
    let Allotted { taken, later, next } = allot(paced, instant(tx.now).unwrap_or_default(), ripe);
    let lead = |binds: &mut Binds| {
        binds.push(until);
    };
    TAKE.execute(tx.conn, &taken, lead, bind).await?;
    PUT_OFF.execute(tx.conn, &later, no_lead, bind).await?;
    if paced.next != Some(next) {
        let advance = execute(tx.conn, NEXT, |binds| {
            binds.push(run.0.as_bytes().as_slice()).push(micros(next));
        });
        advance.await?;
    }
    let spans: BTreeMap<WorkKey, Timestamp> = taken.into_iter().collect();
    let slot = |row: Takeable| {
        let at = *spans.get(&row.key())?;
        Some(row.taken().map(|work| TakenWork { slot: Some(Slot { at, pace: paced.pace }), ..work }))
    };
    rows.into_iter().filter_map(slot).collect()
}

fn bind(binds: &mut Binds, (key, at): &(WorkKey, Timestamp)) {
    binds.push(micros(*at));
    bind_key(binds, *key);
}
