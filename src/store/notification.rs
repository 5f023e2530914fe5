//! Notifications as callers read them.

use std::collections::BTreeMap;
use std::ops::Add;

use async_trait::async_trait;

use super::{Page, PageRequest, Result};
use crate::domain::Timestamp;
use crate::domain::delivery::State;
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::id::{AppId, CampaignId, NotificationId};
use crate::domain::reason::words;

words! {
    /// Where a notification is.
    NotificationStatus {
        /// Its time has not come.
        Scheduled = "scheduled",
        /// Accepted, nothing ended yet.
        Accepted = "accepted",
        /// Something ended, something waits.
        Sending = "sending",
        /// Its run is paused.
        Paused = "paused",
        /// Nothing waits any more.
        Done = "done",
        /// Cancelled.
        Cancelled = "cancelled",
    }
}

/// A notification and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct NotificationView {
    /// Its id.
    pub id: NotificationId,
    /// Where it is.
    pub status: NotificationStatus,
    /// Its category.
    pub category: Option<String>,
    /// The caller's labels.
    pub labels: BTreeMap<String, String>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Targets by state, and receipts.
    pub counts: Counts,
    /// Targets by state and reason.
    pub reasons: BTreeMap<State, BTreeMap<String, u64>>,
    /// Devices of its audience that are no targets.
    pub left_out: LeftOut,
}

/// Devices that an audience which is not named left out, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Nobody has seen them for longer than the app's limit.
    pub stale: u64,
}

/// Targets by state, and receipts among the sent ones. `targeted` is the sum of the first six.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the states and receipts of the contract")]
pub struct Counts {
    pub waiting: u64,
    pub sent: u64,
    pub suppressed: u64,
    pub failed: u64,
    pub expired: u64,
    pub cancelled: u64,
    pub delivered: u64,
    pub opened: u64,
    pub dismissed: u64,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            waiting: self.waiting + more.waiting,
            sent: self.sent + more.sent,
            suppressed: self.suppressed + more.suppressed,
            failed: self.failed + more.failed,
            expired: self.expired + more.expired,
            cancelled: self.cancelled + more.cancelled,
            delivered: self.delivered + more.delivered,
            opened: self.opened + more.opened,
            dismissed: self.dismissed + more.dismissed,
        }
    }
}

/// One target of a notification, waiting or ended.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryView {
    /// Of which notification.
    pub notification: NotificationId,
    /// The device's name; `None` where a person stands for no device, for a broadcast, and once the person was erased.
    pub device: Option<String>,
    /// The user's name; `None` where nobody was signed in, and once the person was erased.
    pub user: Option<String>,
    /// What it runs on, where the device is known.
    pub platform: Option<Platform>,
    /// Who carried it, or would.
    pub provider: Option<ProviderKind>,
    /// Where it is.
    pub state: State,
    /// Why.
    pub reason: Option<String>,
    /// Requests handed to the provider.
    pub attempts: u32,
    /// Which variant of its campaign it was.
    pub variant: Option<String>,
    /// FCM's message name.
    pub message_id: Option<String>,
    /// The provider's own word.
    pub detail: Option<String>,
    /// When a waiting one is looked at again.
    pub next_attempt_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// Receipts.
    pub delivered_at: Option<Timestamp>,
    /// Receipts.
    pub opened_at: Option<Timestamp>,
    /// Receipts.
    pub dismissed_at: Option<Timestamp>,
}

/// Which notifications a list holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotificationFilter {
    /// In this status.
    pub status: Option<NotificationStatus>,
    /// Of this category.
    pub category: Option<String>,
    /// Runs and test sends of this campaign.
    pub campaign: Option<CampaignId>,
    /// With all of these labels.
    pub labels: BTreeMap<String, String>,
    /// Accepted at or after.
    pub from: Option<Timestamp>,
    /// Accepted before.
    pub to: Option<Timestamp>,
}

/// Which deliveries a list holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// In this state.
    pub state: Option<State>,
    /// For this reason.
    pub reason: Option<String>,
    /// Of this user.
    pub user: Option<String>,
}

/// Notifications by app.
#[async_trait]
pub trait Notifications: Send + Sync {
    /// One, with counts that hold at one instant: targeted = the sum of the states.
    ///
    /// Waiting targets of a direct notification whose names are not resolved yet count as they would resolve now.
    async fn notification(&self, app: AppId, id: NotificationId) -> Result<Option<NotificationView>>;

    /// Newest first.
    async fn notifications(&self, app: AppId, filter: &NotificationFilter, page: &PageRequest) -> Result<Page<NotificationView>>;

    /// Its targets, the waiting ones first; `None` where there is no such notification.
    async fn deliveries(
        &self,
        app: AppId,
        id: NotificationId,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<Option<Page<DeliveryView>>>;

    /// A user's targets, the waiting ones first, each of the newest notification first; of a user who is unknown those that wait for the name.
    /// A page looks through so much and no more: it may be short, or empty, and still have a next one.
    async fn user_deliveries(&self, app: AppId, user: &str, page: &PageRequest) -> Result<Page<DeliveryView>>;
}
