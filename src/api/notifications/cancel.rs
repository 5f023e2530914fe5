//! `DELETE /v1/notifications/{id}`

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::Uri;
use tokio::time::sleep;

use super::view::NotificationResponse;
use crate::api::auth::{Caller, ToSend};
use crate::api::path::NotificationPath;
use crate::api::problem::Problem;
use crate::api::{Api, query};

/// How long the answer waits between its looks whether what was cancelled is booked, in milliseconds: half a second in all.
const PAUSES: [u64; 6] = [10, 20, 40, 80, 150, 200];

/// Cancel a notification
///
/// Cancels what has not been sent, and answers the notification, also when nothing was left. Sends already under way may still go out.
/// What is cancelled is told as `cancelled` if that takes half a second at most; what is left of a large audience is `waiting` until then.
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
        return Err(unknown());
    }
    let mut view = api.store.notification(caller.app, id).await?.ok_or_else(unknown)?;
    for pause in PAUSES {
        if view.counts.waiting == 0 {
            break;
        }
        // workers book what was cancelled, each its part
        sleep(Duration::from_millis(pause)).await;
        // it is cancelled, whether that can be read again or not
        let Ok(Some(later)) = api.store.notification(caller.app, id).await else { break };
        view = later;
    }
    Ok(Json(view.into()))
}

fn unknown() -> Problem {
    Problem::not_found("notification")
}
