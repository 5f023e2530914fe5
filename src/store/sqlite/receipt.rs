//! Receipts: booked on the delivery they belong to, or kept until it is there.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::super::Result;
use super::super::receipt::{Receipt, ReceiptKind, ReceiptVerdict, Receipts};
use super::super::rules::booking::{Book, Booked, DeliveryKey, Push, kind, word};
use super::super::rules::words;
use super::SqliteStore;
use super::batch::{Binds, Tuples, execute, fetch, no_lead};
use super::counts;
use super::json::List;
use super::prune::EARLY_LIFE;
use super::row::{Cells, instant, micros};
use super::webhook_items;
use super::writer::Tx;
use crate::domain::Timestamp;
use crate::domain::delivery::{Cohort, State};
use crate::domain::id::{AppId, PersonPk};

/// What is known of a reported push, in the order of [`read`].
macro_rules! push_columns {
    () => {
        "n.id, v.pk, n.start_at / 86400000000, d.state, d.at, d.delivered_at, d.opened_at, d.dismissed_at, \
         n.start_at, EXISTS (SELECT 1 FROM work w WHERE w.notification_id = n.id), \
         n.app, n.category, n.campaign, n.test, d.platform, d.provider, d.variant, d.person_pk"
    };
}
macro_rules! delivery_of {
    () => {
        "LEFT JOIN delivery d ON d.day = n.start_at / 86400000000 AND d.notification_id = n.id AND d.target = v.pk AND d.channel = 'push'"
    };
}
pub(super) const REPORTED: &str = concat!(
    "WITH ask AS MATERIALIZED (SELECT key AS n, unhex(value ->> 0) AS id, value ->> 1 AS name FROM json_each(?2)) SELECT ",
    push_columns!(),
    ", ask.n FROM ask CROSS JOIN notification n ON n.app = ?1 AND n.id = ask.id CROSS JOIN device v ON v.app = ?1 AND v.name = ask.name ",
    delivery_of!()
);
pub(super) const EARLY: &str = concat!(
    "SELECT ",
    push_columns!(),
    ", e.kind, e.at, e.seen_at FROM receipt_early e JOIN notification n ON n.app = e.app AND n.id = e.notification_id \
     JOIN device v ON v.pk = e.device_pk ",
    delivery_of!(),
    " WHERE d.state IS NOT NULL"
);
const KEEP: Tuples = Tuples {
    head: "INSERT INTO receipt_early (notification_id, device_pk, kind, app, at, seen_at) VALUES ",
    width: 6,
    tail: " ON CONFLICT (notification_id, device_pk, kind) DO NOTHING",
};
pub(super) const FORGET: Tuples =
    Tuples { head: "DELETE FROM receipt_early WHERE (notification_id, device_pk, kind) IN (VALUES ", width: 3, tail: ")" };
const FORGET_OLD: &str = "DELETE FROM receipt_early WHERE seen_at <= ?1";
/// The `+` keeps the planner from reading all deliveries and looking them up in the list.
pub(super) const BOOK: Tuples = Tuples {
    head: "WITH new (day, id, target, delivered_at, opened_at, dismissed_at) AS (VALUES ",
    width: 6,
    tail: ") UPDATE delivery SET delivered_at = new.delivered_at, opened_at = new.opened_at, dismissed_at = new.dismissed_at FROM new \
           WHERE delivery.day = +new.day AND delivery.notification_id = +new.id AND delivery.target = +new.target AND delivery.channel = 'push'",
};

#[async_trait]
impl Receipts for SqliteStore {
    async fn receive(&self, app: AppId, receipts: &[Receipt]) -> Result<Vec<ReceiptVerdict>> {
        let receipts = receipts.to_vec();
        self.write(move |tx| Box::pin(receive(tx, app, receipts))).await
    }

    async fn settle_early_receipts(&self) -> Result<usize> {
        self.write(|tx| Box::pin(settle(tx))).await
    }
}

async fn receive(mut tx: Tx<'_>, app: AppId, receipts: Vec<Receipt>) -> Result<Vec<ReceiptVerdict>> {
    let list = List::of(receipts.iter().map(|receipt| {
        let name = serde_json::Value::from(receipt.device.as_str());
        format!("[\"{}\",{name}]", receipt.notification.0.simple())
    }));
    let rows = fetch(tx.conn, REPORTED, |binds| {
        binds.push(app.0).push(&list);
    });
    let mut pushes: BTreeMap<usize, Push> = BTreeMap::new();
    for row in &rows.await? {
        pushes.insert(Cells::new(row, "notification", 0).count(18, "id")?, read(row)?);
    }
    let now = instant(tx.now).unwrap_or_default();
    let mut book = Book::default();
    let mut early = Vec::new();
    let mut verdicts = Vec::with_capacity(receipts.len());
    for (n, receipt) in receipts.iter().enumerate() {
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
    write(&mut tx, &book).await?;
    let now = tx.now;
    let bind = |binds: &mut Binds, ((_, id, device), kind, at): &(DeliveryKey, ReceiptKind, Option<Timestamp>)| {
        binds.push(id.0.as_bytes().as_slice()).push(*device).push(word(*kind)).push(app.0).push(at.map(micros)).push(now);
    };
    KEEP.execute(tx.conn, &early, no_lead, bind).await?;
    Ok(verdicts)
}

async fn settle(mut tx: Tx<'_>) -> Result<usize> {
    let rows = fetch(tx.conn, EARLY, no_lead).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let cells = Cells::new(row, "receipt_early", 0);
        found.push((read(row)?, cells.word(18, "kind", kind)?, cells.maybe_instant(19, "at")?, cells.instant(20, "seen_at")?));
    }
    let mut book = Book::default();
    let mut settled = 0;
    for (push, kind, at, seen_at) in &found {
        settled += usize::from(book.enter(push, *kind, *at, *seen_at) == Some(ReceiptVerdict::Accepted));
    }
    write(&mut tx, &book).await?;
    let over: Vec<(DeliveryKey, ReceiptKind)> = found.iter().map(|(push, kind, ..)| (push.key, *kind)).collect();
    let bind = |binds: &mut Binds, ((_, id, device), kind): &(DeliveryKey, ReceiptKind)| {
        binds.push(id.0.as_bytes().as_slice()).push(*device).push(word(*kind));
    };
    FORGET.execute(tx.conn, &over, no_lead, bind).await?;
    let forget = execute(tx.conn, FORGET_OLD, |binds| {
        binds.push(tx.now.saturating_sub(EARLY_LIFE));
    });
    forget.await?;
    Ok(settled)
}

fn read(row: &SqliteRow) -> Result<Push> {
    let cells = Cells::new(row, "delivery", 0);
    Ok(Push {
        key: (cells.get(2, "day")?, cells.notification(0, "notification_id")?, cells.get(1, "target")?),
        cohort: Cohort {
            app: AppId(cells.get(10, "app")?),
            category: cells.get(11, "category")?,
            campaign: cells.maybe_campaign(12, "campaign")?,
            test: cells.get(13, "test")?,
        },
        delivery: cells.maybe_word(3, "state", State::parse)?.map(|state| booked(&cells, state)).transpose()?,
        start_at: cells.instant(8, "start_at")?,
        has_work: cells.get(9, "notification_id")?,
    })
}

fn booked(cells: &Cells<'_>, state: State) -> Result<Booked> {
    Ok(Booked {
        state,
        at: cells.instant(4, "at")?,
        person: cells.get::<Option<i64>>(17, "person_pk")?.map(PersonPk),
        stamps: [cells.maybe_instant(5, "delivered_at")?, cells.maybe_instant(6, "opened_at")?, cells.maybe_instant(7, "dismissed_at")?],
        platform: cells.maybe_word(14, "platform", words::platform)?,
        provider: cells.maybe_word(15, "provider", words::provider)?,
        variant: cells.get(16, "variant")?,
    })
}

async fn write(tx: &mut Tx<'_>, book: &Book<'_>) -> Result<()> {
    let rows: Vec<_> = book.stamps().collect();
    let bind = |binds: &mut Binds, ((day, id, target), stamps): &(&DeliveryKey, &[Option<Timestamp>; 3])| {
        binds.push(*day).push(id.0.as_bytes().as_slice()).push(*target);
        stamps.iter().for_each(|stamp| {
            binds.push(stamp.map(micros));
        });
    };
    BOOK.execute(tx.conn, &rows, no_lead, bind).await?;
    counts::raise(tx, book.counted()).await?;
    webhook_items::tell(tx, book.counted().news()).await
}
