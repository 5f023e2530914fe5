//! Audiences page by page, in the order of the devices' numbers.

use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::super::Result;
use super::super::engine::{AudiencePage, Cursor, Member, Scan, Selection};
use super::batch::{Binds, count, execute, fetch, fetch_one};
use super::campaign_run;
use super::row::Cells;
use super::select;
use super::tx::Tx;
use super::work::{self, Row};
use crate::domain::id::{AppId, CampaignId, DevicePk, PersonPk};
use crate::domain::work::{NewWork, Pair, WorkKey};

pub(super) const STAND: &str = "SELECT r.notification_id, r.cursor, coalesce(r.hi, (SELECT max(pk) FROM device WHERE app = r.app), 0) FROM work w \
                     JOIN run r ON r.notification_id = w.notification_id WHERE w.notification_id = $1 AND w.id = $2 AND w.kind = 'expand'";
pub(super) const PAGE: &str = "SELECT d.pk, d.person_pk, coalesce(d.timezone, p.timezone, d.preferences ->> 'timezone'), d.status = 'active', d.last_seen_at FROM \
                    (SELECT pk, person_pk, timezone, preferences, status, last_seen_at FROM device WHERE app = $1 AND pk > $2 AND pk <= $3 ORDER BY pk LIMIT $4) d \
                    LEFT JOIN LATERAL (SELECT timezone FROM person p WHERE p.pk = d.person_pk LIMIT 1) p ON true ORDER BY d.pk";
/// The campaign of a run that may have too many targets, before the run.
pub(super) const CAMPAIGN: &str =
    "SELECT c.id FROM campaign c WHERE c.id = (SELECT r.campaign FROM run r WHERE r.notification_id = $1 AND r.held) FOR UPDATE";
/// The run before its work, as everywhere.
pub(super) const LOCK: &str = "SELECT 1 FROM run WHERE notification_id = $1 FOR UPDATE";
/// With the last page it is held no more, unless it has too many targets: then it answers that, as with every page before.
pub(super) const MOVE: &str = "UPDATE run SET cursor = $5, hi = $4, targeted = targeted + $6, stale = stale + $8, \
                    held = held AND (NOT $9 OR targeted + $6 > max_targets) \
                    WHERE notification_id = $1 AND cursor = $3 AND (hi IS NULL OR hi = $4) AND status <> 'cancelled' \
                    AND EXISTS (SELECT 1 FROM work WHERE notification_id = $1 AND id = $2 AND kind = 'expand' AND epoch = $7) \
                    RETURNING notification_id, held AND targeted > max_targets";
/// The fence again, on the row itself: what took it meanwhile waits for this, or made it miss.
pub(super) const OVER: &str = "DELETE FROM work WHERE notification_id = $1 AND id = $2 AND epoch = $3";
pub(super) const PROGRESS: &str = "UPDATE work SET takes = 0 WHERE notification_id = $1 AND id = $2 AND epoch = $3";

/// The page where the cursor stands; `None` where nothing expands.
pub(super) async fn page(tx: &mut Tx, key: WorkKey, limit: usize, selection: &Selection) -> Result<Option<AudiencePage>> {
    let Some(row) = fetch_one(tx, STAND, named(key)).await? else { return Ok(None) };
    let cells = Cells::new(&row, "run", 0);
    let from = Cursor { after: cells.get(1, "cursor")?, hi: cells.get(2, "hi")? };
    let Scan { devices, to, last } = part(tx, key.app, (from.after, from.hi), limit, selection).await?;
    Ok(Some(AudiencePage { from, devices, left_out: 0, to, last }))
}

/// Who is taken of the next devices beyond a number, up to another.
pub(super) async fn part(
    conn: &mut PgConnection,
    app: AppId,
    (after, hi): (i64, i64),
    limit: usize,
    selection: &Selection,
) -> Result<Scan> {
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
        let cells = Cells::new(row, "device", 0);
        if cells.get::<bool>(3, "status")? {
            let (zone, last_seen_at) = (cells.get(2, "timezone")?, cells.instant(4, "last_seen_at")?);
            devices.push(Member { pair: pair(row)?, zone, last_seen_at });
        }
    }
    Ok(Scan { devices, to, last })
}

fn pair(row: &PgRow) -> Result<Pair> {
    let cells = Cells::new(row, "device", 0);
    Ok(Pair { device: DevicePk(cells.get(0, "pk")?), person: cells.get::<Option<i64>>(1, "person_pk")?.map(PersonPk) })
}

fn named(key: WorkKey) -> impl FnOnce(&mut Binds) + Send {
    move |binds| {
        binds.push(key.notification.0).push(key.work.0);
    }
}

/// Writes a page's chunks and moves the cursor on; whether the fence and the cursor let it.
pub(super) async fn commit(tx: &mut Tx, (key, epoch): (WorkKey, i64), page: &AudiencePage, chunks: &[NewWork]) -> Result<bool> {
    let named_run = |binds: &mut Binds| {
        binds.push(key.notification.0);
    };
    let campaign = fetch_one(tx, CAMPAIGN, named_run).await?;
    fetch_one(tx, LOCK, named_run).await?;
    let targeted: usize = chunks.iter().map(|chunk| chunk.targets.len()).sum();
    let moved = fetch_one(tx, MOVE, |binds| {
        named(key)(binds);
        binds.push(page.from.after).push(page.from.hi).push(page.to).push(count(targeted)).push(epoch);
        binds.push(i64::try_from(page.left_out).unwrap_or(i64::MAX)).push(page.last);
    });
    let Some(moved) = moved.await? else { return Ok(false) };
    if Cells::new(&moved, "run", 0).get(1, "held")? {
        let campaign = campaign.map(|row| Cells::new(&row, "campaign", 0).get(0, "id").map(CampaignId)).transpose()?;
        campaign_run::exceed(tx, (key.app, key.notification), campaign).await?;
    }
    let fenced = execute(tx, if page.last { OVER } else { PROGRESS }, |binds| {
        named(key)(binds);
        binds.push(epoch);
    });
    if fenced.await? == 0 {
        // someone took it between the two statements: the cursor stays where it was
        tx.start_over().await?;
        return Ok(false);
    }
    let row = |work| Row { app: key.app, notification: key.notification, work, first: true, guard_until: None };
    work::insert(tx, chunks.iter().map(row).collect()).await?;
    Ok(true)
}
