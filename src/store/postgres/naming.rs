//! Work that names somebody. There is no index by person, which every row would pay for: all work is walked through, part by part.

use async_trait::async_trait;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::super::Result;
use super::super::rules::naming::{AT_ONCE, LOOKS, Look, NEWEST, Walked};
use super::super::waiting::{Waiting, WaitingPart};
use super::PostgresStore;
use super::batch::{count, fetch};
use super::person::number;
use super::row::Cells;
use super::tx::{Tx, reading};
use super::waiting::{waiting_columns, work_row};
use crate::domain::id::{AppId, DevicePk, NotificationId, WorkId};
use crate::domain::somebody::Somebody;
use crate::domain::work::Stream;

pub(super) const WALK: &str = concat!(
    "SELECT ",
    waiting_columns!(),
    ", w.epoch, w.stream, w.fan_out, w.expires_at, w.guard_until > $1 FROM work w \
     WHERE (w.notification_id, w.id) <= ($2, $3) AND w.kind = 'send' ORDER BY w.notification_id DESC, w.id DESC LIMIT $4"
);
pub(super) const DEVICES: &str = "SELECT pk, name FROM device WHERE person_pk = $1";

/// Who a user is to work rows.
pub(super) async fn somebody(conn: &mut PgConnection, app: AppId, user: &str) -> Result<Somebody> {
    let mut somebody = Somebody { user: user.to_owned(), ..Somebody::default() };
    let Some(person) = number(conn, app, user).await? else { return Ok(somebody) };
    somebody.people.insert(person);
    let devices = fetch(conn, DEVICES, |binds| {
        binds.push(person.0);
    });
    for row in &devices.await? {
        let cells = Cells::new(row, "device", 0);
        somebody.devices.insert(DevicePk(cells.get(0, "pk")?));
        somebody.device_names.insert(cells.get(1, "name")?);
    }
    Ok(somebody)
}

/// The rows that name somebody among the next ones from a place on.
pub(super) async fn look(tx: &mut Tx, (app, whom): (AppId, &Somebody), from: (NotificationId, WorkId)) -> Result<Look> {
    let now = tx.now;
    let rows = fetch(tx, WALK, |binds| {
        binds.push(now).push(from.0.0).push(from.1.0).push(count(AT_ONCE + 1));
    });
    let rows = rows.await?.iter().map(walked).collect::<Result<_>>()?;
    Ok(Look::of(rows, app, whom))
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
    })
}

/// A part of the rows that name somebody.
async fn part(tx: &mut Tx, (app, whom): (AppId, &Somebody), from: Option<(NotificationId, WorkId)>) -> Result<WaitingPart> {
    let (now, mut part) = (tx.now, WaitingPart { work: Vec::new(), next: Some(from.unwrap_or(NEWEST)) });
    for _ in 0..LOOKS {
        let Some(from) = part.next else { break };
        let Look { named, next } = look(tx, (app, whom), from).await?;
        part.work.extend(named.into_iter().map(|walked| walked.work(now)));
        part.next = next;
    }
    Ok(part)
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
}
