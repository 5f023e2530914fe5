//! `GET /v1/campaigns` and `GET /v1/campaigns/{id}`

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};

use super::find;
use super::view::{CampaignResponse, tag_of};
use crate::api::auth::{Caller, ToRead};
use crate::api::page::{self, List, Listed};
use crate::api::path::CampaignPath;
use crate::api::problem::Problem;
use crate::api::{Api, etag, query, schema};
use crate::domain::campaign::CampaignStatus;

/// List campaigns
///
/// Newest first. Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/campaigns",
    operation_id = "list_campaigns",
    tag = "campaigns",
    params(("status" = Option<schema::CampaignStatus>, Query, description = "In this status")),
    responses((status = 200, body = List<CampaignResponse>)),
    security(("api_key" = ["read"]))
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller<ToRead>, uri: Uri) -> Result<Response, Problem> {
    let list = Listed { app: caller.app, route: "campaigns", subject: "", now: api.clock.now() };
    let (mut params, listing) = page::listing::<CampaignResponse>(&uri, list)?;
    let statuses: Vec<_> = CampaignStatus::ALL.iter().map(|status| (status.as_str(), *status)).collect();
    let status = params.word("status", &statuses);
    params.finish()?;
    let page = api.store.campaigns(caller.app, status, &listing.request()).await?;
    listing.answer(page.items.iter().map(CampaignResponse::of).collect(), page.next)
}

/// Read a campaign
///
/// Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/campaigns/{id}",
    operation_id = "get_campaign",
    tag = "campaigns",
    params(
        ("id" = uuid::Uuid, Path, description = "The campaign"),
        ("If-None-Match" = Option<String>, Header, description = "304 where this is still the present `ETag`"),
    ),
    responses(
        (status = 200, body = CampaignResponse, headers(("ETag" = String, description = "The present version"))),
        (status = 304, description = "The caller has the present version"),
    ),
    security(("api_key" = ["read"]))
)]
pub(super) async fn read(
    State(api): State<Api>,
    caller: Caller<ToRead>,
    CampaignPath(id): CampaignPath,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let stored = find(&api, caller.app, id).await?;
    Ok(etag::answer(&headers, &tag_of(&stored), &CampaignResponse::of(&stored)))
}
