//! What accept writes, and what it answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::domain::Timestamp;
use crate::domain::id::{AppId, CampaignId, NotificationId};
use crate::domain::pace::Pace;
use crate::domain::segment::Segment;
use crate::domain::work::NewWork;

/// A notification to be written, with its work.
#[derive(Clone, Debug)]
pub struct NewNotification {
    /// The app.
    pub app: AppId,
    /// Its id.
    pub id: NotificationId,
    /// [`crate::domain::notification::Notification`] as bytes; the store does not look into them.
    pub content: Bytes,
    /// Its category, for lists.
    pub category: Option<String>,
    /// The campaign that it is a run of.
    pub campaign: Option<CampaignId>,
    /// A test send: counted nowhere in analytics.
    pub test: bool,
    /// The caller's labels, for lists.
    pub labels: BTreeMap<String, String>,
    /// Released through a run.
    pub fan_out: bool,
    /// What holds for its run.
    pub terms: Terms,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// From when on it may be sent.
    pub start_at: Timestamp,
    /// When its last target is over.
    pub expires_at: Timestamp,
    /// Which devices are no targets.
    pub narrowed: Narrowed,
    /// Its first work: a direct one has one row, a named audience over 500 one per chunk, another audience one `Expand`.
    pub work: Vec<NewWork>,
}

/// What holds for the run of a fan-out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// How fast it goes; `None`: as fast as it can.
    pub pace: Option<Pace>,
    /// More targets than these are not sent to: nothing is released before all of the audience is taken, and where it is larger the run and its
    /// campaign are paused.
    pub max_targets: Option<u64>,
}

/// Which devices of those that are named are no targets, so that readers count none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowed {
    /// All but each user's latest seen one.
    pub latest_only: bool,
    /// These.
    pub except: BTreeSet<String>,
    /// All but those that this means at the notification's start, and who has none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Arc<Segment>>,
}

impl NewNotification {
    /// Days since 1970 of `start_at`: part of the key of its deliveries on every store.
    pub fn day(&self) -> i32 {
        day_of(self.start_at)
    }
}

/// Days since 1970, UTC.
pub fn day_of(at: Timestamp) -> i32 {
    i32::try_from(at.timestamp().div_euclid(86_400)).unwrap_or(i32::MAX)
}

/// A caller's idempotency key: per app and route, for 24 h.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey {
    /// The app.
    pub app: AppId,
    /// The route, a fixed word.
    pub route: &'static str,
    /// What the caller sent.
    pub key: String,
    /// SHA-256 of the body, byte for byte.
    pub body_hash: [u8; 32],
}

/// One request to accept: a notification, or a batch of them. All or nothing of what is new in it is written.
#[derive(Clone)]
pub struct Submission {
    /// The request's own key.
    pub key: Option<IdempotencyKey>,
    /// Its notifications.
    pub items: Vec<Item>,
    /// The answer to remember under `key`, made from what became of the items.
    pub answer: RememberedAnswer,
}

/// Makes the answer to remember from what became of the items.
pub type RememberedAnswer = Arc<dyn Fn(&[ItemVerdict]) -> Bytes + Send + Sync>;

/// One notification of a request.
#[derive(Clone)]
pub struct Item {
    /// Its own key, in a batch.
    pub key: Option<IdempotencyKey>,
    /// The answer to remember under its key.
    pub answer: Bytes,
    /// The notification.
    pub notification: NewNotification,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was new.
    New(Vec<ItemVerdict>),
    /// The same key and body came before: what was answered then.
    Replayed(Bytes),
    /// The same key came before with another body.
    Reused,
}

/// What became of one notification of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemVerdict {
    /// It is written.
    Accepted,
    /// The same key and body came before: what was answered then.
    Replayed(Bytes),
    /// The same key came before with another body.
    Reused,
}
