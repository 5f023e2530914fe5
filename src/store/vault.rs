//! The vault: secrets that Herald makes for itself and every node has to know.

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::Result;
use crate::domain::Timestamp;

/// A named secret of this store, sealed at rest where there is an encryption key. It has no `Debug`.
#[derive(Clone)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Overwritten when dropped.
    pub value: Zeroizing<Vec<u8>>,
    /// When it was kept.
    pub created_at: Timestamp,
}

/// Secrets by name, the same for every node.
#[async_trait]
pub trait Vault: Send + Sync {
    /// Keeps a secret under a new name; where there is one of that name, that one is answered and nothing is written.
    async fn keep_secret(&self, name: &str, value: &[u8]) -> Result<Secret>;

    /// All whose names begin so, oldest first.
    async fn secrets(&self, prefix: &str) -> Result<Vec<Secret>>;

    /// Forgets one; whether it was there.
    async fn forget_secret(&self, name: &str) -> Result<bool>;
}
