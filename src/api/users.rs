//! `/v1/users/{user_id}`: what the backend says of a person, all that is held of them, and their erasure.

mod export;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Caller, ToManage, ToRead};
use super::body::JsonBody;
use super::checks::Checks;
use super::etag::{self, Tag};
use super::json::{self, AnyValue, Given, Reading, UniqueMap, objects};
use super::path::UserId;
use super::problem::Problem;
use super::tags::{self, MAX_TAGS, Tags};
use super::{Api, query};
use crate::domain::profile::Profile;
use crate::store::person::Versioned;

/// How often a merge is tried again when another change came between.
const TRIES: usize = 5;

/// A change of a user.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = UserRequest)]
struct UserRequest {
    /// The user's own, beside those of their devices: strings, numbers, true or false, at most 100. What is null is removed; null removes all.
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    tags: Given<UniqueMap<AnyValue>>,
    /// BCP 47; a device's own goes before it.
    #[schema(value_type = Option<String>, max_length = 35)]
    #[serde(default)]
    locale: Given<String>,
}

objects!(UserRequest);

/// What the backend says of a user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
struct UserResponse {
    /// The user's own tags: in segments `user.tags.<name>`.
    #[schema(value_type = Object)]
    tags: BTreeMap<String, Value>,
    /// BCP 47.
    locale: Option<String>,
}

impl From<Profile> for UserResponse {
    fn from(profile: Profile) -> Self {
        Self { tags: profile.tags, locale: profile.locale }
    }
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(read, patch, erase)).routes(routes!(export::export))
}

/// Read a user's tags and locale
///
/// A user who is not known reads as one without. Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/users/{user_id}",
    operation_id = "get_user",
    tag = "users",
    params(
        ("user_id" = String, Path, description = "The user, percent-encoded"),
        ("If-None-Match" = Option<String>, Header, description = "304 where this is still the present `ETag`"),
    ),
    responses(
        (status = 200, body = UserResponse, headers(("ETag" = String, description = "The present version"))),
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
    let stored = api.store.profile(caller.app, &user).await?;
    Ok(etag::answer(&headers, &Tag::new(stored.version), &UserResponse::from(stored.value)))
}

/// Change a user's tags and locale
///
/// RFC 7396: what is absent stays, null removes. Scope `manage`.
#[utoipa::path(
    patch,
    path = "/v1/users/{user_id}",
    operation_id = "patch_user",
    tag = "users",
    params(
        ("user_id" = String, Path, description = "The user, percent-encoded"),
        ("If-Match" = Option<String>, Header, description = "412 unless this is the present `ETag`"),
    ),
    request_body(content(
        (UserRequest = "application/json"),
        (UserRequest = "application/merge-patch+json"),
    )),
    responses((status = 200, body = UserResponse, headers(("ETag" = String, description = "The new version")))),
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
    let fixed = etag::has_condition(&headers);
    for _ in 0..TRIES {
        let reading = json::read::<UserRequest>(&body)?;
        let stored = api.store.profile(caller.app, &user).await?;
        etag::check(&headers, Some(&Tag::new(stored.version)))?;
        let changed = apply(reading, stored.value)?;
        if let Some(written) = api.store.put_profile(caller.app, &user, &changed, Some(stored.version)).await? {
            return Ok(answer(written));
        }
        if fixed {
            break;
        }
    }
    Err(Problem::stale())
}

/// Erase a user
///
/// Their devices with all tokens, preferences, contacts, tags, subscriptions and client tokens are forgotten. What waits for them is
/// suppressed as `no_active_device`, also where it names the user or a device and is due later; deliveries stay and are counted, with null for device and user. 204 once nothing is found any more, also where nobody was known.
/// Scope `manage`.
#[utoipa::path(
    delete,
    path = "/v1/users/{user_id}",
    operation_id = "erase_user",
    tag = "users",
    params(("user_id" = String, Path, description = "The user, percent-encoded")),
    responses((status = 204, description = "Nothing is held of them any more")),
    security(("api_key" = ["manage"]))
)]
async fn erase(State(api): State<Api>, caller: Caller<ToManage>, UserId(user): UserId, uri: Uri) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    api.path.erase_user(caller.app, &user).await?;
    // a phone that writes now would make them anew
    api.issuer.forget();
    Ok(StatusCode::NO_CONTENT)
}

/// The request over what is stored.
fn apply(reading: Reading<UserRequest>, stored: Profile) -> Result<Profile, Problem> {
    let mut checks = Checks::with(reading.errors);
    let request = reading.value;
    if let Some(locale) = request.locale.as_value() {
        checks.locale("locale", locale);
    }
    let changed =
        Profile { tags: tags::take(request.tags, Tags::Merge, &mut checks).over(stored.tags), locale: request.locale.over(stored.locale) };
    if changed.tags.len() > MAX_TAGS && !checks.has_below("tags") {
        checks.invalid("tags", format_args!("must have at most {MAX_TAGS} members"));
    }
    checks.done(changed)
}

fn answer(written: Versioned<Profile>) -> Response {
    let tag = Tag::new(written.version);
    etag::tagged(axum::Json(UserResponse::from(written.value)).into_response(), &tag)
}
