//! Keys on the store itself.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::Scope;
use crate::cli::ending::WrongUsage;
use crate::domain::Timestamp;
use crate::domain::clock::{Clock, Ids};
use crate::domain::id::AppId;
use crate::store::audit::{Actor, NewAct};
use crate::store::key::{Rotated, Rotation};
use crate::store::key_hash::KeyHasher;
use crate::store::{self, Store};
use crate::system::{SystemClock, SystemIds};
use crate::{app, config};

/// A key's name, at most, in characters.
const MAX_NAME: usize = 128;

/// An app's keys in a store that no daemon need be running on.
pub(super) struct Keys {
    store: Arc<dyn Store>,
    app: AppId,
}

impl Keys {
    /// Opens the store of a configuration that has the app.
    pub(super) async fn open(file: &Path, name: &str) -> anyhow::Result<Self> {
        let settings = config::load(Some(file))?;
        if !settings.apps.contains_key(name) {
            return Err(WrongUsage(format!("{} has no [apps.{name}]", file.display())).into());
        }
        let store = app::open_store(&settings, &TaskTracker::new()).await?;
        let app = store.ensure_apps(&[name.to_owned()]).await?.first().copied().context("the store gave the app no number")?;
        Ok(Self { store, app })
    }

    pub(super) async fn create(&self, name: String, scopes: &[Scope], expires_at: Option<&str>) -> anyhow::Result<Value> {
        check_name(&name)?;
        let now = SystemClock.now();
        let expires_at = expires_at.map(|text| instant(text, now)).transpose()?;
        let (id, hasher) = (new_id(now), KeyHasher::open(&*self.store).await?);
        let (text, hash) = hasher.new_key(id);
        let scopes = scopes.iter().map(|scope| (*scope).into()).collect();
        let app = self.app;
        let act = self.begin("create_key", id).await?;
        let key = store::key::ApiKey { id, app, name, scopes, expires_at, created_at: now, last_used_at: None, rotated_to: None };
        self.store.create_key(&key, hash).await?;
        self.end(act, 201).await?;
        Ok(json!({ "id": id, "key": text }))
    }

    pub(super) async fn list(&self) -> anyhow::Result<Vec<Value>> {
        let keys = self.store.keys(self.app).await?;
        let as_answered = |key: &store::key::ApiKey| {
            json!({
                "id": key.id, "name": key.name, "scopes": key.scopes, "expires_at": key.expires_at, "created_at": key.created_at,
                "last_used_at": key.last_used_at, "rotated_to": key.rotated_to,
            })
        };
        Ok(keys.iter().map(as_answered).collect())
    }

    pub(super) async fn revoke(&self, id: &str) -> anyhow::Result<()> {
        let key = parsed(id)?;
        let act = self.begin("delete_key", key).await?;
        let was_there = self.store.delete_key(self.app, key).await?;
        self.end(act, if was_there { 204 } else { 404 }).await?;
        anyhow::ensure!(was_there, "there is no key {id}");
        Ok(())
    }

    /// Puts a new key in the place of one, which goes on for `overlap_seconds`.
    pub(super) async fn rotate(&self, id: &str, overlap_seconds: u32) -> anyhow::Result<Value> {
        let (old, at) = (parsed(id)?, SystemClock.now());
        let (new, hasher) = (new_id(at), KeyHasher::open(&*self.store).await?);
        let (text, hash) = hasher.new_key(new);
        let rotation = Rotation { id: new, hash, at, until: at + TimeDelta::seconds(overlap_seconds.into()) };
        let act = self.begin("rotate_key", old).await?;
        let rotated = self.store.rotate_key(self.app, old, &rotation).await?;
        let status = match rotated {
            Rotated::To(_) => 201,
            Rotated::Already | Rotated::Expired => 409,
            Rotated::Unknown => 404,
        };
        self.end(act, status).await?;
        match rotated {
            Rotated::To(_) => Ok(json!({ "id": new, "key": text })),
            Rotated::Already => anyhow::bail!("another key took the place of {id}; rotate that one, or create a key"),
            Rotated::Expired => anyhow::bail!("{id} has expired, and a key in its place would have, too; create one"),
            Rotated::Unknown => anyhow::bail!("there is no key {id}"),
        }
    }

    /// Writes in the audit log that something is about to be done to a key, by the name of the operation that does the same by HTTP.
    async fn begin(&self, operation: &str, key: Uuid) -> anyhow::Result<Uuid> {
        let id = new_id(SystemClock.now());
        let act = NewAct { id, actor: Actor::Local, request_id: None, act: operation.to_owned(), object: Some(key.to_string()) };
        self.store.begin_act(self.app, &act).await.context("the audit log cannot be written, so nothing was done")?;
        Ok(id)
    }

    /// And how it ended, as HTTP would have answered.
    async fn end(&self, act: Uuid, status: u16) -> anyhow::Result<()> {
        self.store.end_act(self.app, act, status, None).await.context("it was done, but the audit log cannot say how it ended")
    }
}

/// As the API takes it.
fn check_name(name: &str) -> Result<(), WrongUsage> {
    if name.is_empty() || name.chars().count() > MAX_NAME {
        return Err(WrongUsage(format!("--name must have 1 to {MAX_NAME} characters")));
    }
    if name.chars().any(char::is_control) {
        return Err(WrongUsage("--name must not have control characters".to_owned()));
    }
    Ok(())
}

fn parsed(id: &str) -> Result<Uuid, WrongUsage> {
    id.parse().map_err(|_| WrongUsage(format!("{id} is not the id of a key")))
}

fn new_id(now: Timestamp) -> Uuid {
    SystemIds::new().notification(now).0
}

fn instant(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let instant = chrono::DateTime::parse_from_rfc3339(text)
        .map_err(|_| WrongUsage(format!("{text} is not an instant, as 2027-01-01T00:00:00Z is")))?;
    if instant <= now {
        return Err(WrongUsage(format!("{text} has passed")).into());
    }
    Ok(instant.to_utc())
}

impl From<Scope> for store::key::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Send => Self::Send,
            Scope::Manage => Self::Manage,
            Scope::Read => Self::Read,
            Scope::Critical => Self::Critical,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_as_the_api_takes_it() {
        for name in ["b", "the backend's, 2026 ü", &"é".repeat(MAX_NAME)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a\nb", "\u{1b}[31mred", "a\0", "\u{9b}31m", &"a".repeat(MAX_NAME + 1)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_key_cannot_be_made_expired() {
        let now = "2026-11-01T12:00:00Z".parse().unwrap();
        assert!(instant("2026-11-01T13:00:00+02:00", now).is_err());
        assert!(instant("2026-11-01T13:00:00+00:30", now).is_ok());
        assert!(instant("tomorrow", now).is_err());
    }
}
