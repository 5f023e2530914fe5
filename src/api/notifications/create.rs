//! `POST /v1/notifications`

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::dto::NotificationRequest;
use super::validate::{self, Given};
use crate::api::Api;
use crate::api::auth::{Caller, ToSend};
use crate::api::body::{JsonBody, LARGE};
use crate::api::instant::Instant;
use crate::api::json::Reading;
use crate::api::problem::Problem;
use crate::api::{idempotency, json, query, request_id, schema};
use crate::dispatch::accept::Prepared;
use crate::dispatch::draft::{Draft, FieldError};
use crate::domain::id::AppId;
use crate::store::engine::{IdempotencyKey, Item, ItemVerdict, Submission, Verdict};

/// A notification that was accepted: it is in the store.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names of the contract")]
pub(in crate::api) struct Accepted {
    /// The notification's id.
    id: Uuid,
    /// `scheduled` where its time has not come, else `accepted`.
    #[schema(value_type = schema::NotificationStatus)]
    status: &'static str,
    /// When it was accepted.
    #[schema(value_type = schema::Instant)]
    accepted_at: Instant,
}

/// Accept a notification
///
/// The answer says that it is in the store, not that it was sent: `GET /v1/notifications/{id}` tells what became of it.
/// Scope `send`. What is `critical` also needs the scope of that name, wherever it is said (priority, interruption, overrides, the category's
/// priority), and so does `in_quiet_hours: "ignore"`.
#[utoipa::path(
    post,
    path = "/v1/notifications",
    operation_id = "create_notification",
    tag = "notifications",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body within 24 h answers what the first answered.")),
    request_body = NotificationRequest,
    responses((status = 202, body = Accepted, headers(
        ("Idempotency-Replayed" = Option<String>, description = "`true` where the answer was given before"),
    ))),
    security(("api_key" = ["send"]))
)]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller<ToSend>,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody<LARGE>,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let key = idempotency::of_request(&headers, caller.app, "notifications", &body)?;
    let draft = async || {
        let reading = read(&body)?;
        let given = Given { now: api.clock.now(), may_be_critical: caller.may_be_critical(), has_words: false };
        validate::draft_of(&api, caller.app, reading, given).await
    };
    accept(&api, caller.app, key, draft).await
}

/// Accepts what `draft` makes, unless its key was used before.
pub(in crate::api) async fn accept(
    api: &Api,
    app: AppId,
    key: Option<IdempotencyKey>,
    draft: impl AsyncFnOnce() -> Result<Draft, Problem>,
) -> Result<Response, Problem> {
    let _turn = match idempotency::before(api, key.as_ref()).await? {
        idempotency::Before::New(turn) => turn,
        idempotency::Before::Answered(answer) => return Ok(idempotency::replayed(accepted(answer))),
    };
    let prepared = api.path.prepare(app, draft().await?).await?;
    let answer = answer_to(&prepared)?;
    let item = Item { key: None, answer: answer.clone(), notification: prepared.notification };
    let remembered = answer.clone();
    let submission = Submission { key, items: vec![item], answer: Arc::new(move |_: &[ItemVerdict]| remembered.clone()) };
    match api.path.submit(submission).await? {
        Verdict::New(_) => {
            request_id::about(prepared.id);
            Ok(accepted(answer))
        }
        Verdict::Replayed(answer) => Ok(idempotency::replayed(accepted(answer))),
        Verdict::Reused => Err(idempotency::reused()),
    }
}

/// Reads a notification that is the whole body.
pub(super) fn read(body: &[u8]) -> Result<Reading<NotificationRequest>, Problem> {
    let mut reading = json::read::<NotificationRequest>(body)?;
    if reading.value.idempotency_key.take().is_some() {
        let message = "is for the items of a batch; here it is the header Idempotency-Key".to_owned();
        reading.errors.push(FieldError { field: "idempotency_key".to_owned(), code: "unknown_field", message });
    }
    Ok(reading)
}

/// The answer to an accepted notification, which is also what its key remembers.
pub(super) fn answer_to(prepared: &Prepared) -> Result<Bytes, Problem> {
    let status = if prepared.scheduled { "scheduled" } else { "accepted" };
    let answer = Accepted { id: prepared.id.0, status, accepted_at: Instant(prepared.accepted_at) };
    serde_json::to_vec(&answer).map(Bytes::from).map_err(|error| Problem::internal(&error))
}

/// 202 with these bytes of JSON.
pub(super) fn accepted(body: Bytes) -> Response {
    let mut response = (StatusCode::ACCEPTED, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
