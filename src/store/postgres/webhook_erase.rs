//! Nobody who is erased is named in what webhooks are still to be told, or were told ([`Looked`] says why none is missed).
//!
//! Looking takes no lock. Lists are written anew under the webhook's row, as whoever makes messages of items has it.

use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::Result;
use super::super::rules::webhook_erasure::{Erased, FEW, IDS, LISTS, Looked, ROUNDS};
use super::batch::{count, execute, fetch, fetch_one};
use super::door::Door;
use super::row::Cells;
use super::tx::{Tx, reading, transaction};
use crate::domain::Timestamp;
use crate::domain::id::AppId;

pub(super) const WEBHOOKS: &str = "SELECT id FROM webhook WHERE app = $1 ORDER BY created_at, id";
pub(super) const LOCKED: &str = "SELECT id FROM webhook WHERE app = $1 ORDER BY created_at, id FOR NO KEY UPDATE";
const TURN: &str = "SELECT 1 FROM webhook WHERE id = $1 FOR NO KEY UPDATE";
pub(super) const ITEMS: &str =
    "SELECT id, event FROM webhook_item WHERE webhook = $1 AND (event, id) > ($2, $3) ORDER BY event, id LIMIT $4";
pub(super) const ITEM_LISTS: &str = "SELECT i.id, i.data FROM unnest($1::bigint[]) AS ask (id) \
                                     CROSS JOIN LATERAL (SELECT id, data FROM webhook_item WHERE id = ask.id LIMIT 1) i";
const ITEM: &str = "UPDATE webhook_item SET data = $2 WHERE id = $1";
pub(super) const MESSAGES: &str = "SELECT id, created_at FROM webhook_message \
                                   WHERE webhook = $1 AND (created_at, id) > (coalesce($2, '-infinity'::timestamptz), $3) \
                                   ORDER BY created_at, id LIMIT $4";
pub(super) const MESSAGE_LISTS: &str = "SELECT m.id, m.data FROM unnest($1::uuid[]) AS ask (id) \
                                        CROSS JOIN LATERAL (SELECT id, data FROM webhook_message WHERE id = ask.id LIMIT 1) m";
const MESSAGE: &str = "UPDATE webhook_message SET data = $2 WHERE id = $1";

/// Takes them out of what is kept, but for what is written meanwhile.
pub(super) async fn catch_up(door: &Door, app: AppId, erased: &Erased, looked: &mut Looked) -> Result<()> {
    for _ in 0..ROUNDS {
        let (now, webhooks) = transaction!(door, tx => webhooks(&mut tx, WEBHOOKS, app))?;
        looked.begin(now);
        let mut lists = 0;
        for webhook in webhooks {
            lists += items(door, webhook, erased, looked).await?;
            lists += messages(door, webhook, erased, looked).await?;
        }
        looked.end();
        if lists <= FEW {
            break;
        }
    }
    Ok(())
}

/// Locks an app's webhooks: no messages are made of items any more.
pub(super) async fn lock(tx: &mut Tx, app: AppId) -> Result<Vec<Uuid>> {
    Ok(webhooks(tx, LOCKED, app).await?.1)
}

/// Takes them out of what was not looked at, of webhooks that are locked.
pub(super) async fn erase_rest(tx: &mut Tx, webhooks: &[Uuid], erased: &Erased, looked: &Looked) -> Result<()> {
    for webhook in webhooks {
        let mut place = Some(FIRST_ITEM);
        while let Some(after) = place {
            let (ids, next) = item_page(tx, *webhook, &after).await?;
            for part in looked.other_items(ids).chunks(LISTS) {
                write_items(tx, part, erased).await?;
            }
            place = next;
        }
        let mut place = Some((looked.since(), Uuid::nil()));
        while let Some(after) = place {
            let (made, next) = message_page(tx, *webhook, after).await?;
            let ids: Vec<Uuid> = looked.other_messages(made).into_iter().map(|(_, id)| id).collect();
            for part in ids.chunks(LISTS) {
                write_messages(tx, part, erased).await?;
            }
            place = next;
        }
    }
    Ok(())
}

async fn webhooks(tx: &mut Tx, text: &'static str, app: AppId) -> Result<(Timestamp, Vec<Uuid>)> {
    let rows = fetch(tx, text, |binds| {
        binds.push(app.0);
    });
    let id = |row: &PgRow| Cells::new(row, "webhook", 0).get::<Uuid>(0, "id");
    let webhooks = rows.await?.iter().map(id).collect::<Result<_>>()?;
    Ok((tx.now, webhooks))
}

/// Whether a webhook is there, which is locked then.
async fn turn(tx: &mut Tx, webhook: Uuid) -> Result<bool> {
    let turn = fetch_one(tx, TURN, |binds| {
        binds.push(webhook);
    });
    Ok(turn.await?.is_some())
}

/// Looks through a webhook's items; through how many lists.
async fn items(door: &Door, webhook: Uuid, erased: &Erased, looked: &mut Looked) -> Result<usize> {
    let (mut place, mut lists) = (Some(FIRST_ITEM), 0);
    while let Some(after) = place {
        let (ids, next) = reading!(door, conn => item_page(&mut conn, webhook, &after))?;
        let others = looked.other_items(ids);
        for part in others.chunks(LISTS) {
            let named = reading!(door, conn => items_without(&mut conn, part, erased))?;
            let ids: Vec<i64> = named.into_iter().map(|(id, _)| id).collect();
            if !ids.is_empty() {
                transaction!(door, tx => async {
                    if turn(&mut tx, webhook).await? { write_items(&mut tx, &ids, erased).await } else { Ok(()) }
                })?;
            }
            looked.add_items(part);
        }
        (place, lists) = (next, lists + others.len());
    }
    Ok(lists)
}

/// Looks through a webhook's messages; through how many lists.
async fn messages(door: &Door, webhook: Uuid, erased: &Erased, looked: &mut Looked) -> Result<usize> {
    let (mut place, mut lists) = (Some((looked.since(), Uuid::nil())), 0);
    while let Some(after) = place {
        let (made, next) = reading!(door, conn => message_page(&mut conn, webhook, after))?;
        let others = looked.other_messages(made);
        for part in others.chunks(LISTS) {
            let ids: Vec<Uuid> = part.iter().map(|(_, id)| *id).collect();
            let named = reading!(door, conn => messages_without(&mut conn, &ids, erased))?;
            let ids: Vec<Uuid> = named.into_iter().map(|(id, _)| id).collect();
            if !ids.is_empty() {
                transaction!(door, tx => async {
                    if turn(&mut tx, webhook).await? { write_messages(&mut tx, &ids, erased).await } else { Ok(()) }
                })?;
            }
            looked.add_messages(part);
        }
        (place, lists) = (next, lists + others.len());
    }
    Ok(lists)
}

/// Where a list of items goes on: after a type and an id.
type ItemPlace = (String, i64);
const FIRST_ITEM: ItemPlace = (String::new(), 0);

async fn item_page(conn: &mut PgConnection, webhook: Uuid, after: &ItemPlace) -> Result<(Vec<i64>, Option<ItemPlace>)> {
    let rows = fetch(conn, ITEMS, |binds| {
        binds.push(webhook).push(&after.0).push(after.1).push(count(IDS));
    });
    let rows = rows.await?;
    let place = |row: &PgRow| {
        let cells = Cells::new(row, "webhook_item", 0);
        Ok((cells.get(1, "event")?, cells.get(0, "id")?))
    };
    let places: Vec<ItemPlace> = rows.iter().map(place).collect::<Result<_>>()?;
    let ids = places.iter().map(|(_, id)| *id).collect();
    Ok((ids, places.into_iter().nth(IDS - 1)))
}

/// Where a list of messages goes on: after an instant and an id.
type MessagePlace = (Option<Timestamp>, Uuid);

async fn message_page(
    conn: &mut PgConnection,
    webhook: Uuid,
    after: MessagePlace,
) -> Result<(Vec<(Timestamp, Uuid)>, Option<MessagePlace>)> {
    let rows = fetch(conn, MESSAGES, |binds| {
        binds.push(webhook).push(after.0).push(after.1).push(count(IDS));
    });
    let made = |row: &PgRow| {
        let cells = Cells::new(row, "webhook_message", 0);
        Ok((cells.instant(1, "created_at")?, cells.get(0, "id")?))
    };
    let made: Vec<(Timestamp, Uuid)> = rows.await?.iter().map(made).collect::<Result<_>>()?;
    let next = made.get(IDS - 1).map(|(at, id)| (Some(*at), *id));
    Ok((made, next))
}

/// Of these lists those that name them, without them.
async fn items_without(conn: &mut PgConnection, ids: &[i64], erased: &Erased) -> Result<Vec<(i64, String)>> {
    let rows = fetch(conn, ITEM_LISTS, |binds| {
        binds.push(ids);
    });
    let mut named = Vec::new();
    for row in &rows.await? {
        let cells = Cells::new(row, "webhook_item", 0);
        let list = erased.without(cells.get(1, "data")?).map_err(|_| cells.unreadable("data"))?;
        if let Some(list) = list {
            named.push((cells.get(0, "id")?, list));
        }
    }
    Ok(named)
}

async fn messages_without(conn: &mut PgConnection, ids: &[Uuid], erased: &Erased) -> Result<Vec<(Uuid, String)>> {
    let rows = fetch(conn, MESSAGE_LISTS, |binds| {
        binds.push(ids);
    });
    let mut named = Vec::new();
    for row in &rows.await? {
        let cells = Cells::new(row, "webhook_message", 0);
        let list = erased.without(cells.get(1, "data")?).map_err(|_| cells.unreadable("data"))?;
        if let Some(list) = list {
            named.push((cells.get(0, "id")?, list));
        }
    }
    Ok(named)
}

async fn write_items(tx: &mut Tx, ids: &[i64], erased: &Erased) -> Result<()> {
    for (id, list) in items_without(tx, ids, erased).await? {
        execute(tx, ITEM, |binds| {
            binds.push(id).push(list);
        })
        .await?;
    }
    Ok(())
}

async fn write_messages(tx: &mut Tx, ids: &[Uuid], erased: &Erased) -> Result<()> {
    for (id, list) in messages_without(tx, ids, erased).await? {
        execute(tx, MESSAGE, |binds| {
            binds.push(id).push(list);
        })
        .await?;
    }
    Ok(())
}
