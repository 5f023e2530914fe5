//! `/v1/dead-letters`: targets that nobody tries any more, until someone says so.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::{Caller, ToManage, ToRead};
use super::instant::Instant;
use super::page::{self, List, Listed};
use super::path::DeadLetterPath;
use super::problem::Problem;
use super::{Api, query, schema};
use crate::domain::id::{NotificationId, WorkId};
use crate::store::dead_letter::DeadLetter;

/// A target that was tried in vain so often that nobody tries it any more, until it is retried or expires.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
struct DeadLetterResponse {
    /// Its id.
    id: String,
    /// Its notification.
    notification_id: Uuid,
    /// The device; null where a user was named, and where it was forgotten.
    device_id: Option<String>,
    /// The user, where one is known.
    user_id: Option<String>,
    /// How often it was taken in vain.
    takes: u32,
    /// Requests handed to the provider before.
    attempts: u32,
    /// When it was given up.
    #[schema(value_type = schema::Instant)]
    died_at: Instant,
    /// When it ends for good, as expired.
    #[schema(value_type = schema::Instant)]
    expires_at: Instant,
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read)).routes(routes!(retry))
}

/// List dead letters
///
/// The last to be given up first. Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/dead-letters",
    operation_id = "list_dead_letters",
    tag = "operations",
    responses((status = 200, body = List<DeadLetterResponse>)),
    security(("api_key" = ["read"]))
)]
async fn list(State(api): State<Api>, caller: Caller<ToRead>, uri: Uri) -> Result<Response, Problem> {
    let list = Listed { app: caller.app, route: "dead_letters", subject: "", now: api.clock.now() };
    let (params, listing) = page::listing::<DeadLetterResponse>(&uri, list)?;
    params.finish()?;
    let page = api.store.dead_letters(caller.app, &listing.request()).await?;
    listing.answer(page.items.into_iter().map(DeadLetterResponse::from).collect(), page.next)
}

/// Read a dead letter
///
/// Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/dead-letters/{id}",
    operation_id = "read_dead_letter",
    tag = "operations",
    params(("id" = String, Path, description = "The dead letter's id")),
    responses((status = 200, body = DeadLetterResponse)),
    security(("api_key" = ["read"]))
)]
async fn read(
    State(api): State<Api>,
    caller: Caller<ToRead>,
    DeadLetterPath(notification, work): DeadLetterPath,
    uri: Uri,
) -> Result<Json<DeadLetterResponse>, Problem> {
    query::none(&uri)?;
    let letter = api.store.dead_letter(caller.app, notification, work).await?;
    letter.map(|letter| Json(letter.into())).ok_or_else(missing)
}

/// Retry a dead letter
///
/// It is due at once, with all its takes before it, and is no dead letter any more. Answers it as it was. Scope `manage`.
#[utoipa::path(
    post,
    path = "/v1/dead-letters/{id}/retry",
    operation_id = "retry_dead_letter",
    tag = "operations",
    params(("id" = String, Path, description = "The dead letter's id")),
    responses((status = 200, body = DeadLetterResponse)),
    security(("api_key" = ["manage"]))
)]
async fn retry(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    DeadLetterPath(notification, work): DeadLetterPath,
    uri: Uri,
) -> Result<Json<DeadLetterResponse>, Problem> {
    query::none(&uri)?;
    let letter = api.store.dead_letter(caller.app, notification, work).await?.ok_or_else(missing)?;
    if !api.store.retry_dead_letter(caller.app, notification, work).await? {
        return Err(missing());
    }
    Ok(Json(letter.into()))
}

fn missing() -> Problem {
    Problem::not_found("dead letter")
}

impl From<DeadLetter> for DeadLetterResponse {
    fn from(letter: DeadLetter) -> Self {
        Self {
            id: to_text(letter.notification, letter.work),
            notification_id: letter.notification.0,
            device_id: letter.device,
            user_id: letter.user,
            takes: letter.takes,
            attempts: letter.attempts,
            died_at: Instant(letter.died_at),
            expires_at: Instant(letter.expires_at),
        }
    }
}

/// The id of a dead letter, as callers know it.
fn to_text(notification: NotificationId, work: WorkId) -> String {
    URL_SAFE_NO_PAD.encode([notification.0.as_bytes().as_slice(), &work.0.to_be_bytes()].concat())
}

/// What [`to_text`] made.
pub(super) fn from_text(text: &str) -> Option<(NotificationId, WorkId)> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (notification, work) = bytes.split_first_chunk::<16>()?;
    Some((NotificationId(Uuid::from_bytes(*notification)), WorkId(i64::from_be_bytes(work.try_into().ok()?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_its_row() {
        let (notification, work) = (NotificationId(Uuid::from_u128(u128::MAX / 3)), WorkId(i64::MAX / 3));
        let text = to_text(notification, work);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'), "{text}");
        assert_eq!(from_text(&text), Some((notification, work)));
        for foreign in ["", "a", &text[1..], &format!("{text}AAAA"), &format!("{text}="), "019aa0c4-0000-7000-8000-000000000000"] {
            assert_eq!(from_text(foreign), None, "{foreign}");
        }
    }
}
