//! Counts of notifications and rollups, raised in the commit of what they count: one statement each.

use super::super::Result;
use super::super::rules::counted::{Bucket, Count, Counted, KINDS};
use super::batch::{Binds, Tuples, no_lead};
use super::row::micros;
use super::writer::Tx;
use crate::domain::id::NotificationId;
use crate::domain::latency::Latency;

pub(super) const COUNT: Tuples = Tuples {
    head: "WITH new (id, state, reason, platform, variant, n) AS (VALUES ",
    width: 6,
    tail: ") INSERT INTO notification_count (notification_id, shard, state, reason, platform, variant, n) \
           SELECT new.id, 0, new.state, new.reason, new.platform, new.variant, new.n FROM new \
           JOIN run r ON r.notification_id = new.id AND r.fan_out = 1 \
           ON CONFLICT (notification_id, shard, state, reason, platform, variant) DO UPDATE SET n = n + excluded.n",
};
pub(super) const LATENCY: Tuples = Tuples {
    head: "WITH new (id, step, n) AS (VALUES ",
    width: 3,
    tail: ") INSERT INTO latency (notification_id, step, n) SELECT new.id, new.step, new.n FROM new \
           JOIN run r ON r.notification_id = new.id AND r.fan_out = 1 \
           ON CONFLICT (notification_id, step) DO UPDATE SET n = n + excluded.n",
};
/// Each minute is also counted in its hour and in its day.
pub(super) const ROLL_UP: Tuples = Tuples {
    head: "WITH new (app, minute, category, platform, provider, campaign, variant, \
           sent, suppressed, failed, expired, cancelled, delivered, opened, dismissed) AS (VALUES ",
    width: 15,
    tail: "), kinds (resolution, length) AS (VALUES ('minute', 60000000), ('hour', 3600000000), ('day', 86400000000)) \
           INSERT INTO rollup (app, resolution, bucket, category, platform, provider, campaign, variant, shard, \
           sent, suppressed, failed, expired, cancelled, delivered, opened, dismissed) \
           SELECT new.app, kinds.resolution, new.minute - new.minute % kinds.length, new.category, new.platform, new.provider, \
           new.campaign, new.variant, 0, new.sent, new.suppressed, new.failed, new.expired, new.cancelled, new.delivered, new.opened, \
           new.dismissed FROM new CROSS JOIN kinds WHERE true \
           ON CONFLICT (app, resolution, bucket, category, platform, provider, campaign, variant, shard) DO UPDATE SET \
           sent = sent + excluded.sent, suppressed = suppressed + excluded.suppressed, failed = failed + excluded.failed, \
           expired = expired + excluded.expired, cancelled = cancelled + excluded.cancelled, delivered = delivered + excluded.delivered, \
           opened = opened + excluded.opened, dismissed = dismissed + excluded.dismissed",
};

/// Raises them all. A direct notification has no counts: it is counted from its deliveries.
pub(super) async fn raise(tx: &mut Tx<'_>, counted: &Counted<'_>) -> Result<()> {
    let rows: Vec<(&Count<'_>, &i64)> = counted.counts().iter().collect();
    let bind = |binds: &mut Binds, (key, n): &(&Count<'_>, &i64)| {
        binds.push(key.notification.0.as_bytes().as_slice()).push(key.state).push(key.reason);
        binds.push(key.platform).push(key.variant).push(**n);
    };
    COUNT.execute(tx.conn, &rows, no_lead, bind).await?;

    let rows: Vec<(&(NotificationId, Latency), &i64)> = counted.latencies().iter().collect();
    let bind = |binds: &mut Binds, ((id, step), n): &(&(NotificationId, Latency), &i64)| {
        binds.push(id.0.as_bytes().as_slice()).push(step.raw()).push(**n);
    };
    LATENCY.execute(tx.conn, &rows, no_lead, bind).await?;

    let rows: Vec<(&Bucket<'_>, &[i64; KINDS])> = counted.minutes().iter().collect();
    let bind = |binds: &mut Binds, (bucket, counts): &(&Bucket<'_>, &[i64; KINDS])| {
        binds.push(bucket.app.0).push(micros(bucket.from)).push(bucket.category).push(bucket.platform).push(bucket.provider);
        binds.push(bucket.campaign.as_bytes().as_slice()).push(bucket.variant);
        counts.iter().for_each(|n| {
            binds.push(*n);
        });
    };
    ROLL_UP.execute(tx.conn, &rows, no_lead, bind).await?;
    Ok(())
}
