//! Sealing anew: what was written before there was a key, or under an older one.

use async_trait::async_trait;

use super::Result;

/// A look at a store from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspected<C> {
    /// How it stands to this version's schema.
    pub condition: C,
    /// Values that are not sealed as the keys given would have it; a daemon with them brings that down to none.
    pub behind: u64,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedAnew {
    /// A part was looked at, and so many values of it are written anew. There may be more.
    Part(u64),
    /// That was the last part: all are written as the newest key would have them, and the others are needed no more.
    Over,
    /// There is nothing to do, or it is another node's to do.
    Nothing,
}

/// Brings what is sealed at rest under the key that seals by now.
#[async_trait]
pub trait Sealing: Send + Sync {
    /// Looks at the next so many rows. Nodes take turns, whoever opened the store last decides which key it is, and a restart goes on
    /// where it was. The daemon calls it until it is over, and now and then.
    async fn seal_anew(&self, limit: usize) -> Result<SealedAnew>;
}
