//! `/v1/webhooks`: where an app's backend is told of what happens. A webhook's secret is shown once.

mod attempts;
mod deeds;
mod given;
mod view;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::CACHE_CONTROL;
use http::{HeaderMap, StatusCode, Uri};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::given::{WebhookPatch, WebhookRequest};
use self::view::{NewWebhook, WebhookResponse};
use super::audit::Object;
use super::auth::{Caller, ToManage};
use super::body::JsonBody;
use super::fresh_id::fresh_id;
use super::page::{self, List, Listed};
use super::path::WebhookPath;
use super::problem::{Code, Problem};
use super::{Api, etag, json, query};
use crate::domain::webhook::{MAX_WEBHOOKS, Webhook};
use crate::store::webhook::WebhookChanged;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, patch, delete))
        .routes(routes!(deeds::rotate))
        .routes(routes!(deeds::test))
        .routes(routes!(deeds::replay))
        .routes(routes!(attempts::list))
}

/// Make a webhook
///
/// Messages are posted there by the Standard Webhooks specification, signed with the secret that is answered this once. Of an app there are 20 at
/// most. Scope `manage`.
#[utoipa::path(
    post,
    path = "/v1/webhooks",
    operation_id = "create_webhook",
    tag = "webhooks",
    request_body = WebhookRequest,
    responses((status = 201, body = NewWebhook, headers(("ETag" = String, description = "Its version")))),
    security(("api_key" = ["manage"]))
)]
async fn create(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    uri: Uri,
    JsonBody(body): JsonBody,
) -> Result<(Extension<Object>, Response), Problem> {
    query::none(&uri)?;
    let (url, events) = given::new(json::read(&body)?, api.settings.private_webhooks)?;
    let now = api.clock.now();
    let id = fresh_id(now);
    let webhook = Webhook { id, app: caller.app, url, events, disabled: None, failing_since: None, created_at: now, updated_at: now };
    let secret = given::fresh_secret();
    if !api.store.create_webhook(&webhook, &secret).await? {
        return Err(Problem::new(Code::TooManyWebhooks, format!("an app has {MAX_WEBHOOKS} webhooks at most; delete one")));
    }
    Ok((Extension(Object(id.to_string())), shown_once(NewWebhook::new(webhook, &secret))?))
}

/// The answer with a secret: it has a tag, and is kept nowhere.
fn shown_once(made: NewWebhook) -> Result<Response, Problem> {
    let tag = made.tag()?;
    Ok(etag::tagged((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(made)).into_response(), &tag))
}

/// List webhooks
///
/// Newest first, without their secrets. Scope `manage`.
#[utoipa::path(
    get,
    path = "/v1/webhooks",
    operation_id = "list_webhooks",
    tag = "webhooks",
    responses((status = 200, body = List<WebhookResponse>)),
    security(("api_key" = ["manage"]))
)]
async fn list(State(api): State<Api>, caller: Caller<ToManage>, uri: Uri) -> Result<Response, Problem> {
    let list = Listed { app: caller.app, route: "webhooks", subject: "", now: api.clock.now() };
    let (params, listing) = page::listing::<WebhookResponse>(&uri, list)?;
    params.finish()?;
    let mut all = api.store.webhooks(caller.app).await?;
    all.sort_by_key(|webhook| std::cmp::Reverse((webhook.created_at, webhook.id)));
    let key = |webhook: &Webhook| format!("{:020}-{}", webhook.created_at.timestamp_micros(), webhook.id);
    let page = listing.cut(all, key, |key, after| key < after);
    listing.answer(page.items.into_iter().map(WebhookResponse::from).collect(), page.next)
}

/// Read a webhook
///
/// Without its secret. Scope `manage`.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{id}",
    operation_id = "get_webhook",
    tag = "webhooks",
    params(
        ("id" = uuid::Uuid, Path, description = "The webhook"),
        ("If-None-Match" = Option<String>, Header, description = "304 where this is still the present `ETag`"),
    ),
    responses(
        (status = 200, body = WebhookResponse, headers(("ETag" = String, description = "The present version"))),
        (status = 304, description = "The caller has the present version"),
    ),
    security(("api_key" = ["manage"]))
)]
async fn get(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    WebhookPath(id): WebhookPath,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let webhook = read(&api, &caller, id).await?;
    Ok(etag::answer(&headers, &webhook.tag()?, &webhook))
}

/// Change a webhook
///
/// What is absent stays as it is. `enabled: true` takes it up again and forgets its failures: what was given up is had by a replay, and of what
/// happened while it was disabled it is not told. Scope `manage`.
#[utoipa::path(
    patch,
    path = "/v1/webhooks/{id}",
    operation_id = "patch_webhook",
    tag = "webhooks",
    params(
        ("id" = uuid::Uuid, Path, description = "The webhook"),
        ("If-Match" = Option<String>, Header, description = "412 unless this is the present `ETag`"),
    ),
    request_body = WebhookPatch,
    responses((status = 200, body = WebhookResponse, headers(("ETag" = String, description = "The new version")))),
    security(("api_key" = ["manage"]))
)]
async fn patch(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    WebhookPath(id): WebhookPath,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let change = given::change(json::read(&body)?, api.settings.private_webhooks)?;
    let mut present = None;
    if etag::has_condition(&headers) {
        let webhook = api.store.webhook(caller.app, id).await?.ok_or_else(unknown)?;
        etag::check(&headers, Some(&WebhookResponse::from(webhook.clone()).tag()?))?;
        present = Some(webhook);
    }
    let shown = match api.store.change_webhook(caller.app, id, &change, present.as_ref()).await? {
        WebhookChanged::Written(webhook) => WebhookResponse::from(webhook),
        WebhookChanged::Stale => return Err(Problem::stale()),
        WebhookChanged::Unknown => return Err(unknown()),
    };
    let tag = shown.tag()?;
    Ok(etag::tagged(Json(shown).into_response(), &tag))
}

/// Delete a webhook
///
/// With all that it was still to be told. Scope `manage`.
#[utoipa::path(
    delete,
    path = "/v1/webhooks/{id}",
    operation_id = "delete_webhook",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook")),
    responses((status = 204, description = "It is gone")),
    security(("api_key" = ["manage"]))
)]
async fn delete(State(api): State<Api>, caller: Caller<ToManage>, WebhookPath(id): WebhookPath, uri: Uri) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    if api.store.delete_webhook(caller.app, id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}

async fn read(api: &Api, caller: &Caller<ToManage>, id: uuid::Uuid) -> Result<WebhookResponse, Problem> {
    api.store.webhook(caller.app, id).await?.map(WebhookResponse::from).ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::not_found("webhook")
}
