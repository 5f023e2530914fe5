//! What was answered under callers' idempotency keys.

use async_trait::async_trait;
use bytes::Bytes;

use super::Result;
use super::engine::IdempotencyKey;

/// What a key says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// It is new.
    Nothing,
    /// The same body came before: what was answered.
    Same(Bytes),
    /// Another body came before.
    Other,
}

/// Remembered answers, by key.
#[async_trait]
pub trait Replays: Send + Sync {
    /// What came before under each key, in order. Accepting looks again, in its commit: requests at the same time may bring the same key.
    async fn before(&self, keys: &[IdempotencyKey]) -> Result<Vec<Before>>;
}
