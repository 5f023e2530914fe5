//! Categories.

use async_trait::async_trait;

use super::super::{Categories, Result};
use super::SqliteStore;
use super::batch::{execute, fetch, fetch_one};
use super::row::{Cells, to_document};
use crate::domain::category::Category;
use crate::domain::id::AppId;

const ALL: &str = "SELECT app, name, definition FROM category WHERE app = ?1 ORDER BY name";
const ONE: &str = "SELECT 1 FROM category WHERE app = ?1 AND name = ?2";
const PUT: &str = "INSERT INTO category (app, name, definition) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (app, name) DO UPDATE SET definition = excluded.definition";
const DELETE: &str = "DELETE FROM category WHERE app = ?1 AND name = ?2";

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

    async fn put_category(&self, app: AppId, name: &str, category: &Category) -> Result<bool> {
        let (name, definition) = (name.to_owned(), to_document(category)?);
        let put = async move |tx: super::Tx<'_>| {
            let there = fetch_one(tx.conn, ONE, |binds| {
                binds.push(app.0).push(&name);
            });
            let new = there.await?.is_none();
            let put = execute(tx.conn, PUT, |binds| {
                binds.push(app.0).push(&name).push(&definition);
            });
            put.await?;
            Ok(new)
        };
        self.write(move |tx| Box::pin(async move { put(tx).await })).await
    }

    async fn delete_category(&self, app: AppId, name: &str) -> Result<bool> {
        let name = name.to_owned();
        let delete = async move |tx: super::Tx<'_>| {
            let deleted = execute(tx.conn, DELETE, |binds| {
                binds.push(app.0).push(&name);
            });
            Ok(deleted.await? > 0)
        };
        self.write(move |tx| Box::pin(async move { delete(tx).await })).await
    }
}
