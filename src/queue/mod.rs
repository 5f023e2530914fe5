//! The queue: what can be worked on now. A hint, never the truth: an entry may be lost, doubled or late without harm.

mod address;
pub mod in_process;
pub mod redis;

use std::time::Duration;

use async_trait::async_trait;

pub use crate::domain::work::Entry;
use crate::domain::work::Stream;
pub use address::{RedisUrl, UrlError};

/// An entry in a worker's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What it refers to.
    pub entry: Entry,
    /// The queue's own name for this entry within its stream (a Redis stream id), for the ack.
    pub receipt: String,
}

/// What can go wrong with the queue. Nothing is lost by it: the publish guard brings entries back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The queue cannot be reached.
    #[error("the queue cannot be reached: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The ready window.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Adds entries. What would be beyond [`Queue::limit`] is dropped and comes back through its guard. One that is there already may be
    /// there twice.
    async fn publish(&self, entries: &[Entry]) -> Result<(), Error>;

    /// Entries of at most `max` targets together, or one with more, by the weights high 8 : normal 4 : bulk 1 of targets, with unused
    /// shares passed on. Waits up to `wait` for the first. Who goes away while waiting takes nothing along for good.
    async fn take(&self, max: usize, wait: Duration) -> Result<Vec<Taken>, Error>;

    /// Ends entries, whatever became of their work: the row knows when to come back. One that was ended already stays so.
    async fn ack(&self, taken: &[Taken]) -> Result<(), Error>;

    /// At most `max` entries that some worker took, perhaps this one, and nobody has ended for `idle`: they are taken anew.
    async fn reclaim(&self, max: usize, idle: Duration) -> Result<Vec<Taken>, Error>;

    /// Entries in a stream: unread, and pending where the queue remembers what was taken.
    async fn len(&self, stream: Stream) -> Result<usize, Error>;

    /// Answers when the queue can be read and written.
    async fn ping(&self) -> Result<(), Error>;

    /// Clears away what nobody can reach any more. The daemon calls it now and then.
    async fn tidy(&self) -> Result<(), Error>;

    /// Entries that a stream should hold at most: who publishes looks at what is free of it first.
    fn window(&self) -> usize;

    /// Entries that a stream does hold at most. Publishers that look at the same time each fill what they see free; what of that were
    /// dropped would be nobody's until its guard ends. So there is as much room again.
    fn limit(&self) -> usize {
        self.window().saturating_mul(2)
    }
}
