//! What callers of the path hold: the API's and the command line's way in.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDateTime;

use super::accept::Prepared;
use super::directory::Directory;
use super::draft::{Draft, Rejected};
use crate::domain::Timestamp;
use crate::domain::device::{Environment, Platform, ProviderKind};
use crate::domain::id::{AppId, NotificationId};
use crate::domain::notification::{IfPast, InQuietHours, Priority};
use crate::store;
use crate::store::engine::{Submission, Verdict};

/// The running path of this node.
pub struct Dispatch {
    directory: Arc<Directory>,
}

/// What a draft would come to, were it sent now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preview {
    /// Targets.
    pub targeted: u64,
    /// `send`, or the reason of a deferral or a suppression, and how many.
    pub decisions: BTreeMap<String, u64>,
    /// One payload for each provider, platform and locale.
    pub rendered: Vec<RenderedPreview>,
}

/// A payload as the provider would get it, with a stand-in for the token.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedPreview {
    /// Whose form.
    pub provider: ProviderKind,
    /// For what.
    pub platform: Platform,
    /// The locale asked for; `None` the default words.
    pub locale: Option<String>,
    /// What counts towards the provider's limit.
    pub bytes: usize,
    /// The body.
    pub payload: serde_json::Value,
}

/// Whom an explanation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A user's devices.
    User(String),
    /// One device.
    Device(String),
}

/// A push that is imagined, for `POST /v1/explain`.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// About whom.
    pub who: Who,
    /// Its category; must be declared.
    pub category: Option<String>,
    /// How urgent; the category's where absent.
    pub priority: Option<Priority>,
    /// A data-only push.
    pub silent: bool,
    /// Its life; the category's where absent.
    pub ttl_seconds: Option<u32>,
    /// What in quiet hours.
    pub in_quiet_hours: InQuietHours,
    /// A wall clock.
    pub send_at_local: Option<NaiveDateTime>,
    /// If that has passed.
    pub if_past: IfPast,
    /// The instant to judge at; the present where absent.
    pub at: Option<Timestamp>,
}

/// What the gate says of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Which; `None` where the user has no active device.
    pub device: Option<String>,
    /// `send`, `defer` or `suppress`.
    pub decision: &'static str,
    /// When it would be sent.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
    /// The zone that counts.
    pub timezone: String,
    /// The wall clock there at the instant judged.
    pub local_time: NaiveDateTime,
}

/// A lane as operators see it.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneView {
    /// Who carries.
    pub provider: ProviderKind,
    /// Apple's service.
    pub environment: Option<Environment>,
    /// Which part of FCM's lane.
    pub platform: Option<Platform>,
    /// Whether someone or something holds it.
    pub paused: bool,
    /// Why.
    pub reason: Option<String>,
}

impl Dispatch {
    /// The apps of this node.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Checks a draft wholly and makes what is to be written of it.
    pub async fn prepare(&self, app: AppId, draft: Draft) -> Result<Prepared, Rejected> {
        todo!("{app:?} {draft:?}")
    }

    /// Writes a request's notifications, in one commit with others; answers when that is durable.
    pub async fn submit(&self, submission: Submission) -> Result<Verdict, store::Error> {
        todo!("{}", submission.items.len())
    }

    /// Cancels what has not been sent; whether there is such a notification.
    pub async fn cancel(&self, app: AppId, id: NotificationId) -> Result<bool, store::Error> {
        todo!("{app:?} {id:?}")
    }

    /// What a draft would come to. Nothing is written.
    pub async fn preview(&self, app: AppId, draft: Draft) -> Result<Preview, Rejected> {
        todo!("{app:?} {draft:?}")
    }

    /// What the gate would decide, per device; `None` where a named device is unknown.
    pub async fn explain(&self, app: AppId, question: &Question) -> Result<Option<Vec<Explained>>, Rejected> {
        todo!("{app:?} {question:?}")
    }

    /// An app's lanes.
    pub fn lanes(&self, app: AppId) -> Vec<LaneView> {
        todo!("{app:?}")
    }

    /// Lets a provider's lanes go on; `None` where the app has no such provider.
    pub fn resume_lanes(&self, app: AppId, provider: ProviderKind) -> Option<Vec<LaneView>> {
        todo!("{app:?} {provider:?}")
    }
}
