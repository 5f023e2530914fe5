//! One of Apple's two services, as one app's key reaches it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::providers::http2::{Mark, Pool, Want};

/// Connections are made anew for a refusal this often at most.
const RENEWED_EVERY: Duration = Duration::from_mins(1);

/// Where the credential was refused, a token of the other service is not tried for this long: keys may be bound to one of them.
const SHUT_FOR: Duration = Duration::from_mins(10);

/// A pool, and when its connections were last doubted.
pub(super) struct Service {
    pub(super) pool: Pool,
    renewed_at: Mutex<Option<Instant>>,
    shut_at: Mutex<Option<Instant>>,
}

impl Service {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, renewed_at: Mutex::default(), shut_at: Mutex::default() }
    }

    /// It refused the credential with a token of the other service.
    pub(super) fn shut(&self) {
        *self.shut_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether it did lately.
    pub(super) fn is_shut(&self) -> bool {
        let shut_at = self.shut_at.lock().unwrap_or_else(PoisonError::into_inner);
        shut_at.is_some_and(|instant| instant.elapsed() < SHUT_FOR)
    }

    /// After a refusal that may be the connection's: a connection is bound to the team, topics and key that it first saw.
    /// `None` where `refusing` is fresh itself, so that the refusal is final. All who are refused together share one new
    /// connection, and a lasting refusal makes one a minute.
    pub(super) fn renew(&self, refusing: Mark) -> Option<Want> {
        let now = Instant::now();
        let mut renewed_at = self.renewed_at.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match *renewed_at {
            Some(instant) if now.duration_since(instant) < RENEWED_EVERY => instant,
            Some(_) | None => *renewed_at.insert(now),
        };
        if refusing.opened_at() > since {
            return None;
        }
        self.pool.retire(refusing);
        Some(Want::opened_after(since))
    }
}
