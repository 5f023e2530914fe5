//! What became of the targets of a campaign, all from one snapshot.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::super::Result;
use super::super::campaign::CampaignStats;
use super::super::rules::campaign_parts::Parts;
use super::super::rules::words::platform;
use super::batch::fetch;
use super::campaign::one;
use super::json::List;
use super::notification::heads;
use super::row::Cells;
use super::tally::tally;
use crate::domain::id::{AppId, CampaignId, NotificationId, RunId};
use crate::domain::latency::Latency;

pub(super) const RUNS: &str = "SELECT id, notification_id FROM campaign_run WHERE campaign = ?1";
pub(super) const RUN: &str = "SELECT id, notification_id FROM campaign_run WHERE campaign = ?1 AND id = ?2";
pub(super) const PARTS: &str = "SELECT c.platform, c.variant, c.state, sum(c.n) FROM json_each(?1) j \
                                CROSS JOIN notification_count c ON c.notification_id = unhex(j.value) GROUP BY 1, 2, 3";
pub(super) const LATENCY: &str =
    "SELECT l.step, sum(l.n) FROM json_each(?1) j CROSS JOIN latency l ON l.notification_id = unhex(j.value) GROUP BY 1";

/// Of all its runs, or of one; `None` where there is no such campaign, or no such run of it.
pub(super) async fn stats(
    conn: &mut SqliteConnection,
    (app, id): (AppId, CampaignId),
    run: Option<RunId>,
    now: i64,
) -> Result<Option<CampaignStats>> {
    if one(conn, app, id).await?.is_none() {
        return Ok(None);
    }
    let Some(runs) = notifications(conn, id, run).await? else { return Ok(None) };
    let heads = heads(conn, app, &runs).await?;
    // of what is kept no longer nothing is counted
    let ids = List::of_notifications(heads.iter().map(|head| &head.id));
    let counts = tally(conn, &heads, now).await?.total();
    let parts = parts(conn, &ids).await?.finish();
    Ok(Some(CampaignStats { counts, parts, latency: latency(conn, &ids).await? }))
}

/// What its runs sent; `None` where there is no such run.
async fn notifications(conn: &mut SqliteConnection, id: CampaignId, run: Option<RunId>) -> Result<Option<Vec<NotificationId>>> {
    let rows = fetch(conn, if run.is_some() { RUN } else { RUNS }, |binds| {
        binds.push(id.0.as_bytes().as_slice());
        if let Some(run) = &run {
            binds.push(run.0.as_bytes().as_slice());
        }
    });
    let rows = rows.await?;
    if run.is_some() && rows.is_empty() {
        return Ok(None);
    }
    let cells = rows.iter().map(|row| Cells::new(row, "campaign_run", 0)).filter(|cells| !cells.is_null(1));
    cells.map(|cells| cells.notification(1, "notification_id")).collect::<Result<_>>().map(Some)
}

async fn parts(conn: &mut SqliteConnection, ids: &str) -> Result<Parts> {
    let rows = fetch(conn, PARTS, |binds| {
        binds.push(ids);
    });
    let mut parts = Parts::default();
    for row in &rows.await? {
        let cells = Cells::new(row, "notification_count", 0);
        parts.add(platform(cells.get(0, "platform")?), cells.get(1, "variant")?, cells.get(2, "state")?, cells.count(3, "n")?);
    }
    Ok(parts)
}

async fn latency(conn: &mut SqliteConnection, ids: &str) -> Result<BTreeMap<Latency, u64>> {
    let rows = fetch(conn, LATENCY, |binds| {
        binds.push(ids);
    });
    let step = |row| {
        let cells = Cells::new(row, "latency", 0);
        Ok((Latency::from_raw(cells.count(0, "step")?), cells.count(1, "n")?))
    };
    rows.await?.iter().map(step).collect()
}
