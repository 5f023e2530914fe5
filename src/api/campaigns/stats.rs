//! `GET /v1/campaigns/{id}/stats`

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use super::unknown;
use crate::api::Api;
use crate::api::auth::{Caller, ToRead};
use crate::api::notifications::CountsResponse;
use crate::api::path::CampaignPath;
use crate::api::problem::Problem;
use crate::api::query::Params;
use crate::domain::device::Platform;
use crate::domain::latency::percentile;
use crate::store::campaign::CampaignStats;
use crate::store::notification::Counts;

/// What became of a campaign. Test sends are in none of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CampaignStats)]
pub(super) struct StatsResponse {
    /// Of all.
    counts: CountsResponse,
    /// Of those that ended, by `ios`, `android`, `web`.
    by_platform: BTreeMap<String, CountsResponse>,
    /// Of those that ended, by the name of the variant; empty where there are none.
    by_variant: BTreeMap<String, CountsResponse>,
    /// How long what was sent took.
    latency_ms: LatencyResponse,
}

/// In milliseconds, from the instant at which a push could have been sent at the earliest (its start, its local time, the end of quiet hours) to
/// the provider's acceptance; right within 4 %. Waiting for a pace or a provider is part of it. Null where nothing was sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LatencyPercentiles)]
struct LatencyResponse {
    /// Half took no longer.
    p50: Option<u64>,
    /// 95 % took no longer.
    p95: Option<u64>,
    /// 99 % took no longer.
    p99: Option<u64>,
}

impl StatsResponse {
    fn of(stats: CampaignStats) -> Self {
        let (mut by_platform, mut by_variant) = (BTreeMap::new(), BTreeMap::new());
        for ((platform, variant), counts) in stats.parts {
            add(&mut by_platform, platform.map(Platform::as_str), counts);
            add(&mut by_variant, variant.as_deref(), counts);
        }
        let answered = |all: BTreeMap<String, Counts>| all.into_iter().map(|(name, counts)| (name, counts.into())).collect();
        let percent = |percent| percentile(&stats.latency, percent);
        Self {
            counts: stats.counts.into(),
            by_platform: answered(by_platform),
            by_variant: answered(by_variant),
            latency_ms: LatencyResponse { p50: percent(50), p95: percent(95), p99: percent(99) },
        }
    }
}

fn add(all: &mut BTreeMap<String, Counts>, name: Option<&str>, counts: Counts) {
    let Some(name) = name else { return };
    let sum = all.entry(name.to_owned()).or_default();
    *sum = *sum + counts;
}

/// Read what became of a campaign
///
/// Over all of its runs whose notifications are kept, or one. Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/campaigns/{id}/stats",
    operation_id = "get_campaign_stats",
    tag = "campaigns",
    params(
        ("id" = uuid::Uuid, Path, description = "The campaign"),
        ("run" = Option<uuid::Uuid>, Query, description = "Of this run alone"),
    ),
    responses((status = 200, body = StatsResponse)),
    security(("api_key" = ["read"]))
)]
pub(super) async fn stats(
    State(api): State<Api>,
    caller: Caller<ToRead>,
    CampaignPath(id): CampaignPath,
    uri: Uri,
) -> Result<Json<StatsResponse>, Problem> {
    let mut params = Params::of(&uri);
    let run = params.id("run", "a run");
    params.finish()?;
    let stats = api.store.campaign_stats(caller.app, id, run).await?;
    stats.map(|stats| Json(StatsResponse::of(stats))).ok_or_else(unknown)
}
