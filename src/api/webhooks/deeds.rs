//! `POST /v1/webhooks/{id}/rotate_secret|test|replay`

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::NewWebhook;
use super::{given, shown_once, unknown};
use crate::api::auth::{Caller, ToManage};
use crate::api::body::JsonBody;
use crate::api::checks::Checks;
use crate::api::instant::Instant;
use crate::api::json::{self, Reading, objects};
use crate::api::path::WebhookPath;
use crate::api::problem::Problem;
use crate::api::{Api, query, schema};
use crate::domain::Timestamp;

/// Which messages are sent again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(super) struct ReplayRequest {
    /// Made at or after.
    #[schema(value_type = schema::Instant, required = true)]
    from: Option<Instant>,
    /// Made before; the present where absent.
    #[schema(value_type = Option<schema::Instant>)]
    to: Option<Instant>,
}

objects!(ReplayRequest);

/// A test that was asked for.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookTest {
    /// The message's id, its `webhook-id`.
    message_id: Uuid,
}

/// A replay that was asked for.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookReplay {
    /// How many messages are sent again.
    messages: u64,
}

/// Rotate a webhook's secret
///
/// The new one is answered this once and signs from now on; the old one signs beside it for 24 hours more. Scope `manage`.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{id}/rotate_secret",
    operation_id = "rotate_webhook_secret",
    tag = "webhooks",
    params(("id" = Uuid, Path, description = "The webhook")),
    responses((status = 201, body = NewWebhook, headers(("ETag" = String, description = "Its version")))),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn rotate(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    WebhookPath(id): WebhookPath,
    uri: Uri,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let secret = given::fresh_secret();
    if !api.store.rotate_webhook_secret(caller.app, id, &secret).await? {
        return Err(unknown());
    }
    let webhook = api.store.webhook(caller.app, id).await?.ok_or_else(unknown)?;
    shown_once(NewWebhook::new(webhook, &secret))
}

/// Test a webhook
///
/// Posts a message of the type `webhook.test` without data, whether the webhook is enabled or not; its attempts show what came of it. Scope
/// `manage`.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{id}/test",
    operation_id = "test_webhook",
    tag = "webhooks",
    params(("id" = Uuid, Path, description = "The webhook")),
    responses((status = 202, body = WebhookTest)),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn test(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    WebhookPath(id): WebhookPath,
    uri: Uri,
) -> Result<(StatusCode, Json<WebhookTest>), Problem> {
    query::none(&uri)?;
    let message_id = api.store.test_webhook(caller.app, id).await?.ok_or_else(unknown)?;
    Ok((StatusCode::ACCEPTED, Json(WebhookTest { message_id })))
}

/// Replay a webhook's messages
///
/// Those made in `[from, to)`, up to the present where there is no `to`, are sent again under the ids they had, those that were delivered too, as far as they are kept. Scope `manage`.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{id}/replay",
    operation_id = "replay_webhook",
    tag = "webhooks",
    params(("id" = Uuid, Path, description = "The webhook")),
    request_body = ReplayRequest,
    responses((status = 202, body = WebhookReplay)),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn replay(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    WebhookPath(id): WebhookPath,
    uri: Uri,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<WebhookReplay>), Problem> {
    query::none(&uri)?;
    let (from, to) = span(json::read(&body)?, api.clock.now())?;
    let messages = api.store.replay_webhook(caller.app, id, from, to).await?.ok_or_else(unknown)?;
    Ok((StatusCode::ACCEPTED, Json(WebhookReplay { messages })))
}

fn span(reading: Reading<ReplayRequest>, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
    let mut checks = Checks::with(reading.errors);
    let ReplayRequest { from, to } = reading.value;
    if from.is_none() {
        checks.required("from");
    }
    let (from, end) = (from.map(|from| from.0).unwrap_or_default(), to.map_or(now, |to| to.0));
    if !checks.has_below("from") && !checks.has_below("to") && from >= end {
        let (field, message) = if to.is_some() { ("to", "must be after from") } else { ("from", "must be in the past") };
        checks.invalid(field, message);
    }
    checks.done((from, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_a_beginning_and_ends_at_present() {
        let now = "2026-12-01T10:00:00Z".parse().unwrap();
        let read = |body: &str| json::read(body.as_bytes()).and_then(|reading| span(reading, now));
        let good = r#"{"from": "2026-12-01T09:00:00+01:00", "to": "2026-12-01T09:00:00Z"}"#;
        let (from, to) = read(good).unwrap();
        assert_eq!((to - from).num_hours(), 1);
        assert_eq!(read(r#"{"from": "2026-12-01T09:00:00Z"}"#).unwrap().1, now);
        for (body, field, code) in [
            ("{}", "from", "required"),
            (r#"{"to": "2026-12-01T09:00:00Z"}"#, "from", "required"),
            (r#"{"from": "2026-12-01T10:00:00Z"}"#, "from", "invalid"),
            (r#"{"from": "2026-12-01T09:00:00Z", "to": "tomorrow"}"#, "to", "invalid"),
            (r#"{"from": "2026-12-01T09:00:00Z", "to": "2026-12-01T09:00:00Z"}"#, "to", "invalid"),
            (r#"{"from": "yesterday", "to": "2026-12-01T09:00:00Z"}"#, "from", "invalid"),
        ] {
            let problem = read(body).unwrap_err();
            assert_eq!((problem.errors()[0].field.as_str(), problem.errors()[0].code), (field, code), "{body}");
        }
    }
}
