//! API keys.

use async_trait::async_trait;
use herald::domain::Timestamp;
use herald::domain::id::AppId;
use herald::store::key::{ApiKey, Rotated, Rotation};
use herald::store::{Keys, Result};
use uuid::Uuid;

use super::state::State;
use super::{MemoryStore, conflict};

impl State {
    fn add_key(&mut self, key: ApiKey, hash: [u8; 32]) -> Result<()> {
        if self.keys.values().any(|(known, _)| *known == hash) || self.keys.contains_key(&key.id) {
            return Err(conflict("api_key"));
        }
        self.keys.insert(key.id, (hash, key));
        Ok(())
    }

    fn rotate_key(&mut self, app: AppId, id: Uuid, rotation: &Rotation) -> Result<Rotated> {
        let Some(old) = self.keys.get(&id).map(|(_, key)| key.clone()).filter(|key| key.app == app) else {
            return Ok(Rotated::Unknown);
        };
        if old.rotated_to.is_some() {
            return Ok(Rotated::Already);
        }
        if old.expires_at.is_some_and(|end| end <= rotation.at) {
            return Ok(Rotated::Expired);
        }
        let new = ApiKey { id: rotation.id, created_at: rotation.at, last_used_at: None, ..old };
        self.add_key(new.clone(), rotation.hash)?;
        if let Some((_, old)) = self.keys.get_mut(&id) {
            old.expires_at = Some(old.expires_at.map_or(rotation.until, |end| end.min(rotation.until)));
            old.rotated_to = Some(rotation.id);
        }
        Ok(Rotated::To(Box::new(new)))
    }
}

#[async_trait]
impl Keys for MemoryStore {
    async fn create_key(&self, key: &ApiKey, hash: [u8; 32]) -> Result<()> {
        self.commit(|state, _| state.add_key(key.clone(), hash))
    }

    async fn key_by_id(&self, id: Uuid) -> Result<Option<(ApiKey, [u8; 32])>> {
        Ok(self.read(|state, _| state.keys.get(&id).map(|(hash, key)| (key.clone(), *hash))))
    }

    async fn key_by_hash(&self, hash: [u8; 32]) -> Result<Option<ApiKey>> {
        Ok(self.read(|state, _| state.keys.values().find(|(known, _)| *known == hash).map(|(_, key)| key.clone())))
    }

    async fn keys(&self, app: AppId) -> Result<Vec<ApiKey>> {
        let of_app = |state: &State| state.keys.values().map(|(_, key)| key.clone()).filter(|key| key.app == app).collect::<Vec<_>>();
        let mut keys = self.read(|state, _| of_app(state));
        keys.sort_by_key(|key| std::cmp::Reverse((key.created_at, key.id)));
        Ok(keys)
    }

    async fn rotate_key(&self, app: AppId, id: Uuid, rotation: &Rotation) -> Result<Rotated> {
        self.commit(|state, _| state.rotate_key(app, id, rotation))
    }

    async fn keys_used(&self, uses: &[(Uuid, Timestamp)]) -> Result<()> {
        self.commit(|state, _| {
            for (id, at) in uses {
                if let Some((_, key)) = state.keys.get_mut(id) {
                    key.last_used_at = key.last_used_at.max(Some(*at));
                }
            }
        });
        Ok(())
    }

    async fn delete_key(&self, app: AppId, id: Uuid) -> Result<bool> {
        Ok(self.commit(|state, _| {
            let known = state.keys.get(&id).is_some_and(|(_, key)| key.app == app);
            known && state.keys.remove(&id).is_some()
        }))
    }

    /// Nothing was stored here before hashes were keyed.
    async fn plain_keys(&self) -> Result<Vec<(Uuid, [u8; 32])>> {
        Ok(Vec::new())
    }

    async fn key_hash(&self, _: Uuid, _: [u8; 32], _: [u8; 32]) -> Result<()> {
        Ok(())
    }
}
