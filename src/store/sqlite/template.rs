//! Templates.

use async_trait::async_trait;

use super::super::Result;
use super::super::template::{StoredTemplate, TemplatePut, Templates};
use super::SqliteStore;
use super::definition::{Table, table};
use crate::domain::id::AppId;
use crate::domain::template::Template;

static TABLE: Table = table!("template");

#[async_trait]
impl Templates for SqliteStore {
    async fn templates(&self, app: AppId) -> Result<Vec<StoredTemplate>> {
        TABLE.newest(&mut *self.read().await?, app).await
    }

    async fn template(&self, app: AppId, name: &str) -> Result<Option<StoredTemplate>> {
        TABLE.one(&mut *self.read().await?, app, name).await
    }

    async fn put_template(&self, app: AppId, name: &str, template: &Template, if_match: Option<i64>) -> Result<TemplatePut> {
        let named = (name.to_owned(), template.clone());
        self.write(move |tx| Box::pin(TABLE.put(tx, app, named, if_match))).await
    }

    async fn delete_template(&self, app: AppId, name: &str) -> Result<bool> {
        let name = name.to_owned();
        self.write(move |tx| Box::pin(TABLE.delete(tx, app, name))).await
    }
}
