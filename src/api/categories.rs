//! `/v1/categories`: kinds of notifications that an app declared.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Caller, ToManage, ToRead};
use super::body::JsonBody;
use super::checks::Checks;
use super::etag::{self, Tag};
use super::json::{self, Reading, objects};
use super::page::{self, List, Listed};
use super::path::CategoryId;
use super::problem::Problem;
use super::{Api, query, schema, ttl};
use crate::domain::cap::{FrequencyCap, MAX_COUNT, MAX_PER_SECONDS};
use crate::domain::category::Category;
use crate::domain::notification::Priority;
use crate::store::category::{Declaration, Declared};
use crate::store::key::Scope;

/// A category; what is absent is at its default.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
struct CategoryRequest {
    /// Whether people who chose nothing get it; true where absent.
    default_on: Option<bool>,
    /// People cannot switch it off; false where absent.
    required: Option<bool>,
    /// Not held by quiet hours; false where absent.
    bypass_quiet_hours: Option<bool>,
    /// Of notifications that name none. `critical` needs the scope of that name, here and for a notification that takes it.
    #[schema(value_type = Option<schema::Priority>)]
    priority: Option<Priority>,
    /// Of notifications that name none.
    #[serde(default, deserialize_with = "ttl::read")]
    #[schema(maximum = 2_419_200)]
    ttl_seconds: Option<u32>,
    /// The Android channel of notifications that name none.
    #[schema(max_length = 256)]
    android_channel: Option<String>,
    /// How many notifications of it a user may get in a sliding window, a device where nobody is signed in; beyond it they are suppressed
    /// (`frequency_cap`). Critical and silent ones, tests and broadcasts are not counted. Any number where absent.
    #[schema(value_type = Option<FrequencyCapResponse>)]
    frequency_cap: Option<FrequencyCapRequest>,
}

/// How many in what time.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
struct FrequencyCapRequest {
    count: Option<u32>,
    per_seconds: Option<u32>,
}

objects!(CategoryRequest, FrequencyCapRequest);

/// A category.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Category)]
struct CategoryResponse {
    /// Its id.
    id: String,
    /// Whether people who chose nothing get it.
    default_on: bool,
    /// People cannot switch it off.
    required: bool,
    /// Not held by quiet hours.
    bypass_quiet_hours: bool,
    /// Of notifications that name none; null: `high`.
    #[schema(value_type = Option<schema::Priority>)]
    priority: Option<Priority>,
    /// Of notifications that name none; null: a day.
    ttl_seconds: Option<u32>,
    /// The Android channel of notifications that name none.
    android_channel: Option<String>,
    /// How many of it a user may get in a sliding window; null: any number.
    frequency_cap: Option<FrequencyCapResponse>,
}

/// So many notifications in any window of so many seconds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FrequencyCap)]
struct FrequencyCapResponse {
    /// How many.
    #[schema(minimum = 1, maximum = 100)]
    count: u32,
    /// The length of the window.
    #[schema(minimum = 1, maximum = 2_678_400)]
    per_seconds: u32,
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read, put, delete))
}

/// List categories
///
/// Newest first. Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/categories",
    operation_id = "list_categories",
    tag = "categories",
    responses((status = 200, body = List<CategoryResponse>)),
    security(("api_key" = ["read"]))
)]
async fn list(State(api): State<Api>, caller: Caller<ToRead>, uri: Uri) -> Result<Response, Problem> {
    let list = Listed { app: caller.app, route: "categories", subject: "", now: api.clock.now() };
    let (params, listing) = page::listing::<CategoryResponse>(&uri, list)?;
    params.finish()?;
    let all = api.store.declared(caller.app).await?;
    let page = listing.cut(all, |one| format!("{:020}-{}", one.created_at.timestamp_micros(), one.name), |one, after| one < after);
    listing.answer(page.items.into_iter().map(CategoryResponse::from).collect(), page.next)
}

/// Read a category
///
/// Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/categories/{id}",
    operation_id = "get_category",
    tag = "categories",
    params(
        ("id" = String, Path, description = "The category"),
        ("If-None-Match" = Option<String>, Header, description = "304 where this is still the present `ETag`"),
    ),
    responses(
        (status = 200, body = CategoryResponse, headers(("ETag" = String, description = "The present version"))),
        (status = 304, description = "The caller has the present version"),
    ),
    security(("api_key" = ["read"]))
)]
async fn read(
    State(api): State<Api>,
    caller: Caller<ToRead>,
    CategoryId(name): CategoryId,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let declared = api.store.category(caller.app, &name).await?.ok_or_else(|| Problem::not_found("category"))?;
    Ok(etag::answer(&headers, &tag_of(&declared), &CategoryResponse::from(declared)))
}

/// Declare a category
///
/// Or declare it anew: what is absent goes back to its default. Scope `manage`.
#[utoipa::path(
    put,
    path = "/v1/categories/{id}",
    operation_id = "put_category",
    tag = "categories",
    params(
        ("id" = String, Path, description = "The category: 1–64 of `A-Za-z0-9._:-`"),
        ("If-Match" = Option<String>, Header, description = "412 unless this is the present `ETag`"),
    ),
    request_body = CategoryRequest,
    responses(
        (status = 200, body = CategoryResponse, description = "It was declared before", headers(("ETag" = String, description = "The new version"))),
        (status = 201, body = CategoryResponse, description = "It is new", headers(("ETag" = String, description = "The new version"))),
    ),
    security(("api_key" = ["manage"]))
)]
async fn put(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    CategoryId(name): CategoryId,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let category = checked(json::read(&body)?)?;
    if category.priority == Some(Priority::Critical) && !caller.may_be_critical() {
        return Err(Problem::scope_missing(Scope::Critical));
    }
    let if_match = if etag::has_condition(&headers) {
        let present = api.store.category(caller.app, &name).await?;
        etag::check(&headers, present.as_ref().map(tag_of).as_ref())?;
        present.map(|present| present.version)
    } else {
        None
    };
    let declaration = api.store.put_category(caller.app, &name, &category, if_match).await?;
    api.path.forget_categories(caller.app);
    let (status, declared) = match declaration {
        Declaration::Created(declared) => (StatusCode::CREATED, declared),
        Declaration::Updated(declared) => (StatusCode::OK, declared),
        Declaration::Stale => return Err(Problem::stale()),
    };
    let tag = tag_of(&declared);
    Ok(etag::tagged((status, Json(CategoryResponse::from(declared))).into_response(), &tag))
}

/// Take a category back
///
/// Notifications can no longer name it. Scope `manage`.
#[utoipa::path(
    delete,
    path = "/v1/categories/{id}",
    operation_id = "delete_category",
    tag = "categories",
    params(("id" = String, Path, description = "The category")),
    responses((status = 204, description = "It is gone")),
    security(("api_key" = ["manage"]))
)]
async fn delete(State(api): State<Api>, caller: Caller<ToManage>, CategoryId(name): CategoryId, uri: Uri) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    let was_there = api.store.delete_category(caller.app, &name).await?;
    api.path.forget_categories(caller.app);
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("category")) }
}

fn tag_of(declared: &Declared) -> Tag {
    Tag::new(declared.version)
}

fn checked(reading: Reading<CategoryRequest>) -> Result<Category, Problem> {
    let mut checks = Checks::with(reading.errors);
    let request = reading.value;
    let default = Category::default();
    checks.line("android_channel", request.android_channel.as_deref(), 256);
    let frequency_cap = request.frequency_cap.map(|given| cap_of(&given, &mut checks));
    checks.done(Category {
        default_on: request.default_on.unwrap_or(default.default_on),
        required: request.required.unwrap_or(default.required),
        bypass_quiet_hours: request.bypass_quiet_hours.unwrap_or(default.bypass_quiet_hours),
        priority: request.priority,
        ttl_seconds: request.ttl_seconds,
        android_channel: request.android_channel,
        frequency_cap,
    })
}

fn cap_of(given: &FrequencyCapRequest, checks: &mut Checks) -> FrequencyCap {
    let mut number = |name: &str, value: Option<u32>, max: u32| {
        let field = format!("frequency_cap.{name}");
        match value {
            None => checks.required(&field),
            Some(value) if !(1..=max).contains(&value) => {
                checks.invalid(field, format_args!("must be a whole number from 1 to {max}"));
            }
            Some(_) => {}
        }
        value.unwrap_or_default()
    };
    let count = number("count", given.count, MAX_COUNT);
    FrequencyCap { count, per_seconds: number("per_seconds", given.per_seconds, MAX_PER_SECONDS) }
}

impl From<Declared> for CategoryResponse {
    fn from(declared: Declared) -> Self {
        let id = declared.name;
        let Category { default_on, required, bypass_quiet_hours, priority, ttl_seconds, android_channel, frequency_cap } =
            declared.definition;
        let frequency_cap = frequency_cap.map(|FrequencyCap { count, per_seconds }| FrequencyCapResponse { count, per_seconds });
        Self { id, default_on, required, bypass_quiet_hours, priority, ttl_seconds, android_channel, frequency_cap }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_at_its_default() {
        assert_eq!(checked(json::read(b"{}").unwrap()).unwrap(), Category::default());
        let category = checked(json::read(br#"{"default_on": false, "ttl_seconds": 60, "priority": "normal"}"#).unwrap()).unwrap();
        assert_eq!(
            category,
            Category { default_on: false, ttl_seconds: Some(60), priority: Some(Priority::Normal), ..Category::default() }
        );
    }

    #[test]
    fn limits_are_kept() {
        for (body, field) in [
            (r#"{"ttl_seconds": 2419201}"#, "ttl_seconds"),
            (r#"{"android_channel": ""}"#, "android_channel"),
            (r#"{"frequency_cap": {"per_seconds": 1}}"#, "frequency_cap.count"),
            (r#"{"frequency_cap": {"count": 1}}"#, "frequency_cap.per_seconds"),
            (r#"{"frequency_cap": {"count": 0, "per_seconds": 1}}"#, "frequency_cap.count"),
            (r#"{"frequency_cap": {"count": 101, "per_seconds": 1}}"#, "frequency_cap.count"),
            (r#"{"frequency_cap": {"count": -1, "per_seconds": 1}}"#, "frequency_cap.count"),
            (r#"{"frequency_cap": {"count": 1, "per_seconds": 0}}"#, "frequency_cap.per_seconds"),
            (r#"{"frequency_cap": {"count": 1, "per_seconds": 2678401}}"#, "frequency_cap.per_seconds"),
            (r#"{"frequency_cap": {"count": 1, "per_seconds": 1, "of": 1}}"#, "frequency_cap.of"),
            (r#"{"frequency_cap": [1, 1]}"#, "frequency_cap"),
            (r#"{"inbox": true}"#, "inbox"),
            (r#"{"fallback": {}}"#, "fallback"),
        ] {
            let problem = json::read(body.as_bytes()).and_then(checked).unwrap_err();
            assert_eq!(problem.errors()[0].field, field, "{body}");
        }
    }
}
