//! Categories.

use async_trait::async_trait;

use super::super::category::{Declaration, Declared};
use super::super::{Categories, Result};
use super::SqliteStore;
use super::batch::fetch;
use super::definition::{Table, table};
use super::row::Cells;
use crate::domain::category::Category;
use crate::domain::id::AppId;

static TABLE: Table = table!("category");
const ALL: &str = "SELECT app, name, definition FROM category WHERE app = ?1 ORDER BY name";

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
        TABLE.newest(&mut *self.read().await?, app).await
    }

    async fn category(&self, app: AppId, name: &str) -> Result<Option<Declared>> {
        TABLE.one(&mut *self.read().await?, app, name).await
    }

    async fn put_category(&self, app: AppId, name: &str, category: &Category, if_match: Option<i64>) -> Result<Declaration> {
        let named = (name.to_owned(), category.clone());
        self.write(move |tx| Box::pin(TABLE.put(tx, app, named, if_match))).await
    }

    async fn delete_category(&self, app: AppId, name: &str) -> Result<bool> {
        let name = name.to_owned();
        self.write(move |tx| Box::pin(TABLE.delete(tx, app, name))).await
    }
}
