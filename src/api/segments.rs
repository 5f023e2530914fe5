//! Segments in requests, and `POST /v1/segments/preview`.

use axum::Json;
use axum::extract::State;
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Caller, ToSend};
use super::body::JsonBody;
use super::checks::Checks;
use super::json::{self, AnyValue, objects};
use super::problem::Problem;
use super::{Api, query, schema};
use crate::domain::segment::Segment;

/// What is to be counted.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = SegmentPreviewRequest)]
struct PreviewRequest {
    /// The segment.
    #[schema(value_type = schema::Segment, required = true, nullable = false)]
    segment: Option<AnyValue>,
}

objects!(PreviewRequest);

/// How many a segment means now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentPreview)]
struct PreviewResponse {
    /// Active devices; stale ones are left out, as an audience leaves them out.
    devices: u64,
    /// The users they belong to.
    users: u64,
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(preview))
}

/// Count a segment
///
/// How many devices and users it means now. Nothing is written. Scope `send`.
#[utoipa::path(
    post,
    path = "/v1/segments/preview",
    operation_id = "preview_segment",
    tag = "segments",
    request_body = PreviewRequest,
    responses((status = 200, body = PreviewResponse)),
    security(("api_key" = ["send"]))
)]
async fn preview(
    State(api): State<Api>,
    caller: Caller<ToSend>,
    uri: Uri,
    JsonBody(body): JsonBody,
) -> Result<Json<PreviewResponse>, Problem> {
    query::none(&uri)?;
    let reading = json::read::<PreviewRequest>(&body)?;
    let mut checks = Checks::with(reading.errors);
    if reading.value.segment.is_none() {
        checks.required("segment");
    }
    let segment = reading.value.segment.and_then(|value| take(&value, "segment", &mut checks));
    let segment = checks.done(segment)?.ok_or_else(|| Problem::invalid_field("segment", "required", "is required"))?;
    let meant = api.path.count_segment(caller.app, segment).await?;
    Ok(Json(PreviewResponse { devices: meant.devices, users: meant.users }))
}

/// The segment that stands at `path` of a body, or what is wrong with it.
pub(super) fn take(AnyValue(value): &AnyValue, path: &str, checks: &mut Checks) -> Option<Segment> {
    match Segment::parse(value, path) {
        Ok(segment) => Some(segment),
        Err(errors) => {
            for error in errors {
                checks.refuse(error.path, error.code, error.message);
            }
            None
        }
    }
}
