//! What every provider is given by the composition root.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::clock::{Clock, Rng};

/// The surroundings of a provider. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The time, for tokens and `Retry-After`.
    pub clock: Arc<dyn Clock>,
    /// Chance, for jitter.
    pub rng: Arc<dyn Rng>,
    /// Where connections and refreshes run, so that shutdown can wait for them.
    pub tasks: TaskTracker,
    /// Cancelled when nothing more will be sent: connections then close once what is under way has ended.
    pub cancel: CancellationToken,
    /// For one send, immediate repeats and waiting for a stream included.
    pub send_timeout: Duration,
    /// `[retry] provider_floors`: the waits that Apple and Google ask for where an answer has no `Retry-After`.
    pub provider_floors: bool,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("send_timeout", &self.send_timeout)
            .field("provider_floors", &self.provider_floors)
            .finish_non_exhaustive()
    }
}
