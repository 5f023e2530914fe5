//! Rollups as callers read them, and their end.
//!
//! Several nodes write rows of their own of the same bucket and group. Once nothing more is to be expected of a bucket they become one, in
//! the shard [`FOLDED`]; a receipt that comes later has a row beside it, and is counted all the same.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::TimeDelta;
use sqlx::postgres::PgRow;

use super::super::analytics::{Analytics, AnalyticsQuestion, AnalyticsRow, Resolution, Retention};
use super::super::rules::analytics::Place;
use super::super::rules::counted::{Bucket, KINDS, add};
use super::super::{Page, PageRequest, Result};
use super::PostgresStore;
use super::batch::{count, execute, fetch};
use super::counts::roll_up;
use super::row::Cells;
use super::tx::{Tx, reading, transaction};
use crate::domain::id::AppId;

pub(super) const READ: &str = "SELECT r.bucket, r.category, r.platform, r.provider, r.campaign, r.variant, \
     sum(r.sent)::bigint, sum(r.suppressed)::bigint, sum(r.failed)::bigint, sum(r.expired)::bigint, sum(r.cancelled)::bigint, \
     sum(r.delivered)::bigint, sum(r.opened)::bigint, sum(r.dismissed)::bigint \
     FROM (SELECT bucket, CASE WHEN $5 THEN category ELSE '' END AS category, CASE WHEN $6 THEN platform ELSE '' END AS platform, \
     CASE WHEN $7 THEN provider ELSE '' END AS provider, \
     CASE WHEN $8 THEN campaign ELSE '00000000-0000-0000-0000-000000000000' END AS campaign, \
     CASE WHEN $9 THEN variant ELSE '' END AS variant, sent, suppressed, failed, expired, cancelled, delivered, opened, dismissed \
     FROM rollup WHERE app = $1 AND resolution = $2 AND bucket >= $3 AND bucket < $4) r \
     WHERE $10::timestamptz IS NULL OR (r.bucket, r.category, r.platform, r.provider, r.campaign, r.variant) > ($10, $11, $12, $13, $14::uuid, $15) \
     GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6 LIMIT $16";
pub(super) const FORGET: &str = "DELETE FROM rollup WHERE ctid = ANY (ARRAY (SELECT ctid FROM rollup \
     WHERE app = ANY (ARRAY (SELECT id FROM app)) AND resolution = $1 AND bucket < $2 LIMIT $3 FOR UPDATE SKIP LOCKED))";
/// Takes out the rows of buckets and groups that have several. What another node folds is left to it.
pub(super) const TAKE_OUT: &str = "DELETE FROM rollup WHERE ctid = ANY (ARRAY (SELECT r.ctid FROM \
     (SELECT app, resolution, bucket, category, platform, provider, campaign, variant FROM rollup \
     WHERE app = ANY (ARRAY (SELECT id FROM app)) AND resolution = $1 AND bucket >= $2 AND bucket < $3 \
     GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 HAVING count(*) > 1 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8 LIMIT $4) k CROSS JOIN LATERAL \
     (SELECT ctid FROM rollup r WHERE r.app = k.app AND r.resolution = k.resolution AND r.bucket = k.bucket AND r.category = k.category \
     AND r.platform = k.platform AND r.provider = k.provider AND r.campaign = k.campaign AND r.variant = k.variant FOR UPDATE SKIP LOCKED) r)) \
     RETURNING bucket, category, platform, provider, campaign, variant, \
     sent, suppressed, failed, expired, cancelled, delivered, opened, dismissed, app";

/// What several nodes wrote of a bucket, put together. No node writes here.
const FOLDED: i32 = -1;
/// Rows that one commit forgets.
const AT_ONCE: i64 = 5_000;
/// Buckets and groups that one commit folds.
const FOLDS: i64 = 500;

#[async_trait]
impl Analytics for PostgresStore {
    async fn analytics(&self, app: AppId, question: &AnalyticsQuestion, page: &PageRequest) -> Result<Page<AnalyticsRow>> {
        let after = page.after.as_deref().map(Place::of_cursor).transpose()?;
        let rows = reading!(self.callers, conn => fetch(&mut conn, READ, |binds| {
            let (from, groups) = (after.as_ref().map_or(question.from, |place| place.bucket), question.groups);
            binds.push(app.0).push(question.resolution.as_str()).push(from).push(question.to);
            binds.push(groups.category).push(groups.platform).push(groups.provider).push(groups.campaign).push(groups.variant);
            let after = after.as_ref();
            binds.push(after.map(|place| place.bucket)).push(after.map(|place| place.category.as_str()));
            binds.push(after.map(|place| place.platform.as_str())).push(after.map(|place| place.provider.as_str()));
            binds.push(after.map(|place| place.campaign)).push(after.map(|place| place.variant.as_str()));
            binds.push(count(page.limit + 1));
        }))?;
        let places = rows.iter().take(page.limit).map(place).collect::<Result<Vec<_>>>()?;
        let last = if rows.len() > page.limit { places.last().map(Place::to_cursor).transpose()? } else { None };
        let items = places.into_iter().zip(&rows).map(|(place, row)| {
            let cells = Cells::new(row, "rollup", 0);
            place.row(totals(&cells)?).ok_or_else(|| cells.unreadable("platform"))
        });
        Ok(Page { items: items.collect::<Result<_>>()?, next: last })
    }

    async fn prune_analytics(&self, retention: &Retention) -> Result<()> {
        for resolution in Resolution::ALL {
            while !transaction!(self.callers, tx => forget(&mut tx, *resolution, retention))? {}
            while !transaction!(self.callers, tx => fold(&mut tx, *resolution))? {}
        }
        Ok(())
    }
}

fn place(row: &PgRow) -> Result<Place> {
    let cells = Cells::new(row, "rollup", 0);
    Ok(Place {
        bucket: cells.instant(0, "bucket")?,
        category: cells.get(1, "category")?,
        platform: cells.get(2, "platform")?,
        provider: cells.get(3, "provider")?,
        campaign: cells.get(4, "campaign")?,
        variant: cells.get(5, "variant")?,
    })
}

/// The counts, from the seventh cell on.
fn totals<T: TryFrom<i64> + Default + Copy>(cells: &Cells<'_>) -> Result<[T; KINDS]> {
    let mut totals = [T::default(); KINDS];
    for (kind, n) in totals.iter_mut().enumerate() {
        *n = cells.count(6 + kind, "sent")?;
    }
    Ok(totals)
}

/// Forgets some buckets whose retention is over; whether that is all.
async fn forget(tx: &mut Tx, resolution: Resolution, retention: &Retention) -> Result<bool> {
    let oldest = retention.oldest(resolution, tx.now);
    let gone = execute(tx, FORGET, |binds| {
        binds.push(resolution.as_str()).push(oldest).push(AT_ONCE);
    });
    Ok(gone.await? < AT_ONCE.unsigned_abs())
}

/// Between which ages the buckets of a resolution are folded: old enough to be at rest, and no older, since this is looked for every minute.
fn ages(resolution: Resolution) -> (TimeDelta, TimeDelta) {
    match resolution {
        Resolution::Minute => (TimeDelta::hours(2), TimeDelta::hours(5)),
        Resolution::Hour => (TimeDelta::hours(6), TimeDelta::hours(48)),
        Resolution::Day => (TimeDelta::hours(48), TimeDelta::hours(240)),
    }
}

/// Folds some buckets; whether that is all.
async fn fold(tx: &mut Tx, resolution: Resolution) -> Result<bool> {
    let (least, most) = ages(resolution);
    let (from, to) = (tx.now - most, tx.now - least);
    let rows = fetch(tx, TAKE_OUT, |binds| {
        binds.push(resolution.as_str()).push(from).push(to).push(FOLDS);
    });
    let rows = rows.await?;
    let mut places = Vec::with_capacity(rows.len());
    for row in &rows {
        let cells = Cells::new(row, "rollup", 14);
        places.push((AppId(cells.get(14, "app")?), place(row)?, totals::<i64>(&cells)?));
    }
    let mut folded: BTreeMap<(Resolution, Bucket<'_>), [i64; KINDS]> = BTreeMap::new();
    for (app, place, totals) in &places {
        let bucket = Bucket {
            app: *app,
            from: place.bucket,
            category: &place.category,
            platform: &place.platform,
            provider: &place.provider,
            campaign: place.campaign,
            variant: &place.variant,
        };
        add(folded.entry((resolution, bucket)).or_default(), totals);
    }
    let folded: Vec<_> = folded.into_iter().collect();
    roll_up(tx, FOLDED, &folded).await?;
    Ok(count(folded.len()) < FOLDS)
}
