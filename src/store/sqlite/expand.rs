//! Audiences page by page, in the order of the devices' numbers.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::super::Result;
use super::super::engine::{AudiencePage, Cursor, Member, Scan, Selection};
use super::SqliteStore;
use super::batch::{Binds, execute, fetch, fetch_one};
use super::campaign_run;
use super::row::Cells;
use super::select;
use super::work::{self, Row, bind_key, count};
use super::writer::Tx;
use crate::domain::id::{AppId, DevicePk, PersonPk};
use crate::domain::work::{NewWork, Pair, WorkKey};

pub(super) const STAND: &str = "SELECT r.notification_id, r.cursor, coalesce(r.hi, (SELECT max(pk) FROM device WHERE app = r.app), 0) FROM work w \
                     JOIN run r ON r.notification_id = w.notification_id \
                     WHERE w.notification_id = ?1 AND w.id = ?2 AND w.kind = 'expand'";
pub(super) const PAGE: &str = "SELECT d.pk, d.person_pk, coalesce(d.timezone, p.timezone, d.preferences ->> '$.timezone'), d.status = 'active', d.last_seen_at FROM device d \
                    LEFT JOIN person p ON p.pk = d.person_pk \
                    WHERE d.app = ?1 AND d.pk > ?2 AND d.pk <= ?3 ORDER BY d.pk LIMIT ?4";
/// With the last page it is held no more, unless it has too many targets: then it answers that, as with every page before.
pub(super) const MOVE: &str = "UPDATE run SET cursor = ?5, hi = ?4, targeted = targeted + ?6, stale = stale + ?8, \
                    held = held = 1 AND (NOT ?9 OR targeted + ?6 > max_targets) \
                    WHERE notification_id = ?1 AND cursor = ?3 AND (hi IS NULL OR hi = ?4) AND status <> 'cancelled' \
                    AND EXISTS (SELECT 1 FROM work WHERE notification_id = ?1 AND id = ?2 AND kind = 'expand' AND epoch = ?7) \
                    RETURNING notification_id, held = 1 AND targeted > max_targets, campaign";
pub(super) const OVER: &str = "DELETE FROM work WHERE notification_id = ?1 AND id = ?2";
const PROGRESS: &str = "UPDATE work SET takes = 0 WHERE notification_id = ?1 AND id = ?2";

impl SqliteStore {
    /// The page where the cursor stands; `None` where nothing expands.
    pub(super) async fn page(&self, key: WorkKey, limit: usize, selection: &Selection) -> Result<Option<AudiencePage>> {
        let mut tx = self.read().await?;
        let Some(row) = fetch_one(&mut tx, STAND, |binds| bind_key(binds, key)).await? else { return Ok(None) };
        let cells = Cells::new(&row, "run", 0);
        let from = Cursor { after: cells.get(1, "cursor")?, hi: cells.get(2, "hi")? };
        let Scan { devices, to, last } = part(&mut tx, key.app, (from.after, from.hi), limit, selection).await?;
        Ok(Some(AudiencePage { from, devices, left_out: 0, to, last }))
    }

    /// Who is taken of the next devices beyond a number, for previews.
    pub(super) async fn devices_after(&self, app: AppId, after: i64, limit: usize, selection: &Selection) -> Result<Scan> {
        let mut tx = self.read().await?;
        part(&mut tx, app, (after, i64::MAX), limit, selection).await
    }
}

async fn part(conn: &mut SqliteConnection, app: AppId, (after, hi): (i64, i64), limit: usize, selection: &Selection) -> Result<Scan> {
    if !selection.is_everyone() {
        return select::scan(conn, app, (after, hi), limit, selection).await;
    }
    let rows = fetch(conn, PAGE, |binds| {
        binds.push(app.0).push(after).push(hi).push(count(limit));
    });
    let rows = rows.await?;
    let last = rows.len() < limit;
    let to = match rows.last() {
        Some(row) if !last => Cells::new(row, "device", 0).get(0, "pk")?,
        _ => hi,
    };
    let mut devices = Vec::with_capacity(rows.len());
    for row in &rows {
        devices.extend(member(row)?);
    }
    Ok(Scan { devices, to, last })
}

/// An active device of a page.
fn member(row: &SqliteRow) -> Result<Option<Member>> {
    let cells = Cells::new(row, "device", 0);
    if !cells.get::<bool>(3, "status")? {
        return Ok(None);
    }
    let person = cells.get::<Option<i64>>(1, "person_pk")?.map(PersonPk);
    let pair = Pair { device: DevicePk(cells.get(0, "pk")?), person };
    Ok(Some(Member { pair, zone: cells.get(2, "timezone")?, last_seen_at: cells.instant(4, "last_seen_at")? }))
}

/// What a page came to, to be written under the epoch of its work.
pub(super) struct Step {
    /// The expanding row.
    pub(super) key: WorkKey,
    /// The fence.
    pub(super) epoch: i64,
    /// Where the page began.
    pub(super) from: Cursor,
    /// Where it ended.
    pub(super) to: i64,
    /// Nothing is beyond.
    pub(super) last: bool,
    /// Devices that were left out.
    pub(super) left_out: u64,
    /// Its work.
    pub(super) chunks: Vec<NewWork>,
}

/// Writes a page's chunks and moves the cursor on; whether the fence and the cursor let it.
pub(super) async fn commit(mut tx: Tx<'_>, step: Step) -> Result<bool> {
    let targeted: usize = step.chunks.iter().map(|chunk| chunk.targets.len()).sum();
    let key = |binds: &mut Binds| bind_key(binds, step.key);
    let moved = fetch_one(tx.conn, MOVE, |binds| {
        key(binds);
        binds.push(step.from.after).push(step.from.hi).push(step.to).push(count(targeted)).push(step.epoch);
        binds.push(i64::try_from(step.left_out).unwrap_or(i64::MAX)).push(step.last);
    });
    let Some(moved) = moved.await? else { return Ok(false) };
    let cells = Cells::new(&moved, "run", 0);
    if cells.get(1, "held")? {
        let campaign = cells.maybe_campaign(2, "campaign")?;
        campaign_run::exceed(&mut tx, (step.key.app, step.key.notification), campaign).await?;
    }
    let rows: Vec<Row<'_>> = step
        .chunks
        .iter()
        .map(|work| Row { app: step.key.app, notification: step.key.notification, work, first: true, guard_until: 0 })
        .collect();
    work::insert(&mut tx, &rows).await?;
    execute(tx.conn, if step.last { OVER } else { PROGRESS }, key).await?;
    Ok(true)
}
