//! A webhook's messages are made due again, part by part: there may be a week of them.

use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::Result;
use super::super::rules::webhooks::later;
use super::batch::{execute, fetch_one};
use super::row::Cells;
use super::tx::Tx;
use super::webhook::{LOCKED, named};
use crate::domain::Timestamp;
use crate::domain::id::AppId;
use crate::domain::webhook::TRIED_FOR;

/// Messages of one part.
const AT_ONCE: i64 = 1_000;

/// The last message of a part of a replay; none: what is left is no more than a part.
pub(super) const LAST: &str = "SELECT created_at, id FROM webhook_message \
                                WHERE webhook = $1 AND (created_at, id) > ($2, $3) AND created_at < $4 \
                                ORDER BY created_at, id LIMIT 1 OFFSET $5";
/// One that is held is under way, and due again if that fails.
pub(super) const REPLAY: &str = "UPDATE webhook_message SET status = 'waiting', attempts = 0, until = $6, \
                                 next_at = CASE WHEN lease_until > $7 THEN next_at ELSE $7 END, \
                                 lease_until = CASE WHEN lease_until > $7 THEN lease_until END \
                                 WHERE webhook = $1 AND (created_at, id) > ($2, $3) AND (created_at, id) <= ($4, $5)";

/// Where a replay goes on: after a message made at that instant.
pub(super) type Place = (Timestamp, Uuid);

/// Replays a part; `None`: there is no such webhook. Otherwise how many messages, and where it goes on.
pub(super) async fn part(tx: &mut Tx, (app, id): (AppId, Uuid), after: Place, to: Timestamp) -> Result<Option<(u64, Option<Place>)>> {
    if fetch_one(tx, LOCKED, named(app, id)).await?.is_none() {
        return Ok(None);
    }
    let now = tx.now;
    let last = fetch_one(tx, LAST, |binds| {
        binds.push(id).push(after.0).push(after.1).push(to).push(AT_ONCE - 1);
    });
    let place = |row: PgRow| {
        let cells = Cells::new(&row, "webhook_message", 1);
        Ok((cells.instant(0, "created_at")?, cells.get(1, "id")?))
    };
    let last: Option<Place> = last.await?.map(place).transpose()?;
    let up_to = last.unwrap_or((to, Uuid::nil()));
    let replay = execute(tx, REPLAY, |binds| {
        binds.push(id).push(after.0).push(after.1).push(up_to.0).push(up_to.1).push(later(now, TRIED_FOR)).push(now);
    });
    Ok(Some((replay.await?, last)))
}
