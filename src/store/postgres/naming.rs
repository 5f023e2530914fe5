//! Work that names somebody. There is no index by person, which every row would pay for: all work is walked through, part by part.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::super::Result;
use super::super::rules::naming::{AT_ONCE, LOOKS, Look, NEWEST, Walked};
use super::super::waiting::{Waiting, WaitingPart};
use super::PostgresStore;
use super::batch::{count, fetch};
use super::claim::later;
use super::person::number;
use super::row::Cells;
use super::tx::{Tx, reading, transaction};
use super::waiting::{waiting_columns, work_row};
use super::work::{bind_held, in_order, key_of};
use crate::domain::id::{AppId, NotificationId, PersonPk, WorkId};
use crate::domain::somebody::Somebody;
use crate::domain::work::{Stream, WorkKey};

pub(super) const WALK: &str = concat!(
    "SELECT ",
    waiting_columns!(),
    ", w.epoch, w.stream, w.fan_out, w.expires_at, w.guard_until > $1, w.lease_until > '-infinity' AND w.lease_until <= $1 FROM work w \
     WHERE (w.notification_id, w.id) <= ($2, $3) AND w.kind = 'send' ORDER BY w.notification_id DESC, w.id DESC LIMIT $4"
);
pub(super) const SEIZE: &str = "WITH free AS MATERIALIZED (SELECT w.* FROM unnest($2::uuid[], $3::bigint[], $4::bigint[]) AS key (id, work, epoch) \
     CROSS JOIN LATERAL (SELECT w.notification_id, w.id FROM work w \
     WHERE w.notification_id = key.id AND w.id = key.work AND w.epoch = key.epoch AND w.lease_until <= $5 LIMIT 1 FOR UPDATE SKIP LOCKED) w) \
     UPDATE work SET epoch = work.epoch + 1, lease_until = $1 FROM free WHERE work.notification_id = free.notification_id AND work.id = free.id \
     RETURNING work.notification_id, work.id, work.app, work.epoch";
pub(super) const DEVICES: &str = "SELECT name FROM device WHERE person_pk = $1";

/// Who a user is to work rows.
pub(super) async fn somebody(conn: &mut PgConnection, app: AppId, user: &str) -> Result<Somebody> {
    let mut somebody = Somebody { user: user.to_owned(), ..Somebody::default() };
    let Some(person) = number(conn, app, user).await? else { return Ok(somebody) };
    somebody.people.insert(person);
    somebody.devices.extend(device_names(conn, person).await?);
    Ok(somebody)
}

/// The names of a person's devices.
pub(super) async fn device_names(conn: &mut PgConnection, person: PersonPk) -> Result<Vec<String>> {
    let rows = fetch(conn, DEVICES, |binds| {
        binds.push(person.0);
    });
    rows.await?.iter().map(|row| Cells::new(row, "device", 0).get(0, "name")).collect()
}

/// The rows that name somebody among the next ones from a place on.
pub(super) async fn look(tx: &mut Tx, (app, whom): (AppId, &Somebody), from: (NotificationId, WorkId)) -> Result<Look> {
    let now = tx.now;
    let rows = fetch(tx, WALK, |binds| {
        binds.push(now).push(from.0.0).push(from.1.0).push(count(AT_ONCE + 1));
    });
    let rows = rows.await?;
    let mut look = Look::default();
    for row in rows.iter().take(AT_ONCE).filter(|row| is_of(row, app)) {
        look.add(walked(row), whom);
    }
    look.next = rows.get(AT_ONCE).map(place).transpose()?;
    Ok(look)
}

fn is_of(row: &PgRow, app: AppId) -> bool {
    Cells::new(row, "work", 1).get::<i64>(2, "app").is_ok_and(|of| of == app.0)
}

fn place(row: &PgRow) -> Result<(NotificationId, WorkId)> {
    let cells = Cells::new(row, "work", 1);
    Ok((cells.notification(0, "notification_id")?, WorkId(cells.get(1, "id")?)))
}

fn walked(row: &PgRow) -> Result<Walked> {
    let cells = Cells::new(row, "work", 1);
    Ok(Walked {
        row: work_row(row)?,
        epoch: cells.get(9, "epoch")?,
        stream: cells.word(10, "stream", Stream::parse)?,
        fan_out: cells.get(11, "fan_out")?,
        expires_at: cells.instant(12, "expires_at")?,
        published: cells.get(13, "guard_until")?,
        lapsed: cells.get(14, "lease_until")?,
    })
}

/// A part of the rows that name somebody.
async fn part(tx: &mut Tx, (app, whom): (AppId, &Somebody), from: Option<(NotificationId, WorkId)>) -> Result<WaitingPart> {
    let (now, mut part) = (tx.now, WaitingPart { work: Vec::new(), next: Some(from.unwrap_or(NEWEST)) });
    for _ in 0..LOOKS {
        let Some(from) = part.next else { break };
        if !part.add(look(tx, (app, whom), from).await?, now) {
            break;
        }
    }
    Ok(part)
}

async fn seize(tx: &mut Tx, rows: &[(WorkKey, i64)], lease: Duration) -> Result<Vec<(WorkKey, i64)>> {
    let now = tx.now;
    let rows = fetch(tx, SEIZE, |binds| {
        binds.push(later(now, lease));
        bind_held(binds, &in_order(rows));
        binds.push(now);
    });
    let seized = |row| {
        let cells = Cells::new(row, "work", 1);
        Ok((key_of(&cells)?, cells.get(3, "epoch")?))
    };
    rows.await?.iter().map(seized).collect()
}

#[async_trait]
impl Waiting for PostgresStore {
    async fn somebody(&self, app: AppId, user: &str) -> Result<Somebody> {
        reading!(self.callers, conn => somebody(&mut conn, app, user))
    }

    async fn waiting_for(&self, app: AppId, whom: &Somebody, from: Option<(NotificationId, WorkId)>) -> Result<WaitingPart> {
        let mut tx = self.callers.snapshot().await?;
        let part = part(&mut tx, (app, whom), from).await;
        tx.end(part).await
    }

    async fn seize(&self, rows: &[(WorkKey, i64)], lease: Duration) -> Result<Vec<(WorkKey, i64)>> {
        transaction!(self.callers, tx => seize(&mut tx, rows, lease))
    }
}
