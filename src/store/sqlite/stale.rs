//! Devices that nobody has seen for long, a part of an app's at a time, in the order of their numbers: no index is needed for that, which
//! every phone that calls would have to be moved in.

use super::super::Result;
use super::super::device::Swept;
use super::batch::{Binds, execute, fetch_one};
use super::row::Cells;
use super::work::count;
use super::writer::Tx;
use crate::domain::id::AppId;

pub(super) const END: &str = "SELECT max(pk), count(*) FROM (SELECT pk FROM device WHERE app = ?1 AND pk > ?2 ORDER BY pk LIMIT ?3) part";
pub(super) const DEACTIVATE: &str = "UPDATE device SET status = 'inactive', inactive_reason = 'stale', updated_at = ?5, version = version + 1 \
                                     WHERE app = ?1 AND pk > ?2 AND pk <= ?3 AND status = 'active' AND last_seen_at <= ?4";

/// Deactivates what was last seen at `until` (microseconds) or earlier of the next devices.
pub(super) async fn deactivate(tx: Tx<'_>, app: AppId, until: i64, (after, limit): (i64, usize)) -> Result<Swept> {
    let row = fetch_one(tx.conn, END, |binds: &mut Binds| {
        binds.push(app.0).push(after).push(count(limit));
    });
    let Some(row) = row.await? else { return Ok(Swept { deactivated: 0, to: None }) };
    let cells = Cells::new(&row, "device", 0);
    let Some(to) = cells.get::<Option<i64>>(0, "pk")? else { return Ok(Swept { deactivated: 0, to: None }) };
    let gone = execute(tx.conn, DEACTIVATE, |binds| {
        binds.push(app.0).push(after).push(to).push(until).push(tx.now);
    });
    let deactivated = usize::try_from(gone.await?).unwrap_or(usize::MAX);
    let is_full = cells.count::<usize>(1, "pk")? == limit;
    Ok(Swept { deactivated, to: is_full.then_some(to) })
}
