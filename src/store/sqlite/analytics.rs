//! Rollups as callers read them, and their end.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::super::analytics::{Analytics, AnalyticsQuestion, AnalyticsRow, Resolution, Retention};
use super::super::rules::analytics::Place;
use super::super::rules::counted::KINDS;
use super::super::{Page, PageRequest, Result};
use super::SqliteStore;
use super::batch::{execute, fetch};
use super::row::{Cells, instant, micros};
use super::work::count;
use super::writer::Tx;
use crate::domain::id::AppId;

pub(super) const READ: &str = "SELECT r.bucket, r.category, r.platform, r.provider, r.campaign, r.variant, \
     sum(r.sent), sum(r.suppressed), sum(r.failed), sum(r.expired), sum(r.cancelled), sum(r.delivered), sum(r.opened), sum(r.dismissed) \
     FROM (SELECT bucket, CASE WHEN ?5 THEN category ELSE '' END AS category, CASE WHEN ?6 THEN platform ELSE '' END AS platform, \
     CASE WHEN ?7 THEN provider ELSE '' END AS provider, CASE WHEN ?8 THEN campaign ELSE zeroblob(16) END AS campaign, \
     CASE WHEN ?9 THEN variant ELSE '' END AS variant, sent, suppressed, failed, expired, cancelled, delivered, opened, dismissed \
     FROM rollup WHERE app = ?1 AND resolution = ?2 AND bucket >= ?3 AND bucket < ?4) r \
     WHERE ?10 IS NULL OR (r.bucket, r.category, r.platform, r.provider, r.campaign, r.variant) > (?10, ?11, ?12, ?13, ?14, ?15) \
     GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6 LIMIT ?16";
pub(super) const FORGET: &str = "DELETE FROM rollup WHERE (app, resolution, bucket, category, platform, provider, campaign, variant, shard) IN \
     (SELECT r.app, r.resolution, r.bucket, r.category, r.platform, r.provider, r.campaign, r.variant, r.shard FROM app a \
     CROSS JOIN rollup r ON r.app = a.id AND r.resolution = ?1 AND r.bucket < ?2 LIMIT ?3)";

/// Rows that one commit forgets, so that others need not wait long.
const AT_ONCE: i64 = 2_000;

#[async_trait]
impl Analytics for SqliteStore {
    async fn analytics(&self, app: AppId, question: &AnalyticsQuestion, page: &PageRequest) -> Result<Page<AnalyticsRow>> {
        let after = page.after.as_deref().map(Place::of_cursor).transpose()?;
        let after = after.as_ref();
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, READ, |binds| {
            let (from, groups) = (after.map_or(question.from, |place| place.bucket), question.groups);
            binds.push(app.0).push(question.resolution.as_str()).push(micros(from)).push(micros(question.to));
            binds.push(groups.category).push(groups.platform).push(groups.provider).push(groups.campaign).push(groups.variant);
            binds.push(after.map(|place| micros(place.bucket))).push(after.map(|place| place.category.as_str()));
            binds.push(after.map(|place| place.platform.as_str())).push(after.map(|place| place.provider.as_str()));
            binds.push(after.map(|place| place.campaign.as_bytes().as_slice())).push(after.map(|place| place.variant.as_str()));
            binds.push(count(page.limit + 1));
        });
        let rows = rows.await?;
        let places = rows.iter().take(page.limit).map(place).collect::<Result<Vec<_>>>()?;
        let last = if rows.len() > page.limit { places.last().map(Place::to_cursor).transpose()? } else { None };
        let items = places.into_iter().zip(&rows).map(|(place, row)| {
            let cells = Cells::new(row, "rollup", 0);
            let mut totals = [0; KINDS];
            for (kind, n) in totals.iter_mut().enumerate() {
                *n = cells.count(6 + kind, "sent")?;
            }
            place.row(totals).ok_or_else(|| cells.unreadable("platform"))
        });
        Ok(Page { items: items.collect::<Result<_>>()?, next: last })
    }

    async fn prune_analytics(&self, retention: &Retention) -> Result<()> {
        let retention = *retention;
        for resolution in Resolution::ALL {
            while !self.write(move |tx| Box::pin(forget(tx, *resolution, retention))).await? {}
        }
        Ok(())
    }
}

fn place(row: &SqliteRow) -> Result<Place> {
    let cells = Cells::new(row, "rollup", 0);
    let campaign: &[u8] = cells.get(4, "campaign")?;
    Ok(Place {
        bucket: cells.instant(0, "bucket")?,
        category: cells.get(1, "category")?,
        platform: cells.get(2, "platform")?,
        provider: cells.get(3, "provider")?,
        campaign: Uuid::from_slice(campaign).map_err(|_| cells.unreadable("campaign"))?,
        variant: cells.get(5, "variant")?,
    })
}

/// Forgets some buckets whose retention is over; whether that is all.
async fn forget(tx: Tx<'_>, resolution: Resolution, retention: Retention) -> Result<bool> {
    let oldest = retention.oldest(resolution, instant(tx.now).unwrap_or_default());
    let gone = execute(tx.conn, FORGET, |binds| {
        binds.push(resolution.as_str()).push(micros(oldest)).push(AT_ONCE);
    });
    Ok(gone.await? < AT_ONCE.unsigned_abs())
}
