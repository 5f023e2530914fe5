//! What a worker reads: notifications, runs, and targets as they are now.

use std::sync::Arc;

use bytes::Bytes;

use super::Only;
use crate::domain::Timestamp;
use crate::domain::device::{Environment, Permission, Platform, ProviderKind, PushToken, TokenHash};
use crate::domain::id::{AppId, CampaignId, DevicePk, NotificationId, PersonPk, Target};
use crate::domain::preferences::Preferences;
use crate::domain::profile::Tags;
use crate::domain::reason::words;
use crate::domain::token_kind::TokenKind;
use crate::domain::work::{Targets, WorkKey};

/// A notification as the worker reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredNotification {
    /// The app.
    pub app: AppId,
    /// Its id.
    pub id: NotificationId,
    /// As written by accept.
    pub content: Bytes,
    /// The campaign that it is a run of.
    pub campaign: Option<CampaignId>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// From when on it may be sent.
    pub start_at: Timestamp,
    /// When its last target is over.
    pub expires_at: Timestamp,
    /// Days since 1970 of `start_at`.
    pub day: i32,
}

words! {
    /// Where a run is.
    RunStatus {
        /// Its time has not come.
        Scheduled = "scheduled",
        /// It is being released.
        Running = "running",
        /// Someone holds it.
        Paused = "paused",
        /// Nothing of it waits any more.
        Done = "done",
        /// It was cancelled.
        Cancelled = "cancelled",
    }
}

/// A change of a run, for the node-wide stop set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunChange {
    /// Whose app.
    pub app: AppId,
    /// Whose run.
    pub notification: NotificationId,
    /// Where it is now.
    pub status: RunStatus,
    /// Since when.
    pub changed_at: Timestamp,
}

/// What a worker asks of one work row's targets.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Ask {
    /// Which row.
    pub key: WorkKey,
    /// Whom for.
    pub targets: Targets,
    /// Each user's latest seen device only (for `Targets::Users`).
    pub latest_only: bool,
    /// When the notification was accepted: a device that is named belongs to whom it belonged then.
    pub accepted_at: Timestamp,
    /// Days since 1970 of the notification's start, for the look at deliveries.
    pub day: i32,
    /// Also read which targets have a delivery already, whatever their names stood for when they got it: needed unless this is the first
    /// claim of first work.
    pub check_deliveries: bool,
    /// The hash of the caller's collapse key, to read what was shown under it.
    pub collapse_hash: Option<[u8; 32]>,
    /// Which of a device's addresses the notification goes to; `None`: the ordinary one.
    pub token_kind: Option<TokenKind>,
    /// Also read what templates may show of people and devices.
    pub facts: bool,
    /// Nothing is to be written: names that are unknown are answered with target 0.
    pub peek: bool,
    /// Of what is named, only active devices that this means are targets; who has none of them is no target either. Of each user's devices
    /// `latest_only` takes the latest among these.
    pub only: Option<Only>,
}

/// What the store says of one work row's targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The notification's run, where it has one.
    pub run: Option<RunStatus>,
    /// Its targets, resolved, each once, in ascending order of target.
    pub candidates: Vec<Candidate>,
}

/// A target as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Which one. A named user without an active device, and a named device that is unknown or inactive, are targets as well.
    pub target: Target,
    /// Whose it was when the work was made; for names, whose it is.
    pub person: Option<PersonPk>,
    /// The device was named, and has changed hands since the notification was accepted.
    pub moved: bool,
    /// The device; `None` where there is no active one.
    pub recipient: Option<Recipient>,
    /// It has a delivery of this notification already.
    pub delivered: bool,
    /// The newest notification that was sent to it under the same collapse key.
    pub shown: Option<NotificationId>,
    /// The device has no address of the kind that was asked for; the recipient's is the ordinary one then.
    pub lacks_token: bool,
}

/// What the gate, the renderer and the lane need to know of an active device and its person.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipient {
    /// The store's number.
    pub device: DevicePk,
    /// The app's name for it.
    pub name: String,
    /// Whose it is now.
    pub person: Option<PersonPk>,
    /// What it runs on.
    pub platform: Platform,
    /// Who carries pushes to it.
    pub provider: ProviderKind,
    /// Apple's service that knows the address.
    pub environment: Environment,
    /// The address, of the kind that was asked for.
    pub token: PushToken,
    /// Its hash.
    pub token_hash: TokenHash,
    /// What the system lets the app show.
    pub permission: Permission,
    /// Its own zone, known to us or not.
    pub timezone: Option<String>,
    /// BCP 47: its own, else its person's.
    pub locale: Option<String>,
    /// Its person's preferences; `None` where they never wrote any.
    pub preferences: Option<Arc<Preferences>>,
    /// What templates may show of them, where that was asked for.
    pub facts: Option<Arc<Facts>>,
}

/// What templates may show of a person and a device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The `user_id`; `None` where nobody is signed in.
    pub user: Option<String>,
    /// The user's own tags.
    pub user_tags: Tags,
    /// The device's.
    pub device_tags: Tags,
}
