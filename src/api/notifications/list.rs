//! `GET /v1/notifications`

use axum::extract::State;
use axum::response::Response;
use http::Uri;

use super::view::NotificationResponse;
use crate::api::Api;
use crate::api::auth::{Caller, ToRead};
use crate::api::page::{self, List, Listed};
use crate::api::problem::Problem;
use crate::api::schema;
use crate::domain::name::check_category_id;
use crate::store::notification::{NotificationFilter, NotificationStatus};

/// List notifications
///
/// Newest first. Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/notifications",
    operation_id = "list_notifications",
    tag = "notifications",
    params(
        ("status" = Option<schema::NotificationStatus>, Query, description = "In this status"),
        ("category" = Option<String>, Query, description = "Of this category"),
        ("campaign_id" = Option<uuid::Uuid>, Query, description = "Runs and test sends of this campaign"),
        ("label.{name}" = Option<String>, Query, description = "With this label; may be given for several names"),
        ("from" = Option<schema::Instant>, Query, description = "Accepted at or after"),
        ("to" = Option<schema::Instant>, Query, description = "Accepted before"),
    ),
    responses((status = 200, body = List<NotificationResponse>)),
    security(("api_key" = ["read"]))
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller<ToRead>, uri: Uri) -> Result<Response, Problem> {
    let list = Listed { app: caller.app, route: "notifications", subject: "", now: api.clock.now() };
    let (mut params, listing) = page::listing::<NotificationResponse>(&uri, list)?;
    let statuses: Vec<_> = NotificationStatus::ALL.iter().map(|status| (status.as_str(), *status)).collect();
    let filter = NotificationFilter {
        status: params.word("status", &statuses),
        category: params.name("category", check_category_id),
        campaign: params.id("campaign_id", "a campaign"),
        labels: params.beginning("label.").into_iter().collect(),
        from: params.instant("from"),
        to: params.instant("to"),
    };
    params.finish()?;
    let page = api.store.notifications(caller.app, &filter, &listing.request()).await?;
    listing.answer(page.items.into_iter().map(NotificationResponse::from).collect(), page.next)
}
