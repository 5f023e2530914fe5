//! Step 11: what is known, in one commit. Facts first and unconditionally, then plans under their fence.
//!
//! Everybody locks in this order, and rows of one table in the order of their keys: devices, deliveries, counts, rollups, what was shown,
//! work.

use std::collections::{BTreeMap, HashSet};

use uuid::Uuid;

use super::super::Result;
use super::super::engine::{Finished, Record, Recorded, Shown};
use super::super::rules::counted::Counted;
use super::PostgresStore;
use super::batch::{execute, fetch};
use super::corrections;
use super::counts;
use super::deaths;
use super::facts::{self, Care};
use super::fault::{is_conflict, is_contended, is_without_partition};
use super::row::Cells;
use super::tx::Tx;
use super::webhook_items;
use super::work::{self, Row, bind_held, in_order, key_of};
use crate::domain::delivery::Delivery;
use crate::domain::id::NotificationId;
use crate::domain::work::WorkKey;

pub(super) const SHOWN: &str = "INSERT INTO shown AS s (device_pk, key_hash, notification_id, at) \
                     SELECT new.device, new.hash, new.id, $1 FROM unnest($2::bigint[], $3::bytea[], $4::uuid[]) AS new (device, hash, id) \
                     ON CONFLICT (device_pk, key_hash) DO UPDATE SET notification_id = greatest(s.notification_id, excluded.notification_id), at = excluded.at";
pub(super) const END: &str = "DELETE FROM work USING unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS held (id, work, epoch) \
                   WHERE work.notification_id = held.id AND work.id = held.work AND work.epoch = held.epoch \
                   RETURNING work.notification_id, work.id, work.app, work.epoch";
/// What follows the work of a cancelled run is due now, whatever its reason.
pub(super) const HASTEN: &str = "UPDATE work SET due_at = least($1, work.expires_at) FROM (SELECT r.notification_id AS id FROM unnest($2::uuid[]) AS ask (id) \
                      CROSS JOIN LATERAL (SELECT notification_id, status FROM run r WHERE r.notification_id = ask.id LIMIT 1) r \
                      WHERE r.status = 'cancelled') over \
                      WHERE work.notification_id = over.id AND work.lease_until <= $1 AND work.due_at > least($1, work.expires_at)";
/// How often a record is tried that others stand in the way of.
const TRIES: usize = 5;

/// Writes a record; plainly at first, and with care where something stood in the way.
pub(super) async fn record(store: &PostgresStore, record: &Record) -> Result<Recorded> {
    let mut tries = 1..TRIES;
    let mut care = Care::Plain;
    loop {
        let deliveries = record.deliveries.iter().chain(record.deaths.iter().map(|death| &death.delivery));
        store.ensure(facts::partitions(deliveries)).await?;
        let mut tx = store.engine.begin().await?;
        let done = write(&mut tx, store.shard, record, care).await;
        match tx.end(done).await {
            Err(error) if is_conflict(&error) && care == Care::Plain => care = Care::Careful,
            Err(error) if is_without_partition(&error) && tries.next().is_some() => store.partitions.forget(),
            Err(error) if is_contended(&error) && tries.next().is_some() => {}
            done => return done,
        }
    }
}

async fn write(tx: &mut Tx, shard: i32, record: &Record, care: Care) -> Result<Recorded> {
    let judged = deaths::judge(tx, record).await?;
    corrections::write(tx, &record.corrections).await?;
    let facts = record.deliveries.iter().chain(judged.meant.iter().map(|death| &death.delivery));
    let mut counted = Counted::default();
    let inserted = facts::insert(tx, &facts.collect::<Vec<&Delivery>>(), care, &mut counted).await?;
    counts::raise(tx, shard, &counted).await?;
    let gone = deaths::deactivate(tx, &judged.meant).await?;
    let deactivated = gone.len();
    shown(tx, &record.shown).await?;
    let ended = end(tx, &record.finished).await?;
    let followed = follow_up(tx, &record.finished, &ended).await?;
    let ended = ended.into_iter().map(|(key, _)| key).collect();
    hasten(tx, followed).await?;
    let mut news = counted.news().to_vec();
    news.extend(gone);
    webhook_items::tell(tx, &news).await?;
    let outlived = judged.again.iter().map(|death| (death.delivery.notification, death.delivery.target)).collect();
    Ok(Recorded { inserted, ended, deactivated, outlived })
}

async fn shown(tx: &mut Tx, shown: &[Shown]) -> Result<()> {
    let mut newest: BTreeMap<(i64, [u8; 32]), NotificationId> = BTreeMap::new();
    for one in shown {
        let kept = newest.entry((one.device.0, one.key_hash)).or_insert(one.notification);
        *kept = (*kept).max(one.notification);
    }
    if newest.is_empty() {
        return Ok(());
    }
    let now = tx.now;
    execute(tx, SHOWN, |binds| {
        binds.push(now);
        binds.push(newest.keys().map(|(device, _)| *device).collect::<Vec<i64>>());
        binds.push(newest.keys().map(|(_, hash)| hash.as_slice()).collect::<Vec<&[u8]>>());
        binds.push(newest.values().map(|id| id.0).collect::<Vec<Uuid>>());
    })
    .await?;
    Ok(())
}

/// Ends what is still held; with the epochs, since one record may hold a lapsed claim of a row beside the present one.
async fn end(tx: &mut Tx, finished: &[Finished]) -> Result<Vec<(WorkKey, i64)>> {
    if finished.is_empty() {
        return Ok(Vec::new());
    }
    let held: Vec<(WorkKey, i64)> = finished.iter().map(|work| (work.key, work.epoch)).collect();
    let rows = fetch(tx, END, |binds| bind_held(binds, &in_order(&held))).await?;
    let held = |row| {
        let cells = Cells::new(row, "work", 1);
        Ok((key_of(&cells)?, cells.get(3, "epoch")?))
    };
    rows.iter().map(held).collect()
}

/// Writes what follows; for which notifications.
async fn follow_up(tx: &mut Tx, finished: &[Finished], ended: &[(WorkKey, i64)]) -> Result<HashSet<Uuid>> {
    let ended: HashSet<&(WorkKey, i64)> = ended.iter().collect();
    let over = finished.iter().filter(|work| ended.contains(&(work.key, work.epoch)));
    let next = over.flat_map(|work| work.follow_ups.iter().map(|next| (work.key, next)));
    let rows: Vec<Row<'_>> =
        next.map(|(key, work)| Row { app: key.app, notification: key.notification, work, first: false, guard_until: None }).collect();
    let followed = rows.iter().map(|row| row.notification.0).collect();
    work::insert(tx, rows).await?;
    Ok(followed)
}

async fn hasten(tx: &mut Tx, notifications: HashSet<Uuid>) -> Result<()> {
    if notifications.is_empty() {
        return Ok(());
    }
    let now = tx.now;
    let mut notifications: Vec<Uuid> = notifications.into_iter().collect();
    notifications.sort_unstable();
    execute(tx, HASTEN, |binds| {
        binds.push(now).push(notifications);
    })
    .await?;
    Ok(())
}
