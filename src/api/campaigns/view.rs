//! A campaign as callers read it.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::dto::{CampaignNotification, ScheduleRequest, VariantRequest};
use crate::api::etag::Tag;
use crate::api::instant::Instant;
use crate::api::schema;
use crate::domain::campaign::CampaignStatus;
use crate::store::campaign::StoredCampaign;

/// A campaign.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Campaign)]
pub(super) struct CampaignResponse {
    /// Its id.
    id: Uuid,
    /// Its name.
    name: String,
    /// Where it is; `done`: nothing of it waits any more, and no run is to come.
    #[schema(value_type = schema::CampaignStatus)]
    status: CampaignStatus,
    /// Why it is paused, where nobody paused it: `max_targets`, or why a run could not begin.
    reason: Option<String>,
    /// What it sends, as given.
    #[schema(value_type = CampaignNotification)]
    notification: Value,
    /// To whom, as given.
    #[schema(value_type = schema::Segment)]
    segment: Value,
    /// When, as given.
    #[schema(value_type = Option<ScheduleRequest>)]
    schedule: Value,
    /// As given.
    #[schema(value_type = Option<schema::IfPast>)]
    if_past: Value,
    /// As given.
    #[schema(value_type = Option<u32>)]
    per_second: Value,
    /// As given.
    #[schema(value_type = Option<u64>)]
    max_targets: Value,
    /// As given.
    #[schema(value_type = Option<Vec<VariantRequest>>)]
    variants: Value,
    /// When its next run begins; null: none is to come, or it was not started.
    #[schema(value_type = Option<schema::Instant>)]
    next_run_at: Option<Instant>,
    /// When it was made.
    #[schema(value_type = schema::Instant)]
    created_at: Instant,
    /// When it last changed.
    #[schema(value_type = schema::Instant)]
    updated_at: Instant,
}

impl CampaignResponse {
    pub(super) fn of(stored: &StoredCampaign) -> Self {
        let given = |field: &str| stored.definition.given.get(field).cloned().unwrap_or_default();
        Self {
            id: stored.id.0,
            name: stored.definition.name.clone(),
            status: stored.status,
            reason: stored.reason.clone(),
            notification: given("notification"),
            segment: given("segment"),
            schedule: given("schedule"),
            if_past: given("if_past"),
            per_second: given("per_second"),
            max_targets: given("max_targets"),
            variants: given("variants"),
            next_run_at: stored.next_fire.map(Instant),
            created_at: Instant(stored.created_at),
            updated_at: Instant(stored.updated_at),
        }
    }
}

/// Its version.
pub(super) fn tag_of(stored: &StoredCampaign) -> Tag {
    Tag::new(stored.version)
}
