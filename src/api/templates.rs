//! `/v1/templates`: words with blanks that notifications fill.

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
use super::instant::Instant;
use super::json::{self, Reading, UniqueMap, objects};
use super::notifications::{ContentRequest, check_templates};
use super::page::{self, List, Listed};
use super::path::TemplateId;
use super::problem::Problem;
use super::{Api, query, schema};
use crate::domain::template::Template;
use crate::store::key::Scope;
use crate::store::template::{StoredTemplate, TemplatePut};

/// Words whose texts are templates in the language of minijinja (as Jinja has it), without HTML escaping. They see the `variables` of the
/// notification, `user_id`, `user.tags`, `device.tags`, `locale` and `platform`; what has no value is an error.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
struct TemplateRequest {
    /// The default words; each text at most 8192 bytes.
    #[schema(required = true, nullable = false)]
    content: Option<ContentRequest>,
    /// Words over `content`, by locale, at most 100: `fr-CA` over `fr` over `content`.
    #[schema(value_type = Option<BTreeMap<String, ContentRequest>>)]
    localized: Option<UniqueMap<ContentRequest>>,
}

objects!(TemplateRequest);

/// A template.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Template)]
struct TemplateResponse {
    /// Its id.
    id: String,
    /// The default words.
    #[schema(value_type = ContentRequest)]
    content: serde_json::Value,
    /// Words over `content`, by locale.
    #[schema(value_type = BTreeMap<String, ContentRequest>)]
    localized: serde_json::Value,
    /// When it was first stored.
    #[schema(value_type = schema::Instant)]
    created_at: Instant,
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read, put, delete))
}

/// List templates
///
/// Newest first. Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/templates",
    operation_id = "list_templates",
    tag = "templates",
    responses((status = 200, body = List<TemplateResponse>)),
    security(("api_key" = ["read"]))
)]
async fn list(State(api): State<Api>, caller: Caller<ToRead>, uri: Uri) -> Result<Response, Problem> {
    let list = Listed { app: caller.app, route: "templates", subject: "", now: api.clock.now() };
    let (params, listing) = page::listing::<TemplateResponse>(&uri, list)?;
    params.finish()?;
    let all = api.store.templates(caller.app).await?;
    let page = listing.cut(all, |one| format!("{:020}-{}", one.created_at.timestamp_micros(), one.name), |one, after| one < after);
    let items = page.items.iter().map(TemplateResponse::of).collect::<Result<_, _>>()?;
    listing.answer(items, page.next)
}

/// Read a template
///
/// Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/templates/{id}",
    operation_id = "get_template",
    tag = "templates",
    params(
        ("id" = String, Path, description = "The template"),
        ("If-None-Match" = Option<String>, Header, description = "304 where this is still the present `ETag`"),
    ),
    responses(
        (status = 200, body = TemplateResponse, headers(("ETag" = String, description = "The present version"))),
        (status = 304, description = "The caller has the present version"),
    ),
    security(("api_key" = ["read"]))
)]
async fn read(
    State(api): State<Api>,
    caller: Caller<ToRead>,
    TemplateId(name): TemplateId,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let stored = api.store.template(caller.app, &name).await?.ok_or_else(|| Problem::not_found("template"))?;
    Ok(etag::answer(&headers, &tag_of(&stored), &TemplateResponse::of(&stored)?))
}

/// Store a template
///
/// Or store it anew: what was accepted before keeps the words of its moment. Every text is checked; what is wrong is named with its field
/// and line. Scope `manage`; `interruption: "critical"` needs the scope of that name.
#[utoipa::path(
    put,
    path = "/v1/templates/{id}",
    operation_id = "put_template",
    tag = "templates",
    params(
        ("id" = String, Path, description = "The template: 1–64 of `A-Za-z0-9._:-`"),
        ("If-Match" = Option<String>, Header, description = "412 unless this is the present `ETag`"),
    ),
    request_body = TemplateRequest,
    responses(
        (status = 200, body = TemplateResponse, description = "It was stored before", headers(("ETag" = String, description = "The new version"))),
        (status = 201, body = TemplateResponse, description = "It is new", headers(("ETag" = String, description = "The new version"))),
    ),
    security(("api_key" = ["manage"]))
)]
async fn put(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    TemplateId(name): TemplateId,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let template = checked(json::read(&body)?)?;
    if template.is_critical() && !caller.may_be_critical() {
        return Err(Problem::scope_missing(Scope::Critical));
    }
    let if_match = if etag::has_condition(&headers) {
        let present = api.store.template(caller.app, &name).await?;
        etag::check(&headers, present.as_ref().map(tag_of).as_ref())?;
        present.map(|present| present.version)
    } else {
        None
    };
    let (status, stored) = match api.store.put_template(caller.app, &name, &template, if_match).await? {
        TemplatePut::Created(stored) => (StatusCode::CREATED, stored),
        TemplatePut::Updated(stored) => (StatusCode::OK, stored),
        TemplatePut::Stale => return Err(Problem::stale()),
    };
    Ok(etag::tagged((status, Json(TemplateResponse::of(&stored)?)).into_response(), &tag_of(&stored)))
}

/// Delete a template
///
/// Notifications can no longer name it; those that were accepted keep its words. Scope `manage`.
#[utoipa::path(
    delete,
    path = "/v1/templates/{id}",
    operation_id = "delete_template",
    tag = "templates",
    params(("id" = String, Path, description = "The template")),
    responses((status = 204, description = "It is gone")),
    security(("api_key" = ["manage"]))
)]
async fn delete(State(api): State<Api>, caller: Caller<ToManage>, TemplateId(name): TemplateId, uri: Uri) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    let was_there = api.store.delete_template(caller.app, &name).await?;
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("template")) }
}

fn tag_of(stored: &StoredTemplate) -> Tag {
    Tag::new(stored.version)
}

fn checked(reading: Reading<TemplateRequest>) -> Result<Template, Problem> {
    let mut checks = Checks::with(reading.errors);
    let request = reading.value;
    let template = check_templates(request.content, request.localized.map(|map| map.0), &mut checks);
    checks.done(template)
}

impl TemplateResponse {
    fn of(stored: &StoredTemplate) -> Result<Self, Problem> {
        let shown = |error: serde_json::Error| Problem::internal(&error);
        Ok(Self {
            id: stored.name.clone(),
            content: serde_json::to_value(&stored.definition.content).map_err(shown)?,
            localized: serde_json::to_value(&stored.definition.localized).map_err(shown)?,
            created_at: Instant(stored.created_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named_with_field_and_line() {
        for (body, field, message) in [
            ("{}", "content", "is required"),
            (r#"{"content": {}}"#, "content", "must have a title or a body"),
            (r#"{"content": {"title": "{{ a"}}"#, "content.title", "line 1: "),
            (r#"{"content": {"title": "a", "data": {"k": "\n{% if %}"}}}"#, "content.data.k", "line 2: "),
            (r#"{"content": {"title": "a"}, "localized": {"fr-CA": {"body": "\n\n{{ a ~ b }}"}}}"#, "localized.fr-CA.body", "line 3: "),
            (r#"{"content": {"title": "a"}, "localized": {"not a tag": {"body": "b"}}}"#, "localized.not a tag", "must be a BCP 47"),
            (r#"{"content": {"title": "a", "image_url": "http://e.example/{{ x }}"}}"#, "content.image_url", "must be an https"),
            (r#"{"content": {"title": "a", "data": {"aps": "x"}}}"#, "content.data.aps", "is a key"),
            (r#"{"content": {"title": "a", "badge": 3000000000}}"#, "content.badge", "must be"),
            (r#"{"content": {"title": "a"}, "colour": "red"}"#, "colour", ""),
        ] {
            let problem = json::read(body.as_bytes()).and_then(checked).unwrap_err();
            let found = &problem.errors()[0];
            assert_eq!(found.field, field, "{body}");
            assert!(found.message.starts_with(message), "{body}: {}", found.message);
        }
        let body = br#"{"content": {"title": "Hi {{ name }}", "image_url": "https://e.example/{{ x }}.png"}, "localized": {"fr": {"title": "Salut {{ name }}"}}}"#;
        let template = json::read(body).and_then(checked).unwrap();
        assert_eq!(template.content.title.as_deref(), Some("Hi {{ name }}"));
        assert_eq!(template.localized["fr"].title.as_deref(), Some("Salut {{ name }}"));
    }
}
