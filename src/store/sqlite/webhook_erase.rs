//! Nobody who is erased is named in what webhooks are still to be told, or were told.

use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::super::Result;
use super::super::rules::webhook_erasure::Erased;
use super::batch::{execute, fetch};
use super::json::List;
use super::row::Cells;
use super::work::count;
use super::writer::Tx;
use crate::domain::id::AppId;

/// Lists that one statement looks through.
const PAGE: usize = 200;

const WEBHOOKS: &str = "SELECT id FROM webhook WHERE app = ?1";
/// Of a page the text of those only that name somebody.
const ITEMS: &str = "SELECT i.id, i.event, CASE WHEN EXISTS (SELECT 1 FROM json_each(?4) j WHERE instr(i.data, j.value) > 0) THEN i.data END \
                     FROM webhook_item i WHERE i.webhook = ?1 AND (i.event, i.id) > (?2, ?3) ORDER BY i.event, i.id LIMIT ?5";
const ITEM: &str = "UPDATE webhook_item SET data = ?2 WHERE id = ?1";
const MESSAGES: &str = "SELECT m.id, m.created_at, CASE WHEN EXISTS (SELECT 1 FROM json_each(?4) j WHERE instr(m.data, j.value) > 0) THEN m.data END \
                        FROM webhook_message m WHERE m.webhook = ?1 AND (m.created_at, m.id) > (?2, ?3) ORDER BY m.created_at, m.id LIMIT ?5";
const MESSAGE: &str = "UPDATE webhook_message SET data = ?2 WHERE id = ?1";

/// Takes them out of all lists of an app's webhooks.
pub(super) async fn erase(tx: &mut Tx<'_>, app: AppId, erased: &Erased<'_>) -> Result<()> {
    let rows = fetch(tx.conn, WEBHOOKS, |binds| {
        binds.push(app.0);
    });
    let id = |row: &SqliteRow| Cells::new(row, "webhook", 0).id(0, "id");
    let webhooks: Vec<Uuid> = rows.await?.iter().map(id).collect::<Result<_>>()?;
    let texts = erased.texts();
    let texts = List::of_texts(texts.iter().map(String::as_str));
    for webhook in webhooks {
        items(tx, webhook, (erased, &texts)).await?;
        messages(tx, webhook, (erased, &texts)).await?;
    }
    Ok(())
}

async fn items(tx: &mut Tx<'_>, webhook: Uuid, (erased, texts): (&Erased<'_>, &str)) -> Result<()> {
    let mut after = (String::new(), 0);
    loop {
        let rows = fetch(tx.conn, ITEMS, |binds| {
            binds.push(webhook.as_bytes().as_slice()).push(&after.0).push(after.1).push(texts).push(count(PAGE));
        });
        let rows = rows.await?;
        for row in &rows {
            let cells = Cells::new(row, "webhook_item", 0);
            let id: i64 = cells.get(0, "id")?;
            after = (cells.get(1, "event")?, id);
            let Some(list) = cells.get::<Option<&str>>(2, "data")? else { continue };
            let list = erased.without(list)?;
            execute(tx.conn, ITEM, |binds| {
                binds.push(id).push(&list);
            })
            .await?;
        }
        if rows.len() < PAGE {
            return Ok(());
        }
    }
}

async fn messages(tx: &mut Tx<'_>, webhook: Uuid, (erased, texts): (&Erased<'_>, &str)) -> Result<()> {
    let mut after = (i64::MIN, Uuid::nil());
    loop {
        let rows = fetch(tx.conn, MESSAGES, |binds| {
            binds.push(webhook.as_bytes().as_slice()).push(after.0).push(after.1.as_bytes().as_slice()).push(texts).push(count(PAGE));
        });
        let rows = rows.await?;
        for row in &rows {
            let cells = Cells::new(row, "webhook_message", 0);
            after = (cells.get(1, "created_at")?, cells.id(0, "id")?);
            let Some(list) = cells.get::<Option<&str>>(2, "data")? else { continue };
            let list = erased.without(list)?;
            execute(tx.conn, MESSAGE, |binds| {
                binds.push(after.1.as_bytes().as_slice()).push(&list);
            })
            .await?;
        }
        if rows.len() < PAGE {
            return Ok(());
        }
    }
}
