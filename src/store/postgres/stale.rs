//! Devices that nobody has seen for long, a part of an app's at a time, in the order of their numbers: no index is needed for that, which
//! every phone that calls would have to be moved in.

use super::super::Result;
use super::super::device::Swept;
use super::super::rules::webhook_items::Fact;
use super::batch::{count, fetch, fetch_one};
use super::row::Cells;
use super::tx::Tx;
use super::webhook_items;
use crate::domain::Timestamp;
use crate::domain::device::InactiveReason;
use crate::domain::id::{AppId, DevicePk};

pub(super) const END: &str = "SELECT max(pk), count(*) FROM (SELECT pk FROM device WHERE app = $1 AND pk > $2 ORDER BY pk LIMIT $3) part";
/// What another holds is left to the next look: it registers just now, or another node does the same.
pub(super) const DEACTIVATE: &str = "UPDATE device SET status = 'inactive', inactive_reason = 'stale', updated_at = $5, version = version + 1 \
                                     WHERE pk = ANY (ARRAY (SELECT pk FROM device WHERE app = $1 AND pk > $2 AND pk <= $3 AND status = 'active' \
                                     AND last_seen_at <= $4 ORDER BY pk FOR UPDATE SKIP LOCKED)) RETURNING pk";

/// Deactivates what was last seen at `until` or earlier of the next devices.
pub(super) async fn deactivate(tx: &mut Tx, app: AppId, until: Timestamp, (after, limit): (i64, usize)) -> Result<Swept> {
    let row = fetch_one(tx, END, |binds| {
        binds.push(app.0).push(after).push(count(limit));
    });
    let Some(row) = row.await? else { return Ok(Swept { deactivated: 0, to: None }) };
    let cells = Cells::new(&row, "device", 0);
    let Some(to) = cells.get::<Option<i64>>(0, "pk")? else { return Ok(Swept { deactivated: 0, to: None }) };
    let is_full = cells.count::<usize>(1, "pk")? == limit;
    let now = tx.now;
    let gone = fetch(tx, DEACTIVATE, |binds| {
        binds.push(app.0).push(after).push(to).push(until).push(now);
    });
    let news = |row| {
        let device = DevicePk(Cells::new(row, "device", 0).get(0, "pk")?);
        Ok(Fact::Deactivated { app, device, reason: InactiveReason::Stale, at: now })
    };
    let news: Vec<Fact<'_>> = gone.await?.iter().map(news).collect::<Result<_>>()?;
    webhook_items::tell(tx, &news).await?;
    let deactivated = news.len();
    Ok(Swept { deactivated, to: is_full.then_some(to) })
}
