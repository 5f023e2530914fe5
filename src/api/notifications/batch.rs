//! `POST /v1/notifications/batch`: each item stands for itself, all that are good are written in one commit.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::create::{Accepted, accepted, answer_to};
use super::dto::NotificationRequest;
use super::validate::{self, Given};
use crate::api::auth::{Caller, ToSend};
use crate::api::body::{JsonBody, LARGE};
use crate::api::idempotency::{item_reused, reused};
use crate::api::json::{Reading, objects};
use crate::api::problem::{Problem, ProblemBody};
use crate::api::{Api, idempotency, json, query, request_id};
use crate::domain::id::AppId;
use crate::store::engine::{IdempotencyKey, Item, ItemVerdict, Submission, Verdict};
use crate::store::idempotency::Before;

/// Items of a batch, at most.
const MAX_ITEMS: usize = 1000;

/// Many notifications.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(super) struct BatchRequest {
    /// Up to 1000 of them; each is accepted or refused for itself.
    #[schema(value_type = Vec<NotificationRequest>, min_items = 1, max_items = 1000, required = true)]
    notifications: Option<Vec<Box<RawValue>>>,
}

objects!(BatchRequest);

/// What became of a batch.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what is put together from bytes")]
pub(super) struct BatchResponse {
    /// One for each item, in order.
    results: Vec<BatchResult>,
}

/// What became of one item.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the schema of what is put together from bytes")]
pub(super) enum BatchResult {
    /// It was accepted, now or before under its key.
    Accepted(Accepted),
    /// It was refused.
    Refused {
        /// Why.
        error: Box<ProblemBody>,
    },
}

/// Accept many notifications
///
/// Good items are accepted though others are bad. Scope `send`.
#[utoipa::path(
    post,
    path = "/v1/notifications/batch",
    operation_id = "create_notifications",
    tag = "notifications",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body within 24 h answers what the first answered.")),
    request_body = BatchRequest,
    responses((status = 202, body = BatchResponse, headers(
        ("Idempotency-Replayed" = Option<String>, description = "`true` where the answer was given before"),
    ))),
    security(("api_key" = ["send"]))
)]
pub(super) async fn batch(
    State(api): State<Api>,
    caller: Caller<ToSend>,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody<LARGE>,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let key = idempotency::of_request(&headers, caller.app, "notifications/batch", &body)?;
    let _turn = match idempotency::before(&api, key.as_ref()).await? {
        idempotency::Before::New(turn) => turn,
        idempotency::Before::Answered(answer) => return Ok(idempotency::replayed(accepted(answer))),
    };
    let request = json::read_envelope::<BatchRequest>(&body)?;
    let raw = request.notifications.ok_or_else(|| Problem::invalid_field("notifications", "required", "is required"))?;
    if raw.is_empty() || raw.len() > MAX_ITEMS {
        return Err(Problem::invalid_field("notifications", "invalid", format!("must have 1 to {MAX_ITEMS} items")));
    }
    request_id::about_many(raw.len());
    let given = Given { now: api.clock.now(), may_be_critical: caller.may_be_critical(), has_words: false };
    let mut places = Vec::with_capacity(raw.len());
    let mut items = Vec::with_capacity(raw.len());
    for read in read_items(&api, caller.app, &raw).await? {
        let prepared = match read {
            Read::New(key, reading) => prepared(&api, caller.app, key, *reading, given).await,
            Read::Known(answer) => {
                places.push(Place::Settled(answer));
                continue;
            }
            Read::Refused(problem) => Err(problem),
        };
        match prepared {
            Ok(item) => {
                places.push(Place::Submitted(item.answer.clone()));
                items.push(item);
            }
            Err(problem) => places.push(Place::Settled(result_of(problem))),
        }
    }
    if items.is_empty() && key.is_none() {
        return Ok(accepted(results(&places, &[])));
    }
    let places: Arc<[Place]> = places.into();
    let remembered = Arc::clone(&places);
    let submission = Submission { key, items, answer: Arc::new(move |verdicts| results(&remembered, verdicts)) };
    match api.path.submit(submission).await? {
        Verdict::New(verdicts) => Ok(accepted(results(&places, &verdicts))),
        Verdict::Replayed(answer) => Ok(idempotency::replayed(accepted(answer))),
        Verdict::Reused => Err(reused()),
    }
}

/// What one item of the request came to, before the rest was submitted.
enum Place {
    /// It was submitted; the answer if it is new.
    Submitted(Bytes),
    /// It was refused, or answered before; its result.
    Settled(Bytes),
}

/// An item as it was read.
enum Read {
    /// Its key is new, if it has one.
    New(Option<IdempotencyKey>, Box<Reading<NotificationRequest>>),
    /// Its key and body came before: what was answered then.
    Known(Bytes),
    /// It cannot be read, or its key came with another body.
    Refused(Problem),
}

/// Reads the items, and looks up all their keys at once: what was good when it first came may be refused by now.
async fn read_items(api: &Api, app: AppId, raw: &[Box<RawValue>]) -> Result<Vec<Read>, Problem> {
    let mut items: Vec<Read> = raw.iter().map(|raw| read_item(app, raw).unwrap_or_else(Read::Refused)).collect();
    let key_of = |item: &Read| if let Read::New(key, _) = item { key.clone() } else { None };
    let keys: Vec<IdempotencyKey> = items.iter().filter_map(key_of).collect();
    if keys.is_empty() {
        return Ok(items);
    }
    let mut before = api.store.before(&keys).await?.into_iter();
    for item in items.iter_mut().filter(|item| key_of(item).is_some()) {
        match before.next() {
            Some(Before::Same(answer)) => *item = Read::Known(answer),
            Some(Before::Other) => *item = Read::Refused(item_reused()),
            Some(Before::Nothing) | None => {}
        }
    }
    Ok(items)
}

fn read_item(app: AppId, raw: &RawValue) -> Result<Read, Problem> {
    let bytes = raw.get().as_bytes();
    let mut reading = json::read::<NotificationRequest>(bytes)?;
    let key = reading.value.idempotency_key.take().map(|text| idempotency::of_item(&text, app, bytes)).transpose()?;
    Ok(Read::New(key, Box::new(reading)))
}

async fn prepared(
    api: &Api,
    app: AppId,
    key: Option<IdempotencyKey>,
    reading: Reading<NotificationRequest>,
    given: Given,
) -> Result<Item, Problem> {
    let prepared = api.path.prepare(app, validate::draft_of(api, app, reading, given).await?).await?;
    Ok(Item { key, answer: answer_to(&prepared)?, notification: prepared.notification })
}

/// The whole answer: the results in order, put together from the bytes of each.
fn results(places: &[Place], verdicts: &[ItemVerdict]) -> Bytes {
    let mut verdicts = verdicts.iter();
    let mut out = Vec::with_capacity(16 + places.len() * 128);
    out.extend_from_slice(br#"{"results":["#);
    for (index, place) in places.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match place {
            Place::Settled(result) => out.extend_from_slice(result),
            Place::Submitted(answer) => match verdicts.next() {
                Some(ItemVerdict::Accepted) => out.extend_from_slice(answer),
                Some(ItemVerdict::Replayed(before)) => out.extend_from_slice(before),
                Some(ItemVerdict::Reused) => out.extend_from_slice(&result_of(item_reused())),
                None => out.extend_from_slice(&result_of(Problem::internal_logged())),
            },
        }
    }
    out.extend_from_slice(b"]}");
    out.into()
}

fn result_of(problem: Problem) -> Bytes {
    #[derive(Serialize)]
    struct Refused {
        error: ProblemBody,
    }

    serde_json::to_vec(&Refused { error: problem.into_body() }).unwrap_or_else(|_| b"{\"error\":{}}".to_vec()).into()
}
