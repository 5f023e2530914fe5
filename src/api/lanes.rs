//! `/v1/lanes`: the way to each provider, and whether it is held.

use axum::Json;
use axum::extract::State;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Caller, ToManage, ToRead};
use super::path::ProviderPath;
use super::problem::Problem;
use super::{Api, query, schema};
use crate::dispatch::handle::LaneView;
use crate::dispatch::lane::Standing;
use crate::domain::Timestamp;
use crate::domain::device::{Environment, Platform, ProviderKind};

/// An app's lanes.
#[derive(Debug, Serialize, ToSchema)]
struct Lanes {
    /// One for each part that can be held by itself.
    items: Vec<LaneResponse>,
}

/// A lane, or the part of one that can be held by itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Lane)]
struct LaneResponse {
    /// Who carries.
    #[schema(value_type = schema::Provider)]
    provider: ProviderKind,
    /// Apple's service.
    #[schema(value_type = Option<schema::Environment>)]
    environment: Option<Environment>,
    /// Which part of FCM's lane.
    #[schema(value_type = Option<schema::Platform>)]
    platform: Option<Platform>,
    /// A push service by its origin, where not everything goes to this one; null for the lane as a whole.
    service: Option<String>,
    /// `running` or `paused`.
    state: &'static str,
    /// Why it is paused.
    reason: Option<String>,
    /// `closed`: everything is sent. `open`: the provider fails, nothing is sent for some seconds. `half_open`: a few probes are.
    breaker: &'static str,
    /// Pushes a second that it is limited to, since the provider asked for patience; null while it is not.
    per_second: Option<u32>,
    /// Until when nothing is sent, since the provider asked to wait or the breaker is open; null while neither holds it.
    #[schema(value_type = Option<schema::Instant>)]
    held_until: Option<Timestamp>,
    /// From when on the provider refuses the credential, where the credential says so: a push certificate does, keys do not.
    #[schema(value_type = Option<schema::Instant>)]
    credential_expires_at: Option<Timestamp>,
}

/// A provider's lane after it was resumed. Of several parts it is `paused` where any is paused again, its breaker that of the worst, `per_second` the
/// lowest, `held_until` the last and `credential_expires_at` the first; what they do not share is null.
#[derive(Debug, Serialize, ToSchema)]
struct ResumedLane {
    #[serde(flatten)]
    whole: LaneResponse,
    /// Its parts, as the list shows them.
    items: Vec<LaneResponse>,
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(resume))
}

/// List lanes
///
/// Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/lanes",
    operation_id = "list_lanes",
    tag = "operations",
    responses((status = 200, body = Lanes)),
    security(("api_key" = ["read"]))
)]
async fn list(State(api): State<Api>, caller: Caller<ToRead>, uri: Uri) -> Result<Json<Lanes>, Problem> {
    query::none(&uri)?;
    Ok(Json(Lanes { items: api.path.lanes(caller.app).into_iter().map(LaneResponse::from).collect() }))
}

/// Resume a provider's lanes
///
/// What waits as `lane_paused` goes on within 15 seconds, at every node. Scope `manage`.
#[utoipa::path(
    post,
    path = "/v1/lanes/{provider}/resume",
    operation_id = "resume_lane",
    tag = "operations",
    params(("provider" = schema::Provider, Path, description = "Who carries")),
    responses((status = 200, body = ResumedLane)),
    security(("api_key" = ["manage"]))
)]
async fn resume(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    ProviderPath(provider): ProviderPath,
    uri: Uri,
) -> Result<Json<ResumedLane>, Problem> {
    query::none(&uri)?;
    let lanes = api.path.resume_lanes(caller.app, provider).await?.ok_or_else(|| Problem::not_found("lane"))?;
    let items: Vec<LaneResponse> = lanes.into_iter().map(LaneResponse::from).collect();
    Ok(Json(ResumedLane { whole: whole(provider, &items), items }))
}

/// A provider's lane, of whose parts none may be overlooked.
fn whole(provider: ProviderKind, parts: &[LaneResponse]) -> LaneResponse {
    if let [only] = parts {
        return only.clone();
    }
    let held = parts.iter().find(|part| part.state == "paused");
    let mut worst = [Standing::Open, Standing::HalfOpen].map(Standing::as_str).into_iter();
    LaneResponse {
        provider,
        environment: None,
        platform: None,
        service: None,
        state: held.map_or("running", |part| part.state),
        reason: held.and_then(|part| part.reason.clone()),
        breaker: worst.find(|breaker| parts.iter().any(|part| part.breaker == *breaker)).unwrap_or(Standing::Closed.as_str()),
        per_second: parts.iter().filter_map(|part| part.per_second).min(),
        held_until: parts.iter().filter_map(|part| part.held_until).max(),
        credential_expires_at: parts.iter().filter_map(|part| part.credential_expires_at).min(),
    }
}

impl From<LaneView> for LaneResponse {
    fn from(lane: LaneView) -> Self {
        let state = if lane.paused { "paused" } else { "running" };
        Self {
            provider: lane.provider,
            environment: lane.environment,
            platform: lane.platform,
            service: lane.service,
            state,
            reason: lane.reason,
            breaker: lane.breaker.as_str(),
            per_second: lane.per_second,
            held_until: lane.held_until,
            credential_expires_at: lane.credential_expires_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_no_better_than_its_parts() {
        let part = |breaker: Standing, paused, (per_second, seconds): (Option<u32>, Option<i64>)| {
            let at = seconds.and_then(|seconds| Timestamp::from_timestamp(seconds, 0));
            LaneResponse::from(LaneView {
                provider: ProviderKind::Fcm,
                environment: None,
                platform: Some(Platform::Ios),
                service: None,
                paused,
                reason: paused.then(|| "credential".to_owned()),
                breaker,
                per_second,
                held_until: at,
                credential_expires_at: at,
            })
        };
        let told = |parts: &[LaneResponse]| {
            let lane = whole(ProviderKind::Fcm, parts);
            let instants = [lane.held_until, lane.credential_expires_at].map(|at| at.map(|at| at.timestamp()));
            (lane.platform, (lane.state, lane.reason, lane.breaker), (lane.per_second, instants))
        };
        let well = || part(Standing::Closed, false, (None, None));
        let running = ("running", None, "closed");
        assert_eq!(told(&[well()]), (Some(Platform::Ios), running.clone(), (None, [None; 2])));
        assert_eq!(told(&[well(), well()]), (None, running, (None, [None; 2])));
        let probing = part(Standing::HalfOpen, false, (Some(50), Some(9)));
        let open = part(Standing::Open, true, (Some(80), Some(7)));
        let paused = ("paused", Some("credential".to_owned()), "open");
        assert_eq!(told(&[well(), probing, open]), (None, paused, (Some(50), [Some(9), Some(7)])));
    }
}
