//! `GET /v1/notifications/{id}`

use axum::Json;
use axum::extract::State;
use http::Uri;

use super::view::NotificationResponse;
use crate::api::auth::{Caller, ToRead};
use crate::api::path::NotificationPath;
use crate::api::problem::Problem;
use crate::api::{Api, query};
use crate::domain::id::{AppId, NotificationId};

/// Read a notification
///
/// What became of it, counted at one instant. Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/notifications/{id}",
    operation_id = "get_notification",
    tag = "notifications",
    params(("id" = uuid::Uuid, Path, description = "The notification")),
    responses((status = 200, body = NotificationResponse)),
    security(("api_key" = ["read"]))
)]
pub(super) async fn read(
    State(api): State<Api>,
    caller: Caller<ToRead>,
    NotificationPath(id): NotificationPath,
    uri: Uri,
) -> Result<Json<NotificationResponse>, Problem> {
    query::none(&uri)?;
    one(&api, caller.app, id).await
}

/// One notification, or 404.
pub(super) async fn one(api: &Api, app: AppId, id: NotificationId) -> Result<Json<NotificationResponse>, Problem> {
    let view = api.store.notification(app, id).await?;
    view.map(|view| Json(view.into())).ok_or_else(|| Problem::not_found("notification"))
}
