//! What the nodes of one Herald share of their credentials: short-lived values, so that a provider sees one token and not one for each node.

use std::time::Duration;

use async_trait::async_trait;

/// A value that is shared.
pub struct Shared {
    /// As it was put; opaque, and nothing that a stranger could use.
    pub value: Vec<u8>,
    /// For how long it has been there, by the clock of who keeps it.
    pub age: Duration,
}

/// What takes the place of a shared value.
#[derive(Clone, Copy)]
pub struct Replacement<'a> {
    /// What is thought to be there; where there is nothing any more, that is as good.
    pub expected: Option<&'a [u8]>,
    /// What shall be there.
    pub value: &'a [u8],
    /// What is there stays at least this long, whatever is expected.
    pub rest: Duration,
    /// It is forgotten after this.
    pub lives: Duration,
}

/// Whoever keeps the values cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("what nodes share cannot be reached: {0}")]
pub struct ShareError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Keeps short-lived values by name for all nodes, by a clock that they share as well.
#[async_trait]
pub trait TokenShare: Send + Sync {
    /// What is there.
    async fn look(&self, name: &str) -> Result<Option<Shared>, ShareError>;

    /// Puts a value in the place of another, all in one step; `false` where something else is there than was thought, or what is there has
    /// not rested long enough.
    async fn replace(&self, name: &str, replacement: Replacement<'_>) -> Result<bool, ShareError>;
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("age", &self.age).finish_non_exhaustive()
    }
}
