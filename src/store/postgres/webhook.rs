//! Webhooks: what they are, and what was tried.
//!
//! A webhook's row is locked before its items, messages and attempts are.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::rules::cursor::{from_text, to_text as to_cursor};
use super::super::rules::secret::to_text;
use super::super::rules::webhook_outcomes::{Claimed, Health, Met, follows};
use super::super::rules::webhooks::{change, disabled, disabled_text, later, message_id, status, status_of_gone, status_text};
use super::super::seal::Place;
use super::super::webhook::{
    Attempt, ClaimBounds, DueMessage, ListedAttempt, MessageStatus, Next, WebhookChange, WebhookChanged, WebhookSecret, Webhooks,
};
use super::super::{Page, PageRequest, Result};
use super::PostgresStore;
use super::batch::{Binds, count, execute, fetch, fetch_one};
use super::row::{Cells, listed_at, to_document};
use super::tx::{Tx, reading, transaction};
use super::webhook_message::{claim, gather, ready};
use super::webhook_replay;
use crate::domain::Timestamp;
use crate::domain::id::AppId;
use crate::domain::webhook::{EventType, MAX_WEBHOOKS, OVERLAP, TRIED_FOR, Webhook};

/// Messages, or lists of items, that one commit forgets: each may be hundreds of kilobytes.
const LISTS_AT_ONCE: i64 = 50;
/// Attempts that one commit forgets.
const ATTEMPTS_AT_ONCE: i64 = 2_000;

macro_rules! columns {
    ($rest:literal) => {
        concat!("SELECT id, app, url, events::text, disabled, failing_since, created_at, updated_at FROM webhook ", $rest)
    };
}
/// An app's webhooks are made one after the other, so that there are not too many.
const TURN: &str = "SELECT id FROM app WHERE id = $1 FOR NO KEY UPDATE";
pub(super) const ADD: &str = "INSERT INTO webhook (id, app, url, events, secret, disabled, failing_since, created_at, updated_at) \
                              SELECT $1, $2, $3, $4::json, $5, $6, $7, $8, $9 WHERE (SELECT count(*) FROM webhook WHERE app = $2) < $10";
pub(super) const ONE: &str = columns!("WHERE id = $2 AND app = $1");
pub(super) const LOCKED: &str = columns!("WHERE id = $2 AND app = $1 FOR UPDATE");
pub(super) const LIST: &str = columns!("WHERE app = $1 ORDER BY created_at, id");
const CHANGE: &str = "UPDATE webhook SET url = $2, events = $3::json, disabled = $4, failing_since = $5, updated_at = $6 WHERE id = $1";
const ROTATE: &str =
    "UPDATE webhook SET previous_secret = secret, previous_until = $4, secret = $3, updated_at = $5 WHERE id = $2 AND app = $1";
const TEST: &str = "INSERT INTO webhook_message (id, webhook, status, next_at, until, created_at, data) \
                    SELECT $3, w.id, 'waiting', $4, $5, $4, '[]' FROM (SELECT id FROM webhook WHERE id = $2 AND app = $1 FOR KEY SHARE) w";
/// What goes with a webhook, so much at a time.
pub(super) const OF_WEBHOOK: [(&str, i64); 3] = [
    ("DELETE FROM webhook_item WHERE id = ANY (ARRAY (SELECT id FROM webhook_item WHERE webhook = $1 LIMIT $2))", LISTS_AT_ONCE),
    (
        "DELETE FROM webhook_message WHERE id = ANY (ARRAY (SELECT id FROM webhook_message WHERE webhook = $1 \
         ORDER BY created_at, id LIMIT $2))",
        LISTS_AT_ONCE,
    ),
    ("DELETE FROM webhook_attempt WHERE id = ANY (ARRAY (SELECT id FROM webhook_attempt WHERE webhook = $1 LIMIT $2))", ATTEMPTS_AT_ONCE),
];
const DELETE: &str = "DELETE FROM webhook WHERE id = $1";
const THERE: &str = "SELECT id, url, failing_since FROM webhook WHERE id = $1 FOR NO KEY UPDATE";
/// A lease is the claim's that ends with it.
const STAND: &str = "SELECT event, status = 'waiting' AND lease_until > $2 AND lease_until = $3, until FROM webhook_message \
                     WHERE id = $1 FOR UPDATE";
const NOTE: &str = "INSERT INTO webhook_attempt (webhook, message, event, at, took_ms, status, error) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const SETTLE: &str =
    "UPDATE webhook_message SET status = $2, next_at = coalesce($3, next_at), attempts = attempts + 1, lease_until = NULL WHERE id = $1";
const WELL: &str = "UPDATE webhook SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL";
const FAILED: &str = "UPDATE webhook SET failing_since = coalesce(failing_since, $2), disabled = coalesce(disabled, $3), \
                      updated_at = CASE WHEN disabled IS NULL AND $3::text IS NOT NULL THEN $4 ELSE updated_at END WHERE id = $1";
pub(super) const ATTEMPTS: &str = "SELECT a.id, a.message, a.event, a.at, a.took_ms, a.status, a.error, m.status FROM webhook_attempt a \
                                   LEFT JOIN LATERAL (SELECT status FROM webhook_message WHERE id = a.message LIMIT 1) m ON true \
                                   WHERE a.webhook = $1 AND (a.at, a.id) < (coalesce($2, 'infinity'::timestamptz), $3) \
                                   ORDER BY a.at DESC, a.id DESC LIMIT $4";
/// A row that another node forgets is left to it.
pub(super) const FORGET: [(&str, i64); 2] = [
    (
        "DELETE FROM webhook_message WHERE id = ANY (ARRAY (SELECT id FROM webhook_message WHERE status <> 'waiting' AND created_at < $1 \
         ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED))",
        LISTS_AT_ONCE,
    ),
    (
        "DELETE FROM webhook_attempt WHERE id = ANY (ARRAY (SELECT id FROM webhook_attempt WHERE at < $1 ORDER BY at LIMIT $2 \
         FOR UPDATE SKIP LOCKED))",
        ATTEMPTS_AT_ONCE,
    ),
];
/// What waits although its time was over long ago: its webhook is disabled. None of it is due later. Webhooks are few: all are looked at.
const FORGET_UNTOLD: &str = "DELETE FROM webhook_message WHERE id = ANY (ARRAY (SELECT m.id FROM webhook w CROSS JOIN LATERAL \
                             (SELECT id FROM webhook_message WHERE webhook = w.id AND status = 'waiting' AND next_at < $1 AND until < $1 \
                             LIMIT $2 FOR UPDATE SKIP LOCKED) m LIMIT $2))";

/// Where a list goes on: before an instant in microseconds since 1970, and an attempt.
#[derive(Serialize, Deserialize)]
struct Before(i64, i64);

pub(super) fn named(app: AppId, id: Uuid) -> impl FnOnce(&mut Binds) + Send {
    move |binds| {
        binds.push(app.0).push(id);
    }
}

fn read(row: &PgRow) -> Result<Webhook> {
    let cells = Cells::new(row, "webhook", 0);
    Ok(Webhook {
        id: cells.get(0, "id")?,
        app: AppId(cells.get(1, "app")?),
        url: cells.get(2, "url")?,
        events: cells.document(3, "events")?,
        disabled: cells.maybe_word(4, "disabled", disabled)?,
        failing_since: cells.maybe_instant(5, "failing_since")?,
        created_at: cells.instant(6, "created_at")?,
        updated_at: cells.instant(7, "updated_at")?,
    })
}

async fn create(tx: &mut Tx, webhook: &Webhook, secret: &WebhookSecret) -> Result<bool> {
    let secret = tx.seal.seal(Place::Webhook(webhook.id), to_text(secret))?;
    let events = to_document(&webhook.events)?;
    fetch(tx, TURN, |binds| {
        binds.push(webhook.app.0);
    })
    .await?;
    let add = execute(tx, ADD, |binds| {
        binds.push(webhook.id).push(webhook.app.0).push(&webhook.url).push(&events).push(&secret);
        binds.push(webhook.disabled.map(disabled_text)).push(webhook.failing_since);
        binds.push(webhook.created_at).push(webhook.updated_at).push(count(MAX_WEBHOOKS));
    });
    Ok(add.await? > 0)
}

async fn change_one(tx: &mut Tx, (app, id): (AppId, Uuid), wanted: &WebhookChange, if_is: Option<&Webhook>) -> Result<WebhookChanged> {
    let Some(row) = fetch_one(tx, LOCKED, named(app, id)).await? else { return Ok(WebhookChanged::Unknown) };
    let mut webhook = read(&row)?;
    if if_is.is_some_and(|expected| *expected != webhook) {
        return Ok(WebhookChanged::Stale);
    }
    change(&mut webhook, wanted, tx.now);
    let events = to_document(&webhook.events)?;
    let write = execute(tx, CHANGE, |binds| {
        binds.push(id).push(&webhook.url).push(&events).push(webhook.disabled.map(disabled_text));
        binds.push(webhook.failing_since).push(webhook.updated_at);
    });
    write.await?;
    Ok(WebhookChanged::Written(webhook))
}

/// Forgets a part; `None`: there is none. Otherwise whether nothing is left.
async fn delete_part(tx: &mut Tx, app: AppId, id: Uuid) -> Result<Option<bool>> {
    if fetch_one(tx, LOCKED, named(app, id)).await?.is_none() {
        return Ok(None);
    }
    for (text, at_once) in OF_WEBHOOK {
        let some = execute(tx, text, |binds| {
            binds.push(id).push(at_once);
        });
        if some.await? >= at_once.unsigned_abs() {
            return Ok(Some(false));
        }
    }
    execute(tx, DELETE, |binds| {
        binds.push(id);
    })
    .await?;
    Ok(Some(true))
}

async fn rotate(tx: &mut Tx, (app, id): (AppId, Uuid), secret: &WebhookSecret) -> Result<bool> {
    let (text, now) = (tx.seal.seal(Place::Webhook(id), to_text(secret))?, tx.now);
    let rotate = execute(tx, ROTATE, |binds| {
        binds.push(app.0).push(id).push(&text).push(later(now, OVERLAP)).push(now);
    });
    Ok(rotate.await? > 0)
}

async fn test(tx: &mut Tx, app: AppId, id: Uuid) -> Result<Option<Uuid>> {
    let now = tx.now;
    let message = message_id(now);
    let add = execute(tx, TEST, |binds| {
        binds.push(app.0).push(id).push(message).push(now).push(later(now, TRIED_FOR));
    });
    Ok((add.await? > 0).then_some(message))
}

/// Writes an attempt down.
pub(super) async fn note(tx: &mut Tx, attempt: &Attempt, event: Option<EventType>) -> Result<()> {
    let note = execute(tx, NOTE, |binds| {
        binds.push(attempt.webhook).push(attempt.message).push(event.map(EventType::as_str)).push(attempt.at);
        binds.push(i64::try_from(attempt.took_ms).unwrap_or(i64::MAX)).push(attempt.status.map(i64::from)).push(attempt.error.as_deref());
    });
    note.await.map(drop)
}

/// A message stands so after an attempt, and is due then, or as before.
pub(super) async fn settle(tx: &mut Tx, message: Uuid, status: MessageStatus, due: Option<Timestamp>) -> Result<()> {
    let settle = execute(tx, SETTLE, |binds| {
        binds.push(message).push(status_text(status)).push(due);
    });
    settle.await.map(drop)
}

async fn attempted(tx: &mut Tx, claimed: &Claimed, attempt: &Attempt, next: Next) -> Result<()> {
    let (now, webhook, message) = (tx.now, attempt.webhook, attempt.message);
    let there = fetch_one(tx, THERE, |binds| {
        binds.push(webhook);
    });
    let Some(there) = there.await? else { return Ok(()) };
    let stand = fetch_one(tx, STAND, |binds| {
        binds.push(message).push(now).push(claimed.lease_until);
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
    note(tx, attempt, event).await?;
    let Some(follows) = follows(next, claimed, &met, now) else { return Ok(()) };
    settle(tx, message, follows.status, follows.due).await?;
    match follows.health {
        Health::Unknown => {}
        Health::Well => {
            execute(tx, WELL, |binds| {
                binds.push(webhook);
            })
            .await?;
        }
        Health::Failed(why) => {
            execute(tx, FAILED, |binds| {
                binds.push(webhook).push(attempt.at).push(why.map(disabled_text)).push(now);
            })
            .await?;
        }
    }
    Ok(())
}

fn listed(row: &PgRow, webhook: Uuid) -> Result<(i64, ListedAttempt)> {
    let cells = Cells::new(row, "webhook_attempt", 0);
    let answered = cells.get::<Option<i64>>(5, "status")?.map(|status| u16::try_from(status).map_err(|_| cells.unreadable("status")));
    let attempt = Attempt {
        message: cells.get(1, "message")?,
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

type Attempts = Option<Vec<(i64, ListedAttempt)>>;

async fn attempts(conn: &mut PgConnection, (app, id): (AppId, Uuid), before: (Option<Timestamp>, i64), limit: usize) -> Result<Attempts> {
    if fetch_one(conn, ONE, named(app, id)).await?.is_none() {
        return Ok(None);
    }
    let rows = fetch(conn, ATTEMPTS, |binds| {
        binds.push(id).push(before.0).push(before.1).push(count(limit));
    });
    rows.await?.iter().map(|row| listed(row, id)).collect::<Result<_>>().map(Some)
}

/// Forgets some; whether that is all.
async fn forget(tx: &mut Tx, before: Timestamp) -> Result<bool> {
    let mut over = true;
    for (text, at_once) in FORGET.into_iter().chain([(FORGET_UNTOLD, LISTS_AT_ONCE)]) {
        let gone = execute(tx, text, |binds| {
            binds.push(before).push(at_once);
        });
        over &= gone.await? < at_once.unsigned_abs();
    }
    Ok(over)
}

#[async_trait]
impl Webhooks for PostgresStore {
    async fn create_webhook(&self, webhook: &Webhook, secret: &WebhookSecret) -> Result<bool> {
        transaction!(self.callers, tx => create(&mut tx, webhook, secret))
    }

    async fn webhook(&self, app: AppId, id: Uuid) -> Result<Option<Webhook>> {
        let row = reading!(self.callers, conn => fetch_one(&mut conn, ONE, named(app, id)));
        row?.as_ref().map(read).transpose()
    }

    async fn webhooks(&self, app: AppId) -> Result<Vec<Webhook>> {
        let rows = reading!(self.callers, conn => fetch(&mut conn, LIST, |binds| {
            binds.push(app.0);
        }));
        rows?.iter().map(read).collect()
    }

    async fn change_webhook(&self, app: AppId, id: Uuid, change: &WebhookChange, if_is: Option<&Webhook>) -> Result<WebhookChanged> {
        transaction!(self.callers, tx => change_one(&mut tx, (app, id), change, if_is))
    }

    async fn delete_webhook(&self, app: AppId, id: Uuid) -> Result<bool> {
        loop {
            match transaction!(self.callers, tx => delete_part(&mut tx, app, id))? {
                Some(false) => {}
                over => return Ok(over.is_some()),
            }
        }
    }

    async fn rotate_webhook_secret(&self, app: AppId, id: Uuid, secret: &WebhookSecret) -> Result<bool> {
        transaction!(self.callers, tx => rotate(&mut tx, (app, id), secret))
    }

    async fn test_webhook(&self, app: AppId, id: Uuid) -> Result<Option<Uuid>> {
        transaction!(self.callers, tx => test(&mut tx, app, id))
    }

    async fn gather_webhook_items(&self, limit: usize, each: usize) -> Result<usize> {
        let mut groups = VecDeque::from(transaction!(self.callers, tx => ready(&mut tx, each))?);
        let mut made = 0;
        // each has its turn before any has two
        while made < limit
            && let Some(group) = groups.pop_front()
        {
            match transaction!(self.callers, tx => gather(&mut tx, &group)) {
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
        transaction!(self.callers, tx => claim(&mut tx, bounds, lease))
    }

    async fn attempted(&self, message: &DueMessage, attempt: &Attempt, next: Next) -> Result<()> {
        let claimed = Claimed::from(message);
        transaction!(self.callers, tx => attempted(&mut tx, &claimed, attempt, next))
    }

    async fn webhook_attempts(&self, app: AppId, id: Uuid, page: &PageRequest) -> Result<Option<Page<ListedAttempt>>> {
        let before = match page.after.as_deref().map(from_text::<Before>).transpose()? {
            Some(Before(at, number)) => (Some(listed_at(at)?), number),
            None => (None, i64::MAX),
        };
        let rows = reading!(self.callers, conn => attempts(&mut conn, (app, id), before, page.limit + 1))?;
        let Some(mut rows) = rows else { return Ok(None) };
        let more = rows.len() > page.limit;
        rows.truncate(page.limit);
        let place = |(number, last): &(i64, ListedAttempt)| to_cursor(&Before(last.attempt.at.timestamp_micros(), *number));
        let next = rows.last().filter(|_| more).map(place).transpose()?;
        Ok(Some(Page { items: rows.into_iter().map(|(_, item)| item).collect(), next }))
    }

    async fn replay_webhook(&self, app: AppId, id: Uuid, from: Timestamp, to: Timestamp) -> Result<Option<u64>> {
        let (mut place, mut replayed) = (Some((from, Uuid::nil())), 0);
        while let Some(after) = place {
            let part = transaction!(self.callers, tx => webhook_replay::part(&mut tx, (app, id), after, to))?;
            let Some((some, next)) = part else { return Ok(None) };
            (place, replayed) = (next, replayed + some);
        }
        Ok(Some(replayed))
    }

    async fn prune_webhooks(&self, before: Timestamp) -> Result<bool> {
        transaction!(self.callers, tx => forget(&mut tx, before))
    }
}
