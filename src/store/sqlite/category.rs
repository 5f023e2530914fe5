//! Categories.

use async_trait::async_trait;

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::super::category::{Declaration, Declared};
use super::super::{Categories, Result};
use super::SqliteStore;
use super::batch::{execute, fetch, fetch_one};
use super::row::{Cells, instant, micros, to_document};
use super::writer::Tx;
use crate::domain::category::Category;
use crate::domain::id::AppId;

const ALL: &str = "SELECT app, name, definition FROM category WHERE app = ?1 ORDER BY name";
const NEWEST: &str = "SELECT app, name, definition, version, created_at FROM category WHERE app = ?1 ORDER BY created_at DESC, name DESC";
const ONE: &str = "SELECT app, name, definition, version, created_at FROM category WHERE app = ?1 AND name = ?2";
const PUT: &str = "INSERT INTO category (app, name, definition, version, created_at) VALUES (?1, ?2, ?3, ?4, ?5) \
                   ON CONFLICT (app, name) DO UPDATE SET definition = excluded.definition, version = excluded.version";
const DELETE: &str = "DELETE FROM category WHERE app = ?1 AND name = ?2";

fn read(row: &SqliteRow) -> Result<Declared> {
    let cells = Cells::new(row, "category", 0);
    Ok(Declared {
        name: cells.get(1, "name")?,
        category: cells.document(2, "definition")?,
        version: cells.get(3, "version")?,
        created_at: cells.instant(4, "created_at")?,
    })
}

async fn one(conn: &mut SqliteConnection, app: AppId, name: &str) -> Result<Option<Declared>> {
    let row = fetch_one(conn, ONE, |binds| {
        binds.push(app.0).push(name);
    });
    row.await?.as_ref().map(read).transpose()
}

async fn put(tx: Tx<'_>, app: AppId, category: (String, Category), if_match: Option<i64>) -> Result<Declaration> {
    let (name, category) = category;
    let before = one(tx.conn, app, &name).await?;
    if if_match.is_some_and(|version| before.as_ref().is_none_or(|before| before.version != version)) {
        return Ok(Declaration::Stale);
    }
    let (created_at, version) =
        before.as_ref().map_or((tx.now, tx.now), |before| (micros(before.created_at), tx.now.max(before.version + 1)));
    let definition = to_document(&category)?;
    let put = execute(tx.conn, PUT, |binds| {
        binds.push(app.0).push(&name).push(&definition).push(version).push(created_at);
    });
    put.await?;
    let is_new = before.is_none();
    let after = Declared { name, category, version, created_at: instant(created_at).unwrap_or_default() };
    Ok(if is_new { Declaration::Created(after) } else { Declaration::Updated(after) })
}

#[async_trait]
impl Categories for SqliteStore {
    async fn categories(&self, app: AppId) -> Result<Vec<(String, Category)>> {
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, ALL, |binds| {
            binds.push(app.0);
        });
        let read = |row| {
            let cells = Cells::new(row, "category", 0);
            Ok((cells.get(1, "name")?, cells.document(2, "definition")?))
        };
        rows.await?.iter().map(read).collect()
    }

    async fn declared(&self, app: AppId) -> Result<Vec<Declared>> {
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, NEWEST, |binds| {
            binds.push(app.0);
        });
        rows.await?.iter().map(read).collect()
    }

    async fn category(&self, app: AppId, name: &str) -> Result<Option<Declared>> {
        let mut tx = self.read().await?;
        one(&mut tx, app, name).await
    }

    async fn put_category(&self, app: AppId, name: &str, category: &Category, if_match: Option<i64>) -> Result<Declaration> {
        let named = (name.to_owned(), category.clone());
        self.write(move |tx| Box::pin(put(tx, app, named, if_match))).await
    }

    async fn delete_category(&self, app: AppId, name: &str) -> Result<bool> {
        let name = name.to_owned();
        let delete = async move |tx: Tx<'_>| {
            let deleted = execute(tx.conn, DELETE, |binds| {
                binds.push(app.0).push(&name);
            });
            Ok(deleted.await? > 0)
        };
        self.write(move |tx| Box::pin(async move { delete(tx).await })).await
    }
}
