//! `POST /v1/campaigns`, `PUT` and `DELETE /v1/campaigns/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode, Uri};

use super::dto::CampaignRequest;
use super::given::{self, Wanted};
use super::view::{CampaignResponse, tag_of};
use super::{find, unknown};
use crate::api::audit::Object;
use crate::api::auth::{Caller, ToManage};
use crate::api::body::JsonBody;
use crate::api::path::CampaignPath;
use crate::api::problem::{Code, Problem};
use crate::api::{Api, etag, idempotency, query};
use crate::domain::Timestamp;
use crate::domain::campaign::{CampaignStatus, Schedule};
use crate::store::campaign::{Made, Remember, StoredCampaign, Turned};

/// Make a campaign
///
/// A draft: nothing is sent before it is started. All of it is checked as a notification would be. Scope `manage`; what is `critical` needs the
/// scope of that name, too.
#[utoipa::path(
    post,
    path = "/v1/campaigns",
    operation_id = "create_campaign",
    tag = "campaigns",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body within 24 h answers what the first answered.")),
    request_body = CampaignRequest,
    responses((status = 201, body = CampaignResponse, headers(
        ("ETag" = Option<String>, description = "Its version; absent where the answer was given before"),
        ("Idempotency-Replayed" = Option<String>, description = "`true` where the answer was given before"),
    ))),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let key = idempotency::of_request(&headers, caller.app, "campaigns", &body)?;
    let _turn = match idempotency::before(&api, key.as_ref()).await? {
        idempotency::Before::New(turn) => turn,
        idempotency::Before::Answered(answer) => return Ok(replayed(answer)),
    };
    let id = api.path.campaign_id();
    let wanted = given::read(&api, (caller.app, id), &body, caller.may_be_critical()).await?;
    let remember = key.map(|key| Remember { key, answer: Arc::new(answer_to) });
    match api.store.create_campaign(caller.app, id, &wanted.definition()?, remember).await? {
        Made::New(stored) => Ok((Extension(Object(id.0.to_string())), shown(StatusCode::CREATED, &stored)).into_response()),
        Made::Replayed(answer) => Ok(replayed(answer)),
        Made::Reused => Err(idempotency::reused()),
    }
}

/// What a key remembers; nothing of it can fail to be written.
fn answer_to(stored: &StoredCampaign) -> Bytes {
    serde_json::to_vec(&CampaignResponse::of(stored)).map(Bytes::from).unwrap_or_default()
}

fn replayed(answer: Bytes) -> Response {
    idempotency::replayed((StatusCode::CREATED, [(CONTENT_TYPE, "application/json")], answer).into_response())
}

/// Edit a campaign
///
/// Replaces what a draft or a scheduled one says. Scope `manage`; what is `critical` needs the scope of that name, too.
#[utoipa::path(
    put,
    path = "/v1/campaigns/{id}",
    operation_id = "put_campaign",
    tag = "campaigns",
    params(
        ("id" = uuid::Uuid, Path, description = "The campaign"),
        ("If-Match" = Option<String>, Header, description = "412 unless this is the present `ETag`"),
    ),
    request_body = CampaignRequest,
    responses((status = 200, body = CampaignResponse, headers(("ETag" = String, description = "The new version")))),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn put(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    CampaignPath(id): CampaignPath,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let present = find(&api, caller.app, id).await?;
    etag::check(&headers, Some(&tag_of(&present)))?;
    if !present.status.can_be_edited() {
        return Err(started());
    }
    let wanted = given::read(&api, (caller.app, id), &body, caller.may_be_critical()).await?;
    let next_fire = next_fire(&present, &wanted, api.clock.now())?;
    // what was read is what is replaced: a start in between would send what nobody started
    let turned = api.store.put_campaign(caller.app, id, &wanted.definition()?, next_fire, Some(present.version)).await?;
    match turned {
        Turned::Done(stored) => Ok(shown(StatusCode::OK, &stored)),
        Turned::Refused(_) => Err(started()),
        Turned::Stale => Err(Problem::stale()),
        Turned::Unknown => Err(unknown()),
    }
}

/// When a scheduled campaign runs as it is wanted now.
fn next_fire(present: &StoredCampaign, wanted: &Wanted, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    if present.status != CampaignStatus::Scheduled {
        return Ok(None);
    }
    if wanted.plan.schedule == Schedule::AtOnce {
        let message = "is required: this campaign was started, and without one it would be sent at once";
        return Err(Problem::invalid_field("schedule", "required", message));
    }
    Ok(wanted.plan.schedule.first(now))
}

/// Delete a draft
///
/// What was started is cancelled instead. Scope `manage`.
#[utoipa::path(
    delete,
    path = "/v1/campaigns/{id}",
    operation_id = "delete_campaign",
    tag = "campaigns",
    params(("id" = uuid::Uuid, Path, description = "The campaign")),
    responses((status = 204, description = "It is gone")),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn delete(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    CampaignPath(id): CampaignPath,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    match api.store.delete_campaign(caller.app, id).await? {
        Turned::Done(_) => Ok(StatusCode::NO_CONTENT),
        Turned::Refused(_) | Turned::Stale => Err(started()),
        Turned::Unknown => Err(unknown()),
    }
}

fn started() -> Problem {
    Problem::new(Code::CampaignStarted, "what was started can be paused or cancelled, not changed or deleted")
}

/// An answer with its version.
fn shown(status: StatusCode, stored: &StoredCampaign) -> Response {
    etag::tagged((status, Json(CampaignResponse::of(stored))).into_response(), &tag_of(stored))
}
