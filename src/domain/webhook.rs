//! Outgoing webhooks: what an app's backend is told, by the Standard Webhooks specification.

pub mod address;
pub mod attempt;
pub mod message_type;
pub mod signature;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Timestamp;
use super::id::AppId;

/// Items of one message, at most.
pub const MAX_ITEMS: usize = 500;
/// For how long items wait for others of their type, so that one request carries them.
pub const LINGER: Duration = Duration::from_secs(1);
/// For how long a message is tried again.
pub const TRIED_FOR: Duration = Duration::from_hours(72);
/// For how long the secret before still signs after a rotation.
pub const OVERLAP: Duration = Duration::from_hours(24);
/// Webhooks of one app, at most.
pub const MAX_WEBHOOKS: usize = 20;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventType {
    /// A provider accepted a push.
    #[serde(rename = "delivery.sent")]
    DeliverySent,
    /// The gate decided that one is not sent.
    #[serde(rename = "delivery.suppressed")]
    DeliverySuppressed,
    /// A provider refused one for good.
    #[serde(rename = "delivery.failed")]
    DeliveryFailed,
    /// Its time ran out.
    #[serde(rename = "delivery.expired")]
    DeliveryExpired,
    /// The app got it.
    #[serde(rename = "receipt.delivered")]
    ReceiptDelivered,
    /// Somebody opened it.
    #[serde(rename = "receipt.opened")]
    ReceiptOpened,
    /// Somebody dismissed it.
    #[serde(rename = "receipt.dismissed")]
    ReceiptDismissed,
    /// A device is new, or active again.
    #[serde(rename = "device.registered")]
    DeviceRegistered,
    /// A device gets nothing any more.
    #[serde(rename = "device.deactivated")]
    DeviceDeactivated,
    /// Somebody's preferences are others now.
    #[serde(rename = "preferences.changed")]
    PreferencesChanged,
    /// A campaign's run began.
    #[serde(rename = "campaign.started")]
    CampaignStarted,
    /// A campaign was paused.
    #[serde(rename = "campaign.paused")]
    CampaignPaused,
    /// A campaign is done.
    #[serde(rename = "campaign.done")]
    CampaignDone,
    /// A lane was paused.
    #[serde(rename = "lane.paused")]
    LanePaused,
}

/// Where an app wants to be told of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub app: AppId,
    /// Where requests go.
    pub url: String,
    /// Of what; at least one.
    pub events: BTreeSet<EventType>,
    /// Why nothing is sent any more; `None`: it is.
    pub disabled: Option<Disabled>,
    /// Since when every attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Why a webhook is told nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disabled {
    /// Somebody said so.
    Switched,
    /// It answered 410.
    Gone,
    /// Nothing but failures for as long as a message is tried.
    Failing,
}
