//! The turn of a run that has a pace: its rows are released with a span of time for each.

use std::time::Duration;

use super::super::Result;
use super::super::engine::Ready;
use super::super::rules::pacing::{Paced, release};
use super::batch::{Binds, Tuples, execute};
use super::row::{instant, micros, span};
use super::schedule::{Due, hold};
use super::work::bind_key;
use super::writer::Tx;
use crate::domain::Timestamp;
use crate::domain::work::Entry;

pub(super) const RELEASE: Tuples = Tuples {
    head: "WITH guard (until) AS (SELECT ?), slot (at, id, work) AS (VALUES ",
    width: 3,
    tail: ") UPDATE work SET due_at = min((SELECT until FROM guard), expires_at), guard_until = (SELECT until FROM guard), slot_at = slot.at \
           FROM slot WHERE work.notification_id = +slot.id AND work.id = +slot.work",
};
const SERVED: &str = "UPDATE run SET served_at = ?2, next_slot = ?3 WHERE notification_id = ?1";

/// Serves it, as far ahead as spans are allotted. `due`: its rows that are due.
pub(super) async fn serve(tx: &mut Tx<'_>, guard: Duration, (id, run): (&[u8], Paced), due: Due) -> Result<Ready> {
    let now = instant(tx.now).unwrap_or_default();
    hold(tx, &due.held).await?;
    let released = release(run, now, due.free);
    let until = tx.now.saturating_add(span(guard));
    let lead = |binds: &mut Binds| {
        binds.push(until);
    };
    let bind = |binds: &mut Binds, (entry, at): &(Entry, Timestamp)| {
        binds.push(micros(*at));
        bind_key(binds, entry.key);
    };
    RELEASE.execute(tx.conn, &released.rows, lead, bind).await?;
    let served = execute(tx.conn, SERVED, |binds| {
        binds.push(id).push(tx.now).push(micros(released.next));
    });
    served.await?;
    Ok(Ready { entries: released.rows.into_iter().map(|(entry, _)| entry).collect(), more: false })
}
