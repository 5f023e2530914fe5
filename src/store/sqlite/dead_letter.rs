//! Work that nobody tries any more.

use std::collections::HashMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::super::dead_letter::{DeadLetter, DeadLetters};
use super::super::rules::cursor::{from_text, to_text};
use super::super::{Page, PageRequest, Result};
use super::SqliteStore;
use super::batch::{Binds, execute, fetch};
use super::json::List;
use super::row::{Cells, micros};
use super::work::count;
use crate::domain::id::{AppId, NotificationId, WorkId};
use crate::domain::work::{Pair, Targets};

macro_rules! columns {
    () => {
        "SELECT notification_id, id, targets, takes, attempt, died_at, expires_at FROM work "
    };
}
pub(super) const LIST: &str = concat!(
    columns!(),
    "WHERE app = ?1 AND died_at IS NOT NULL AND (died_at, notification_id, id) < (?2, ?3, ?4) \
     ORDER BY died_at DESC, notification_id DESC, id DESC LIMIT ?5"
);
pub(super) const ONE: &str = concat!(columns!(), "WHERE notification_id = ?2 AND id = ?3 AND app = ?1 AND died_at IS NOT NULL");
pub(super) const RETRY: &str = "UPDATE work SET takes = 0, reason = NULL, died_at = NULL, guard_until = 0, due_at = min(?4, expires_at) \
                                WHERE notification_id = ?2 AND id = ?3 AND app = ?1 AND died_at IS NOT NULL AND lease_until <= ?4";
pub(super) const NAMES: &str = "SELECT d.pk, d.name, p.name FROM json_each(?1) j CROSS JOIN device d ON d.pk = j.value \
                                LEFT JOIN person p ON p.pk = d.person_pk";

/// Where a list goes on: before a row's death, notification and number.
#[derive(Serialize, Deserialize)]
struct Place(i64, Uuid, i64);

/// A row, and whom it was for.
struct Row {
    letter: DeadLetter,
    pair: Option<Pair>,
}

fn read(row: &SqliteRow) -> Result<Row> {
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
        takes: cells.count(3, "takes")?,
        attempts: cells.count(4, "attempt")?,
        died_at: cells.instant(5, "died_at")?,
        expires_at: cells.instant(6, "expires_at")?,
    };
    Ok(Row { letter, pair })
}

async fn named(conn: &mut SqliteConnection, rows: Vec<Row>) -> Result<Vec<DeadLetter>> {
    let list = List::of(rows.iter().filter_map(|row| row.pair).map(|pair| pair.device.0));
    let found = fetch(conn, NAMES, |binds| {
        binds.push(&list);
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
        binds.push(app.0).push(notification.0.as_bytes().as_slice()).push(work.0);
    }
}

#[async_trait]
impl DeadLetters for SqliteStore {
    async fn dead_letters(&self, app: AppId, page: &PageRequest) -> Result<Page<DeadLetter>> {
        let before = page.after.as_deref().map_or(Ok(Place(i64::MAX, Uuid::max(), i64::MAX)), from_text)?;
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, LIST, |binds| {
            binds.push(app.0).push(before.0).push(before.1.as_bytes().as_slice()).push(before.2).push(count(page.limit + 1));
        });
        let rows = rows.await?.iter().take(page.limit + 1).map(read).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > page.limit;
        let mut items = named(&mut tx, rows).await?;
        items.truncate(page.limit);
        let place = |last: &DeadLetter| to_text(&Place(micros(last.died_at), last.notification.0, last.work.0));
        let next = items.last().filter(|_| more).map(place).transpose()?;
        Ok(Page { items, next })
    }

    async fn dead_letter(&self, app: AppId, notification: NotificationId, work: WorkId) -> Result<Option<DeadLetter>> {
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, ONE, key(app, notification, work)).await?;
        let rows = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok(named(&mut tx, rows).await?.pop())
    }

    async fn retry_dead_letter(&self, app: AppId, notification: NotificationId, work: WorkId) -> Result<bool> {
        let retry = move |binds: &mut Binds, now: i64| {
            key(app, notification, work)(binds);
            binds.push(now);
        };
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now;
                Ok(execute(tx.conn, RETRY, |binds| retry(binds, now)).await? > 0)
            })
        })
        .await
    }
}
