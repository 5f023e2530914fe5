//! `/v1/keys`: API keys. A key's text is shown once; the store has its hash. Nobody gives a key more than the own one may.

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use chrono::TimeDelta;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::audit::Object;
use super::auth::{Caller, ToManage};
use super::body::JsonBody;
use super::checks::Checks;
use super::fresh_id::fresh_id;
use super::instant::Instant;
use super::json::{self, Reading, objects};
use super::page::{self, List, Listed};
use super::path::KeyPath;
use super::problem::{Code, Problem};
use super::{Api, query, schema};
use crate::domain::Timestamp;
use crate::store::key::{ApiKey, Rotated, Rotation, Scope};

/// A key's name, at most, in characters.
const MAX_NAME: usize = 128;
/// How long a key goes on beside the one that takes its place, in seconds: a day.
const OVERLAP: u32 = 86_400;
/// And at most: 30 days.
const MAX_OVERLAP: u32 = 30 * 86_400;

/// A new key.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
struct KeyRequest {
    /// What people call it.
    #[schema(required = true, nullable = false, min_length = 1, max_length = 128)]
    name: Option<String>,
    /// What it may do.
    #[schema(value_type = Vec<schema::Scope>, required = true, min_items = 1)]
    scopes: Option<Vec<Scope>>,
    /// From when on it is refused; never where absent.
    #[schema(value_type = Option<schema::Instant>)]
    expires_at: Option<Instant>,
}

/// How a key is rotated.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
struct RotationRequest {
    /// How long the old key goes on, unless it expires before; 0: it is refused at once.
    #[schema(default = 86_400, minimum = 0, maximum = 2_592_000)]
    overlap_seconds: Option<u32>,
}

objects!(KeyRequest, RotationRequest);

/// A key that was made.
#[derive(Serialize, ToSchema)]
struct NewKey {
    /// Its id, not secret.
    id: Uuid,
    /// The key itself. It is not shown again.
    key: String,
}

/// A key, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
struct KeyResponse {
    /// Its id, not secret.
    id: Uuid,
    /// What people call it.
    name: String,
    /// What it may do.
    #[schema(value_type = Vec<schema::Scope>)]
    scopes: Vec<Scope>,
    /// From when on it is refused.
    #[schema(value_type = Option<schema::Instant>)]
    expires_at: Option<Instant>,
    /// When it was made.
    #[schema(value_type = schema::Instant)]
    created_at: Instant,
    /// When it was used last, to a minute or so; null: never.
    #[schema(value_type = Option<schema::Instant>)]
    last_used_at: Option<Instant>,
    /// The key that took its place.
    rotated_to: Option<Uuid>,
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(delete)).routes(routes!(rotate))
}

/// Make an API key
///
/// For the caller's own app. Its text is answered this once. Scope `manage`, and every scope that the new key is to have.
#[utoipa::path(
    post,
    path = "/v1/keys",
    operation_id = "create_key",
    tag = "keys",
    request_body = KeyRequest,
    responses((status = 201, body = NewKey)),
    security(("api_key" = ["manage"]))
)]
async fn create(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    uri: Uri,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Extension<Object>, Json<NewKey>), Problem> {
    query::none(&uri)?;
    let now = api.clock.now();
    let (name, scopes, expires_at) = checked(json::read(&body)?, now)?;
    check_scopes(&caller, &scopes)?;
    let id = fresh_id(now);
    let (key, hash) = api.keys.hasher().new_key(id);
    let stored = ApiKey { id, app: caller.app, name, scopes, expires_at, created_at: now, last_used_at: None, rotated_to: None };
    api.store.create_key(&stored, hash).await?;
    Ok((StatusCode::CREATED, Extension(Object(id.to_string())), Json(NewKey { id, key })))
}

/// List API keys
///
/// Newest first, without their texts. Scope `manage`.
#[utoipa::path(
    get,
    path = "/v1/keys",
    operation_id = "list_keys",
    tag = "keys",
    responses((status = 200, body = List<KeyResponse>)),
    security(("api_key" = ["manage"]))
)]
async fn list(State(api): State<Api>, caller: Caller<ToManage>, uri: Uri) -> Result<Response, Problem> {
    let list = Listed { app: caller.app, route: "keys", subject: "", now: api.clock.now() };
    let (params, listing) = page::listing::<KeyResponse>(&uri, list)?;
    params.finish()?;
    let all = api.store.keys(caller.app).await?;
    let page = listing.cut(all, |key| format!("{:020}-{}", key.created_at.timestamp_micros(), key.id), |key, after| key < after);
    listing.answer(page.items.into_iter().map(KeyResponse::from).collect(), page.next)
}

/// Delete an API key
///
/// It is refused from now on; by other nodes within a second. Scope `manage`.
#[utoipa::path(
    delete,
    path = "/v1/keys/{id}",
    operation_id = "delete_key",
    tag = "keys",
    params(("id" = Uuid, Path, description = "The key's id")),
    responses((status = 204, description = "It is gone")),
    security(("api_key" = ["manage"]))
)]
async fn delete(State(api): State<Api>, caller: Caller<ToManage>, KeyPath(id): KeyPath, uri: Uri) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    let was_there = api.store.delete_key(caller.app, id).await?;
    api.keys.forget();
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}

/// Rotate an API key
///
/// Makes a key of the same name, scopes and end, whose text is answered this once, and has the old one end after the overlap. A key is
/// rotated once; after that the new one is. Scope `manage`, and every scope that the key has.
#[utoipa::path(
    post,
    path = "/v1/keys/{id}/rotate",
    operation_id = "rotate_key",
    tag = "keys",
    params(("id" = Uuid, Path, description = "The id of the old key")),
    request_body = RotationRequest,
    responses((status = 201, body = NewKey)),
    security(("api_key" = ["manage"]))
)]
async fn rotate(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    KeyPath(id): KeyPath,
    uri: Uri,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<NewKey>), Problem> {
    query::none(&uri)?;
    let overlap = overlap(json::read(&body)?)?;
    let old = api.store.key_by_id(id).await?.filter(|(old, _)| old.app == caller.app);
    check_scopes(&caller, &old.ok_or_else(unknown)?.0.scopes)?;
    let at = api.clock.now();
    let new = fresh_id(at);
    let (key, hash) = api.keys.hasher().new_key(new);
    let rotated = api.store.rotate_key(caller.app, id, &Rotation { id: new, hash, at, until: at + overlap }).await?;
    api.keys.forget();
    match rotated {
        Rotated::To(_) => Ok((StatusCode::CREATED, Json(NewKey { id: new, key }))),
        Rotated::Already => Err(Problem::new(Code::KeyRotated, "another key took its place; rotate that one, or create a key")),
        Rotated::Expired => Err(Problem::new(Code::KeyExpired, "a key in its place would have expired, too; create one")),
        Rotated::Unknown => Err(unknown()),
    }
}

/// A key that may do less than another must not make, or get hold of, one that may do more.
fn check_scopes(caller: &Caller<ToManage>, scopes: &[Scope]) -> Result<(), Problem> {
    scopes.iter().find(|scope| !caller.may(**scope)).map_or(Ok(()), |scope| Err(Problem::scope_missing(*scope)))
}

fn unknown() -> Problem {
    Problem::not_found("API key")
}

fn overlap(reading: Reading<RotationRequest>) -> Result<TimeDelta, Problem> {
    let mut checks = Checks::with(reading.errors);
    let seconds = reading.value.overlap_seconds.unwrap_or(OVERLAP);
    if seconds > MAX_OVERLAP {
        checks.invalid("overlap_seconds", format_args!("must be a whole number from 0 to {MAX_OVERLAP}"));
    }
    checks.done(TimeDelta::seconds(seconds.into()))
}

fn checked(reading: Reading<KeyRequest>, now: Timestamp) -> Result<(String, Vec<Scope>, Option<Timestamp>), Problem> {
    let mut checks = Checks::with(reading.errors);
    let KeyRequest { name, scopes, expires_at } = reading.value;
    if name.is_none() {
        checks.required("name");
    }
    checks.line("name", name.as_deref(), MAX_NAME);
    match &scopes {
        None => checks.required("scopes"),
        Some(scopes) if scopes.is_empty() => checks.invalid("scopes", "must not be empty"),
        Some(_) => {}
    }
    if expires_at.is_some_and(|end| end.0 <= now) {
        checks.invalid("expires_at", "must lie in the future");
    }
    let mut scopes = scopes.unwrap_or_default();
    scopes.sort_unstable();
    scopes.dedup();
    checks.done((name.unwrap_or_default(), scopes, expires_at.map(|end| end.0)))
}

impl From<ApiKey> for KeyResponse {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            scopes: key.scopes,
            expires_at: key.expires_at.map(Instant),
            created_at: Instant(key.created_at),
            last_used_at: key.last_used_at.map(Instant),
            rotated_to: key.rotated_to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_needs_a_name_and_a_scope() {
        let now = Timestamp::from_timestamp(1_800_000_000, 0).unwrap();
        for (body, field, code) in [
            ("{}", "name", "required"),
            (r#"{"name": "", "scopes": ["send"]}"#, "name", "invalid"),
            (r#"{"name": "x"}"#, "scopes", "required"),
            (r#"{"name": "x", "scopes": []}"#, "scopes", "invalid"),
            (r#"{"name": "x", "scopes": ["admin"]}"#, "scopes[0]", "invalid"),
            (r#"{"name": "x", "scopes": ["send"], "expires_at": "2020-01-01T00:00:00Z"}"#, "expires_at", "invalid"),
        ] {
            let problem = json::read(body.as_bytes()).and_then(|reading| checked(reading, now)).unwrap_err();
            assert_eq!((problem.errors()[0].field.as_str(), problem.errors()[0].code), (field, code), "{body}");
        }
        let body = br#"{"name": "x", "scopes": ["read", "send", "read"]}"#;
        let (_, scopes, expires_at) = checked(json::read(body).unwrap(), now).unwrap();
        assert_eq!((scopes, expires_at), (vec![Scope::Send, Scope::Read], None));
    }

    #[test]
    fn an_overlap_is_up_to_thirty_days() {
        let read = |body: &str| overlap(json::read(body.as_bytes()).unwrap());
        for (body, seconds) in [
            ("{}", 86_400),
            (r#"{"overlap_seconds": null}"#, 86_400),
            (r#"{"overlap_seconds": 0}"#, 0),
            (r#"{"overlap_seconds": 2592000}"#, 2_592_000),
        ] {
            assert_eq!(read(body).unwrap().num_seconds(), seconds, "{body}");
        }
        for body in [r#"{"overlap_seconds": 2592001}"#, r#"{"overlap_seconds": -1}"#, r#"{"overlap_seconds": "1"}"#] {
            assert_eq!(read(body).unwrap_err().errors()[0].field, "overlap_seconds", "{body}");
        }
        assert_eq!(read(r#"{"overlap": 1}"#).unwrap_err().errors()[0].code, "unknown_field");
    }
}
