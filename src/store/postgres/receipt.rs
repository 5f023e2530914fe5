//! Receipts: booked on the delivery they belong to, or kept until it is there.
//!
//! Deliveries are locked, in order, before their stamps are read: of nodes that book the same receipt, the second finds it booked.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use uuid::Uuid;

use super::super::Result;
use super::super::engine::day_of;
use super::super::receipt::{Receipt, ReceiptKind, ReceiptVerdict, Receipts};
use super::super::rules::booking::{Book, Booked, DeliveryKey, Push, kind, word};
use super::super::rules::words;
use super::PostgresStore;
use super::batch::{Binds, execute, fetch};
use super::counts;
use super::prune::EARLY_LIFE;
use super::row::Cells;
use super::tx::{Tx, transaction};
use super::webhook_items;
use crate::domain::Timestamp;
use crate::domain::delivery::{Cohort, State};
use crate::domain::id::{AppId, NotificationId, PersonPk};

pub(super) const REPORTED: &str = "SELECT n.id, v.pk, n.start_at, w.id IS NOT NULL, ask.n, n.category, n.campaign, n.test \
     FROM unnest($2::uuid[], $3::text[]) WITH ORDINALITY AS ask (id, name, n) \
     CROSS JOIN LATERAL (SELECT id, start_at, category, campaign, test FROM notification WHERE app = $1 AND id = ask.id LIMIT 1) n \
     CROSS JOIN LATERAL (SELECT pk FROM device WHERE app = $1 AND name = ask.name LIMIT 1) v \
     LEFT JOIN LATERAL (SELECT id FROM work WHERE notification_id = ask.id LIMIT 1) w ON true";
pub(super) const STAMPS: &str = "SELECT d.day, d.notification_id, d.target, d.state, d.at, d.delivered_at, d.opened_at, d.dismissed_at, \
     d.platform, d.provider, d.variant, d.person_pk \
     FROM unnest($1::int[], $2::uuid[], $3::bigint[]) AS ask (day, id, target) \
     CROSS JOIN LATERAL (SELECT * FROM delivery WHERE day = ask.day AND notification_id = ask.id AND target = ask.target AND channel = 'push' \
     LIMIT 1 FOR UPDATE) d";
/// Early ones whose delivery is there by now. What another node settles at the same time is left to it.
pub(super) const EARLY: &str = "SELECT e.notification_id, e.device_pk, n.start_at, e.kind, e.at, e.seen_at, n.category, n.campaign, n.test, e.app FROM receipt_early e \
     CROSS JOIN LATERAL (SELECT start_at, category, campaign, test FROM notification WHERE app = e.app AND id = e.notification_id LIMIT 1) n \
     WHERE EXISTS (SELECT 1 FROM delivery d WHERE d.day = floor(extract(epoch FROM n.start_at) / 86400)::int \
     AND d.notification_id = e.notification_id AND d.target = e.device_pk AND d.channel = 'push') \
     AND EXISTS (SELECT 1 FROM device v WHERE v.pk = e.device_pk) \
     ORDER BY e.seen_at LIMIT $1 FOR UPDATE OF e SKIP LOCKED";
const KEEP: &str = "INSERT INTO receipt_early (notification_id, device_pk, kind, app, at, seen_at) \
     SELECT id, pk, kind, $1, at, $2 FROM unnest($3::uuid[], $4::bigint[], $5::text[], $6::timestamptz[]) AS new (id, pk, kind, at) \
     ORDER BY id, pk, kind ON CONFLICT (notification_id, device_pk, kind) DO NOTHING";
pub(super) const FORGET: &str = "DELETE FROM receipt_early e USING unnest($1::uuid[], $2::bigint[], $3::text[]) AS gone (id, pk, kind) \
     WHERE e.notification_id = gone.id AND e.device_pk = gone.pk AND e.kind = gone.kind";
/// In one pass over the age, without waiting for what another node settles.
pub(super) const FORGET_OLD: &str = "DELETE FROM receipt_early WHERE ctid = ANY (ARRAY (SELECT ctid FROM receipt_early WHERE seen_at <= $1 \
     ORDER BY seen_at LIMIT $2 FOR UPDATE SKIP LOCKED))";
pub(super) const BOOK: &str = "UPDATE delivery d SET delivered_at = new.delivered_at, opened_at = new.opened_at, dismissed_at = new.dismissed_at \
     FROM unnest($1::int[], $2::uuid[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[]) \
     AS new (day, id, target, delivered_at, opened_at, dismissed_at) \
     WHERE d.day = new.day AND d.notification_id = new.id AND d.target = new.target AND d.channel = 'push'";

/// Early receipts that one commit settles.
const AT_ONCE: i64 = 1_000;

/// Early receipts that one commit keeps or forgets.
type Kept = (DeliveryKey, ReceiptKind, Option<Timestamp>);

#[async_trait]
impl Receipts for PostgresStore {
    async fn receive(&self, app: AppId, receipts: &[Receipt]) -> Result<Vec<ReceiptVerdict>> {
        transaction!(self.callers, tx => receive(&mut tx, self.receipts_shard(), app, receipts))
    }

    async fn settle_early_receipts(&self) -> Result<usize> {
        let mut settled = 0;
        loop {
            let (found, booked) = transaction!(self.callers, tx => settle(&mut tx, self.receipts_shard()))?;
            settled += booked;
            if found < AT_ONCE.unsigned_abs() {
                return Ok(settled);
            }
        }
    }
}

async fn receive(tx: &mut Tx, shard: i32, app: AppId, receipts: &[Receipt]) -> Result<Vec<ReceiptVerdict>> {
    let pushes = reported(tx, app, receipts).await?;
    let now = tx.now;
    let mut book = Book::default();
    let mut early: Vec<Kept> = Vec::new();
    let mut verdicts = Vec::with_capacity(receipts.len());
    for (n, receipt) in (1_i64..).zip(receipts) {
        let at = receipt.at;
        let push = pushes.get(&n);
        let booked = push.and_then(|push| book.enter(push, receipt.kind, at, now));
        verdicts.push(booked.unwrap_or_else(|| match push {
            Some(push) if push.may_be_under_way(now) => {
                early.push((push.key, receipt.kind, at));
                ReceiptVerdict::Early
            }
            _ => ReceiptVerdict::UnknownDelivery,
        }));
    }
    write(tx, shard, &book).await?;
    if !early.is_empty() {
        execute(tx, KEEP, |binds| {
            binds.push(app.0).push(now);
            bind_early(binds, early.iter().map(|(key, kind, _)| (key, *kind)));
            binds.push(early.iter().map(|(_, _, at)| *at).collect::<Vec<Option<Timestamp>>>());
        })
        .await?;
    }
    webhook_items::tell(tx, book.counted().news()).await?;
    Ok(verdicts)
}

/// What is known of the pushes that were reported, by the receipt's place, beginning with 1.
///
/// Whether work waits is read before the deliveries: what was recorded in between is seen as a delivery.
async fn reported(tx: &mut Tx, app: AppId, receipts: &[Receipt]) -> Result<BTreeMap<i64, Push>> {
    let rows = fetch(tx, REPORTED, |binds| {
        binds.push(app.0).push(receipts.iter().map(|receipt| receipt.notification.0).collect::<Vec<Uuid>>());
        binds.push(receipts.iter().map(|receipt| receipt.device.as_str()).collect::<Vec<&str>>());
    });
    let mut pushes = BTreeMap::new();
    for row in &rows.await? {
        let cells = Cells::new(row, "notification", 0);
        let start_at = cells.instant(2, "start_at")?;
        let key = (day_of(start_at), cells.notification(0, "id")?, cells.get(1, "id")?);
        let push = Push { key, cohort: cohort(&cells, app, 5)?, delivery: None, start_at, has_work: cells.get(3, "id")? };
        pushes.insert(cells.get(4, "id")?, push);
    }
    read_deliveries(tx, pushes.values_mut()).await?;
    Ok(pushes)
}

/// Locks the deliveries of these pushes, and enters what they hold.
async fn read_deliveries(tx: &mut Tx, pushes: impl Iterator<Item = &mut Push>) -> Result<()> {
    let pushes: Vec<&mut Push> = pushes.collect();
    let keys: BTreeSet<DeliveryKey> = pushes.iter().map(|push| push.key).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let rows = fetch(tx, STAMPS, |binds| bind_keys(binds, keys.iter())).await?;
    let mut deliveries = BTreeMap::new();
    for row in &rows {
        let cells = Cells::new(row, "delivery", 1);
        let key: DeliveryKey = (cells.get(0, "day")?, cells.notification(1, "notification_id")?, cells.get(2, "target")?);
        let stamps =
            [cells.maybe_instant(5, "delivered_at")?, cells.maybe_instant(6, "opened_at")?, cells.maybe_instant(7, "dismissed_at")?];
        let booked = Booked {
            state: cells.word(3, "state", State::parse)?,
            at: cells.instant(4, "at")?,
            person: cells.get::<Option<i64>>(11, "person_pk")?.map(PersonPk),
            stamps,
            platform: cells.maybe_word(8, "platform", words::platform)?,
            provider: cells.maybe_word(9, "provider", words::provider)?,
            variant: cells.get(10, "variant")?,
        };
        deliveries.insert(key, booked);
    }
    for push in pushes {
        push.delivery = deliveries.get(&push.key).cloned();
    }
    Ok(())
}

/// Category, campaign and whether it is a test, from cell `first` on.
fn cohort(cells: &Cells<'_>, app: AppId, first: usize) -> Result<Cohort> {
    Ok(Cohort {
        app,
        category: cells.get(first, "category")?,
        campaign: cells.maybe_campaign(first + 1, "campaign")?,
        test: cells.get(first + 2, "test")?,
    })
}

/// How many early receipts have their delivery by now, and how many of them count.
async fn settle(tx: &mut Tx, shard: i32) -> Result<(u64, usize)> {
    let rows = fetch(tx, EARLY, |binds| {
        binds.push(AT_ONCE);
    });
    let mut found = Vec::new();
    for row in &rows.await? {
        let cells = Cells::new(row, "receipt_early", 0);
        let start_at = cells.instant(2, "start_at")?;
        let key = (day_of(start_at), cells.notification(0, "notification_id")?, cells.get(1, "device_pk")?);
        let cohort = cohort(&cells, AppId(cells.get(9, "app")?), 6)?;
        let push = Push { key, cohort, delivery: None, start_at, has_work: false };
        found.push((push, cells.word(3, "kind", kind)?, cells.maybe_instant(4, "at")?, cells.instant(5, "seen_at")?));
    }
    read_deliveries(tx, found.iter_mut().map(|(push, ..)| push)).await?;
    let mut book = Book::default();
    let mut booked = 0;
    for (push, kind, at, seen_at) in &found {
        booked += usize::from(book.enter(push, *kind, *at, *seen_at) == Some(ReceiptVerdict::Accepted));
    }
    write(tx, shard, &book).await?;
    if !found.is_empty() {
        execute(tx, FORGET, |binds| bind_early(binds, found.iter().map(|(push, kind, ..)| (&push.key, *kind)))).await?;
    }
    let over = tx.now - EARLY_LIFE;
    execute(tx, FORGET_OLD, |binds| {
        binds.push(over).push(AT_ONCE);
    })
    .await?;
    webhook_items::tell(tx, book.counted().news()).await?;
    Ok((found.len() as u64, booked))
}

async fn write(tx: &mut Tx, shard: i32, book: &Book<'_>) -> Result<()> {
    let rows: Vec<_> = book.stamps().collect();
    if rows.is_empty() {
        return Ok(());
    }
    let stamps = |place: fn(&[Option<Timestamp>; 3]) -> Option<Timestamp>| rows.iter().map(|(_, stamps)| place(stamps)).collect::<Vec<_>>();
    execute(tx, BOOK, |binds| {
        bind_keys(binds, rows.iter().map(|(key, _)| *key));
        binds
            .push(stamps(|[delivered, _, _]| *delivered))
            .push(stamps(|[_, opened, _]| *opened))
            .push(stamps(|[_, _, dismissed]| *dismissed));
    })
    .await?;
    counts::raise(tx, shard, book.counted()).await
}

fn bind_keys<'k>(binds: &mut Binds, keys: impl Iterator<Item = &'k DeliveryKey>) {
    let (mut days, mut ids, mut targets): (Vec<i32>, Vec<Uuid>, Vec<i64>) = Default::default();
    for (day, NotificationId(id), target) in keys {
        days.push(*day);
        ids.push(*id);
        targets.push(*target);
    }
    binds.push(days).push(ids).push(targets);
}

fn bind_early<'k>(binds: &mut Binds, early: impl Iterator<Item = (&'k DeliveryKey, ReceiptKind)>) {
    let (mut ids, mut devices, mut kinds): (Vec<Uuid>, Vec<i64>, Vec<&str>) = Default::default();
    for ((_, NotificationId(id), device), kind) in early {
        ids.push(*id);
        devices.push(*device);
        kinds.push(word(kind));
    }
    binds.push(ids).push(devices).push(kinds);
}
