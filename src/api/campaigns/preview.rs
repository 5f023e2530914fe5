//! `POST /v1/campaigns/preview`

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dto::CampaignRequest;
use super::{find, given, plan_of};
use crate::api::auth::{Caller, ToSend};
use crate::api::body::JsonBody;
use crate::api::instant::Instant;
use crate::api::json::{self, objects};
use crate::api::notifications::LeftOutResponse;
use crate::api::problem::Problem;
use crate::api::{Api, query, schema};
use crate::dispatch::campaign::Plan;
use crate::dispatch::handle::{Asked, Moment, Preview, RenderedPreview};
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::id::CampaignId;

/// A campaign that is there already.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = CampaignName)]
pub(super) struct Named {
    /// Which.
    #[schema(value_type = uuid::Uuid, required = true)]
    id: Option<String>,
}

objects!(Named);

/// A campaign, or the id of one.
#[derive(ToSchema)]
#[schema(as = CampaignPreviewRequest)]
#[serde(untagged)]
#[expect(dead_code, reason = "a schema only")]
pub(super) enum PreviewRequest {
    /// One that is there.
    Named(Named),
    /// One that is not.
    Whole(Box<CampaignRequest>),
}

/// What a campaign's first run would come to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CampaignPreview)]
pub(super) struct PreviewResponse {
    /// Devices.
    targeted: u64,
    /// Devices that it means and that would be no targets.
    left_out: LeftOutResponse,
    /// `send`, or the reason of a deferral, suppression or failure, and how many: `render_failed` where a template has no value for one of its names,
    /// which is tried for as many as a second is enough for; the others are told as `send`.
    decisions: BTreeMap<String, u64>,
    /// How many devices would be sent to from when on, by zone. A pace spreads it further.
    timeline: Vec<MomentResponse>,
    /// One payload for each platform, locale and variant.
    rendered: Vec<RenderedResponse>,
}

/// How many devices of a zone from an instant on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CampaignMoment)]
struct MomentResponse {
    /// From when on.
    #[schema(value_type = schema::Instant)]
    at: Instant,
    /// Whose zone it is.
    timezone: &'static str,
    /// How many.
    devices: u64,
}

impl From<Moment> for MomentResponse {
    fn from(moment: Moment) -> Self {
        Self { at: Instant(moment.at), timezone: moment.timezone.name(), devices: moment.devices }
    }
}

/// A payload as the provider would get it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CampaignPayload)]
struct RenderedResponse {
    /// Whose form.
    #[schema(value_type = schema::Provider)]
    provider: ProviderKind,
    /// For what.
    #[schema(value_type = Option<schema::Platform>)]
    platform: Option<Platform>,
    /// The locale; null for the default words.
    locale: Option<String>,
    /// The variant; null where there are none.
    variant: Option<String>,
    /// What counts towards the provider's limit.
    bytes: usize,
    /// The body, with a stand-in for the token.
    #[schema(value_type = Object)]
    payload: serde_json::Value,
}

impl From<RenderedPreview> for RenderedResponse {
    fn from(one: RenderedPreview) -> Self {
        let RenderedPreview { provider, platform, locale, variant, bytes, payload, validated: _ } = one;
        Self { provider, platform, locale, variant, bytes, payload }
    }
}

/// Preview a campaign
///
/// What its first run would come to, were it started now: as things stand, at the instants at which its pushes would be due. Nothing is written
/// or sent. Scope `send`.
#[utoipa::path(
    post,
    path = "/v1/campaigns/preview",
    operation_id = "preview_campaign",
    tag = "campaigns",
    request_body = PreviewRequest,
    responses((status = 200, body = PreviewResponse)),
    security(("api_key" = ["send"]))
)]
pub(super) async fn preview(
    State(api): State<Api>,
    caller: Caller<ToSend>,
    uri: Uri,
    JsonBody(body): JsonBody,
) -> Result<Json<PreviewResponse>, Problem> {
    query::none(&uri)?;
    let plan = plan(&api, &caller, &body).await?;
    let preview = api.path.preview(caller.app, plan.foreseen(api.clock.now()), Asked { validate: false, when_due: true }).await?;
    Ok(Json(answer(preview)))
}

async fn plan(api: &Api, caller: &Caller<ToSend>, body: &[u8]) -> Result<Plan, Problem> {
    let Some(id) = named(body)? else {
        let wanted = given::read(api, (caller.app, api.path.campaign_id()), body, caller.may_be_critical()).await?;
        return Ok(wanted.plan);
    };
    let stored = find(api, caller.app, id).await?;
    plan_of(api, caller.app, &stored).await
}

/// The campaign that the body names, if that is what it does.
fn named(body: &[u8]) -> Result<Option<CampaignId>, Problem> {
    let members = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).unwrap_or_default();
    if !members.contains_key("id") {
        return Ok(None);
    }
    let named = json::read::<Named>(body)?.whole()?;
    let id = named.id.as_deref().and_then(|id| id.parse().ok());
    id.map(Some).ok_or_else(|| Problem::invalid_field("id", "invalid", "must be the id of a campaign"))
}

fn answer(preview: Preview) -> PreviewResponse {
    PreviewResponse {
        targeted: preview.targeted,
        left_out: preview.left_out.into(),
        decisions: preview.decisions,
        timeline: preview.timeline.into_iter().map(MomentResponse::from).collect(),
        rendered: preview.rendered.into_iter().map(RenderedResponse::from).collect(),
    }
}
