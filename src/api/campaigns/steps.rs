//! `POST /v1/campaigns/{id}/start`, `pause`, `resume`, `cancel`

use axum::Json;
use axum::extract::State;
use http::Uri;

use super::given;
use super::view::CampaignResponse;
use super::{find, unknown};
use crate::api::auth::{Caller, ToManage};
use crate::api::path::CampaignPath;
use crate::api::problem::{Code, Problem};
use crate::api::{Api, query};
use crate::dispatch::campaign::Plan;
use crate::domain::campaign::CampaignStatus;
use crate::domain::id::AppId;
use crate::store::campaign::{StoredCampaign, Turned};

/// How often a draft that is edited meanwhile is read anew.
const TRIES: usize = 3;

/// Start a campaign
///
/// A draft becomes `scheduled`, or `running` where it has no schedule or its time has come. It is checked once more. Scope `manage`.
#[utoipa::path(
    post,
    path = "/v1/campaigns/{id}/start",
    operation_id = "start_campaign",
    tag = "campaigns",
    params(("id" = uuid::Uuid, Path, description = "The campaign")),
    responses((status = 200, body = CampaignResponse)),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn start(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    CampaignPath(id): CampaignPath,
    uri: Uri,
) -> Result<Json<CampaignResponse>, Problem> {
    query::none(&uri)?;
    for _ in 0..TRIES {
        let draft = find(&api, caller.app, id).await?;
        match start_as_read(&api, caller.app, &draft).await? {
            Turned::Done(started) => return begun(&api, caller.app, *started).await,
            Turned::Refused(stored) => return Err(refused(&stored, "started")),
            Turned::Stale => {}
            Turned::Unknown => return Err(unknown()),
        }
    }
    Err(Problem::stale())
}

async fn start_as_read(api: &Api, app: AppId, draft: &StoredCampaign) -> Result<Turned, Problem> {
    if draft.status != CampaignStatus::Draft {
        return Err(refused(draft, "started"));
    }
    let now = api.clock.now();
    let plan = Plan::read(&draft.definition.plan).map_err(|error| Problem::internal(&error))?;
    given::check(api, app, &plan, now).await?;
    let over = || Problem::new(Code::InvalidTransition, "no occurrence of its schedule is left");
    let first = plan.schedule.first(now).ok_or_else(over)?;
    Ok(api.store.start_campaign(app, draft.id, draft.version, first).await?)
}

/// Where its time has come it begins with the answer; should that fail, a scheduler begins it.
async fn begun(api: &Api, app: AppId, started: StoredCampaign) -> Result<Json<CampaignResponse>, Problem> {
    let id = started.id;
    if started.next_fire.is_none_or(|at| at > api.clock.now()) {
        return Ok(Json(CampaignResponse::of(&started)));
    }
    if let Err(error) = api.path.begin(app, started).await {
        tracing::warn!(campaign.id = %id, %error, "a campaign was started and cannot begin yet");
    }
    Ok(Json(CampaignResponse::of(&find(api, app, id).await?)))
}

/// Pause a campaign
///
/// Nothing more of it is sent from within a second on, on any node; sends under way may still go out. Scope `manage`.
#[utoipa::path(
    post,
    path = "/v1/campaigns/{id}/pause",
    operation_id = "pause_campaign",
    tag = "campaigns",
    params(("id" = uuid::Uuid, Path, description = "The campaign")),
    responses((status = 200, body = CampaignResponse)),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn pause(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    CampaignPath(id): CampaignPath,
    uri: Uri,
) -> Result<Json<CampaignResponse>, Problem> {
    query::none(&uri)?;
    turned(api.store.pause_campaign(caller.app, id).await?, "paused")
}

/// Resume a campaign
///
/// It goes on where it was; nobody gets it twice. One that was paused since its audience is larger than `max_targets` cannot be resumed.
/// Scope `manage`.
#[utoipa::path(
    post,
    path = "/v1/campaigns/{id}/resume",
    operation_id = "resume_campaign",
    tag = "campaigns",
    params(("id" = uuid::Uuid, Path, description = "The campaign")),
    responses((status = 200, body = CampaignResponse)),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn resume(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    CampaignPath(id): CampaignPath,
    uri: Uri,
) -> Result<Json<CampaignResponse>, Problem> {
    query::none(&uri)?;
    turned(api.store.resume_campaign(caller.app, id).await?, "resumed")
}

/// Cancel a campaign
///
/// What waits of it is not sent, and no run begins any more. Scope `manage`.
#[utoipa::path(
    post,
    path = "/v1/campaigns/{id}/cancel",
    operation_id = "cancel_campaign",
    tag = "campaigns",
    params(("id" = uuid::Uuid, Path, description = "The campaign")),
    responses((status = 200, body = CampaignResponse)),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    CampaignPath(id): CampaignPath,
    uri: Uri,
) -> Result<Json<CampaignResponse>, Problem> {
    query::none(&uri)?;
    turned(api.store.cancel_campaign(caller.app, id).await?, "cancelled")
}

fn turned(turned: Turned, what: &str) -> Result<Json<CampaignResponse>, Problem> {
    match turned {
        Turned::Done(stored) => Ok(Json(CampaignResponse::of(&stored))),
        Turned::Refused(stored) => Err(refused(&stored, what)),
        Turned::Stale => Err(Problem::stale()),
        Turned::Unknown => Err(unknown()),
    }
}

fn refused(stored: &StoredCampaign, what: &str) -> Problem {
    let why = stored.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    Problem::new(Code::InvalidTransition, format!("a campaign that is {}{why} cannot be {what}", stored.status))
}
