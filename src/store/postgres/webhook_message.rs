//! Items become messages, and messages are claimed. Whoever does it for a webhook has its row locked; what another has locked is left to it.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::rules::secret::to_value;
use super::super::rules::webhook_places::Places;
use super::super::rules::webhooks::{
    Group, Waiting, later, lingered, message_id, pack, tell_secret_unreadable, to_list, unreadable_attempt,
};
use super::super::seal::{Place, Seal};
use super::super::webhook::{ClaimBounds, DueMessage, MessageStatus, WebhookSecret};
use super::super::{Error, Result};
use super::batch::{count, execute, fetch, fetch_one};
use super::row::Cells;
use super::tx::Tx;
use super::webhook::{note, settle};
use crate::domain::Timestamp;
use crate::domain::id::AppId;
use crate::domain::webhook::{EventType, MAX_ITEMS, TRIED_FOR};

/// Webhooks and types whose items are to be gathered: the oldest have waited, of those who have messages enough for longer, or there are
/// enough to fill a message. They are looked for one by one, since of one there may be very many.
pub(super) const READY: &str = "WITH RECURSIVE oldest (webhook, event, at) AS (\
                                SELECT '00000000-0000-0000-0000-000000000000'::uuid, ''::text, NULL::timestamptz UNION ALL \
                                SELECT i.webhook, i.event, i.at FROM oldest CROSS JOIN LATERAL (SELECT webhook, event, at FROM webhook_item \
                                WHERE (webhook, event) > (oldest.webhook, oldest.event) ORDER BY webhook, event, id LIMIT 1) i), \
                                stand AS MATERIALIZED (SELECT webhook, event, at, (SELECT count(*) FROM (SELECT 1 FROM webhook_message m \
                                WHERE m.webhook = oldest.webhook AND m.status = 'waiting' AND m.next_at <= $1 LIMIT $2) due) + \
                                (SELECT count(*) FROM webhook_message m WHERE m.webhook = oldest.webhook AND m.status = 'waiting' \
                                AND m.lease_until IS NOT NULL AND m.lease_until > $1) >= $2 AS is_behind FROM oldest WHERE event <> '') \
                                SELECT webhook, event, is_behind FROM stand WHERE at <= CASE WHEN is_behind THEN $4::timestamptz ELSE $3 END \
                                OR (SELECT sum(n)::bigint FROM (SELECT n FROM webhook_item i WHERE i.webhook = stand.webhook \
                                AND i.event = stand.event ORDER BY id LIMIT $5) front) >= $5 ORDER BY at";
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
/// Who has something due and may have more under way, and no more of an app's than it has places. Of a disabled one nothing is due but
/// tests. Webhooks are few: all are looked at. For each it is one look whether something is due; with `EXISTS` the server would make a list
/// of all that is. Whoever claims locks the app too, whose places they share.
const DUE: &str = "WITH stand AS MATERIALIZED (SELECT id, app, served_at, disabled IS NOT NULL AS is_disabled, \
                   (SELECT count(*) FROM webhook_message m WHERE m.webhook = webhook.id AND m.status = 'waiting' \
                   AND m.lease_until IS NOT NULL AND m.lease_until > $1) AS held FROM webhook), \
                   busy AS MATERIALIZED (SELECT app, sum(held)::bigint AS held FROM stand GROUP BY app), \
                   due AS MATERIALIZED (SELECT s.id, busy.held, row_number() OVER (PARTITION BY s.app ORDER BY s.served_at, s.id) AS place \
                   FROM stand s JOIN busy ON busy.app = s.app WHERE s.held < $3 \
                   AND ((NOT s.is_disabled AND (SELECT true FROM webhook_message m \
                   WHERE m.webhook = s.id AND m.status = 'waiting' AND m.next_at <= $1 LIMIT 1)) \
                   OR (SELECT true FROM webhook_message m \
                   WHERE m.webhook = s.id AND m.status = 'waiting' AND m.event IS NULL AND m.next_at <= $1 LIMIT 1))) \
                   SELECT w.id, w.app, w.url, w.secret, w.previous_secret, w.previous_until, w.disabled IS NOT NULL \
                   FROM due JOIN webhook w ON w.id = due.id JOIN app a ON a.id = w.app WHERE due.place <= $4 - due.held \
                   ORDER BY w.served_at, w.id LIMIT $2 FOR NO KEY UPDATE OF w, a SKIP LOCKED";
/// What the webhooks of these apps have under way, now that nobody else can add to it.
pub(super) const HELD: &str = "SELECT w.id, w.app, (SELECT count(*) FROM webhook_message m WHERE m.webhook = w.id AND m.status = 'waiting' \
                               AND m.lease_until IS NOT NULL AND m.lease_until > $2) FROM unnest($1::bigint[]) AS ask (app) \
                               CROSS JOIN LATERAL (SELECT id, app FROM webhook WHERE app = ask.app) w";
macro_rules! claim {
    ($which:literal) => {
        concat!(
            "WITH due AS MATERIALIZED (SELECT id FROM webhook_message WHERE webhook = $1 AND status = 'waiting' AND next_at <= $2 ",
            $which,
            "ORDER BY next_at, id LIMIT $4 FOR UPDATE SKIP LOCKED) \
             UPDATE webhook_message m SET lease_until = $3, next_at = $3 FROM due WHERE m.id = due.id \
             RETURNING m.id, m.event, m.created_at, m.data, m.attempts, m.until, m.lease_until"
        )
    };
}
pub(super) const CLAIM: &str = claim!("");
pub(super) const CLAIM_TESTS: &str = claim!("AND event IS NULL ");
const SERVED: &str = "UPDATE webhook SET served_at = $2 WHERE id = ANY ($1)";

/// What there is to gather, the oldest first. A webhook is behind that has `each` messages due or under way.
pub(super) async fn ready(tx: &mut Tx, each: usize) -> Result<Vec<Group>> {
    let now = tx.now;
    let rows = fetch(tx, READY, |binds| {
        binds.push(now).push(count(each)).push(lingered(now, false)).push(lingered(now, true)).push(count(MAX_ITEMS));
    });
    let group = |row: &PgRow| {
        let cells = Cells::new(row, "webhook_item", 0);
        Ok(Group { webhook: cells.get(0, "webhook")?, event: cells.get(1, "event")?, waited: lingered(now, cells.get(2, "at")?) })
    };
    rows.await?.iter().map(group).collect()
}

/// Makes one message; whether there was enough for one, and nobody else at it.
pub(super) async fn gather(tx: &mut Tx, group: &Group) -> Result<bool> {
    let (webhook, event) = (group.webhook, group.event.as_str());
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
    let Some(packed) = pack(&rows, group.waited)? else { return Ok(false) };
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
    let Some(data) = &packed.data else { return Ok(false) };
    execute(tx, ADD, |binds| {
        binds.push(message_id(now)).push(webhook).push(event).push(now).push(later(now, TRIED_FOR)).push(data);
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
    let secrets = secrets(cells, seal, id, now).or_else(|error| match error {
        // what is due ends in time, with attempts that say why
        Error::Unreadable { .. } => {
            tell_secret_unreadable(&error);
            Ok(Vec::new())
        }
        error => Err(error),
    })?;
    Ok(Receiver { id, app: AppId(cells.get(1, "app")?), url: cells.get(2, "url")?, secrets, is_disabled: cells.get(6, "disabled")? })
}

fn secrets(cells: Cells<'_>, seal: &Seal, id: Uuid, now: Timestamp) -> Result<Vec<WebhookSecret>> {
    let open = |index, column| {
        let kept: &str = cells.get(index, column)?;
        to_value(seal.open(Place::Webhook(id), kept)).ok_or_else(|| cells.unreadable(column))
    };
    let mut secrets = vec![open(3, "secret")?];
    if cells.maybe_instant(5, "previous_until")?.is_some_and(|until| until > now) {
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
pub(super) async fn claim(tx: &mut Tx, bounds: ClaimBounds, lease: Duration) -> Result<Vec<DueMessage>> {
    let now = tx.now;
    let ClaimBounds { limit, of_webhook, of_app } = bounds;
    let rows = fetch(tx, DUE, |binds| {
        binds.push(now).push(count(limit)).push(count(of_webhook)).push(count(of_app));
    });
    let rows = rows.await?;
    let receivers = rows.iter().map(|row| receiver(row, &tx.seal, now)).collect::<Result<Vec<Receiver>>>()?;
    if receivers.is_empty() {
        return Ok(Vec::new());
    }
    let (held, of_apps) = held(tx, &receivers).await?;
    let mut places = Places::new(bounds, of_apps);
    let (mut claimed, mut served) = (Vec::new(), Vec::new());
    for receiver in &receivers {
        let room = places.room(receiver.app, held.get(&receiver.id).copied().unwrap_or_default());
        if room > 0 {
            let messages = claim_of(tx, receiver, room, lease).await?;
            places.take(receiver.app, messages.len());
            claimed.extend(messages);
            served.push(receiver.id);
        }
    }
    execute(tx, SERVED, |binds| {
        binds.push(served).push(now);
    })
    .await?;
    Ok(claimed)
}

/// What webhooks and apps have under way.
async fn held(tx: &mut Tx, receivers: &[Receiver]) -> Result<(HashMap<Uuid, usize>, HashMap<AppId, usize>)> {
    let (now, apps) = (tx.now, receivers.iter().map(|receiver| receiver.app.0).collect::<BTreeSet<i64>>());
    let rows = fetch(tx, HELD, |binds| {
        binds.push(apps.into_iter().collect::<Vec<i64>>()).push(now);
    });
    let (mut held, mut of_apps) = (HashMap::new(), HashMap::new());
    for row in &rows.await? {
        let cells = Cells::new(row, "webhook", 0);
        let n: usize = cells.count(2, "lease_until")?;
        held.insert(cells.get(0, "id")?, n);
        *of_apps.entry(AppId(cells.get(1, "app")?)).or_default() += n;
    }
    Ok((held, of_apps))
}

/// As many as there is room for; one that cannot be read is over.
async fn claim_of(tx: &mut Tx, receiver: &Receiver, room: usize, lease: Duration) -> Result<Vec<DueMessage>> {
    let (now, id) = (tx.now, receiver.id);
    let text = if receiver.is_disabled { CLAIM_TESTS } else { CLAIM };
    let rows = fetch(tx, text, |binds| {
        binds.push(id).push(now).push(later(now, lease)).push(count(room));
    });
    let mut claimed = Vec::new();
    for row in &rows.await? {
        let cells = Cells::new(row, "webhook_message", 0);
        let message = cells.get(0, "id")?;
        match due(cells, message, receiver) {
            Ok(due) => claimed.push(due),
            Err(error @ Error::Unreadable { .. }) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a webhook message is given up");
                note(tx, &unreadable_attempt(id, message, now), None).await?;
                settle(tx, message, MessageStatus::Failed, None).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(claimed)
}
