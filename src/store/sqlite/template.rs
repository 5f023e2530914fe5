//! Templates.

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::super::Result;
use super::super::template::{StoredTemplate, TemplatePut, Templates};
use super::SqliteStore;
use super::batch::{execute, fetch, fetch_one};
use super::row::{Cells, instant, micros, to_document};
use super::writer::Tx;
use crate::domain::id::AppId;
use crate::domain::template::Template;

const ALL: &str = "SELECT app, name, definition, version, created_at FROM template WHERE app = ?1 ORDER BY created_at DESC, name DESC";
const ONE: &str = "SELECT app, name, definition, version, created_at FROM template WHERE app = ?1 AND name = ?2";
const PUT: &str = "INSERT INTO template (app, name, definition, version, created_at) VALUES (?1, ?2, ?3, ?4, ?5) \
                   ON CONFLICT (app, name) DO UPDATE SET definition = excluded.definition, version = excluded.version";
const DELETE: &str = "DELETE FROM template WHERE app = ?1 AND name = ?2";

fn read(row: &SqliteRow) -> Result<StoredTemplate> {
    let cells = Cells::new(row, "template", 0);
    Ok(StoredTemplate {
        name: cells.get(1, "name")?,
        template: cells.document(2, "definition")?,
        version: cells.get(3, "version")?,
        created_at: cells.instant(4, "created_at")?,
    })
}

async fn one(conn: &mut SqliteConnection, app: AppId, name: &str) -> Result<Option<StoredTemplate>> {
    let row = fetch_one(conn, ONE, |binds| {
        binds.push(app.0).push(name);
    });
    row.await?.as_ref().map(read).transpose()
}

async fn put(tx: Tx<'_>, app: AppId, (name, template): (String, Template), if_match: Option<i64>) -> Result<TemplatePut> {
    let before = one(tx.conn, app, &name).await?;
    if if_match.is_some_and(|version| before.as_ref().is_none_or(|before| before.version != version)) {
        return Ok(TemplatePut::Stale);
    }
    let (created_at, version) =
        before.as_ref().map_or((tx.now, tx.now), |before| (micros(before.created_at), tx.now.max(before.version + 1)));
    let definition = to_document(&template)?;
    let put = execute(tx.conn, PUT, |binds| {
        binds.push(app.0).push(&name).push(&definition).push(version).push(created_at);
    });
    put.await?;
    let after = StoredTemplate { name, template, version, created_at: instant(created_at).unwrap_or_default() };
    Ok(if before.is_none() { TemplatePut::Created(after) } else { TemplatePut::Updated(after) })
}

async fn delete(tx: Tx<'_>, app: AppId, name: String) -> Result<bool> {
    let deleted = execute(tx.conn, DELETE, |binds| {
        binds.push(app.0).push(&name);
    });
    Ok(deleted.await? > 0)
}

#[async_trait]
impl Templates for SqliteStore {
    async fn templates(&self, app: AppId) -> Result<Vec<StoredTemplate>> {
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, ALL, |binds| {
            binds.push(app.0);
        });
        rows.await?.iter().map(read).collect()
    }

    async fn template(&self, app: AppId, name: &str) -> Result<Option<StoredTemplate>> {
        let mut tx = self.read().await?;
        one(&mut tx, app, name).await
    }

    async fn put_template(&self, app: AppId, name: &str, template: &Template, if_match: Option<i64>) -> Result<TemplatePut> {
        let named = (name.to_owned(), template.clone());
        self.write(move |tx| Box::pin(put(tx, app, named, if_match))).await
    }

    async fn delete_template(&self, app: AppId, name: &str) -> Result<bool> {
        let name = name.to_owned();
        self.write(move |tx| Box::pin(delete(tx, app, name))).await
    }
}
