//! Secrets by name.

use async_trait::async_trait;
use herald::store::Result;
use herald::store::vault::{Secret, Vault};

use super::MemoryStore;

#[async_trait]
impl Vault for MemoryStore {
    async fn keep_secret(&self, name: &str, value: &[u8]) -> Result<Secret> {
        Ok(self.commit(|state, now| {
            if let Some(known) = state.secrets.iter().find(|secret| secret.name == name) {
                return known.clone();
            }
            let secret = Secret { name: name.to_owned(), value: value.to_vec().into(), created_at: now };
            state.secrets.push(secret.clone());
            secret
        }))
    }

    async fn secrets(&self, prefix: &str) -> Result<Vec<Secret>> {
        Ok(self.read(|state, _| {
            let mut found: Vec<Secret> = state.secrets.iter().filter(|secret| secret.name.starts_with(prefix)).cloned().collect();
            found.sort_by(|one, other| (one.created_at, &one.name).cmp(&(other.created_at, &other.name)));
            found
        }))
    }

    async fn forget_secret(&self, name: &str) -> Result<bool> {
        Ok(self.commit(|state, _| {
            let before = state.secrets.len();
            state.secrets.retain(|secret| secret.name != name);
            state.secrets.len() < before
        }))
    }
}
