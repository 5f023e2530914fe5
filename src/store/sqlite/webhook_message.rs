//! Items become messages, and messages are claimed.

use std::time::Duration;

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::super::rules::secret::to_value;
use super::super::rules::webhooks::{Waiting, later, lingered, message_id, pack, to_list};
use super::super::seal::{Place, Seal};
use super::super::webhook::{DueMessage, WebhookSecret};
use super::super::{Error, Result};
use super::batch::{execute, fetch};
use super::json::List;
use super::row::{Cells, instant, micros, span};
use super::work::count;
use super::writer::Tx;
use crate::domain::id::AppId;
use crate::domain::webhook::{EventType, MAX_ITEMS, TRIED_FOR};

/// Webhooks and types whose items are to be gathered: the oldest have waited, or those of the last moment fill a message.
pub(super) const READY: &str = "SELECT webhook, event FROM (SELECT webhook, event FROM webhook_item WHERE at <= ?1 ORDER BY at LIMIT 1000) \
                                UNION SELECT webhook, event FROM webhook_item INDEXED BY webhook_item_by_age WHERE at > ?1 GROUP BY webhook, event HAVING sum(n) >= ?2";
/// Enough to fill a message, or all.
pub(super) const ITEMS: &str = "WITH filling AS MATERIALIZED (SELECT id, sum(n) OVER (ORDER BY id) - n AS earlier FROM \
                                (SELECT id, n FROM webhook_item WHERE webhook = ?1 AND event = ?2 ORDER BY id LIMIT ?3)) \
                                SELECT i.id, i.at, i.data FROM filling CROSS JOIN webhook_item i ON i.id = filling.id WHERE filling.earlier < ?3 ORDER BY i.id";
const USED: &str = "DELETE FROM webhook_item WHERE id IN (SELECT value FROM json_each(?1))";
const LEFT: &str = "UPDATE webhook_item SET n = ?2, data = ?3 WHERE id = ?1";
const ADD: &str = "INSERT INTO webhook_message (id, webhook, event, status, next_at, until, created_at, data) \
                   VALUES (?1, ?2, ?3, 'waiting', ?4, ?5, ?4, ?6)";
/// Of a disabled one nothing is due but tests.
const DUE: &str = "SELECT w.id, w.app, w.url, w.secret, w.previous_secret, w.previous_until, w.disabled IS NOT NULL FROM webhook w \
                              WHERE (w.disabled IS NULL AND EXISTS (SELECT 1 FROM webhook_message m \
                              WHERE m.webhook = w.id AND m.status = 'waiting' AND m.next_at <= ?1)) \
                              OR EXISTS (SELECT 1 FROM webhook_message m \
                              WHERE m.webhook = w.id AND m.status = 'waiting' AND m.event IS NULL AND m.next_at <= ?1) \
                              ORDER BY w.served_at, w.id";
macro_rules! claim {
    ($which:literal) => {
        concat!(
            "UPDATE webhook_message SET lease_until = ?3, next_at = ?3 WHERE id IN (SELECT m.id FROM webhook_message m \
             WHERE m.webhook = ?1 AND m.status = 'waiting' AND m.next_at <= ?2 ",
            $which,
            "ORDER BY m.next_at, m.id LIMIT max(0, min(?4, ?5 - (SELECT count(*) FROM webhook_message h \
             WHERE h.webhook = ?1 AND h.status = 'waiting' AND h.lease_until IS NOT NULL AND h.lease_until > ?2)))) \
             RETURNING id, event, created_at, data, attempts, until"
        )
    };
}
pub(super) const CLAIM: &str = claim!("");
pub(super) const CLAIM_TESTS: &str = claim!("AND m.event IS NULL ");
const SERVED: &str = "UPDATE webhook SET served_at = ?2 WHERE id = ?1";

/// What there is to gather.
pub(super) async fn ready(conn: &mut SqliteConnection, now: i64) -> Result<Vec<(Uuid, String)>> {
    let rows = fetch(conn, READY, |binds| {
        binds.push(micros(lingered(instant(now).unwrap_or_default()))).push(count(MAX_ITEMS));
    });
    let group = |row: &SqliteRow| {
        let cells = Cells::new(row, "webhook_item", 0);
        Ok((cells.id(0, "webhook")?, cells.get(1, "event")?))
    };
    rows.await?.iter().map(group).collect()
}

/// Makes one message; whether there was enough for one.
pub(super) async fn gather(tx: Tx<'_>, webhook: Uuid, event: &str) -> Result<bool> {
    let of = webhook.as_bytes().as_slice();
    let rows = fetch(tx.conn, ITEMS, |binds| {
        binds.push(of).push(event).push(count(MAX_ITEMS));
    });
    let waiting = |row: &SqliteRow| {
        let cells = Cells::new(row, "webhook_item", 0);
        Ok(Waiting { id: cells.get(0, "id")?, at: cells.instant(1, "at")?, data: cells.get(2, "data")? })
    };
    let rows: Vec<Waiting> = rows.await?.iter().map(waiting).collect::<Result<_>>()?;
    let now = instant(tx.now).unwrap_or_default();
    let Some(packed) = pack(&rows, now)? else { return Ok(false) };
    let used = List::of(&packed.used);
    execute(tx.conn, USED, |binds| {
        binds.push(&used);
    })
    .await?;
    if let Some((id, rest)) = &packed.left {
        let text = to_list(rest)?;
        execute(tx.conn, LEFT, |binds| {
            binds.push(*id).push(count(rest.len())).push(&text);
        })
        .await?;
    }
    let id = message_id(now);
    execute(tx.conn, ADD, |binds| {
        binds.push(id.as_bytes().as_slice()).push(of).push(event).push(micros(now)).push(micros(later(now, TRIED_FOR))).push(&packed.data);
    })
    .await?;
    Ok(true)
}

/// A webhook with something due.
struct Receiver {
    id: Uuid,
    app: AppId,
    url: String,
    secrets: Vec<WebhookSecret>,
    is_disabled: bool,
}

fn receiver(row: &SqliteRow, seal: &Seal, now: i64) -> Result<Receiver> {
    let cells = Cells::new(row, "webhook", 0);
    let id = cells.id(0, "id")?;
    let open = |index, column| {
        let kept: &str = cells.get(index, column)?;
        to_value(seal.open(Place::Webhook(id), kept)).ok_or_else(|| cells.unreadable(column))
    };
    let mut secrets = vec![open(3, "secret")?];
    if cells.get::<Option<i64>>(5, "previous_until")?.is_some_and(|until| until > now) {
        secrets.push(open(4, "previous_secret")?);
    }
    Ok(Receiver { id, app: AppId(cells.get(1, "app")?), url: cells.get(2, "url")?, secrets, is_disabled: cells.get(6, "disabled")? })
}

fn due(row: &SqliteRow, receiver: &Receiver) -> Result<DueMessage> {
    let cells = Cells::new(row, "webhook_message", 0);
    Ok(DueMessage {
        id: cells.id(0, "id")?,
        webhook: receiver.id,
        app: receiver.app,
        url: receiver.url.clone(),
        secrets: receiver.secrets.clone(),
        event: cells.maybe_word(1, "event", EventType::parse)?,
        created_at: cells.instant(2, "created_at")?,
        data: cells.get(3, "data")?,
        attempts: cells.count(4, "attempts")?,
        until: cells.instant(5, "until")?,
    })
}

/// Messages that are due, those first whose webhook had its turn longest ago.
pub(super) async fn claim(tx: Tx<'_>, limit: usize, each: usize, lease: Duration) -> Result<Vec<DueMessage>> {
    let (now, until) = (tx.now, tx.now.saturating_add(span(lease)));
    let rows = fetch(tx.conn, DUE, |binds| {
        binds.push(now);
    });
    let mut claimed: Vec<DueMessage> = Vec::new();
    for row in &rows.await? {
        if claimed.len() >= limit {
            break;
        }
        let receiver = match receiver(row, tx.seal, now) {
            Ok(receiver) => receiver,
            Err(error @ Error::Unreadable { .. }) => {
                // the others do not wait for this one
                tracing::error!(error = &error as &dyn std::error::Error, "a webhook cannot be told anything");
                continue;
            }
            Err(error) => return Err(error),
        };
        let text = if receiver.is_disabled { CLAIM_TESTS } else { CLAIM };
        let taken = fetch(tx.conn, text, |binds| {
            binds.push(receiver.id.as_bytes().as_slice()).push(now).push(until).push(count(limit - claimed.len())).push(count(each));
        });
        let taken = taken.await?;
        if taken.is_empty() {
            continue;
        }
        for row in &taken {
            claimed.push(due(row, &receiver)?);
        }
        execute(tx.conn, SERVED, |binds| {
            binds.push(receiver.id.as_bytes().as_slice()).push(now);
        })
        .await?;
    }
    Ok(claimed)
}
