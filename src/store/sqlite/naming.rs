//! Work that names somebody. There is no index by person, which every row would pay for: all work is walked through, part by part.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::super::Result;
use super::super::rules::naming::{AT_ONCE, LOOKS, Look, NEWEST, Walked};
use super::super::waiting::{Waiting, WaitingPart};
use super::SqliteStore;
use super::batch::{Binds, Tuples, fetch, fetch_list};
use super::claim::key_of;
use super::person::number;
use super::row::{Cells, instant, span};
use super::waiting::{waiting_columns, work_row};
use super::work::{bind_held, count};
use super::writer::Tx;
use crate::domain::id::{AppId, NotificationId, PersonPk, WorkId};
use crate::domain::somebody::Somebody;
use crate::domain::work::{Stream, WorkKey};

pub(super) const WALK: &str = concat!(
    "SELECT ",
    waiting_columns!(),
    ", w.epoch, w.stream, w.fan_out, w.expires_at, w.guard_until FROM work w \
     WHERE (w.notification_id, w.id) <= (?1, ?2) AND w.kind = 'send' ORDER BY w.notification_id DESC, w.id DESC LIMIT ?3"
);
pub(super) const SEIZE: Tuples = Tuples {
    head: "WITH lease (now, until) AS (SELECT ?, ?), free (id, work, epoch) AS (VALUES ",
    width: 3,
    tail: ") UPDATE work SET epoch = work.epoch + 1, lease_until = (SELECT until FROM lease) FROM free \
           WHERE work.notification_id = +free.id AND work.id = +free.work AND work.epoch = +free.epoch \
           AND work.lease_until <= (SELECT now FROM lease) RETURNING work.notification_id, work.id, work.app, work.epoch",
};
pub(super) const DEVICES: &str = "SELECT json_group_array(name) FROM device WHERE person_pk = ?1";

/// Who a user is to work rows.
pub(super) async fn somebody(conn: &mut SqliteConnection, app: AppId, user: &str) -> Result<Somebody> {
    let mut somebody = Somebody { user: user.to_owned(), ..Somebody::default() };
    let Some(person) = number(conn, app, user).await? else { return Ok(somebody) };
    somebody.people.insert(person);
    somebody.devices.extend(device_names(conn, person).await?);
    Ok(somebody)
}

/// The names of a person's devices.
pub(super) async fn device_names(conn: &mut SqliteConnection, person: PersonPk) -> Result<Vec<String>> {
    fetch_list(conn, DEVICES, "device", |binds| {
        binds.push(person.0);
    })
    .await
}

/// The rows that name somebody among the next ones from a place on.
pub(super) async fn look(
    conn: &mut SqliteConnection,
    (app, whom): (AppId, &Somebody),
    from: (NotificationId, WorkId),
    now: i64,
) -> Result<Look> {
    let rows = fetch(conn, WALK, |binds| {
        binds.push(from.0.0.as_bytes().as_slice()).push(from.1.0).push(count(AT_ONCE + 1));
    });
    let rows = rows.await?;
    let mut look = Look::default();
    for row in rows.iter().take(AT_ONCE).filter(|row| is_of(row, app)) {
        look.add(walked(row, now), whom);
    }
    look.next = rows.get(AT_ONCE).map(place).transpose()?;
    Ok(look)
}

fn is_of(row: &SqliteRow, app: AppId) -> bool {
    Cells::new(row, "work", 0).get::<i64>(2, "app").is_ok_and(|of| of == app.0)
}

fn place(row: &SqliteRow) -> Result<(NotificationId, WorkId)> {
    let cells = Cells::new(row, "work", 0);
    Ok((cells.notification(0, "notification_id")?, WorkId(cells.get(1, "id")?)))
}

fn walked(row: &SqliteRow, now: i64) -> Result<Walked> {
    let cells = Cells::new(row, "work", 0);
    let lease_until: i64 = cells.get(6, "lease_until")?;
    Ok(Walked {
        row: work_row(row, now)?,
        epoch: cells.get(9, "epoch")?,
        stream: cells.word(10, "stream", Stream::parse)?,
        fan_out: cells.get(11, "fan_out")?,
        expires_at: cells.instant(12, "expires_at")?,
        lapsed: lease_until > 0 && lease_until <= now,
        published: cells.get::<i64>(13, "guard_until")? > now,
    })
}

async fn seize(tx: Tx<'_>, rows: &[(WorkKey, i64)], lease: Duration) -> Result<Vec<(WorkKey, i64)>> {
    let now = tx.now;
    let lead = |binds: &mut Binds| {
        binds.push(now).push(now.saturating_add(span(lease)));
    };
    let rows = SEIZE.fetch(tx.conn, rows, lead, bind_held).await?;
    let seized = |row| {
        let cells = Cells::new(row, "work", 0);
        Ok((key_of(&cells)?, cells.get(3, "epoch")?))
    };
    rows.iter().map(seized).collect()
}

#[async_trait]
impl Waiting for SqliteStore {
    async fn somebody(&self, app: AppId, user: &str) -> Result<Somebody> {
        somebody(&mut *self.read().await?, app, user).await
    }

    async fn waiting_for(&self, app: AppId, whom: &Somebody, from: Option<(NotificationId, WorkId)>) -> Result<WaitingPart> {
        let (mut tx, now) = (self.read().await?, self.now());
        let mut part = WaitingPart { work: Vec::new(), next: Some(from.unwrap_or(NEWEST)) };
        for _ in 0..LOOKS {
            let Some(from) = part.next else { break };
            if !part.add(look(&mut tx, (app, whom), from, now).await?, instant(now).unwrap_or_default()) {
                break;
            }
        }
        Ok(part)
    }

    async fn seize(&self, rows: &[(WorkKey, i64)], lease: Duration) -> Result<Vec<(WorkKey, i64)>> {
        let rows = rows.to_vec();
        self.write(move |tx| Box::pin(async move { seize(tx, &rows, lease).await })).await
    }
}
