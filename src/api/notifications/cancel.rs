//! `DELETE /v1/notifications/{id}`

use axum::Json;
use axum::extract::State;
use http::Uri;

use super::read::one;
use super::view::NotificationResponse;
use crate::api::auth::{Caller, ToSend};
use crate::api::path::NotificationPath;
use crate::api::problem::Problem;
use crate::api::{Api, query};

/// Cancel a notification
///
/// Cancels what has not been sent, and answers the notification, also when nothing was left. Sends already under way may still go out.
/// Scope `send`.
#[utoipa::path(
    delete,
    path = "/v1/notifications/{id}",
    operation_id = "cancel_notification",
    tag = "notifications",
    params(("id" = uuid::Uuid, Path, description = "The notification")),
    responses((status = 200, body = NotificationResponse)),
    security(("api_key" = ["send"]))
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    caller: Caller<ToSend>,
    NotificationPath(id): NotificationPath,
    uri: Uri,
) -> Result<Json<NotificationResponse>, Problem> {
    query::none(&uri)?;
    if !api.path.cancel(caller.app, id).await? {
        return Err(Problem::not_found("notification"));
    }
    one(&api, caller.app, id).await
}
