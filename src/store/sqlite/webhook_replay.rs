//! A webhook's messages are made due again, part by part: there may be a week of them.

use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::super::Result;
use super::batch::{Binds, execute, fetch_one};
use super::row::{Cells, span};
use super::webhook::{ONE, named};
use super::writer::Tx;
use crate::domain::id::AppId;
use crate::domain::webhook::TRIED_FOR;

/// Messages of one part: each may be hundreds of kilobytes, which are written anew.
const AT_ONCE: i64 = 50;

/// The last message of a part of a replay; none: what is left is no more than a part.
pub(super) const LAST: &str = "SELECT m.created_at, m.id FROM webhook_message m \
                                WHERE m.webhook = ?1 AND (m.created_at, m.id) > (?2, ?3) AND m.created_at < ?4 \
                                ORDER BY m.created_at, m.id LIMIT 1 OFFSET ?5";
/// One that is held is under way, and due again if that fails.
pub(super) const REPLAY: &str = "UPDATE webhook_message SET status = 'waiting', attempts = 0, until = ?6, \
                                 next_at = CASE WHEN lease_until > ?7 THEN next_at ELSE ?7 END, \
                                 lease_until = CASE WHEN lease_until > ?7 THEN lease_until END \
                                 WHERE webhook = ?1 AND (created_at, id) > (?2, ?3) AND (created_at, id) <= (?4, ?5)";

/// Where a replay goes on: after a message made at that instant.
pub(super) type Place = (i64, Uuid);

/// Replays a part; `None`: there is no such webhook. Otherwise how many messages, and where it goes on.
pub(super) async fn part(tx: Tx<'_>, (app, id): (AppId, Uuid), after: Place, to: i64) -> Result<Option<(u64, Option<Place>)>> {
    if fetch_one(tx.conn, ONE, named(app, id)).await?.is_none() {
        return Ok(None);
    }
    let after = |binds: &mut Binds| {
        binds.push(id.as_bytes().as_slice()).push(after.0).push(after.1.as_bytes().as_slice());
    };
    let last = fetch_one(tx.conn, LAST, |binds| {
        after(binds);
        binds.push(to).push(AT_ONCE - 1);
    });
    let place = |row: SqliteRow| {
        let cells = Cells::new(&row, "webhook_message", 1);
        Ok((cells.get(0, "created_at")?, cells.id(1, "id")?))
    };
    let last: Option<Place> = last.await?.map(place).transpose()?;
    let (up_to, now) = (last.unwrap_or((to, Uuid::nil())), tx.now);
    let replay = execute(tx.conn, REPLAY, |binds| {
        after(binds);
        binds.push(up_to.0).push(up_to.1.as_bytes().as_slice()).push(now.saturating_add(span(TRIED_FOR))).push(now);
    });
    Ok(Some((replay.await?, last)))
}
