//! Work that was taken so often without progress that it is left alone: whatever it did to its workers, it does to nobody else.

use async_trait::async_trait;

use super::{Page, PageRequest, Result};
use crate::domain::Timestamp;
use crate::domain::id::{AppId, NotificationId, WorkId};

/// One target that nobody tries any more, until it is retried or expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its notification.
    pub notification: NotificationId,
    /// Its row.
    pub work: WorkId,
    /// The device's name; `None` where a user was named, where it is a broadcast, and where it was forgotten.
    pub device: Option<String>,
    /// The user's name, where one is known.
    pub user: Option<String>,
    /// How often it was taken in vain.
    pub takes: u32,
    /// Requests handed to the provider before.
    pub attempts: u32,
    /// When it was given up.
    pub died_at: Timestamp,
    /// When it ends for good, as expired.
    pub expires_at: Timestamp,
}

/// Dead letters by app.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// The last to die first.
    async fn dead_letters(&self, app: AppId, page: &PageRequest) -> Result<Page<DeadLetter>>;

    /// One of them.
    async fn dead_letter(&self, app: AppId, notification: NotificationId, work: WorkId) -> Result<Option<DeadLetter>>;

    /// Makes it due, with all its takes before it; whether there was one.
    async fn retry_dead_letter(&self, app: AppId, notification: NotificationId, work: WorkId) -> Result<bool>;
}
