//! API keys: only their hashes are stored.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Result;
use crate::domain::Timestamp;
use crate::domain::id::AppId;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Notifications, batch, receipts, explain, previews.
    Send,
    /// All else that writes, and reading what is secret or personal.
    Manage,
    /// Every other GET.
    Read,
    /// `critical` priority and `in_quiet_hours: "ignore"`.
    Critical,
}

/// An API key as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, not secret.
    pub id: Uuid,
    /// The app that it names and belongs to.
    pub app: AppId,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// API keys.
#[async_trait]
pub trait Keys: Send + Sync {
    /// Adds a key under the SHA-256 of its text.
    async fn create_key(&self, key: &ApiKey, hash: [u8; 32]) -> Result<()>;

    /// The key of this hash, expired or not.
    async fn key_by_hash(&self, hash: [u8; 32]) -> Result<Option<ApiKey>>;

    /// An app's keys, newest first.
    async fn keys(&self, app: AppId) -> Result<Vec<ApiKey>>;

    /// Takes a key back; whether there was one.
    async fn delete_key(&self, app: AppId, id: Uuid) -> Result<bool>;
}
