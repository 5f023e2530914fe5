//! Webhooks: what they are, and what was tried.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::super::rules::cursor::{from_text, to_text as to_cursor};
use super::super::rules::secret::to_text;
use super::super::rules::webhook_outcomes::{Claimed, Health, Met, follows};
use super::super::rules::webhooks::{change, disabled, disabled_text, message_id, status, status_of_gone, status_text};
use super::super::seal::Place;
use super::super::webhook::{
    Attempt, ClaimBounds, DueMessage, ListedAttempt, MessageStatus, Next, WebhookChange, WebhookChanged, WebhookSecret, Webhooks,
};
use super::super::{Page, PageRequest, Result};
use super::SqliteStore;
use super::batch::{Binds, execute, fetch, fetch_one};
use super::row::{Cells, instant, micros, span, to_document};
use super::webhook_message::{claim, gather, ready};
use super::webhook_replay;
use super::work::count;
use super::writer::Tx;
use crate::domain::Timestamp;
use crate::domain::id::AppId;
use crate::domain::webhook::{EventType, MAX_WEBHOOKS, OVERLAP, TRIED_FOR, Webhook};

/// Messages, or lists of items, that one write forgets: each may be hundreds of kilobytes.
const LISTS_AT_ONCE: i64 = 50;
/// Attempts that one write forgets.
const ATTEMPTS_AT_ONCE: i64 = 2_000;

macro_rules! columns {
    ($rest:literal) => {
        concat!("SELECT id, app, url, events, disabled, failing_since, created_at, updated_at FROM webhook ", $rest)
    };
}
const ADD: &str = "INSERT INTO webhook (id, app, url, events, secret, disabled, failing_since, created_at, updated_at) \
                   SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE (SELECT count(*) FROM webhook WHERE app = ?2) < ?10";
pub(super) const ONE: &str = columns!("WHERE id = ?2 AND app = ?1");
pub(super) const LIST: &str = columns!("WHERE app = ?1 ORDER BY created_at, id");
const CHANGE: &str = "UPDATE webhook SET url = ?2, events = ?3, disabled = ?4, failing_since = ?5, updated_at = ?6 WHERE id = ?1";
const ROTATE: &str =
    "UPDATE webhook SET previous_secret = secret, previous_until = ?4, secret = ?3, updated_at = ?5 WHERE id = ?2 AND app = ?1";
const TEST: &str = "INSERT INTO webhook_message (id, webhook, status, next_at, until, created_at, data) \
                    SELECT ?3, id, 'waiting', ?4, ?5, ?4, '[]' FROM webhook WHERE id = ?2 AND app = ?1";
/// What goes with a webhook, so much at a time.
pub(super) const OF_WEBHOOK: [(&str, i64); 3] = [
    ("DELETE FROM webhook_item WHERE id IN (SELECT id FROM webhook_item WHERE webhook = ?1 LIMIT ?2)", LISTS_AT_ONCE),
    (
        "DELETE FROM webhook_message WHERE id IN (SELECT id FROM webhook_message WHERE webhook = ?1 ORDER BY created_at, id LIMIT ?2)",
        LISTS_AT_ONCE,
    ),
    ("DELETE FROM webhook_attempt WHERE id IN (SELECT id FROM webhook_attempt WHERE webhook = ?1 LIMIT ?2)", ATTEMPTS_AT_ONCE),
];
const DELETE: &str = "DELETE FROM webhook WHERE id = ?1";
/// A lease is the claim's that ends with it.
const STAND: &str = "SELECT event, status = 'waiting' AND lease_until > ?2 AND lease_until = ?3, until FROM webhook_message WHERE id = ?1";
const NOTE: &str = "INSERT INTO webhook_attempt (webhook, message, event, at, took_ms, status, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const SETTLE: &str =
    "UPDATE webhook_message SET status = ?2, next_at = coalesce(?3, next_at), attempts = attempts + 1, lease_until = NULL WHERE id = ?1";
const WELL: &str = "UPDATE webhook SET failing_since = NULL WHERE id = ?1 AND failing_since IS NOT NULL";
const FAILED: &str = "UPDATE webhook SET failing_since = coalesce(failing_since, ?2), disabled = coalesce(disabled, ?3), \
                      updated_at = CASE WHEN disabled IS NULL AND ?3 IS NOT NULL THEN ?4 ELSE updated_at END WHERE id = ?1";
pub(super) const ATTEMPTS: &str = "SELECT attempt.id, attempt.message, attempt.event, attempt.at, attempt.took_ms, attempt.status, attempt.error, m.status FROM webhook_attempt attempt \
                                   LEFT JOIN webhook_message m ON m.id = attempt.message WHERE attempt.webhook = ?1 AND (attempt.at, attempt.id) < (?2, ?3) \
                                   ORDER BY attempt.at DESC, attempt.id DESC LIMIT ?4";
pub(super) const FORGET: [(&str, i64); 2] = [
    (
        "DELETE FROM webhook_message WHERE id IN (SELECT id FROM webhook_message WHERE status <> 'waiting' AND created_at < ?1 \
         ORDER BY created_at LIMIT ?2)",
        LISTS_AT_ONCE,
    ),
    ("DELETE FROM webhook_attempt WHERE id IN (SELECT id FROM webhook_attempt WHERE at < ?1 ORDER BY at LIMIT ?2)", ATTEMPTS_AT_ONCE),
];
/// What waits although its time was over long ago: its webhook is disabled. None of it is due later. Webhooks are few: all are looked at.
const FORGET_UNTOLD: &str = "DELETE FROM webhook_message WHERE id IN (SELECT m.id FROM webhook w CROSS JOIN webhook_message m \
                             INDEXED BY webhook_message_due ON m.webhook = w.id AND m.status = 'waiting' AND m.next_at < ?1 \
                             WHERE m.until < ?1 LIMIT ?2)";

/// Where a list goes on: before an attempt.
#[derive(Serialize, Deserialize)]
struct Before(i64, i64);

pub(super) fn named(app: AppId, id: Uuid) -> impl Fn(&mut Binds) + Send {
    move |binds| {
        binds.push(app.0).push(id.as_bytes().as_slice());
    }
}

fn read(row: &SqliteRow) -> Result<Webhook> {
    let cells = Cells::new(row, "webhook", 0);
    Ok(Webhook {
        id: cells.id(0, "id")?,
        app: AppId(cells.get(1, "app")?),
        url: cells.get(2, "url")?,
        events: cells.document(3, "events")?,
        disabled: cells.maybe_word(4, "disabled", disabled)?,
        failing_since: cells.maybe_instant(5, "failing_since")?,
        created_at: cells.instant(6, "created_at")?,
        updated_at: cells.instant(7, "updated_at")?,
    })
}

async fn create(tx: Tx<'_>, webhook: Webhook, secret: &WebhookSecret) -> Result<bool> {
    let secret = tx.seal.seal(Place::Webhook(webhook.id), to_text(secret))?;
    let events = to_document(&webhook.events)?;
    let add = execute(tx.conn, ADD, |binds| {
        binds.push(webhook.id.as_bytes().as_slice()).push(webhook.app.0).push(&webhook.url).push(&events).push(&secret);
        binds.push(webhook.disabled.map(disabled_text)).push(webhook.failing_since.map(micros));
        binds.push(micros(webhook.created_at)).push(micros(webhook.updated_at)).push(count(MAX_WEBHOOKS));
    });
    Ok(add.await? > 0)
}

async fn change_one(tx: Tx<'_>, (app, id): (AppId, Uuid), wanted: &WebhookChange, if_is: Option<&Webhook>) -> Result<WebhookChanged> {
    let Some(row) = fetch_one(tx.conn, ONE, named(app, id)).await? else { return Ok(WebhookChanged::Unknown) };
    let mut webhook = read(&row)?;
    if if_is.is_some_and(|expected| *expected != webhook) {
        return Ok(WebhookChanged::Stale);
    }
    change(&mut webhook, wanted, instant(tx.now).unwrap_or_default());
    let events = to_document(&webhook.events)?;
    let write = execute(tx.conn, CHANGE, |binds| {
        binds.push(id.as_bytes().as_slice()).push(&webhook.url).push(&events).push(webhook.disabled.map(disabled_text));
        binds.push(webhook.failing_since.map(micros)).push(micros(webhook.updated_at));
    });
    write.await?;
    Ok(WebhookChanged::Written(webhook))
}

/// Forgets a part; `None`: there is none. Otherwise whether nothing is left.
async fn delete_part(tx: Tx<'_>, app: AppId, id: Uuid) -> Result<Option<bool>> {
    if fetch_one(tx.conn, ONE, named(app, id)).await?.is_none() {
        return Ok(None);
    }
    for (text, at_once) in OF_WEBHOOK {
        let some = execute(tx.conn, text, |binds| {
            binds.push(id.as_bytes().as_slice()).push(at_once);
        });
        if some.await? >= at_once.unsigned_abs() {
            return Ok(Some(false));
        }
    }
    execute(tx.conn, DELETE, |binds| {
        binds.push(id.as_bytes().as_slice());
    })
    .await?;
    Ok(Some(true))
}

async fn rotate(tx: Tx<'_>, app: AppId, id: Uuid, secret: &WebhookSecret) -> Result<bool> {
    let (text, now) = (tx.seal.seal(Place::Webhook(id), to_text(secret))?, tx.now);
    let rotate = execute(tx.conn, ROTATE, |binds| {
        named(app, id)(binds);
        binds.push(&text).push(now.saturating_add(span(OVERLAP))).push(now);
    });
    Ok(rotate.await? > 0)
}

async fn test(tx: Tx<'_>, app: AppId, id: Uuid) -> Result<Option<Uuid>> {
    let now = tx.now;
    let message = message_id(instant(now).unwrap_or_default());
    let add = execute(tx.conn, TEST, |binds| {
        named(app, id)(binds);
        binds.push(message.as_bytes().as_slice()).push(now).push(now.saturating_add(span(TRIED_FOR)));
    });
    Ok((add.await? > 0).then_some(message))
}

/// Writes an attempt down.
pub(super) async fn note(conn: &mut SqliteConnection, attempt: &Attempt, event: Option<EventType>) -> Result<()> {
    let note = execute(conn, NOTE, |binds| {
        binds.push(attempt.webhook.as_bytes().as_slice()).push(attempt.message.as_bytes().as_slice());
        binds.push(event.map(EventType::as_str)).push(micros(attempt.at)).push(i64::try_from(attempt.took_ms).unwrap_or(i64::MAX));
        binds.push(attempt.status.map(i64::from)).push(attempt.error.as_deref());
    });
    note.await.map(drop)
}

/// A message stands so after an attempt, and is due then, or as before.
pub(super) async fn settle(conn: &mut SqliteConnection, message: Uuid, status: MessageStatus, due: Option<Timestamp>) -> Result<()> {
    let settle = execute(conn, SETTLE, |binds| {
        binds.push(message.as_bytes().as_slice()).push(status_text(status)).push(due.map(micros));
    });
    settle.await.map(drop)
}

async fn attempted(tx: Tx<'_>, claimed: Claimed, attempt: Attempt, next: Next) -> Result<()> {
    let now = tx.now;
    let webhook = attempt.webhook.as_bytes().as_slice();
    let there = fetch_one(tx.conn, "SELECT id, url, failing_since FROM webhook WHERE id = ?1", |binds| {
        binds.push(webhook);
    });
    let Some(there) = there.await? else { return Ok(()) };
    let stand = fetch_one(tx.conn, STAND, |binds| {
        binds.push(attempt.message.as_bytes().as_slice()).push(now).push(micros(claimed.lease_until));
    });
    let stand = stand.await?;
    let (there, stand) = (Cells::new(&there, "webhook", 0), stand.as_ref().map(|row| Cells::new(row, "webhook_message", 0)));
    let (mut met, mut event) =
        (Met { is_held: false, until: None, url: there.get(1, "url")?, failing_since: there.maybe_instant(2, "failing_since")? }, None);
    if let Some(cells) = stand {
        met.is_held = cells.get::<Option<bool>>(1, "lease_until")?.unwrap_or_default();
        met.until = Some(cells.instant(2, "until")?);
        event = cells.maybe_word(0, "event", EventType::parse)?;
    }
    note(tx.conn, &attempt, event).await?;
    let Some(follows) = follows(next, &claimed, &met, instant(now).unwrap_or_default()) else { return Ok(()) };
    settle(tx.conn, attempt.message, follows.status, follows.due).await?;
    match follows.health {
        Health::Unknown => {}
        Health::Well => {
            execute(tx.conn, WELL, |binds| {
                binds.push(webhook);
            })
            .await?;
        }
        Health::Failed(why) => {
            execute(tx.conn, FAILED, |binds| {
                binds.push(webhook).push(micros(attempt.at)).push(why.map(disabled_text)).push(now);
            })
            .await?;
        }
    }
    Ok(())
}

fn listed(row: &SqliteRow, webhook: Uuid) -> Result<(i64, ListedAttempt)> {
    let cells = Cells::new(row, "webhook_attempt", 0);
    let answered = cells.get::<Option<i64>>(5, "status")?.map(|status| u16::try_from(status).map_err(|_| cells.unreadable("status")));
    let attempt = Attempt {
        message: cells.id(1, "message")?,
        webhook,
        at: cells.instant(3, "at")?,
        took_ms: cells.count(4, "took_ms")?,
        status: answered.transpose()?,
        error: cells.get(6, "error")?,
    };
    let message_status: Option<MessageStatus> = cells.maybe_word(7, "status", status)?;
    let message_status = message_status.unwrap_or_else(|| status_of_gone(&attempt));
    Ok((cells.get(0, "id")?, ListedAttempt { attempt, event: cells.maybe_word(2, "event", EventType::parse)?, message_status }))
}

/// Forgets some; whether that is all.
async fn forget(tx: Tx<'_>, before: i64) -> Result<bool> {
    let mut over = true;
    for (text, at_once) in FORGET.into_iter().chain([(FORGET_UNTOLD, LISTS_AT_ONCE)]) {
        let gone = execute(tx.conn, text, |binds| {
            binds.push(before).push(at_once);
        });
        over &= gone.await? < at_once.unsigned_abs();
    }
    Ok(over)
}

#[async_trait]
impl Webhooks for SqliteStore {
    async fn create_webhook(&self, webhook: &Webhook, secret: &WebhookSecret) -> Result<bool> {
        let (webhook, secret) = (webhook.clone(), secret.clone());
        self.write(move |tx| Box::pin(async move { create(tx, webhook, &secret).await })).await
    }

    async fn webhook(&self, app: AppId, id: Uuid) -> Result<Option<Webhook>> {
        let mut tx = self.read().await?;
        fetch_one(&mut tx, ONE, named(app, id)).await?.as_ref().map(read).transpose()
    }

    async fn webhooks(&self, app: AppId) -> Result<Vec<Webhook>> {
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, LIST, |binds| {
            binds.push(app.0);
        });
        rows.await?.iter().map(read).collect()
    }

    async fn change_webhook(&self, app: AppId, id: Uuid, change: &WebhookChange, if_is: Option<&Webhook>) -> Result<WebhookChanged> {
        let (change, if_is) = (change.clone(), if_is.cloned());
        self.write(move |tx| Box::pin(async move { change_one(tx, (app, id), &change, if_is.as_ref()).await })).await
    }

    async fn delete_webhook(&self, app: AppId, id: Uuid) -> Result<bool> {
        loop {
            match self.write(move |tx| Box::pin(delete_part(tx, app, id))).await? {
                Some(false) => {}
                over => return Ok(over.is_some()),
            }
        }
    }

    async fn rotate_webhook_secret(&self, app: AppId, id: Uuid, secret: &WebhookSecret) -> Result<bool> {
        let secret = secret.clone();
        self.write(move |tx| Box::pin(async move { rotate(tx, app, id, &secret).await })).await
    }

    async fn test_webhook(&self, app: AppId, id: Uuid) -> Result<Option<Uuid>> {
        self.write(move |tx| Box::pin(test(tx, app, id))).await
    }

    async fn gather_webhook_items(&self, limit: usize, each: usize) -> Result<usize> {
        let mut groups = VecDeque::from(ready(&mut *self.read().await?, self.now(), each).await?);
        let mut made = 0;
        // each has its turn before any has two
        while made < limit
            && let Some(group) = groups.pop_front()
        {
            let turn = group.clone();
            match self.write(move |tx| Box::pin(async move { gather(tx, &turn).await })).await {
                Ok(true) => {
                    made += 1;
                    groups.push_back(group);
                }
                Ok(false) => {}
                Err(error) if error.is_outage() => return Err(error),
                Err(error) => group.pass_over(&error),
            }
        }
        Ok(made)
    }

    async fn claim_webhook_messages(&self, bounds: ClaimBounds, lease: Duration) -> Result<Vec<DueMessage>> {
        self.write(move |tx| Box::pin(claim(tx, bounds, lease))).await
    }

    async fn attempted(&self, message: &DueMessage, attempt: &Attempt, next: Next) -> Result<()> {
        let (claimed, attempt) = (Claimed::from(message), attempt.clone());
        self.write(move |tx| Box::pin(attempted(tx, claimed, attempt, next))).await
    }

    async fn webhook_attempts(&self, app: AppId, id: Uuid, page: &PageRequest) -> Result<Option<Page<ListedAttempt>>> {
        let before = page.after.as_deref().map_or(Ok(Before(i64::MAX, i64::MAX)), from_text)?;
        let mut tx = self.read().await?;
        if fetch_one(&mut tx, ONE, named(app, id)).await?.is_none() {
            return Ok(None);
        }
        let rows = fetch(&mut tx, ATTEMPTS, |binds| {
            binds.push(id.as_bytes().as_slice()).push(before.0).push(before.1).push(count(page.limit + 1));
        });
        let mut rows = rows.await?.iter().map(|row| listed(row, id)).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > page.limit;
        rows.truncate(page.limit);
        let place = |(number, last): &(i64, ListedAttempt)| to_cursor(&Before(micros(last.attempt.at), *number));
        let next = rows.last().filter(|_| more).map(place).transpose()?;
        Ok(Some(Page { items: rows.into_iter().map(|(_, item)| item).collect(), next }))
    }

    async fn replay_webhook(&self, app: AppId, id: Uuid, from: Timestamp, to: Timestamp) -> Result<Option<u64>> {
        let (mut place, mut replayed) = (Some((micros(from), Uuid::nil())), 0);
        while let Some(after) = place {
            let part = self.write(move |tx| Box::pin(webhook_replay::part(tx, (app, id), after, micros(to)))).await?;
            let Some((some, next)) = part else { return Ok(None) };
            (place, replayed) = (next, replayed + some);
        }
        Ok(Some(replayed))
    }

    async fn prune_webhooks(&self, before: Timestamp) -> Result<bool> {
        let before = micros(before);
        self.write(move |tx| Box::pin(forget(tx, before))).await
    }
}
