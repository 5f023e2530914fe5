//! Receipts: what devices report of pushes that reached them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Result;
use crate::domain::Timestamp;
use crate::domain::id::{AppId, NotificationId};

/// What became of a push on the screen. `opened` and `dismissed` imply `delivered`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptKind {
    /// The app got it.
    Delivered,
    /// The person tapped it.
    Opened,
    /// The person swiped it away.
    Dismissed,
}

/// One report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Of which push.
    pub notification: NotificationId,
    /// On which device, by name.
    pub device: String,
    /// What happened.
    pub kind: ReceiptKind,
    /// When, as the device says; `None`, before the send or in the future: the arrival.
    pub at: Option<Timestamp>,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptVerdict {
    /// Counted, or counted before.
    Accepted,
    /// The notification has begun and the send is not booked yet: kept for an hour.
    Early,
    /// No push that was sent to that device, whatever the cause.
    UnknownDelivery,
    /// More than 30 days after the send.
    TooLate,
}

/// Receipts by app.
#[async_trait]
pub trait Receipts: Send + Sync {
    /// Books reports, answered in order.
    async fn receive(&self, app: AppId, receipts: &[Receipt]) -> Result<Vec<ReceiptVerdict>>;

    /// Tries again what came early, forgets what is over an hour old; how many were settled.
    async fn settle_early_receipts(&self) -> Result<usize>;
}
