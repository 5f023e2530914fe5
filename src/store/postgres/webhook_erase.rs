//! Nobody who is erased is named in what webhooks are still to be told, or were told.

use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::Result;
use super::super::rules::webhook_erasure::Erased;
use super::batch::{count, execute, fetch};
use super::row::Cells;
use super::tx::Tx;
use crate::domain::Timestamp;
use crate::domain::id::AppId;

/// Lists that one statement looks through.
const PAGE: usize = 200;

/// Nobody makes messages of items meanwhile.
pub(super) const WEBHOOKS: &str = "SELECT id FROM webhook WHERE app = $1 ORDER BY created_at, id FOR NO KEY UPDATE";
/// Of a page the text of those only that name somebody.
pub(super) const ITEMS: &str = "WITH page AS MATERIALIZED (SELECT id, event, data FROM webhook_item \
                                WHERE webhook = $1 AND (event, id) > ($2, $3) ORDER BY event, id LIMIT $5) \
                                SELECT p.id, p.event, CASE WHEN EXISTS (SELECT 1 FROM unnest($4::text[]) AS ask (text) \
                                WHERE strpos(p.data, ask.text) > 0) THEN p.data END FROM page p ORDER BY p.event, p.id";
const ITEM: &str = "UPDATE webhook_item SET data = $2 WHERE id = $1";
pub(super) const MESSAGES: &str = "WITH page AS MATERIALIZED (SELECT id, created_at, data FROM webhook_message \
                                   WHERE webhook = $1 AND (created_at, id) > (coalesce($2, '-infinity'::timestamptz), $3) \
                                   ORDER BY created_at, id LIMIT $5) \
                                   SELECT p.id, p.created_at, CASE WHEN EXISTS (SELECT 1 FROM unnest($4::text[]) AS ask (text) \
                                   WHERE strpos(p.data, ask.text) > 0) THEN p.data END FROM page p ORDER BY p.created_at, p.id";
const MESSAGE: &str = "UPDATE webhook_message SET data = $2 WHERE id = $1";

/// Takes them out of all lists of an app's webhooks, which are locked from then on: no messages are made of items any more.
pub(super) async fn erase(tx: &mut Tx, app: AppId, erased: &Erased<'_>) -> Result<()> {
    let texts = erased.texts();
    for webhook in webhooks(tx, app).await? {
        items(tx, webhook, (erased, &texts)).await?;
        messages(tx, webhook, (erased, &texts)).await?;
    }
    Ok(())
}

/// Takes them out of what was written since.
pub(super) async fn erase_again(tx: &mut Tx, app: AppId, erased: &Erased<'_>) -> Result<()> {
    let texts = erased.texts();
    for webhook in webhooks(tx, app).await? {
        items(tx, webhook, (erased, &texts)).await?;
    }
    Ok(())
}

async fn webhooks(tx: &mut Tx, app: AppId) -> Result<Vec<Uuid>> {
    let rows = fetch(tx, WEBHOOKS, |binds| {
        binds.push(app.0);
    });
    let id = |row: &PgRow| Cells::new(row, "webhook", 0).get::<Uuid>(0, "id");
    rows.await?.iter().map(id).collect()
}

async fn items(tx: &mut Tx, webhook: Uuid, (erased, texts): (&Erased<'_>, &[String])) -> Result<()> {
    let mut after = (String::new(), 0);
    loop {
        let rows = fetch(tx, ITEMS, |binds| {
            binds.push(webhook).push(&after.0).push(after.1).push(texts).push(count(PAGE));
        });
        let rows = rows.await?;
        for row in &rows {
            let cells = Cells::new(row, "webhook_item", 0);
            let id: i64 = cells.get(0, "id")?;
            after = (cells.get(1, "event")?, id);
            let Some(list) = cells.get::<Option<&str>>(2, "data")? else { continue };
            let list = erased.without(list)?;
            execute(tx, ITEM, |binds| {
                binds.push(id).push(list);
            })
            .await?;
        }
        if rows.len() < PAGE {
            return Ok(());
        }
    }
}

async fn messages(tx: &mut Tx, webhook: Uuid, (erased, texts): (&Erased<'_>, &[String])) -> Result<()> {
    let mut after: (Option<Timestamp>, Uuid) = (None, Uuid::nil());
    loop {
        let rows = fetch(tx, MESSAGES, |binds| {
            binds.push(webhook).push(after.0).push(after.1).push(texts).push(count(PAGE));
        });
        let rows = rows.await?;
        for row in &rows {
            let cells = Cells::new(row, "webhook_message", 0);
            let id: Uuid = cells.get(0, "id")?;
            after = (Some(cells.instant(1, "created_at")?), id);
            let Some(list) = cells.get::<Option<&str>>(2, "data")? else { continue };
            let list = erased.without(list)?;
            execute(tx, MESSAGE, |binds| {
                binds.push(id).push(list);
            })
            .await?;
        }
        if rows.len() < PAGE {
            return Ok(());
        }
    }
}
