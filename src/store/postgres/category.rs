//! Categories.

use async_trait::async_trait;

use super::super::category::{Declaration, Declared};
use super::super::{Categories, Result};
use super::PostgresStore;
use super::batch::fetch;
use super::definition::{Table, table};
use super::tx::{reading, transaction};
use crate::domain::category::Category;
use crate::domain::id::AppId;

const TABLE: Table = table!("category");
/// As the alphabet of the bytes has it, whatever the database's own is.
const ALL: &str = r#"SELECT app, name, definition::text, version, created_at FROM category WHERE app = $1 ORDER BY name COLLATE "C""#;

#[async_trait]
impl Categories for PostgresStore {
    async fn categories(&self, app: AppId) -> Result<Vec<(String, Category)>> {
        let rows = reading!(self.callers, conn => fetch(&mut conn, ALL, |binds| {
            binds.push(app.0);
        }));
        rows?.iter().map(|row| TABLE.read(row).map(|declared| (declared.name, declared.definition))).collect()
    }

    async fn declared(&self, app: AppId) -> Result<Vec<Declared>> {
        reading!(self.callers, conn => TABLE.newest(&mut conn, app))
    }

    async fn category(&self, app: AppId, name: &str) -> Result<Option<Declared>> {
        reading!(self.callers, conn => TABLE.one(&mut conn, app, name))
    }

    async fn put_category(&self, app: AppId, name: &str, category: &Category, if_match: Option<i64>) -> Result<Declaration> {
        transaction!(self.callers, tx => TABLE.put(&mut tx, app, (name, category), if_match))
    }

    async fn delete_category(&self, app: AppId, name: &str) -> Result<bool> {
        transaction!(self.callers, tx => TABLE.delete(&mut tx, app, name))
    }
}
