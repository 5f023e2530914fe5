//! What became of the targets of a campaign, all from one snapshot.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::super::Result;
use super::super::campaign::CampaignStats;
use super::super::rules::campaign_parts::Parts;
use super::super::rules::words::platform;
use super::batch::fetch;
use super::campaign::one;
use super::notification::heads;
use super::row::Cells;
use super::tally::tally;
use super::tx::Tx;
use crate::domain::id::{AppId, CampaignId, RunId};
use crate::domain::latency::Latency;

pub(super) const RUNS: &str = "SELECT id, notification_id FROM campaign_run WHERE campaign = $1";
pub(super) const RUN: &str = "SELECT id, notification_id FROM campaign_run WHERE campaign = $1 AND id = $2";
pub(super) const PARTS: &str = "SELECT c.platform, c.variant, c.state, sum(c.n)::bigint FROM unnest($1::uuid[]) AS ask (id) CROSS JOIN LATERAL \
     (SELECT platform, variant, state, sum(n) AS n FROM notification_count c WHERE c.notification_id = ask.id GROUP BY 1, 2, 3) c \
     GROUP BY 1, 2, 3";
pub(super) const LATENCY: &str = "SELECT l.step, sum(l.n)::bigint FROM unnest($1::uuid[]) AS ask (id) CROSS JOIN LATERAL \
     (SELECT step, sum(n) AS n FROM latency l WHERE l.notification_id = ask.id GROUP BY 1) l GROUP BY 1";

/// Of all its runs, or of one; `None` where there is no such campaign, or no such run of it.
pub(super) async fn stats(tx: &mut Tx, app: AppId, id: CampaignId, run: Option<RunId>) -> Result<Option<CampaignStats>> {
    if one(tx, app, id).await?.is_none() {
        return Ok(None);
    }
    let Some(runs) = notifications(tx, id, run).await? else { return Ok(None) };
    let heads = heads(tx, app, runs).await?;
    // of what is kept no longer nothing is counted
    let ids: Vec<Uuid> = heads.iter().map(|head| head.id.0).collect();
    let counts = tally(tx, &heads).await?.total();
    let parts = parts(tx, &ids).await?.finish();
    Ok(Some(CampaignStats { counts, parts, latency: latency(tx, &ids).await? }))
}

/// What its runs sent; `None` where there is no such run.
async fn notifications(tx: &mut Tx, id: CampaignId, run: Option<RunId>) -> Result<Option<Vec<Uuid>>> {
    let rows = fetch(tx, if run.is_some() { RUN } else { RUNS }, |binds| {
        binds.push(id.0);
        if let Some(run) = run {
            binds.push(run.0);
        }
    });
    let rows = rows.await?;
    if run.is_some() && rows.is_empty() {
        return Ok(None);
    }
    let notification = |row| Cells::new(row, "campaign_run", 0).get::<Option<Uuid>>(1, "notification_id").transpose();
    rows.iter().filter_map(notification).collect::<Result<_>>().map(Some)
}

async fn parts(tx: &mut Tx, ids: &[Uuid]) -> Result<Parts> {
    let rows = fetch(tx, PARTS, |binds| {
        binds.push(ids);
    });
    let mut parts = Parts::default();
    for row in &rows.await? {
        let cells = Cells::new(row, "notification_count", 0);
        parts.add(platform(cells.get(0, "platform")?), cells.get(1, "variant")?, cells.get(2, "state")?, cells.count(3, "n")?);
    }
    Ok(parts)
}

async fn latency(tx: &mut Tx, ids: &[Uuid]) -> Result<BTreeMap<Latency, u64>> {
    let rows = fetch(tx, LATENCY, |binds| {
        binds.push(ids);
    });
    let step = |row| {
        let cells = Cells::new(row, "latency", 0);
        let step = u16::try_from(cells.get::<i16>(0, "step")?).map_err(|_| cells.unreadable("step"))?;
        Ok((Latency::from_raw(step), cells.count(1, "n")?))
    };
    rows.await?.iter().map(step).collect()
}
