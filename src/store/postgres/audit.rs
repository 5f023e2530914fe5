//! The audit log.

use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::audit::{Act, Actor, AuditFilter, AuditLog, NewAct};
use super::super::rules::cursor::{from_text, to_text};
use super::super::{Page, PageRequest, Result};
use super::PostgresStore;
use super::batch::{count, execute, fetch};
use super::row::{Cells, listed_at};
use super::tx::{Tx, reading, transaction};
use crate::domain::Timestamp;
use crate::domain::id::AppId;

/// Rows that one commit forgets, so that others need not wait long.
const AT_ONCE: i64 = 5_000;

pub(super) const BEGIN: &str = "INSERT INTO audit (id, app, at, actor, key_id, key_name, request_id, act, object) \
                                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
pub(super) const END: &str = "UPDATE audit SET status = $3, object = coalesce($4, object) WHERE app = $1 AND id = $2";
pub(super) const LIST: &str = "SELECT id, at, actor, key_id, key_name, request_id, act, object, status FROM audit \
                               WHERE app = $1 AND (at, id) < (coalesce($2, 'infinity'::timestamptz), $3) \
                               AND at >= coalesce($4, '-infinity'::timestamptz) AND at < coalesce($5, 'infinity'::timestamptz) \
                               AND ($6::text IS NULL OR act = $6) AND ($7::uuid IS NULL OR key_id = $7) ORDER BY at DESC, id DESC LIMIT $8";
/// A row that another node forgets is left to it.
pub(super) const FORGET: &str =
    "DELETE FROM audit WHERE id = ANY (ARRAY (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED))";

/// Where a list goes on: before an instant in microseconds since 1970, and an act.
#[derive(Serialize, Deserialize)]
struct Place(i64, Uuid);

fn read(row: &PgRow) -> Result<Act> {
    let cells = Cells::new(row, "audit", 0);
    let actor = Actor::read(cells.get(2, "actor")?, cells.get(3, "key_id")?, cells.get(4, "key_name")?);
    let begun = NewAct {
        id: cells.get(0, "id")?,
        actor: actor.ok_or_else(|| cells.unreadable("actor"))?,
        request_id: cells.get(5, "request_id")?,
        act: cells.get(6, "act")?,
        object: cells.get(7, "object")?,
    };
    let status = cells.get::<Option<i16>>(8, "status")?.map(|status| u16::try_from(status).map_err(|_| cells.unreadable("status")));
    Ok(Act { begun, at: cells.instant(1, "at")?, status: status.transpose()? })
}

async fn begin(tx: &mut Tx, app: AppId, act: &NewAct) -> Result<()> {
    let (key, now) = (act.actor.key(), tx.now);
    let begin = execute(tx, BEGIN, |binds| {
        binds.push(act.id).push(app.0).push(now).push(act.actor.as_str()).push(key.map(|(id, _)| id)).push(key.map(|(_, name)| name));
        binds.push(act.request_id.as_deref()).push(&act.act).push(act.object.as_deref());
    });
    begin.await?;
    Ok(())
}

/// Forgets some; whether that is all.
async fn forget(tx: &mut Tx, kept: TimeDelta) -> Result<bool> {
    let before = tx.now.checked_sub_signed(kept).unwrap_or(Timestamp::UNIX_EPOCH);
    let gone = execute(tx, FORGET, |binds| {
        binds.push(before).push(AT_ONCE);
    });
    Ok(gone.await? < AT_ONCE.unsigned_abs())
}

#[async_trait]
impl AuditLog for PostgresStore {
    async fn begin_act(&self, app: AppId, act: &NewAct) -> Result<()> {
        transaction!(self.callers, tx => begin(&mut tx, app, act))
    }

    async fn end_act(&self, app: AppId, id: Uuid, status: u16, object: Option<&str>) -> Result<()> {
        let status = i16::try_from(status).unwrap_or(i16::MAX);
        transaction!(self.callers, tx => execute(&mut tx, END, |binds| {
            binds.push(app.0).push(id).push(status).push(object);
        }))?;
        Ok(())
    }

    async fn acts(&self, app: AppId, filter: &AuditFilter, page: &PageRequest) -> Result<Page<Act>> {
        let (before, id) = match page.after.as_deref().map(from_text::<Place>).transpose()? {
            Some(Place(at, id)) => (Some(listed_at(at)?), id),
            None => (None, Uuid::max()),
        };
        let rows = reading!(self.callers, conn => fetch(&mut conn, LIST, |binds| {
            binds.push(app.0).push(before).push(id).push(filter.from).push(filter.to);
            binds.push(filter.act.as_deref()).push(filter.key).push(count(page.limit + 1));
        }))?;
        let mut items = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        let more = items.len() > page.limit;
        items.truncate(page.limit);
        let next = items.last().filter(|_| more).map(|last| to_text(&Place(last.at.timestamp_micros(), last.begun.id))).transpose()?;
        Ok(Page { items, next })
    }

    async fn prune_acts(&self, kept: Duration) -> Result<()> {
        let kept = TimeDelta::from_std(kept).unwrap_or(TimeDelta::MAX);
        while !transaction!(self.callers, tx => forget(&mut tx, kept))? {}
        Ok(())
    }
}
