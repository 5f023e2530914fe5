//! Work that nobody tries any more.

use std::collections::HashMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::dead_letter::{DeadLetter, DeadLetters};
use super::super::rules::cursor::{from_text, to_text};
use super::super::{Page, PageRequest, Result};
use super::PostgresStore;
use super::batch::{Binds, count, execute, fetch};
use super::row::{Cells, listed_at};
use super::tx::{Tx, reading, transaction};
use crate::domain::Timestamp;
use crate::domain::id::{AppId, NotificationId, WorkId};
use crate::domain::work::{Pair, Targets};

macro_rules! columns {
    () => {
        "SELECT notification_id, id, targets, takes, attempt, died_at, expires_at FROM work "
    };
}
pub(super) const LIST: &str = concat!(
    columns!(),
    "WHERE app = $1 AND died_at IS NOT NULL AND (died_at, notification_id, id) < (coalesce($2, 'infinity'::timestamptz), $3, $4) \
     ORDER BY died_at DESC, notification_id DESC, id DESC LIMIT $5"
);
pub(super) const ONE: &str = concat!(columns!(), "WHERE notification_id = $2 AND id = $3 AND app = $1 AND died_at IS NOT NULL");
pub(super) const RETRY: &str = "UPDATE work SET takes = 0, reason = NULL, died_at = NULL, guard_until = '-infinity', due_at = least($4, expires_at) \
                                WHERE notification_id = $2 AND id = $3 AND app = $1 AND died_at IS NOT NULL AND lease_until <= $4";
pub(super) const NAMES: &str = "SELECT d.pk, d.name, (SELECT p.name FROM person p WHERE p.pk = d.person_pk) FROM unnest($1::bigint[]) AS ask (pk) \
                                CROSS JOIN LATERAL (SELECT * FROM device WHERE device.pk = ask.pk LIMIT 1) d";

/// Where a list goes on: before a row's death, in microseconds since 1970, its notification and its number.
#[derive(Serialize, Deserialize)]
struct Place(i64, Uuid, i64);

/// A row, and whom it was for.
struct Row {
    letter: DeadLetter,
    pair: Option<Pair>,
}

fn read(row: &PgRow) -> Result<Row> {
    let cells = Cells::new(row, "work", 0);
    let targets = Targets::decode(cells.get(2, "targets")?).map_err(|_| cells.unreadable("targets"))?;
    let (mut device, mut user, mut pair) = (None, None, None);
    match targets {
        Targets::Users(names) => user = names.into_iter().next(),
        Targets::Devices(names) => device = names.into_iter().next(),
        Targets::Pairs(pairs) => pair = pairs.into_iter().next(),
        Targets::Broadcast(_) => {}
    }
    let letter = DeadLetter {
        notification: cells.notification(0, "notification_id")?,
        work: WorkId(cells.get(1, "id")?),
        device,
        user,
        takes: cells.small(3, "takes")?,
        attempts: cells.small(4, "attempt")?,
        died_at: cells.instant(5, "died_at")?,
        expires_at: cells.instant(6, "expires_at")?,
    };
    Ok(Row { letter, pair })
}

async fn named(conn: &mut PgConnection, rows: Vec<Row>) -> Result<Vec<DeadLetter>> {
    let found = fetch(conn, NAMES, |binds| {
        binds.push(rows.iter().filter_map(|row| row.pair).map(|pair| pair.device.0).collect::<Vec<i64>>());
    });
    let mut names: HashMap<i64, (String, Option<String>)> = HashMap::new();
    for row in &found.await? {
        let cells = Cells::new(row, "device", 0);
        names.insert(cells.get(0, "pk")?, (cells.get(1, "name")?, cells.get(2, "name")?));
    }
    let name = |Row { mut letter, pair }: Row| {
        if let Some((device, user)) = pair.and_then(|pair| names.get(&pair.device.0)) {
            letter.device = Some(device.clone());
            letter.user.clone_from(user);
        }
        letter
    };
    Ok(rows.into_iter().map(name).collect())
}

fn key(app: AppId, notification: NotificationId, work: WorkId) -> impl Fn(&mut Binds) + Send {
    move |binds| {
        binds.push(app.0).push(notification.0).push(work.0);
    }
}

async fn page(conn: &mut PgConnection, app: AppId, before: (Option<Timestamp>, Uuid, i64), limit: usize) -> Result<Vec<DeadLetter>> {
    let rows = fetch(conn, LIST, |binds| {
        binds.push(app.0).push(before.0).push(before.1).push(before.2).push(count(limit));
    });
    let rows = rows.await?.iter().map(read).collect::<Result<Vec<_>>>()?;
    named(conn, rows).await
}

async fn one(conn: &mut PgConnection, app: AppId, notification: NotificationId, work: WorkId) -> Result<Option<DeadLetter>> {
    let rows = fetch(conn, ONE, key(app, notification, work)).await?;
    let rows = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(named(conn, rows).await?.pop())
}

async fn retry(tx: &mut Tx, app: AppId, notification: NotificationId, work: WorkId) -> Result<bool> {
    let now = tx.now;
    let retried = execute(tx, RETRY, |binds| {
        key(app, notification, work)(binds);
        binds.push(now);
    });
    Ok(retried.await? > 0)
}

#[async_trait]
impl DeadLetters for PostgresStore {
    async fn dead_letters(&self, app: AppId, request: &PageRequest) -> Result<Page<DeadLetter>> {
        let before = match request.after.as_deref().map(from_text::<Place>).transpose()? {
            Some(Place(died_at, notification, work)) => (Some(listed_at(died_at)?), notification, work),
            None => (None, Uuid::max(), i64::MAX),
        };
        let mut items = reading!(self.callers, conn => page(&mut conn, app, before, request.limit + 1))?;
        let more = items.len() > request.limit;
        items.truncate(request.limit);
        let place = |last: &DeadLetter| to_text(&Place(last.died_at.timestamp_micros(), last.notification.0, last.work.0));
        let next = items.last().filter(|_| more).map(place).transpose()?;
        Ok(Page { items, next })
    }

    async fn dead_letter(&self, app: AppId, notification: NotificationId, work: WorkId) -> Result<Option<DeadLetter>> {
        reading!(self.callers, conn => one(&mut conn, app, notification, work))
    }

    async fn retry_dead_letter(&self, app: AppId, notification: NotificationId, work: WorkId) -> Result<bool> {
        transaction!(self.callers, tx => retry(&mut tx, app, notification, work))
    }
}
