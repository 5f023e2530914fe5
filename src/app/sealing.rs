//! What is sealed at rest is brought under the newest key while the daemon serves.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::store::Store;
use crate::store::sealing::SealedAnew;

/// Rows of one commit.
const AT_ONCE: usize = 250;
/// Between two commits, so that others hardly notice.
const PAUSE: Duration = Duration::from_millis(20);
/// How often it is looked whether there is something to do: a node with an older key may still be writing.
const EVERY: Duration = Duration::from_mins(10);
/// After a fault.
const LATER: Duration = Duration::from_secs(30);

/// Runs until the daemon stops.
pub(super) async fn run(store: Arc<dyn Store>, stopping: CancellationToken) {
    let mut values = 0;
    loop {
        let wait = match store.seal_anew(AT_ONCE).await {
            Ok(SealedAnew::Part(some)) => {
                values += some;
                PAUSE
            }
            Ok(SealedAnew::Over) => {
                tracing::info!(
                    values,
                    "everything is sealed at rest as the first encryption key would have it; older keys are needed no more"
                );
                values = 0;
                EVERY
            }
            Ok(SealedAnew::Nothing) => EVERY,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what is sealed at rest cannot be brought under the newest key now"
                );
                LATER
            }
        };
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}
