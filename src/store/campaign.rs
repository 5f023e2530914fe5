//! Campaigns and their runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::engine::{IdempotencyKey, NewNotification};
use super::notification::Counts;
use super::{Page, PageRequest, Result};
use crate::domain::Timestamp;
use crate::domain::campaign::CampaignStatus;
use crate::domain::device::Platform;
use crate::domain::id::{AppId, CampaignId, NotificationId, RunId};
use crate::domain::latency::Latency;

/// The reason of a campaign that was paused since its audience is larger than it may be.
pub const MAX_TARGETS: &str = "max_targets";

/// What a campaign says.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// As its caller gave it.
    pub given: serde_json::Value,
    /// The same as runs are made of it; the store does not look into it.
    pub plan: Bytes,
}

/// A campaign as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredCampaign {
    /// Its id.
    pub id: CampaignId,
    /// What it says.
    pub definition: Definition,
    /// Where it is.
    pub status: CampaignStatus,
    /// Why it is paused, where nobody paused it: [`MAX_TARGETS`], or what [`Campaigns::stop_campaign`] was told.
    pub reason: Option<String>,
    /// When its next run begins; `None`: there is none to come.
    pub next_fire: Option<Timestamp>,
    /// Grows with each change; the `ETag`.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The key of a request that makes a campaign, and how it is answered.
#[derive(Clone)]
pub struct Remember {
    /// The key.
    pub key: IdempotencyKey,
    /// Makes the answer to remember under it.
    pub answer: Arc<dyn Fn(&StoredCampaign) -> Bytes + Send + Sync>,
}

/// What a request to make a campaign came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Made {
    /// It is there now.
    New(Box<StoredCampaign>),
    /// The same key and body came before: what was answered then.
    Replayed(Bytes),
    /// The same key came before with another body.
    Reused,
}

/// What a change of a campaign came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Turned {
    /// It is so now.
    Done(Box<StoredCampaign>),
    /// From where it is there is no such step.
    Refused(Box<StoredCampaign>),
    /// `if_match` named another version.
    Stale,
    /// There is no such campaign.
    Unknown,
}

/// A run of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignRun {
    /// Its id.
    pub id: RunId,
    /// When it was to begin.
    pub occurrence: Timestamp,
    /// Its notification; `None` where the occurrence was skipped.
    pub notification: Option<NotificationId>,
}

/// One that is due, or was missed.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The run.
    pub run: CampaignRun,
    /// What it sends; `None`: it is skipped.
    pub notification: Option<NewNotification>,
}

/// What became of the targets of a campaign's runs, as far as they are kept. Test sends are in none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CampaignStats {
    /// Of all of them.
    pub counts: Counts,
    /// Of those that ended, with their receipts, by platform and variant: `waiting` is 0 everywhere.
    pub parts: BTreeMap<(Option<Platform>, Option<String>), Counts>,
    /// How long what was sent took.
    pub latency: BTreeMap<Latency, u64>,
}

/// Campaigns by app. Each change of status is one compare-and-set.
#[async_trait]
pub trait Campaigns: Send + Sync {
    /// Makes a draft, unless the request came before under its key.
    async fn create_campaign(&self, app: AppId, id: CampaignId, definition: &Definition, remember: Option<Remember>) -> Result<Made>;

    /// One of them.
    async fn campaign(&self, app: AppId, id: CampaignId) -> Result<Option<StoredCampaign>>;

    /// Newest first.
    async fn campaigns(&self, app: AppId, status: Option<CampaignStatus>, page: &PageRequest) -> Result<Page<StoredCampaign>>;

    /// Replaces what a draft or a scheduled one says; `next_fire` where it is scheduled, which without one keeps its own.
    async fn put_campaign(
        &self,
        app: AppId,
        id: CampaignId,
        definition: &Definition,
        next_fire: Option<Timestamp>,
        if_match: Option<i64>,
    ) -> Result<Turned>;

    /// Deletes a draft.
    async fn delete_campaign(&self, app: AppId, id: CampaignId) -> Result<Turned>;

    /// Schedules a draft whose version is this for its first run.
    async fn start_campaign(&self, app: AppId, id: CampaignId, version: i64, next_fire: Timestamp) -> Result<Turned>;

    /// Holds it, and all of its runs.
    async fn pause_campaign(&self, app: AppId, id: CampaignId) -> Result<Turned>;

    /// Lets it and its runs go on; refused where it was stopped because its audience is larger than its `max_targets`.
    async fn resume_campaign(&self, app: AppId, id: CampaignId) -> Result<Turned>;

    /// Gives it up, with what waits of its runs.
    async fn cancel_campaign(&self, app: AppId, id: CampaignId) -> Result<Turned>;

    /// Scheduled and running ones of these apps whose next run is due, those that wait longest first.
    async fn due_campaigns(&self, apps: &[AppId], limit: usize) -> Result<Vec<(AppId, StoredCampaign)>>;

    /// Begins runs of a campaign that was due as of this version, and says when the next one is: in one commit, and only if nobody began them or
    /// changed it before. It is running from then on. Whether it was this call.
    async fn fire_campaign(&self, app: AppId, id: CampaignId, version: i64, runs: Vec<NewRun>, next: Option<Timestamp>) -> Result<bool>;

    /// Holds a campaign that cannot begin its run, for this reason. Whether it was due, as of this version, until then.
    async fn stop_campaign(&self, app: AppId, id: CampaignId, version: i64, reason: &str) -> Result<bool>;

    /// Ends running campaigns that have no run to come and none that is open; how many.
    async fn settle_campaigns(&self) -> Result<usize>;

    /// Its runs, newest first; `None` where there is no such campaign.
    async fn campaign_runs(&self, app: AppId, id: CampaignId, page: &PageRequest) -> Result<Option<Page<CampaignRun>>>;

    /// What became of its targets in all runs, or in one; `None` where there is no such campaign, or no such run of it.
    async fn campaign_stats(&self, app: AppId, id: CampaignId, run: Option<RunId>) -> Result<Option<CampaignStats>>;
}
