//! Items become messages, and messages are claimed. Whoever does it for a webhook has its row locked; what another has locked is left to it.

use std::time::Duration;

use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::rules::secret::to_value;
use super::super::rules::webhooks::{Waiting, later, lingered, message_id, pack, to_list};
use super::super::seal::{Place, Seal};
use super::super::webhook::{DueMessage, WebhookSecret};
use super::super::{Error, Result};
use super::batch::{count, execute, fetch, fetch_one};
use super::row::Cells;
use super::tx::Tx;
use crate::domain::Timestamp;
use crate::domain::id::AppId;
use crate::domain::webhook::{EventType, MAX_ITEMS, TRIED_FOR};

/// Webhooks and types whose items are to be gathered: the oldest have waited, or those of the last moment fill a message.
pub(super) const READY: &str = "SELECT webhook, event FROM (SELECT webhook, event FROM webhook_item WHERE at <= $1 ORDER BY at LIMIT 1000) waited \
                                UNION SELECT webhook, event FROM webhook_item WHERE at > $1 GROUP BY webhook, event HAVING sum(n) >= $2";
const TURN: &str = "SELECT 1 FROM webhook WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED";
/// Written while their webhook was being deleted.
pub(super) const ORPHANS: &str = "DELETE FROM webhook_item WHERE webhook = $1 AND NOT EXISTS (SELECT 1 FROM webhook WHERE id = $1)";
/// Enough to fill a message, or all.
pub(super) const ITEMS: &str = "SELECT i.id, i.at, i.data FROM (SELECT id, sum(n) OVER (ORDER BY id) - n AS earlier FROM \
                                (SELECT id, n FROM webhook_item WHERE webhook = $1 AND event = $2 ORDER BY id LIMIT $3) oldest) filling \
                                CROSS JOIN LATERAL (SELECT id, at, data FROM webhook_item WHERE id = filling.id LIMIT 1) i \
                                WHERE filling.earlier < $3 ORDER BY i.id";
pub(super) const USED: &str = "DELETE FROM webhook_item i USING unnest($1::bigint[]) AS used (id) WHERE i.id = used.id";
const LEFT: &str = "UPDATE webhook_item SET n = $2, data = $3 WHERE id = $1";
const ADD: &str = "INSERT INTO webhook_message (id, webhook, event, status, next_at, until, created_at, data) \
                   VALUES ($1, $2, $3, 'waiting', $4, $5, $4, $6)";
/// Of a disabled one nothing is due but tests. Webhooks are few: all are looked at.
const DUE: &str = "SELECT w.id, w.app, w.url, w.secret, w.previous_secret, w.previous_until, w.disabled IS NOT NULL FROM webhook w \
                   WHERE (w.disabled IS NULL AND EXISTS (SELECT 1 FROM webhook_message m \
                   WHERE m.webhook = w.id AND m.status = 'waiting' AND m.next_at <= $1)) \
                   OR EXISTS (SELECT 1 FROM webhook_message m \
                   WHERE m.webhook = w.id AND m.status = 'waiting' AND m.event IS NULL AND m.next_at <= $1) \
                   ORDER BY w.served_at, w.id LIMIT $2 FOR NO KEY UPDATE OF w SKIP LOCKED";
pub(super) const HELD: &str =
    "SELECT count(*) FROM webhook_message WHERE webhook = $1 AND status = 'waiting' AND lease_until IS NOT NULL AND lease_until > $2";
macro_rules! claim {
    ($which:literal) => {
        concat!(
            "WITH due AS MATERIALIZED (SELECT id FROM webhook_message WHERE webhook = $1 AND status = 'waiting' AND next_at <= $2 ",
            $which,
            "ORDER BY next_at, id LIMIT $4 FOR UPDATE SKIP LOCKED) \
             UPDATE webhook_message m SET lease_until = $3, next_at = $3 FROM due WHERE m.id = due.id \
             RETURNING m.id, m.event, m.created_at, m.data, m.attempts, m.until"
        )
    };
}
pub(super) const CLAIM: &str = claim!("");
pub(super) const CLAIM_TESTS: &str = claim!("AND event IS NULL ");
const SERVED: &str = "UPDATE webhook SET served_at = $2 WHERE id = $1";

/// What there is to gather.
pub(super) async fn ready(tx: &mut Tx) -> Result<Vec<(Uuid, String)>> {
    let waited = lingered(tx.now);
    let rows = fetch(tx, READY, |binds| {
        binds.push(waited).push(count(MAX_ITEMS));
    });
    let group = |row: &PgRow| {
        let cells = Cells::new(row, "webhook_item", 0);
        Ok((cells.get(0, "webhook")?, cells.get(1, "event")?))
    };
    rows.await?.iter().map(group).collect()
}

/// Makes one message; whether there was enough for one, and nobody else at it.
pub(super) async fn gather(tx: &mut Tx, webhook: Uuid, event: &str) -> Result<bool> {
    let turn = fetch_one(tx, TURN, |binds| {
        binds.push(webhook);
    });
    if turn.await?.is_none() {
        execute(tx, ORPHANS, |binds| {
            binds.push(webhook);
        })
        .await?;
        return Ok(false);
    }
    let rows = fetch(tx, ITEMS, |binds| {
        binds.push(webhook).push(event).push(count(MAX_ITEMS));
    });
    let waiting = |row: &PgRow| {
        let cells = Cells::new(row, "webhook_item", 0);
        Ok(Waiting { id: cells.get(0, "id")?, at: cells.instant(1, "at")?, data: cells.get(2, "data")? })
    };
    let rows: Vec<Waiting> = rows.await?.iter().map(waiting).collect::<Result<_>>()?;
    let now = tx.now;
    let Some(packed) = pack(&rows, now)? else { return Ok(false) };
    execute(tx, USED, |binds| {
        binds.push(&packed.used);
    })
    .await?;
    if let Some((id, rest)) = &packed.left {
        let text = to_list(rest)?;
        execute(tx, LEFT, |binds| {
            binds.push(*id).push(count(rest.len())).push(&text);
        })
        .await?;
    }
    execute(tx, ADD, |binds| {
        binds.push(message_id(now)).push(webhook).push(event).push(now).push(later(now, TRIED_FOR)).push(&packed.data);
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

fn receiver(row: &PgRow, seal: &Seal, now: Timestamp) -> Result<Receiver> {
    let cells = Cells::new(row, "webhook", 0);
    let id = cells.get(0, "id")?;
    let open = |index, column| {
        let kept: &str = cells.get(index, column)?;
        to_value(seal.open(Place::Webhook(id), kept)).ok_or_else(|| cells.unreadable(column))
    };
    let mut secrets = vec![open(3, "secret")?];
    if cells.maybe_instant(5, "previous_until")?.is_some_and(|until| until > now) {
        secrets.push(open(4, "previous_secret")?);
    }
    Ok(Receiver { id, app: AppId(cells.get(1, "app")?), url: cells.get(2, "url")?, secrets, is_disabled: cells.get(6, "disabled")? })
}

fn due(row: &PgRow, receiver: &Receiver) -> Result<DueMessage> {
    let cells = Cells::new(row, "webhook_message", 0);
    Ok(DueMessage {
        id: cells.get(0, "id")?,
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
pub(super) async fn claim(tx: &mut Tx, limit: usize, each: usize, lease: Duration) -> Result<Vec<DueMessage>> {
    let now = tx.now;
    let rows = fetch(tx, DUE, |binds| {
        binds.push(now).push(count(limit));
    });
    let mut claimed: Vec<DueMessage> = Vec::new();
    for row in &rows.await? {
        if claimed.len() >= limit {
            break;
        }
        match receiver(row, &tx.seal, now) {
            Ok(receiver) => claimed.extend(claim_of(tx, &receiver, (limit - claimed.len(), each), lease).await?),
            // the others do not wait for this one
            Err(error @ Error::Unreadable { .. }) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a webhook cannot be told anything");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(claimed)
}

async fn claim_of(tx: &mut Tx, receiver: &Receiver, (limit, each): (usize, usize), lease: Duration) -> Result<Vec<DueMessage>> {
    let (now, id) = (tx.now, receiver.id);
    execute(tx, SERVED, |binds| {
        binds.push(id).push(now);
    })
    .await?;
    let held = fetch_one(tx, HELD, |binds| {
        binds.push(id).push(now);
    });
    let held: usize = held.await?.map_or(Ok(0), |row| Cells::new(&row, "webhook_message", 0).count(0, "lease_until"))?;
    let room = limit.min(each.saturating_sub(held));
    if room == 0 {
        return Ok(Vec::new());
    }
    let text = if receiver.is_disabled { CLAIM_TESTS } else { CLAIM };
    let rows = fetch(tx, text, |binds| {
        binds.push(id).push(now).push(later(now, lease)).push(count(room));
    });
    rows.await?.iter().map(|row| due(row, receiver)).collect()
}
