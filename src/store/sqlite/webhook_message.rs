//! Items become messages, and messages are claimed.

use std::time::Duration;

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::super::rules::secret::to_value;
use super::super::rules::webhook_places::Places;
use super::super::rules::webhooks::{
    Group, Waiting, later, lingered, message_id, pack, tell_secret_unreadable, to_list, unreadable_attempt,
};
use super::super::seal::{Place, Seal};
use super::super::webhook::{ClaimBounds, DueMessage, MessageStatus, WebhookSecret};
use super::super::{Error, Result};
use super::batch::{execute, fetch};
use super::json::List;
use super::row::{Cells, instant, micros, span};
use super::webhook::{note, settle};
use super::work::count;
use super::writer::Tx;
use crate::domain::id::AppId;
use crate::domain::webhook::{EventType, MAX_ITEMS, TRIED_FOR};

/// Webhooks and types whose items are to be gathered: the oldest have waited, of those who have messages enough for longer, or there are
/// enough to fill a message. They are looked for one by one, since of one there may be very many.
pub(super) const READY: &str = "WITH RECURSIVE oldest (webhook, event, at) AS (SELECT x'', '', 0 UNION ALL \
                                SELECT i.webhook, i.event, i.at FROM oldest CROSS JOIN webhook_item i ON i.id = (SELECT next.id FROM webhook_item next \
                                WHERE (next.webhook, next.event) > (oldest.webhook, oldest.event) ORDER BY next.webhook, next.event, next.id LIMIT 1)), \
                                stand AS MATERIALIZED (SELECT webhook, event, at, (SELECT count(*) FROM (SELECT 1 FROM webhook_message m \
                                WHERE m.webhook = oldest.webhook AND m.status = 'waiting' AND m.next_at <= ?1 LIMIT ?2)) + \
                                (SELECT count(*) FROM webhook_message m WHERE m.webhook = oldest.webhook AND m.status = 'waiting' \
                                AND m.lease_until IS NOT NULL AND m.lease_until > ?1) >= ?2 AS is_behind FROM oldest WHERE event <> '') \
                                SELECT webhook, event, is_behind FROM stand WHERE at <= CASE WHEN is_behind THEN ?4 ELSE ?3 END \
                                OR (SELECT sum(n) FROM (SELECT n FROM webhook_item i WHERE i.webhook = stand.webhook \
                                AND i.event = stand.event ORDER BY i.id LIMIT ?5)) >= ?5 ORDER BY at";
/// Enough to fill a message, or all.
pub(super) const ITEMS: &str = "WITH filling AS MATERIALIZED (SELECT id, sum(n) OVER (ORDER BY id) - n AS earlier FROM \
                                (SELECT id, n FROM webhook_item WHERE webhook = ?1 AND event = ?2 ORDER BY id LIMIT ?3)) \
                                SELECT i.id, i.at, i.data FROM filling CROSS JOIN webhook_item i ON i.id = filling.id WHERE filling.earlier < ?3 ORDER BY i.id";
const USED: &str = "DELETE FROM webhook_item WHERE id IN (SELECT value FROM json_each(?1))";
const LEFT: &str = "UPDATE webhook_item SET n = ?2, data = ?3 WHERE id = ?1";
const ADD: &str = "INSERT INTO webhook_message (id, webhook, event, status, next_at, until, created_at, data) \
                   VALUES (?1, ?2, ?3, 'waiting', ?4, ?5, ?4, ?6)";
/// Who has something due and may have more under way, with what it and its app have, and no more of an app's than it has places. Of a
/// disabled one nothing is due but tests. Webhooks are few: all are looked at.
const DUE: &str = "WITH stand AS MATERIALIZED (SELECT id, app, served_at, disabled IS NOT NULL AS is_disabled, \
                   (SELECT count(*) FROM webhook_message m WHERE m.webhook = webhook.id AND m.status = 'waiting' \
                   AND m.lease_until IS NOT NULL AND m.lease_until > ?1) AS held FROM webhook), \
                   busy AS MATERIALIZED (SELECT app, sum(held) AS held FROM stand GROUP BY app), \
                   due AS MATERIALIZED (SELECT s.id, s.held, busy.held AS of_app, \
                   row_number() OVER (PARTITION BY s.app ORDER BY s.served_at, s.id) AS place \
                   FROM stand s JOIN busy ON busy.app = s.app WHERE s.held < ?3 \
                   AND ((NOT s.is_disabled AND EXISTS (SELECT 1 FROM webhook_message m \
                   WHERE m.webhook = s.id AND m.status = 'waiting' AND m.next_at <= ?1)) \
                   OR EXISTS (SELECT 1 FROM webhook_message m \
                   WHERE m.webhook = s.id AND m.status = 'waiting' AND m.event IS NULL AND m.next_at <= ?1))) \
                   SELECT w.id, w.app, w.url, w.secret, w.previous_secret, w.previous_until, w.disabled IS NOT NULL, due.held, due.of_app \
                   FROM due CROSS JOIN webhook w ON w.id = due.id WHERE due.place <= ?4 - due.of_app ORDER BY w.served_at, w.id LIMIT ?2";
macro_rules! claim {
    ($which:literal) => {
        concat!(
            "UPDATE webhook_message SET lease_until = ?3, next_at = ?3 WHERE id IN (SELECT m.id FROM webhook_message m \
             WHERE m.webhook = ?1 AND m.status = 'waiting' AND m.next_at <= ?2 ",
            $which,
            "ORDER BY m.next_at, m.id LIMIT ?4) RETURNING id, event, created_at, data, attempts, until, lease_until"
        )
    };
}
pub(super) const CLAIM: &str = claim!("");
pub(super) const CLAIM_TESTS: &str = claim!("AND m.event IS NULL ");
const SERVED: &str = "UPDATE webhook SET served_at = ?2 WHERE id IN (SELECT unhex(value) FROM json_each(?1))";

/// What there is to gather, the oldest first. A webhook is behind that has `each` messages due or under way.
pub(super) async fn ready(conn: &mut SqliteConnection, now: i64, each: usize) -> Result<Vec<Group>> {
    let at = instant(now).unwrap_or_default();
    let rows = fetch(conn, READY, |binds| {
        binds.push(now).push(count(each));
        binds.push(micros(lingered(at, false))).push(micros(lingered(at, true))).push(count(MAX_ITEMS));
    });
    let group = |row: &SqliteRow| {
        let cells = Cells::new(row, "webhook_item", 0);
        Ok(Group { webhook: cells.id(0, "webhook")?, event: cells.get(1, "event")?, waited: lingered(at, cells.get(2, "at")?) })
    };
    rows.await?.iter().map(group).collect()
}

/// Makes one message; whether there was enough for one.
pub(super) async fn gather(tx: Tx<'_>, group: &Group) -> Result<bool> {
    let (of, event) = (group.webhook.as_bytes().as_slice(), group.event.as_str());
    let rows = fetch(tx.conn, ITEMS, |binds| {
        binds.push(of).push(event).push(count(MAX_ITEMS));
    });
    let waiting = |row: &SqliteRow| {
        let cells = Cells::new(row, "webhook_item", 0);
        Ok(Waiting { id: cells.get(0, "id")?, at: cells.instant(1, "at")?, data: cells.get(2, "data")? })
    };
    let rows: Vec<Waiting> = rows.await?.iter().map(waiting).collect::<Result<_>>()?;
    let now = instant(tx.now).unwrap_or_default();
    let Some(packed) = pack(&rows, group.waited)? else { return Ok(false) };
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
    let Some(data) = &packed.data else { return Ok(false) };
    let id = message_id(now);
    execute(tx.conn, ADD, |binds| {
        binds.push(id.as_bytes().as_slice()).push(of).push(event).push(micros(now)).push(micros(later(now, TRIED_FOR))).push(data);
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
    /// What it has under way.
    held: usize,
    /// What its app has.
    of_app: usize,
}

fn receiver(row: &SqliteRow, seal: &Seal, now: i64) -> Result<Receiver> {
    let cells = Cells::new(row, "webhook", 0);
    let id = cells.id(0, "id")?;
    let secrets = secrets(cells, seal, id, now).or_else(|error| match error {
        // what is due ends in time, with attempts that say why
        Error::Unreadable { .. } => {
            tell_secret_unreadable(&error);
            Ok(Vec::new())
        }
        error => Err(error),
    })?;
    Ok(Receiver {
        id,
        app: AppId(cells.get(1, "app")?),
        url: cells.get(2, "url")?,
        secrets,
        is_disabled: cells.get(6, "disabled")?,
        held: cells.count(7, "lease_until")?,
        of_app: cells.count(8, "lease_until")?,
    })
}

fn secrets(cells: Cells<'_>, seal: &Seal, id: Uuid, now: i64) -> Result<Vec<WebhookSecret>> {
    let open = |index, column| {
        let kept: &str = cells.get(index, column)?;
        to_value(seal.open(Place::Webhook(id), kept)).ok_or_else(|| cells.unreadable(column))
    };
    let mut secrets = vec![open(3, "secret")?];
    if cells.get::<Option<i64>>(5, "previous_until")?.is_some_and(|until| until > now) {
        // whoever has the present one can do without
        secrets.extend(open(4, "previous_secret").inspect_err(tell_secret_unreadable).ok());
    }
    Ok(secrets)
}

fn due(cells: Cells<'_>, id: Uuid, receiver: &Receiver) -> Result<DueMessage> {
    Ok(DueMessage {
        id,
        webhook: receiver.id,
        app: receiver.app,
        url: receiver.url.clone(),
        secrets: receiver.secrets.clone(),
        event: cells.maybe_word(1, "event", EventType::parse)?,
        created_at: cells.instant(2, "created_at")?,
        data: cells.get(3, "data")?,
        attempts: cells.count(4, "attempts")?,
        until: cells.instant(5, "until")?,
        lease_until: cells.instant(6, "lease_until")?,
    })
}

/// Messages that are due, those first whose webhook had its turn longest ago.
pub(super) async fn claim(tx: Tx<'_>, bounds: ClaimBounds, lease: Duration) -> Result<Vec<DueMessage>> {
    let now = tx.now;
    let ClaimBounds { limit, of_webhook, of_app } = bounds;
    let rows = fetch(tx.conn, DUE, |binds| {
        binds.push(now).push(count(limit)).push(count(of_webhook)).push(count(of_app));
    });
    let rows = rows.await?;
    let receivers = rows.iter().map(|row| receiver(row, tx.seal, now)).collect::<Result<Vec<Receiver>>>()?;
    if receivers.is_empty() {
        return Ok(Vec::new());
    }
    let mut places = Places::new(bounds, receivers.iter().map(|receiver| (receiver.app, receiver.of_app)).collect());
    let (mut claimed, mut served) = (Vec::new(), List::new());
    for receiver in &receivers {
        let room = places.room(receiver.app, receiver.held);
        if room > 0 {
            let messages = claim_of(tx.conn, receiver, room, (now, lease)).await?;
            places.take(receiver.app, messages.len());
            claimed.extend(messages);
            served.push(format_args!("\"{}\"", receiver.id.simple()));
        }
    }
    let served = served.finish();
    execute(tx.conn, SERVED, |binds| {
        binds.push(&served).push(now);
    })
    .await?;
    Ok(claimed)
}

/// As many as there is room for; one that cannot be read is over.
async fn claim_of(conn: &mut SqliteConnection, receiver: &Receiver, room: usize, (now, lease): (i64, Duration)) -> Result<Vec<DueMessage>> {
    let text = if receiver.is_disabled { CLAIM_TESTS } else { CLAIM };
    let rows = fetch(conn, text, |binds| {
        binds.push(receiver.id.as_bytes().as_slice()).push(now).push(now.saturating_add(span(lease))).push(count(room));
    });
    let mut claimed = Vec::new();
    for row in &rows.await? {
        let cells = Cells::new(row, "webhook_message", 0);
        let message = cells.id(0, "id")?;
        match due(cells, message, receiver) {
            Ok(due) => claimed.push(due),
            Err(error @ Error::Unreadable { .. }) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a webhook message is given up");
                let attempt = unreadable_attempt(receiver.id, message, instant(now).unwrap_or_default());
                note(conn, &attempt, None).await?;
                settle(conn, message, MessageStatus::Failed, None).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(claimed)
}
