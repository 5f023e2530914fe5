//! Devices that nobody has seen for long, a part of an app's at a time, in the order of their numbers: no index is needed for that, which
//! every phone that calls would have to be moved in.

use super::super::Result;
use super::super::device::Swept;
use super::super::rules::webhook_items::Fact;
use super::batch::{Binds, fetch, fetch_one};
use super::row::{Cells, instant};
use super::webhook_items;
use super::work::count;
use super::writer::Tx;
use crate::domain::device::InactiveReason;
use crate::domain::id::{AppId, DevicePk};

pub(super) const END: &str = "SELECT max(pk), count(*) FROM (SELECT pk FROM device WHERE app = ?1 AND pk > ?2 ORDER BY pk LIMIT ?3) part";
pub(super) const DEACTIVATE: &str = "UPDATE device SET status = 'inactive', inactive_reason = 'stale', updated_at = ?5, version = version + 1 \
                                     WHERE app = ?1 AND pk > ?2 AND pk <= ?3 AND status = 'active' AND last_seen_at <= ?4 RETURNING pk";

/// Deactivates what was last seen at `until` (microseconds) or earlier of the next devices.
pub(super) async fn deactivate(mut tx: Tx<'_>, app: AppId, until: i64, (after, limit): (i64, usize)) -> Result<Swept> {
    let row = fetch_one(tx.conn, END, |binds: &mut Binds| {
        binds.push(app.0).push(after).push(count(limit));
    });
    let Some(row) = row.await? else { return Ok(Swept { deactivated: 0, to: None }) };
    let cells = Cells::new(&row, "device", 0);
    let Some(to) = cells.get::<Option<i64>>(0, "pk")? else { return Ok(Swept { deactivated: 0, to: None }) };
    let gone = fetch(tx.conn, DEACTIVATE, |binds| {
        binds.push(app.0).push(after).push(to).push(until).push(tx.now);
    });
    let at = instant(tx.now).unwrap_or_default();
    let news = |row| {
        let device = DevicePk(Cells::new(row, "device", 0).get(0, "pk")?);
        Ok(Fact::Deactivated { app, device, reason: InactiveReason::Stale, at })
    };
    let news: Vec<Fact<'_>> = gone.await?.iter().map(news).collect::<Result<_>>()?;
    webhook_items::tell(&mut tx, &news).await?;
    let deactivated = news.len();
    let is_full = cells.count::<usize>(1, "pk")? == limit;
    Ok(Swept { deactivated, to: is_full.then_some(to) })
}
