//! Step 11: what is known, in one commit. Facts first and unconditionally, then plans under their fence.

use std::collections::{HashMap, HashSet};

use super::super::Result;
use super::super::engine::{Finished, Record, Recorded, Shown};
use super::super::rules::counted::Counted;
use super::batch::{Binds, Tuples, execute, no_lead};
use super::claim::key_of;
use super::corrections;
use super::counts;
use super::deaths;
use super::facts::{self, Care};
use super::fault::is_conflict;
use super::json::List;
use super::row::Cells;
use super::webhook_items;
use super::work::{self, Row, bind_held};
use super::writer::Tx;
use crate::domain::delivery::Delivery;
use crate::domain::id::NotificationId;
use crate::domain::work::WorkKey;

pub(super) const SHOWN: Tuples = Tuples {
    head: "INSERT INTO shown (device_pk, key_hash, notification_id, at) VALUES ",
    width: 4,
    tail: " ON CONFLICT (device_pk, key_hash) DO UPDATE SET notification_id = max(notification_id, excluded.notification_id), at = excluded.at",
};
pub(super) const END: Tuples = Tuples { head: "DELETE FROM work WHERE (notification_id, id, epoch) IN (VALUES ", width: 3, tail: ")" };
pub(super) const END_CAREFUL: Tuples = Tuples { tail: ") RETURNING notification_id, id, app, epoch", ..END };
/// What follows the work of a cancelled run is due now, whatever its reason.
pub(super) const HASTEN: &str = "UPDATE work SET due_at = min(?2, expires_at) WHERE lease_until <= ?2 AND due_at > min(?2, expires_at) \
                      AND notification_id IN (SELECT r.notification_id FROM json_each(?1) j \
                      CROSS JOIN run r ON r.notification_id = unhex(j.value) AND r.status = 'cancelled')";

/// Writes a record; plainly at first, and with care where something stood in the way.
pub(super) async fn record(mut tx: Tx<'_>, record: Record) -> Result<Recorded> {
    match write(&mut tx, &record, Care::Plain).await {
        Ok(Some(recorded)) => return Ok(recorded),
        Ok(None) => {}
        Err(error) if is_conflict(&error) => {}
        Err(error) => return Err(error),
    }
    tx.start_over().await?;
    Ok(write(&mut tx, &record, Care::Careful).await?.unwrap_or_default())
}

/// `None`: the fence held something back, and a plain write cannot tell what.
async fn write(tx: &mut Tx<'_>, record: &Record, care: Care) -> Result<Option<Recorded>> {
    let deliveries: Vec<&Delivery> = record.deliveries.iter().collect();
    let mut counted = Counted::default();
    let inserted = facts::insert(tx, &deliveries, care, &mut counted).await?;
    let deaths = deaths::write(tx, &record.deaths, care, &mut counted).await?;
    counts::raise(tx, &counted).await?;
    corrections::write(tx, &record.corrections).await?;
    shown(tx, &record.shown).await?;
    let Some(ended) = end(tx, &record.finished, care).await? else { return Ok(None) };
    let followed = follow_up(tx, &record.finished, &ended).await?;
    hasten(tx, followed).await?;
    let mut news = counted.news().to_vec();
    news.extend(deaths.news);
    webhook_items::tell(tx, &news).await?;
    let inserted = inserted + deaths.inserted;
    let ended = ended.into_iter().map(|(key, _)| key).collect();
    Ok(Some(Recorded { inserted, ended, deactivated: deaths.deactivated, outlived: deaths.outlived }))
}

async fn shown(tx: &mut Tx<'_>, shown: &[Shown]) -> Result<()> {
    let mut newest: HashMap<(i64, [u8; 32]), NotificationId> = HashMap::with_capacity(shown.len());
    for one in shown {
        let kept = newest.entry((one.device.0, one.key_hash)).or_insert(one.notification);
        *kept = (*kept).max(one.notification);
    }
    let rows: Vec<_> = newest.into_iter().collect();
    let now = tx.now;
    let bind = |binds: &mut Binds, ((device, hash), id): &((i64, [u8; 32]), NotificationId)| {
        binds.push(*device).push(hash.as_slice()).push(id.0.as_bytes().as_slice()).push(now);
    };
    SHOWN.execute(tx.conn, &rows, no_lead, bind).await?;
    Ok(())
}

/// Ends what is still held; with the epochs, since one record may hold a lapsed claim of a row beside the present one.
async fn end(tx: &mut Tx<'_>, finished: &[Finished], care: Care) -> Result<Option<Vec<(WorkKey, i64)>>> {
    let held: Vec<(WorkKey, i64)> = finished.iter().map(|work| (work.key, work.epoch)).collect();
    if care == Care::Careful {
        let rows = END_CAREFUL.fetch(tx.conn, &held, no_lead, bind_held).await?;
        let held = |row| {
            let cells = Cells::new(row, "work", 0);
            Ok((key_of(&cells)?, cells.get(3, "epoch")?))
        };
        return rows.iter().map(held).collect::<Result<_>>().map(Some);
    }
    let ended = END.execute(tx.conn, &held, no_lead, bind_held).await?;
    Ok((ended == held.len() as u64).then_some(held))
}

/// Writes what follows; for which notifications.
async fn follow_up(tx: &mut Tx<'_>, finished: &[Finished], ended: &[(WorkKey, i64)]) -> Result<HashSet<NotificationId>> {
    if finished.iter().all(|work| work.follow_ups.is_empty()) {
        return Ok(HashSet::new());
    }
    let ended: HashSet<&(WorkKey, i64)> = ended.iter().collect();
    let rows: Vec<Row<'_>> = finished
        .iter()
        .filter(|work| ended.contains(&(work.key, work.epoch)))
        .flat_map(|work| work.follow_ups.iter().map(|next| (work.key, next)))
        .map(|(key, work)| Row { app: key.app, notification: key.notification, work, first: false, guard_until: 0 })
        .collect();
    work::insert(tx, &rows).await?;
    Ok(rows.iter().map(|row| row.notification).collect())
}

async fn hasten(tx: &mut Tx<'_>, notifications: HashSet<NotificationId>) -> Result<()> {
    if notifications.is_empty() {
        return Ok(());
    }
    let list = List::of_notifications(&notifications);
    let hasten = execute(tx.conn, HASTEN, |binds| {
        binds.push(&list).push(tx.now);
    });
    hasten.await?;
    Ok(())
}
