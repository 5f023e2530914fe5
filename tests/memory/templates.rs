//! Templates.

use async_trait::async_trait;
use herald::domain::id::AppId;
use herald::domain::template::Template;
use herald::store::Result;
use herald::store::template::{StoredTemplate, TemplatePut, Templates};

use super::MemoryStore;
use super::definitions::{newest, put};

#[async_trait]
impl Templates for MemoryStore {
    async fn templates(&self, app: AppId) -> Result<Vec<StoredTemplate>> {
        Ok(self.read(|state, _| newest(&state.templates, app)))
    }

    async fn template(&self, app: AppId, name: &str) -> Result<Option<StoredTemplate>> {
        Ok(self.read(|state, _| state.templates.get(&(app, name.to_owned())).cloned()))
    }

    async fn put_template(&self, app: AppId, name: &str, template: &Template, if_match: Option<i64>) -> Result<TemplatePut> {
        Ok(self.commit(|state, now| put(&mut state.templates, (app, name), template, (if_match, now))))
    }

    async fn delete_template(&self, app: AppId, name: &str) -> Result<bool> {
        Ok(self.commit(|state, _| state.templates.remove(&(app, name.to_owned())).is_some()))
    }
}
