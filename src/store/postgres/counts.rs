//! Counts of notifications and rollups, raised in the commit of what they count: one statement each.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::Result;
use super::super::analytics::Resolution;
use super::super::rules::counted::{Bucket, Count, Counted, KINDS};
use super::batch::{Binds, execute};
use crate::domain::Timestamp;

pub(super) const COUNT: &str = "INSERT INTO notification_count AS c (notification_id, shard, state, reason, platform, variant, n) \
     SELECT new.id, $1, new.state, new.reason, new.platform, new.variant, new.n \
     FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[]) AS new (id, state, reason, platform, variant, n) \
     WHERE EXISTS (SELECT 1 FROM run r WHERE r.notification_id = new.id AND r.fan_out) \
     ON CONFLICT (notification_id, shard, state, reason, platform, variant) DO UPDATE SET n = c.n + excluded.n";
pub(super) const LATENCY: &str = "INSERT INTO latency AS l (notification_id, shard, step, n) SELECT new.id, $1, new.step, new.n \
     FROM unnest($2::uuid[], $3::smallint[], $4::bigint[]) AS new (id, step, n) \
     WHERE EXISTS (SELECT 1 FROM run r WHERE r.notification_id = new.id AND r.fan_out) \
     ON CONFLICT (notification_id, shard, step) DO UPDATE SET n = l.n + excluded.n";
pub(super) const ROLL_UP: &str = "INSERT INTO rollup AS r (app, resolution, bucket, category, platform, provider, campaign, variant, shard, \
     sent, suppressed, failed, expired, cancelled, delivered, opened, dismissed) \
     SELECT new.app, new.resolution, new.bucket, new.category, new.platform, new.provider, new.campaign, new.variant, $1, \
     new.sent, new.suppressed, new.failed, new.expired, new.cancelled, new.delivered, new.opened, new.dismissed \
     FROM unnest($2::bigint[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::text[], \
     $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[]) \
     AS new (app, resolution, bucket, category, platform, provider, campaign, variant, \
     sent, suppressed, failed, expired, cancelled, delivered, opened, dismissed) \
     ON CONFLICT (app, resolution, bucket, category, platform, provider, campaign, variant, shard) DO UPDATE SET \
     sent = r.sent + excluded.sent, suppressed = r.suppressed + excluded.suppressed, failed = r.failed + excluded.failed, \
     expired = r.expired + excluded.expired, cancelled = r.cancelled + excluded.cancelled, \
     delivered = r.delivered + excluded.delivered, opened = r.opened + excluded.opened, dismissed = r.dismissed + excluded.dismissed";

/// A rollup: its key without the shard, and its counts.
pub(super) type Rollup<'d> = ((Resolution, Bucket<'d>), [i64; KINDS]);

/// Raises them all. A direct notification has no counts: it is counted from its deliveries.
pub(super) async fn raise(conn: &mut PgConnection, shard: i32, counted: &Counted<'_>) -> Result<()> {
    let counts = counted.counts();
    if counts.is_empty() {
        return Ok(());
    }
    let words = |word: for<'d> fn(&Count<'d>) -> &'d str| counts.keys().map(word).collect::<Vec<&str>>();
    execute(conn, COUNT, |binds| {
        binds.push(shard).push(counts.keys().map(|key| key.notification.0).collect::<Vec<Uuid>>());
        binds.push(words(|key| key.state)).push(words(|key| key.reason)).push(words(|key| key.platform)).push(words(|key| key.variant));
        binds.push(counts.values().copied().collect::<Vec<i64>>());
    })
    .await?;
    lengthen(conn, shard, counted).await?;
    roll_up(conn, shard, &counted.buckets().into_iter().collect::<Vec<_>>()).await
}

/// Raises how many took how long.
async fn lengthen(conn: &mut PgConnection, shard: i32, counted: &Counted<'_>) -> Result<()> {
    let latencies = counted.latencies();
    if latencies.is_empty() {
        return Ok(());
    }
    execute(conn, LATENCY, |binds| {
        binds.push(shard).push(latencies.keys().map(|(id, _)| id.0).collect::<Vec<Uuid>>());
        binds.push(latencies.keys().map(|(_, step)| i16::try_from(step.raw()).unwrap_or(i16::MAX)).collect::<Vec<i16>>());
        binds.push(latencies.values().copied().collect::<Vec<i64>>());
    })
    .await?;
    Ok(())
}

/// Raises rollups, which are in the order in which such rows are locked.
pub(super) async fn roll_up(conn: &mut PgConnection, shard: i32, rollups: &[Rollup<'_>]) -> Result<()> {
    if rollups.is_empty() {
        return Ok(());
    }
    execute(conn, ROLL_UP, |binds| {
        binds.push(shard);
        bind_keys(binds, rollups);
        for kind in 0..KINDS {
            binds.push(rollups.iter().map(|(_, counts)| counts.get(kind).copied().unwrap_or_default()).collect::<Vec<i64>>());
        }
    })
    .await?;
    Ok(())
}

fn bind_keys(binds: &mut Binds, rollups: &[Rollup<'_>]) {
    let words = |word: for<'d> fn(&Bucket<'d>) -> &'d str| rollups.iter().map(|((_, bucket), _)| word(bucket)).collect::<Vec<&str>>();
    binds.push(rollups.iter().map(|((_, bucket), _)| bucket.app.0).collect::<Vec<i64>>());
    binds.push(rollups.iter().map(|((resolution, _), _)| resolution.as_str()).collect::<Vec<&str>>());
    binds.push(rollups.iter().map(|((_, bucket), _)| bucket.from).collect::<Vec<Timestamp>>());
    binds.push(words(|bucket| bucket.category)).push(words(|bucket| bucket.platform)).push(words(|bucket| bucket.provider));
    binds.push(rollups.iter().map(|((_, bucket), _)| bucket.campaign).collect::<Vec<Uuid>>());
    binds.push(words(|bucket| bucket.variant));
}
