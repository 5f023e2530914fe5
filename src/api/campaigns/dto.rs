//! A campaign as callers write it.

use serde::Deserialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use crate::api::instant::{Instant, LocalTime};
use crate::api::json::{AnyValue, UniqueMap, objects};
use crate::api::notifications::{ContentRequest, NotificationRequest};
use crate::api::schema;
use crate::domain::notification::IfPast;

/// What is sent to a segment, when, how fast, and in which variants.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(in crate::api) struct CampaignRequest {
    /// For people, 1–200 characters.
    #[schema(value_type = String, required = true, min_length = 1, max_length = 200)]
    pub(super) name: Option<String>,
    /// What is sent, as in `POST /v1/notifications`, without saying to whom or when. It must have a category; its priority is the category's,
    /// else `normal`.
    #[schema(value_type = CampaignNotification, required = true)]
    pub(super) notification: Option<NotificationRequest>,
    /// To whom: the active devices that it means when a run begins.
    #[schema(value_type = schema::Segment, required = true)]
    pub(super) segment: Option<AnyValue>,
    /// When; absent: as soon as it is started.
    pub(super) schedule: Option<ScheduleRequest>,
    /// With `schedule.at_local`: what becomes of devices where that time has passed; `skip` where absent.
    #[schema(value_type = Option<schema::IfPast>)]
    pub(super) if_past: Option<IfPast>,
    /// So many pushes a second at most, over all nodes; absent: as fast as can be.
    #[schema(minimum = 1, maximum = 100_000)]
    pub(super) per_second: Option<u32>,
    /// Where the audience of a run is larger, nothing of it is sent and the campaign is paused.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub(super) max_targets: Option<u64>,
    /// The same in other words, by weight. A person is always in the same variant, on each device and in each run.
    #[schema(min_items = 1, max_items = 20)]
    pub(super) variants: Option<Vec<VariantRequest>>,
}

/// When a campaign runs: exactly one of `at`, `at_local`, `cron`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = Schedule)]
pub(in crate::api) struct ScheduleRequest {
    /// At an instant, at most 366 days ahead; in the past is now.
    #[schema(value_type = Option<schema::Instant>)]
    pub(super) at: Option<Instant>,
    /// When each device's own wall clock shows it. The audience is taken when the first clock on Earth does.
    #[schema(value_type = Option<schema::LocalTime>)]
    pub(super) at_local: Option<LocalTime>,
    /// Again and again: minute, hour, day of the month, month, day of the week. An occurrence that is missed by more than an hour is skipped.
    #[schema(max_length = 256)]
    pub(super) cron: Option<String>,
    /// With `cron`: the zone of its clock; where absent the app's default zone, as it is when the campaign is written.
    pub(super) timezone: Option<String>,
    /// With `cron`: there is no occurrence after it.
    #[schema(value_type = Option<schema::Instant>)]
    pub(super) until: Option<Instant>,
}

/// One of a campaign's variants.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = Variant)]
pub(in crate::api) struct VariantRequest {
    /// 1–64 of `A-Za-z0-9._:-`, each once.
    #[schema(value_type = String, required = true, max_length = 64)]
    pub(super) name: Option<String>,
    /// Its part of the sum of all weights.
    #[schema(value_type = u32, required = true, maximum = 1_000_000)]
    pub(super) weight: Option<u32>,
    /// Words over all of the notification's.
    pub(super) content: Option<ContentRequest>,
    /// Words over those, by locale.
    #[schema(value_type = Option<BTreeMap<String, ContentRequest>>)]
    pub(super) localized: Option<UniqueMap<ContentRequest>>,
}

objects!(CampaignRequest, ScheduleRequest, VariantRequest);

/// Fields of a notification that a campaign's has not, since the campaign says the same.
pub(super) const LEFT_TO_THE_CAMPAIGN: [&str; 6] = ["to", "send_at", "send_at_local", "if_past", "test", "idempotency_key"];

/// A campaign's notification.
pub(in crate::api) enum CampaignNotification {}

impl PartialSchema for CampaignNotification {
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::Object(mut object)) = NotificationRequest::schema() else { return NotificationRequest::schema() };
        object.properties.retain(|name, _| !LEFT_TO_THE_CAMPAIGN.contains(&name.as_str()));
        object.required.retain(|name| !LEFT_TO_THE_CAMPAIGN.contains(&name.as_str()));
        object.required.push("category".to_owned());
        object.description = Some("What a campaign sends, in words of a notification.".to_owned());
        RefOr::T(Schema::Object(object))
    }
}

impl ToSchema for CampaignNotification {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        NotificationRequest::schemas(schemas);
    }
}
