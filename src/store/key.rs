//! API keys: only their keyed hashes are stored, see [`KeyHasher`](super::key_hash::KeyHasher).

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
    /// When it was used last, to about a minute.
    pub last_used_at: Option<Timestamp>,
    /// The key that took its place.
    pub rotated_to: Option<Uuid>,
}

/// A key that is to take another's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The id of the new key.
    pub id: Uuid,
    /// The hash of the new key.
    pub hash: [u8; 32],
    /// The present.
    pub at: Timestamp,
    /// When the old key ends, unless it ends before.
    pub until: Timestamp,
}

/// What became of a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The new key, which has the name, the scopes and the end of the old one.
    To(Box<ApiKey>),
    /// Another key took its place before.
    Already,
    /// It has expired: a key in its place would have, too.
    Expired,
    /// There is no such key.
    Unknown,
}

impl ApiKey {
    /// The key that takes its place, or why none can.
    pub(super) fn successor(&self, rotation: &Rotation) -> Result<Self, Rotated> {
        if self.rotated_to.is_some() {
            return Err(Rotated::Already);
        }
        if self.expires_at.is_some_and(|end| end <= rotation.at) {
            return Err(Rotated::Expired);
        }
        Ok(Self { id: rotation.id, created_at: rotation.at, last_used_at: None, ..self.clone() })
    }
}

/// API keys. Hashes are keyed ones wherever nothing else is said.
#[async_trait]
pub trait Keys: Send + Sync {
    /// Adds a key under its hash.
    async fn create_key(&self, key: &ApiKey, hash: [u8; 32]) -> Result<()>;

    /// The key of this id and its hash, expired or not, of whatever app.
    async fn key_by_id(&self, id: Uuid) -> Result<Option<(ApiKey, [u8; 32])>>;

    /// The key of this hash, expired or not, of whatever app.
    async fn key_by_hash(&self, hash: [u8; 32]) -> Result<Option<ApiKey>>;

    /// An app's keys, newest first.
    async fn keys(&self, app: AppId) -> Result<Vec<ApiKey>>;

    /// Puts a new key in the place of one, which ends when the rotation says.
    async fn rotate_key(&self, app: AppId, id: Uuid, rotation: &Rotation) -> Result<Rotated>;

    /// Notes when keys were used; an instant before what is known changes nothing, nor does a key that is gone.
    async fn keys_used(&self, uses: &[(Uuid, Timestamp)]) -> Result<()>;

    /// Takes a key back; whether there was one.
    async fn delete_key(&self, app: AppId, id: Uuid) -> Result<bool>;

    /// Keys of all apps that are stored under the SHA-256 of their text still, and that hash.
    async fn plain_keys(&self) -> Result<Vec<(Uuid, [u8; 32])>>;

    /// Stores a key under its keyed hash instead of the SHA-256 `plain`; nothing where somebody did before.
    async fn key_hash(&self, id: Uuid, plain: [u8; 32], keyed: [u8; 32]) -> Result<()>;
}
