//! `POST /v1/notifications/preview`

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use super::create;
use super::dto::NotificationRequest;
use super::validate::{self, Given};
use super::view::LeftOutResponse;
use crate::api::auth::{Caller, ToSend};
use crate::api::body::{JsonBody, LARGE};
use crate::api::problem::Problem;
use crate::api::query::Params;
use crate::api::{Api, schema};
use crate::dispatch::handle::{Asked, RenderedPreview, Validated};
use crate::domain::device::{Platform, ProviderKind};

/// What a notification would come to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PreviewResponse {
    /// Devices, and named users or devices without an active one.
    targeted: u64,
    /// Devices of its audience that would be no targets.
    left_out: LeftOutResponse,
    /// `send`, or the reason of a deferral, suppression or failure, and how many: `render_failed` where a template has no value for one of its names,
    /// which is tried for as many as a second is enough for; the others are told as `send`.
    decisions: BTreeMap<String, u64>,
    /// One payload for each provider, platform and locale.
    rendered: Vec<RenderedResponse>,
}

/// A payload as the provider would get it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RenderedPreview)]
struct RenderedResponse {
    /// Whose form.
    #[schema(value_type = schema::Provider)]
    provider: ProviderKind,
    /// For what; null: a broadcast, for all that the provider carries to in one.
    #[schema(value_type = Option<schema::Platform>)]
    platform: Option<Platform>,
    /// The locale; null for the default words.
    locale: Option<String>,
    /// What counts towards the provider's limit.
    bytes: usize,
    /// The body, with a stand-in for the token.
    #[schema(value_type = Object)]
    payload: serde_json::Value,
    /// With `validate=true`, whether the provider would take it. FCM alone can be asked, with the token of a device of the audience.
    #[schema(value_type = Option<schema::ValidationResult>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    validated: Option<&'static str>,
    /// The provider's word for what is invalid; or why it was not checked: `not_supported`, `no_device`, `too_many_forms`, or its word again.
    #[serde(skip_serializing_if = "Option::is_none")]
    validated_reason: Option<String>,
    /// The field that the provider names, from the root of its form.
    #[serde(skip_serializing_if = "Option::is_none")]
    validated_field: Option<String>,
    /// What the provider says of what is invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    validated_message: Option<String>,
}

impl From<RenderedPreview> for RenderedResponse {
    fn from(one: RenderedPreview) -> Self {
        let validated = one.validated.as_ref().map(Validated::as_str);
        let (reason, field, message) = match one.validated {
            None | Some(Validated::Valid) => (None, None, None),
            Some(Validated::Invalid { reason, field, message }) => (Some(reason), field, Some(message)),
            Some(Validated::NotChecked { reason }) => (Some(reason), None, None),
        };
        Self {
            provider: one.provider,
            platform: one.platform,
            locale: one.locale,
            bytes: one.bytes,
            payload: one.payload,
            validated,
            validated_reason: reason,
            validated_field: field,
            validated_message: message,
        }
    }
}

/// Preview a notification
///
/// What it would come to, were it sent now. Nothing is written or sent. With `validate=true` FCM checks its payloads as well, without
/// delivering them (`validate_only`). Scope `send`.
#[utoipa::path(
    post,
    path = "/v1/notifications/preview",
    operation_id = "preview_notification",
    tag = "notifications",
    params(("validate" = Option<bool>, Query, description = "Have FCM check its payloads; default false")),
    request_body = NotificationRequest,
    responses((status = 200, body = PreviewResponse)),
    security(("api_key" = ["send"]))
)]
pub(super) async fn preview(
    State(api): State<Api>,
    caller: Caller<ToSend>,
    uri: Uri,
    JsonBody(body): JsonBody<LARGE>,
) -> Result<Json<PreviewResponse>, Problem> {
    let mut params = Params::of(&uri);
    let asked = Asked { validate: params.flag("validate"), when_due: false };
    params.finish()?;
    let reading = create::read(&body)?;
    let given = Given { now: api.clock.now(), may_be_critical: caller.may_be_critical(), has_words: false };
    let draft = validate::draft_of(&api, caller.app, reading, given).await?;
    let preview = api.path.preview(caller.app, draft, asked).await?;
    let rendered = preview.rendered.into_iter().map(RenderedResponse::from).collect();
    let left_out = preview.left_out.into();
    Ok(Json(PreviewResponse { targeted: preview.targeted, left_out, decisions: preview.decisions, rendered }))
}
