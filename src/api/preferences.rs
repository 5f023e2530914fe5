//! `/v1/users/{user_id}/preferences`

mod apply;
mod dto;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Uri};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::dto::PreferencesRequest;
use super::auth::{Caller, ToManage, ToRead};
use super::body::JsonBody;
use super::etag::{self, Tag};
use super::json::{self, Reading};
use super::path::UserId;
use super::problem::Problem;
use super::{Api, query};
use crate::domain::id::AppId;
use crate::domain::preferences::Preferences;
use crate::store::person::Versioned;

pub(super) use self::dto::PreferencesResponse;

/// How often a merge is tried again when another change came between.
const TRIES: usize = 5;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(read, put, patch))
}

/// Read a user's preferences
///
/// A user who is not known reads as defaults. Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/users/{user_id}/preferences",
    operation_id = "get_preferences",
    tag = "preferences",
    params(
        ("user_id" = String, Path, description = "The user, percent-encoded"),
        ("If-None-Match" = Option<String>, Header, description = "304 where this is still the present `ETag`"),
    ),
    responses(
        (status = 200, body = PreferencesResponse, headers(("ETag" = String, description = "The present version"))),
        (status = 304, description = "The caller has the present version"),
    ),
    security(("api_key" = ["read"]))
)]
async fn read(
    State(api): State<Api>,
    caller: Caller<ToRead>,
    UserId(user): UserId,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let stored = api.store.preferences(caller.app, &user).await?;
    Ok(etag::answer(&headers, &Tag::new(stored.version), &PreferencesResponse::from(stored.value)))
}

/// Replace a user's preferences
///
/// The whole document: what is absent goes back to its default. Scope `manage`.
#[utoipa::path(
    put,
    path = "/v1/users/{user_id}/preferences",
    operation_id = "put_preferences",
    tag = "preferences",
    params(
        ("user_id" = String, Path, description = "The user, percent-encoded"),
        ("If-Match" = Option<String>, Header, description = "412 unless this is the present `ETag`"),
    ),
    request_body = PreferencesRequest,
    responses((status = 200, body = PreferencesResponse, headers(("ETag" = String, description = "The new version")))),
    security(("api_key" = ["manage"]))
)]
async fn put(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    UserId(user): UserId,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let reading = json::read::<PreferencesRequest>(&body)?;
    let (stored, fixed) = present(&api, caller.app, &user, &headers).await?;
    let changed = checked(&api, caller.app, reading, &stored.value, Preferences::default()).await?;
    let written = api.store.put_preferences(caller.app, &user, &changed, fixed.then_some(stored.version)).await?;
    written.map(answer).ok_or_else(Problem::stale)
}

/// Change a user's preferences
///
/// RFC 7396: what is absent stays, null goes back to the default. Scope `manage`.
#[utoipa::path(
    patch,
    path = "/v1/users/{user_id}/preferences",
    operation_id = "patch_preferences",
    tag = "preferences",
    params(
        ("user_id" = String, Path, description = "The user, percent-encoded"),
        ("If-Match" = Option<String>, Header, description = "412 unless this is the present `ETag`"),
    ),
    request_body(content(
        (PreferencesRequest = "application/json"),
        (PreferencesRequest = "application/merge-patch+json"),
    )),
    responses((status = 200, body = PreferencesResponse, headers(("ETag" = String, description = "The new version")))),
    security(("api_key" = ["manage"]))
)]
async fn patch(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    UserId(user): UserId,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    for _ in 0..TRIES {
        let reading = json::read::<PreferencesRequest>(&body)?;
        let (stored, fixed) = present(&api, caller.app, &user, &headers).await?;
        let changed = checked(&api, caller.app, reading, &stored.value, stored.value.clone()).await?;
        if let Some(written) = api.store.put_preferences(caller.app, &user, &changed, Some(stored.version)).await? {
            return Ok(answer(written));
        }
        if fixed {
            break;
        }
    }
    Err(Problem::stale())
}

/// What is stored, and whether the caller asked that it be still that when it is written.
async fn present(api: &Api, app: AppId, user: &str, headers: &HeaderMap) -> Result<(Versioned<Preferences>, bool), Problem> {
    let stored = api.store.preferences(app, user).await?;
    etag::check(headers, Some(&Tag::new(stored.version)))?;
    Ok((stored, etag::has_condition(headers)))
}

async fn checked(
    api: &Api,
    app: AppId,
    reading: Reading<PreferencesRequest>,
    stored: &Preferences,
    base: Preferences,
) -> Result<Preferences, Problem> {
    let declared = api.path.categories(app).await?;
    apply::apply(reading, &declared, stored, base)
}

fn answer(written: Versioned<Preferences>) -> Response {
    let tag = Tag::new(written.version);
    etag::tagged(axum::Json(PreferencesResponse::from(written.value)).into_response(), &tag)
}
