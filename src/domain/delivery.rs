//! The record of one notification at one target: inserted once, final.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::device::{Platform, ProviderKind};
use super::id::{AppId, CampaignId, NotificationId, PersonPk, Target};
use super::latency::Latency;
use super::outcome::Reason;
use super::reason::{FailReason, SuppressReason};

/// How a delivery ended. Waiting is not a state of a delivery: it is being named in a work row without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The provider accepted it.
    Sent,
    /// Herald decided against it.
    Suppressed(SuppressReason),
    /// It failed for good.
    Failed(FailReason),
    /// Its time ran out; with the last outcome or wait as the reason, as callers see it.
    Expired(String),
    /// It was cancelled before it was sent.
    Cancelled,
}

/// The state of a target, as callers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Named in a work row, without a delivery.
    Waiting,
    /// The provider accepted it.
    Sent,
    /// Herald decided against it.
    Suppressed,
    /// It failed for good.
    Failed,
    /// Its time ran out.
    Expired,
    /// It was cancelled.
    Cancelled,
}

/// With which others a notification's deliveries are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cohort {
    /// The app.
    pub app: AppId,
    /// The category.
    pub category: Option<String>,
    /// The campaign that it is a run of.
    pub campaign: Option<CampaignId>,
    /// A test send: counted nowhere.
    pub test: bool,
}

/// A delivery as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Of which notification.
    pub notification: NotificationId,
    /// The notification's, shared by all of its deliveries.
    pub cohort: Arc<Cohort>,
    /// Days since 1970 of the notification's `start_at`; part of the key on every store.
    pub day: i32,
    /// At which target.
    pub target: Target,
    /// Whose it was.
    pub person: Option<PersonPk>,
    /// How it ended.
    pub ending: Ending,
    /// Requests handed to the provider.
    pub attempts: u32,
    /// What the device runs on; `None` where there is none.
    pub platform: Option<Platform>,
    /// Who carried it, or would have; `None` where there is no device.
    pub provider: Option<ProviderKind>,
    /// Which variant of its campaign it was; `None`: there are none.
    pub variant: Option<Arc<str>>,
    /// How long it took from the instant at which it could have been sent at the earliest, that is when it was due at the device or at the end
    /// of the quiet hours in which that lay, to the provider's acceptance. Waiting for the run's pace, for a lane and for retries is part of it.
    /// Of what was sent for a campaign, tests left out.
    pub latency: Option<Latency>,
    /// FCM's message name.
    pub message_id: Option<String>,
    /// The provider's own word, for operators.
    pub detail: Option<Reason>,
    /// When it ended.
    pub at: Timestamp,
}

impl Ending {
    /// The state it leaves.
    pub fn state(&self) -> State {
        match self {
            Self::Sent => State::Sent,
            Self::Suppressed(_) => State::Suppressed,
            Self::Failed(_) => State::Failed,
            Self::Expired(_) => State::Expired,
            Self::Cancelled => State::Cancelled,
        }
    }

    /// The reason as callers see it; `sent` and `cancelled` have none.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Sent | Self::Cancelled => None,
            Self::Suppressed(reason) => Some(reason.as_str()),
            Self::Failed(reason) => Some(reason.as_str()),
            Self::Expired(reason) => Some(reason),
        }
    }
}

impl State {
    /// Every one there is.
    pub const ALL: [Self; 6] = [Self::Waiting, Self::Sent, Self::Suppressed, Self::Failed, Self::Expired, Self::Cancelled];

    /// As callers see it and the store keeps it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Suppressed => "suppressed",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// The one that is written so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}
