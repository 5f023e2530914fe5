//! How long a body that comes slowly is waited for: who sends a byte now and then holds a place that others need.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::api::body::too_slow;
use crate::api::problem::Problem;

/// So many bytes earn a second of waiting.
const BYTES_A_SECOND: u32 = 500;

/// What is left of it. Waiting uses it up, what comes renews it; the time that we take ourselves does not count.
#[derive(Debug)]
pub(in crate::api) struct Patience {
    left: Duration,
    most: Duration,
}

impl Patience {
    /// So much at first, and never more.
    pub(in crate::api) fn new(most: Duration) -> Self {
        Self { left: most, most }
    }

    /// Waits for the next piece, of this length, or the end; 408 once there is no patience left.
    pub(in crate::api) async fn wait<T>(
        &mut self,
        piece: impl Future<Output = Option<T>>,
        length: impl Fn(&T) -> usize,
    ) -> Result<Option<T>, Problem> {
        let begun = Instant::now();
        let piece = timeout(self.left, piece).await.map_err(|_| too_slow())?;
        let earned = Duration::from_secs(1).saturating_mul(u32::try_from(piece.as_ref().map_or(0, length)).unwrap_or(u32::MAX));
        let left = self.left.saturating_sub(begun.elapsed()).saturating_add(earned / BYTES_A_SECOND);
        self.left = left.min(self.most);
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::api::problem::Code;

    async fn after(seconds: u64, bytes: usize) -> Option<usize> {
        sleep(Duration::from_secs(seconds)).await;
        Some(bytes)
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_steadily_is_waited_for() {
        let mut patience = Patience::new(Duration::from_secs(20));
        for _ in 0..100 {
            assert_eq!(patience.wait(after(10, 5000), |bytes| *bytes).await.unwrap(), Some(5000));
        }
        // what came fast earns no more than there was at first
        assert!(patience.wait(after(0, 1_000_000), |bytes| *bytes).await.is_ok());
        assert_eq!(patience.wait(after(21, 1), |bytes| *bytes).await.unwrap_err().code(), Code::RequestTimeout);
    }

    #[tokio::test(start_paused = true)]
    async fn who_trickles_is_left() {
        let mut patience = Patience::new(Duration::from_secs(20));
        let mut waited = 0;
        while patience.wait(after(1, 1), |bytes| *bytes).await.is_ok() {
            waited += 1;
        }
        assert_eq!(waited, 20);
    }

    #[tokio::test(start_paused = true)]
    async fn our_own_time_is_not_counted() {
        let mut patience = Patience::new(Duration::from_secs(2));
        for _ in 0..10 {
            assert!(patience.wait(after(0, 1), |bytes| *bytes).await.is_ok());
            sleep(Duration::from_mins(1)).await;
        }
    }
}
