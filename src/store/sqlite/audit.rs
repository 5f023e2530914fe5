//! The audit log.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::super::audit::{Act, Actor, AuditFilter, AuditLog, NewAct};
use super::super::rules::cursor::{from_text, to_text};
use super::super::{Page, PageRequest, Result};
use super::SqliteStore;
use super::batch::{execute, fetch};
use super::row::{Cells, micros, span};
use super::work::count;
use super::writer::Tx;
use crate::domain::id::AppId;

/// Rows that one commit forgets, so that others need not wait long.
const AT_ONCE: i64 = 2_000;

const BEGIN: &str =
    "INSERT INTO audit (id, app, at, actor, key_id, key_name, request_id, act, object) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const END: &str = "UPDATE audit SET status = ?3, object = coalesce(?4, object) WHERE app = ?1 AND id = ?2";
pub(super) const LIST: &str = "SELECT id, at, actor, key_id, key_name, request_id, act, object, status FROM audit \
                               WHERE app = ?1 AND (at, id) < (?2, ?3) AND at >= ?4 AND at < ?5 \
                               AND (?6 IS NULL OR act = ?6) AND (?7 IS NULL OR key_id = ?7) ORDER BY at DESC, id DESC LIMIT ?8";
pub(super) const FORGET: &str = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT ?2)";

/// Where a list goes on: before an act.
#[derive(Serialize, Deserialize)]
struct Place(i64, Uuid);

fn read(row: &SqliteRow) -> Result<Act> {
    let cells = Cells::new(row, "audit", 0);
    let actor = Actor::read(cells.get(2, "actor")?, cells.maybe_id(3, "key_id")?, cells.get(4, "key_name")?);
    let begun = NewAct {
        id: cells.id(0, "id")?,
        actor: actor.ok_or_else(|| cells.unreadable("actor"))?,
        request_id: cells.get(5, "request_id")?,
        act: cells.get(6, "act")?,
        object: cells.get(7, "object")?,
    };
    let status = cells.get::<Option<i64>>(8, "status")?.map(|status| u16::try_from(status).map_err(|_| cells.unreadable("status")));
    Ok(Act { begun, at: cells.instant(1, "at")?, status: status.transpose()? })
}

/// Forgets some; whether that is all.
async fn forget(tx: Tx<'_>, kept: Duration) -> Result<bool> {
    let gone = execute(tx.conn, FORGET, |binds| {
        binds.push(tx.now.saturating_sub(span(kept))).push(AT_ONCE);
    });
    Ok(gone.await? < AT_ONCE.unsigned_abs())
}

#[async_trait]
impl AuditLog for SqliteStore {
    async fn begin_act(&self, app: AppId, act: &NewAct) -> Result<()> {
        let act = act.clone();
        self.write(move |tx| {
            Box::pin(async move {
                let key = act.actor.key();
                let now = tx.now;
                let begin = execute(tx.conn, BEGIN, |binds| {
                    binds.push(act.id.as_bytes().as_slice()).push(app.0).push(now).push(act.actor.as_str());
                    binds.push(key.map(|(id, _)| id.as_bytes().to_vec())).push(key.map(|(_, name)| name));
                    binds.push(act.request_id.as_deref()).push(&act.act).push(act.object.as_deref());
                });
                begin.await?;
                Ok(())
            })
        })
        .await
    }

    async fn end_act(&self, app: AppId, id: Uuid, status: u16, object: Option<&str>) -> Result<()> {
        let object = object.map(str::to_owned);
        self.write(move |tx| {
            Box::pin(async move {
                let end = execute(tx.conn, END, |binds| {
                    binds.push(app.0).push(id.as_bytes().as_slice()).push(i64::from(status)).push(object.as_deref());
                });
                end.await?;
                Ok(())
            })
        })
        .await
    }

    async fn acts(&self, app: AppId, filter: &AuditFilter, page: &PageRequest) -> Result<Page<Act>> {
        let before = page.after.as_deref().map_or(Ok(Place(i64::MAX, Uuid::max())), from_text)?;
        let (from, to) = (filter.from.map_or(i64::MIN, micros), filter.to.map_or(i64::MAX, micros));
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, LIST, |binds| {
            binds.push(app.0).push(before.0).push(before.1.as_bytes().as_slice()).push(from).push(to);
            binds.push(filter.act.as_deref()).push(filter.key.map(|id| id.as_bytes().to_vec())).push(count(page.limit + 1));
        });
        let mut items = rows.await?.iter().map(read).collect::<Result<Vec<_>>>()?;
        let more = items.len() > page.limit;
        items.truncate(page.limit);
        let next = items.last().filter(|_| more).map(|last| to_text(&Place(micros(last.at), last.begun.id))).transpose()?;
        Ok(Page { items, next })
    }

    async fn prune_acts(&self, kept: Duration) -> Result<()> {
        while !self.write(move |tx| Box::pin(forget(tx, kept))).await? {}
        Ok(())
    }
}
