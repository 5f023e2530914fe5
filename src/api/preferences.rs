//! `/v1/users/{user_id}/preferences`, and a phone's own at `/v1/me/preferences`.

mod apply;
mod dto;
mod own;
mod owner;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Uri};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::dto::PreferencesRequest;
use super::auth::{Caller, ToManage, ToRead};
use super::body::JsonBody;
use super::etag::{self, Tag};
use super::json::{self, Reading, Unknown};
use super::path::UserId;
use super::problem::Problem;
use super::{Api, query};
use crate::domain::id::AppId;
use crate::domain::preferences::Preferences;
use crate::store::person::Versioned;

pub(super) use self::dto::PreferencesResponse;
pub(super) use self::owner::Owner;

/// How often a merge is tried again when another change came between.
const TRIES: usize = 5;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(read, put, patch)).routes(routes!(own::read, own::put, own::patch))
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
    Whose::of_key(caller.app, &user).show(&api, &headers).await
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
    Whose::of_key(caller.app, &user).replace(&api, &headers, &body).await
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
    Whose::of_key(caller.app, &user).merge(&api, &headers, &body).await
}

/// Whose preferences are asked for, and by whom.
#[derive(Clone, Copy)]
struct Whose<'a> {
    app: AppId,
    owner: Owner<'a>,
    /// What becomes of what the caller says that is not known here.
    unknown: Unknown,
}

impl<'a> Whose<'a> {
    fn of_key(app: AppId, user: &'a str) -> Self {
        Self { app, owner: Owner::User(user), unknown: Unknown::Refused }
    }

    async fn show(self, api: &Api, headers: &HeaderMap) -> Result<Response, Problem> {
        let stored = self.owner.stored(api, self.app).await?;
        Ok(etag::answer(headers, &self.tag(stored.version), &self.view(api, stored.value)))
    }

    async fn replace(self, api: &Api, headers: &HeaderMap, body: &[u8]) -> Result<Response, Problem> {
        let reading = json::read_with::<PreferencesRequest>(body, self.unknown)?;
        let (stored, fixed) = self.present(api, headers).await?;
        let changed = self.checked(api, reading, &stored.value, Preferences::default()).await?;
        let written = self.owner.put(api, self.app, &changed, fixed.then_some(stored.version)).await?;
        written.map(|written| self.answer(api, written)).ok_or_else(Problem::stale)
    }

    async fn merge(self, api: &Api, headers: &HeaderMap, body: &[u8]) -> Result<Response, Problem> {
        for _ in 0..TRIES {
            let reading = json::read_with::<PreferencesRequest>(body, self.unknown)?;
            let (stored, fixed) = self.present(api, headers).await?;
            let changed = self.checked(api, reading, &stored.value, stored.value.clone()).await?;
            if let Some(written) = self.owner.put(api, self.app, &changed, Some(stored.version)).await? {
                return Ok(self.answer(api, written));
            }
            if fixed {
                break;
            }
        }
        Err(Problem::stale())
    }

    /// What is stored, and whether the caller asked that it be still that when it is written.
    async fn present(self, api: &Api, headers: &HeaderMap) -> Result<(Versioned<Preferences>, bool), Problem> {
        let stored = self.owner.stored(api, self.app).await?;
        etag::check(headers, Some(&self.tag(stored.version)))?;
        Ok((stored, etag::has_condition(headers)))
    }

    async fn checked(
        self,
        api: &Api,
        reading: Reading<PreferencesRequest>,
        stored: &Preferences,
        base: Preferences,
    ) -> Result<Preferences, Problem> {
        let declared = api.path.categories(self.app).await?;
        apply::apply(reading, self.unknown, &declared, stored, base)
    }

    fn answer(self, api: &Api, written: Versioned<Preferences>) -> Response {
        let tag = self.tag(written.version);
        etag::tagged(axum::Json(self.view(api, written.value)).into_response(), &tag)
    }

    fn tag(self, version: i64) -> Tag {
        self.owner.tag(version)
    }

    /// Phones are told which zone counts, since theirs need not be known here.
    fn view(self, api: &Api, preferences: Preferences) -> PreferencesResponse {
        match self.unknown {
            Unknown::Refused => preferences.into(),
            Unknown::Ignored => PreferencesResponse::from(preferences).for_phone(api.path.default_zone(self.app)),
        }
    }
}
