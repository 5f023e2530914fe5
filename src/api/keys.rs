//! `/v1/keys`: API keys. A key's text is shown once; the store has its hash.

use aws_lc_rs::rand;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::{Builder, Uuid};

use super::auth::{Caller, ToManage, hash_of};
use super::body::JsonBody;
use super::checks::Checks;
use super::instant::Instant;
use super::json::{self, Reading, objects};
use super::page::{self, List, Listed};
use super::path::KeyPath;
use super::problem::Problem;
use super::{Api, query, schema};
use crate::domain::Timestamp;
use crate::store::key::{ApiKey, Scope};

/// A key's name, at most, in characters.
const MAX_NAME: usize = 128;

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

objects!(KeyRequest);

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
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(delete))
}

/// Make an API key
///
/// For the caller's own app. Its text is answered this once. Scope `manage`.
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
) -> Result<(StatusCode, Json<NewKey>), Problem> {
    query::none(&uri)?;
    let now = api.clock.now();
    let (name, scopes, expires_at) = checked(json::read(&body)?, now)?;
    let mut random = [0; 42];
    rand::fill(&mut random).map_err(|error| Problem::internal(&error))?;
    let (id, secret) = random.split_first_chunk::<10>().ok_or_else(Problem::internal_logged)?;
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    let id = Builder::from_unix_timestamp_millis(millis, id).into_uuid();
    let key = format!("herald_{}", URL_SAFE_NO_PAD.encode(secret));
    let stored = ApiKey { id, app: caller.app, name, scopes, expires_at, created_at: now };
    api.store.create_key(&stored, hash_of(&key)).await?;
    Ok((StatusCode::CREATED, Json(NewKey { id, key })))
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
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("API key")) }
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
}
