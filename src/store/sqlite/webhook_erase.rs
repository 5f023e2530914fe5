//! Nobody who is erased is named in what webhooks are still to be told, or were told ([`Looked`] says why none is missed).
//!
//! Readers look; the writer is handed those lists only that name them.

use std::sync::Arc;

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::super::Result;
use super::super::rules::webhook_erasure::{Erased, FEW, IDS, LISTS, Looked, ROUNDS};
use super::SqliteStore;
use super::batch::{execute, fetch, fetch_list};
use super::json::List;
use super::row::{Cells, instant, micros};
use super::work::count;
use crate::domain::Timestamp;
use crate::domain::id::AppId;

const WEBHOOKS: &str = "SELECT id FROM webhook WHERE app = ?1";
pub(super) const ITEMS: &str = "SELECT json_group_array(json_array(event, id)) FROM (SELECT i.event, i.id FROM webhook_item i \
                                WHERE i.webhook = ?1 AND (i.event, i.id) > (?2, ?3) ORDER BY i.event, i.id LIMIT ?4)";
pub(super) const ITEM_LISTS: &str = "SELECT i.id, i.data FROM json_each(?1) j CROSS JOIN webhook_item i ON i.id = j.value";
const ITEM: &str = "UPDATE webhook_item SET data = ?2 WHERE id = ?1";
pub(super) const MESSAGES: &str = "SELECT json_group_array(json_array(created_at, hex(id))) FROM (SELECT m.created_at, m.id FROM webhook_message m \
                                   WHERE m.webhook = ?1 AND (m.created_at, m.id) > (?2, ?3) ORDER BY m.created_at, m.id LIMIT ?4)";
pub(super) const MESSAGE_LISTS: &str = "SELECT m.id, m.data FROM json_each(?1) j CROSS JOIN webhook_message m ON m.id = unhex(j.value)";
const MESSAGE: &str = "UPDATE webhook_message SET data = ?2 WHERE id = ?1";

/// Takes them out of what is kept, but for what is written meanwhile.
pub(super) async fn catch_up(store: &SqliteStore, app: AppId, erased: &Arc<Erased>, looked: &mut Looked) -> Result<()> {
    for _ in 0..ROUNDS {
        looked.begin(store.clock.now());
        let webhooks = webhooks(&mut *store.read().await?, app).await?;
        let mut lists = 0;
        for webhook in webhooks {
            lists += items(store, webhook, erased, looked).await?;
            lists += messages(store, webhook, erased, looked).await?;
        }
        looked.end();
        if lists <= FEW {
            break;
        }
    }
    Ok(())
}

/// Takes them out of what was not looked at.
pub(super) async fn erase_rest(conn: &mut SqliteConnection, app: AppId, erased: &Erased, looked: &Looked) -> Result<()> {
    for webhook in webhooks(conn, app).await? {
        let mut place = Some(FIRST_ITEM);
        while let Some(after) = place {
            let (ids, next) = item_page(conn, webhook, &after).await?;
            for part in looked.other_items(ids).chunks(LISTS) {
                write_items(conn, part, erased).await?;
            }
            place = next;
        }
        let mut place = Some(first_message(looked));
        while let Some(after) = place {
            let (made, next) = message_page(conn, webhook, after).await?;
            let ids: Vec<Uuid> = looked.other_messages(made).into_iter().map(|(_, id)| id).collect();
            for part in ids.chunks(LISTS) {
                write_messages(conn, part, erased).await?;
            }
            place = next;
        }
    }
    Ok(())
}

async fn webhooks(conn: &mut SqliteConnection, app: AppId) -> Result<Vec<Uuid>> {
    let rows = fetch(conn, WEBHOOKS, |binds| {
        binds.push(app.0);
    });
    let id = |row: &SqliteRow| Cells::new(row, "webhook", 0).id(0, "id");
    rows.await?.iter().map(id).collect()
}

/// Looks through a webhook's items; through how many lists.
async fn items(store: &SqliteStore, webhook: Uuid, erased: &Arc<Erased>, looked: &mut Looked) -> Result<usize> {
    let (mut place, mut lists) = (Some(FIRST_ITEM), 0);
    while let Some(after) = place {
        let (ids, next) = item_page(&mut *store.read().await?, webhook, &after).await?;
        let others = looked.other_items(ids);
        for part in others.chunks(LISTS) {
            let named = items_without(&mut *store.read().await?, part, erased).await?;
            let ids: Vec<i64> = named.into_iter().map(|(id, _)| id).collect();
            if !ids.is_empty() {
                let erased = Arc::clone(erased);
                store.write(move |tx| Box::pin(async move { write_items(tx.conn, &ids, &erased).await })).await?;
            }
            looked.add_items(part);
        }
        (place, lists) = (next, lists + others.len());
    }
    Ok(lists)
}

/// Looks through a webhook's messages; through how many lists.
async fn messages(store: &SqliteStore, webhook: Uuid, erased: &Arc<Erased>, looked: &mut Looked) -> Result<usize> {
    let (mut place, mut lists) = (Some(first_message(looked)), 0);
    while let Some(after) = place {
        let (made, next) = message_page(&mut *store.read().await?, webhook, after).await?;
        let others = looked.other_messages(made);
        for part in others.chunks(LISTS) {
            let ids: Vec<Uuid> = part.iter().map(|(_, id)| *id).collect();
            let named = messages_without(&mut *store.read().await?, &ids, erased).await?;
            let ids: Vec<Uuid> = named.into_iter().map(|(id, _)| id).collect();
            if !ids.is_empty() {
                let erased = Arc::clone(erased);
                store.write(move |tx| Box::pin(async move { write_messages(tx.conn, &ids, &erased).await })).await?;
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

async fn item_page(conn: &mut SqliteConnection, webhook: Uuid, after: &ItemPlace) -> Result<(Vec<i64>, Option<ItemPlace>)> {
    let places = fetch_list(conn, ITEMS, "webhook_item", |binds| {
        binds.push(webhook.as_bytes().as_slice()).push(&after.0).push(after.1).push(count(IDS));
    });
    let places: Vec<ItemPlace> = places.await?;
    let ids = places.iter().map(|(_, id)| *id).collect();
    Ok((ids, places.into_iter().nth(IDS - 1)))
}

/// Where a list of messages goes on: after an instant and an id.
type MessagePlace = (i64, Uuid);

fn first_message(looked: &Looked) -> MessagePlace {
    (looked.since().map_or(i64::MIN, micros), Uuid::nil())
}

async fn message_page(
    conn: &mut SqliteConnection,
    webhook: Uuid,
    after: MessagePlace,
) -> Result<(Vec<(Timestamp, Uuid)>, Option<MessagePlace>)> {
    let places = fetch_list(conn, MESSAGES, "webhook_message", |binds| {
        binds.push(webhook.as_bytes().as_slice()).push(after.0).push(after.1.as_bytes().as_slice()).push(count(IDS));
    });
    let places: Vec<MessagePlace> = places.await?;
    let made = places.iter().map(|(at, id)| (instant(*at).unwrap_or_default(), *id)).collect();
    Ok((made, places.into_iter().nth(IDS - 1)))
}

/// Of these lists those that name them, without them.
async fn items_without(conn: &mut SqliteConnection, ids: &[i64], erased: &Erased) -> Result<Vec<(i64, String)>> {
    let ids = List::of(ids);
    let rows = fetch(conn, ITEM_LISTS, |binds| {
        binds.push(&ids);
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

async fn messages_without(conn: &mut SqliteConnection, ids: &[Uuid], erased: &Erased) -> Result<Vec<(Uuid, String)>> {
    let ids = List::of(ids.iter().map(|id| format!("\"{}\"", id.simple())));
    let rows = fetch(conn, MESSAGE_LISTS, |binds| {
        binds.push(&ids);
    });
    let mut named = Vec::new();
    for row in &rows.await? {
        let cells = Cells::new(row, "webhook_message", 0);
        let list = erased.without(cells.get(1, "data")?).map_err(|_| cells.unreadable("data"))?;
        if let Some(list) = list {
            named.push((cells.id(0, "id")?, list));
        }
    }
    Ok(named)
}

async fn write_items(conn: &mut SqliteConnection, ids: &[i64], erased: &Erased) -> Result<()> {
    for (id, list) in items_without(conn, ids, erased).await? {
        execute(conn, ITEM, |binds| {
            binds.push(id).push(&list);
        })
        .await?;
    }
    Ok(())
}

async fn write_messages(conn: &mut SqliteConnection, ids: &[Uuid], erased: &Erased) -> Result<()> {
    for (id, list) in messages_without(conn, ids, erased).await? {
        execute(conn, MESSAGE, |binds| {
            binds.push(id.as_bytes().as_slice()).push(&list);
        })
        .await?;
    }
    Ok(())
}
