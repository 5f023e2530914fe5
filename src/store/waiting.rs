//! Work that names somebody.

use std::time::Duration;

use async_trait::async_trait;

use super::Result;
use crate::domain::id::{AppId, NotificationId, WorkId};
use crate::domain::somebody::Somebody;
use crate::domain::work::{NewWork, WorkKey};

/// A row that sends, as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitingWork {
    /// Where it is.
    pub key: WorkKey,
    /// The fence: under it the row can be ended while nobody takes it.
    pub epoch: i64,
    /// A worker has it.
    pub held: bool,
    /// A worker had it, and its lease lapsed: it may still be about to record what it did.
    pub lapsed: bool,
    /// The row as it would be written anew; due now where it was published.
    pub work: NewWork,
}

/// A part of the work that names somebody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WaitingPart {
    /// The rows.
    pub work: Vec<WaitingWork>,
    /// From where on there may be more.
    pub next: Option<(NotificationId, WorkId)>,
}

/// Work by whom it names, and taken for what it names rather than because it is due. No index holds it: it is found by walking through all that waits, part by part.
#[async_trait]
pub trait Waiting: Send + Sync {
    /// By what work knows a user.
    async fn somebody(&self, app: AppId, user: &str) -> Result<Somebody>;

    /// The rows that name somebody, of the newest notification first, from a place on. A part looks through so much and no more: it may hold
    /// nothing and still have a next one.
    ///
    /// What cannot be read is passed over, and told to the log.
    async fn waiting_for(&self, app: AppId, whom: &Somebody, from: Option<(NotificationId, WorkId)>) -> Result<WaitingPart>;

    /// Takes rows that nobody holds under these epochs, due or not and whatever their run: epoch + 1, lease. Those that it took, under their
    /// new epochs.
    async fn seize(&self, rows: &[(WorkKey, i64)], lease: Duration) -> Result<Vec<(WorkKey, i64)>>;
}
