//! Templates.

use async_trait::async_trait;
use herald::domain::Timestamp;
use herald::domain::id::AppId;
use herald::domain::template::Template;
use herald::store::Result;
use herald::store::template::{StoredTemplate, TemplatePut, Templates};

use super::MemoryStore;
use super::state::State;

impl State {
    fn put_template(&mut self, (app, name): (AppId, &str), template: &Template, if_match: Option<i64>, now: Timestamp) -> TemplatePut {
        let key = (app, name.to_owned());
        let before = self.templates.get(&key).cloned();
        if if_match.is_some() && if_match != before.as_ref().map(|before| before.version) {
            return TemplatePut::Stale;
        }
        let present = now.timestamp_micros();
        let version = before.as_ref().map_or(present, |before| present.max(before.version + 1));
        let created_at = before.as_ref().map_or(now, |before| before.created_at);
        let after = StoredTemplate { name: name.to_owned(), template: template.clone(), version, created_at };
        self.templates.insert(key, after.clone());
        if before.is_some() { TemplatePut::Updated(after) } else { TemplatePut::Created(after) }
    }
}

#[async_trait]
impl Templates for MemoryStore {
    async fn templates(&self, app: AppId) -> Result<Vec<StoredTemplate>> {
        let of_app = |state: &State| state.templates.iter().filter(|((of, _), _)| *of == app).map(|(_, one)| one.clone()).collect();
        let mut all: Vec<StoredTemplate> = self.read(|state, _| of_app(state));
        all.sort_by(|a, b| (b.created_at, &b.name).cmp(&(a.created_at, &a.name)));
        Ok(all)
    }

    async fn template(&self, app: AppId, name: &str) -> Result<Option<StoredTemplate>> {
        Ok(self.read(|state, _| state.templates.get(&(app, name.to_owned())).cloned()))
    }

    async fn put_template(&self, app: AppId, name: &str, template: &Template, if_match: Option<i64>) -> Result<TemplatePut> {
        Ok(self.commit(|state, now| state.put_template((app, name), template, if_match, now)))
    }

    async fn delete_template(&self, app: AppId, name: &str) -> Result<bool> {
        Ok(self.commit(|state, _| state.templates.remove(&(app, name.to_owned())).is_some()))
    }
}
