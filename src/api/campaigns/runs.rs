//! `GET /v1/campaigns/{id}/runs`

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::unknown;
use crate::api::auth::{Caller, ToRead};
use crate::api::instant::Instant;
use crate::api::notifications::CountsResponse;
use crate::api::page::{self, List, Listed};
use crate::api::path::CampaignPath;
use crate::api::problem::Problem;
use crate::api::{Api, schema};
use crate::store::campaign::CampaignRun;
use crate::store::notification::{NotificationStatus, NotificationView};

/// A run of a campaign.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CampaignRun)]
struct RunResponse {
    /// Its id.
    id: Uuid,
    /// What it sent; null where it was skipped.
    notification_id: Option<Uuid>,
    /// Where it is.
    #[schema(value_type = schema::RunStatus)]
    status: &'static str,
    /// When it was to begin.
    #[schema(value_type = schema::Instant)]
    scheduled_at: Instant,
    /// When it began; null where it was skipped, and once its notification is no longer kept.
    #[schema(value_type = Option<schema::Instant>)]
    started_at: Option<Instant>,
    /// Its targets by state, and receipts; null where it was skipped, and once its notification is no longer kept.
    counts: Option<CountsResponse>,
}

impl RunResponse {
    fn of(run: &CampaignRun, view: Option<NotificationView>) -> Self {
        let status = match (&run.notification, &view) {
            (None, _) => "skipped",
            (Some(_), Some(view)) => view.status.as_str(),
            (Some(_), None) => NotificationStatus::Done.as_str(),
        };
        Self {
            id: run.id.0,
            notification_id: run.notification.map(|id| id.0),
            status,
            scheduled_at: Instant(run.occurrence),
            started_at: view.as_ref().map(|view| Instant(view.accepted_at)),
            counts: view.map(|view| view.counts.into()),
        }
    }
}

/// List the runs of a campaign
///
/// Newest first. An occurrence that was missed by more than an hour is there as `skipped`. Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/campaigns/{id}/runs",
    operation_id = "list_campaign_runs",
    tag = "campaigns",
    params(("id" = uuid::Uuid, Path, description = "The campaign")),
    responses((status = 200, body = List<RunResponse>)),
    security(("api_key" = ["read"]))
)]
pub(super) async fn runs(
    State(api): State<Api>,
    caller: Caller<ToRead>,
    CampaignPath(id): CampaignPath,
    uri: Uri,
) -> Result<Response, Problem> {
    let subject = id.to_string();
    let list = Listed { app: caller.app, route: "campaigns/runs", subject: &subject, now: api.clock.now() };
    let (params, listing) = page::listing::<RunResponse>(&uri, list)?;
    params.finish()?;
    let page = api.store.campaign_runs(caller.app, id, &listing.request()).await?.ok_or_else(unknown)?;
    let mut items = Vec::with_capacity(page.items.len());
    for run in &page.items {
        let view = match run.notification {
            Some(notification) => api.store.notification(caller.app, notification).await?,
            None => None,
        };
        items.push(RunResponse::of(run, view));
    }
    listing.answer(items, page.next)
}
