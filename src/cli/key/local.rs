//! Keys on the store itself.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::Scope;
use crate::cli::ending::WrongUsage;
use crate::domain::Timestamp;
use crate::domain::clock::{Clock, Ids};
use crate::domain::id::AppId;
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
        if name.is_empty() || name.chars().count() > MAX_NAME {
            return Err(WrongUsage(format!("--name must have 1 to {MAX_NAME} characters")).into());
        }
        let now = SystemClock.now();
        let expires_at = expires_at.map(|text| instant(text, now)).transpose()?;
        let text = new_key();
        let hash = digest(&SHA256, text.as_bytes()).as_ref().try_into()?;
        let scopes = scopes.iter().map(|scope| (*scope).into()).collect();
        let key = store::key::ApiKey { id: SystemIds::new().notification(now).0, app: self.app, name, scopes, expires_at, created_at: now };
        self.store.create_key(&key, hash).await?;
        Ok(json!({ "id": key.id, "key": text }))
    }

    pub(super) async fn list(&self) -> anyhow::Result<Vec<Value>> {
        let keys = self.store.keys(self.app).await?;
        let as_answered = |key: &store::key::ApiKey| json!({ "id": key.id, "name": key.name, "scopes": key.scopes, "expires_at": key.expires_at, "created_at": key.created_at });
        Ok(keys.iter().map(as_answered).collect())
    }

    pub(super) async fn revoke(&self, id: &str) -> anyhow::Result<()> {
        let parsed = id.parse().map_err(|_| WrongUsage(format!("{id} is not the id of a key")))?;
        anyhow::ensure!(self.store.delete_key(self.app, parsed).await?, "there is no key {id}");
        Ok(())
    }
}

fn instant(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let instant = chrono::DateTime::parse_from_rfc3339(text)
        .map_err(|_| WrongUsage(format!("{text} is not an instant, as 2027-01-01T00:00:00Z is")))?;
    if instant <= now {
        return Err(WrongUsage(format!("{text} has passed")).into());
    }
    Ok(instant.to_utc())
}

/// 256 bits that nobody guesses, behind a word by which scanners know a leaked one.
fn new_key() -> String {
    format!("herald_{}", BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
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
    fn keys_are_long_and_differ() {
        let (one, other) = (new_key(), new_key());
        assert_eq!(one.len(), "herald_".len() + 43);
        assert_ne!(one, other);
    }

    #[test]
    fn a_key_cannot_be_made_expired() {
        let now = "2026-11-01T12:00:00Z".parse().unwrap();
        assert!(instant("2026-11-01T13:00:00+02:00", now).is_err());
        assert!(instant("2026-11-01T13:00:00+00:30", now).is_ok());
        assert!(instant("tomorrow", now).is_err());
    }
}
