//! Templates.

use async_trait::async_trait;

use super::super::Result;
use super::super::template::{StoredTemplate, TemplatePut, Templates};
use super::PostgresStore;
use super::definition::{Table, table};
use super::tx::{reading, transaction};
use crate::domain::id::AppId;
use crate::domain::template::Template;

const TABLE: Table = table!("template");

#[async_trait]
impl Templates for PostgresStore {
    async fn templates(&self, app: AppId) -> Result<Vec<StoredTemplate>> {
        reading!(self.callers, conn => TABLE.newest(&mut conn, app))
    }

    async fn template(&self, app: AppId, name: &str) -> Result<Option<StoredTemplate>> {
        reading!(self.callers, conn => TABLE.one(&mut conn, app, name))
    }

    async fn put_template(&self, app: AppId, name: &str, template: &Template, if_match: Option<i64>) -> Result<TemplatePut> {
        transaction!(self.callers, tx => TABLE.put(&mut tx, app, (name, template), if_match))
    }

    async fn delete_template(&self, app: AppId, name: &str) -> Result<bool> {
        transaction!(self.callers, tx => TABLE.delete(&mut tx, app, name))
    }
}
