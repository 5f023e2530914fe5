//! What the nodes' provider tokens are shared through, where the queue is in Redis.

use std::time::Duration;

use async_trait::async_trait;

use crate::providers::{Replacement, ShareError, Shared, TokenShare};
use crate::queue::Error;
use crate::queue::redis::{Change, SharedValues};

/// Providers and queue know nothing of each other: this stands between.
pub(super) struct ThroughRedis(pub(super) SharedValues);

#[async_trait]
impl TokenShare for ThroughRedis {
    async fn look(&self, name: &str) -> Result<Option<Shared>, ShareError> {
        let found = self.0.look(name).await.map_err(away)?;
        Ok(found.map(|(value, age): (Vec<u8>, Duration)| Shared { value, age }))
    }

    async fn replace(&self, name: &str, Replacement { expected, value, rest, lives }: Replacement<'_>) -> Result<bool, ShareError> {
        self.0.replace(name, Change { expected, value, rest, lives }).await.map_err(away)
    }
}

fn away(error: Error) -> ShareError {
    ShareError(Box::new(error))
}
