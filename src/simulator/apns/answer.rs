//! Answers as APNs gives them.

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use uuid::Uuid;

use super::super::behaviour::{Respond, RetryAfter};
use super::super::look_alike::Answer;
use super::reason::Reason;

const APNS_ID: HeaderName = HeaderName::from_static("apns-id");
const APNS_UNIQUE_ID: HeaderName = HeaderName::from_static("apns-unique-id");

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<i64>,
}

/// Success. Only the sandbox adds `apns-unique-id`.
pub(super) fn success(status: StatusCode, request: &HeaderMap, is_sandbox: bool) -> Answer {
    let mut answer = Answer::new(status);
    let headers = answer.head.headers_mut();
    headers.insert(APNS_ID, apns_id(request));
    if is_sandbox {
        headers.insert(APNS_UNIQUE_ID, id_value());
    }
    answer
}

/// A refusal for one of the look-alike's own reasons.
pub(super) fn refusal(reason: Reason, request: &HeaderMap) -> Answer {
    let body = Body { reason: Some(reason.name()), timestamp: None };
    error(reason.status(), request, &body)
}

/// An answer as a script or token asks for it; a 410 has a timestamp, which is now by default.
pub(super) fn scripted(respond: &Respond, request: &HeaderMap, now_ms: i64) -> Answer {
    let status = StatusCode::from_u16(respond.status).unwrap_or_default();
    if let Some(text) = &respond.body {
        return with_patience(Answer::text(status, text), respond);
    }
    let timestamp = (respond.status == 410).then(|| respond.timestamp.unwrap_or(now_ms));
    let body = Body {
        timestamp: timestamp.filter(|_| respond.reason.is_some() || respond.timestamp.is_some()),
        reason: respond.reason.as_deref(),
    };
    with_patience(error(status, request, &body), respond)
}

fn with_patience(mut answer: Answer, respond: &Respond) -> Answer {
    if let Some(value) = respond.retry_after.as_ref().and_then(RetryAfter::header) {
        answer.head.headers_mut().insert(RETRY_AFTER, value);
    }
    answer
}

fn error(status: StatusCode, request: &HeaderMap, body: &Body<'_>) -> Answer {
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut answer = Answer::json(status, body);
    let headers = answer.head.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(APNS_ID, apns_id(request));
    answer
}

/// The request's id, or a new one.
fn apns_id(request: &HeaderMap) -> HeaderValue {
    let mut id = request.get(APNS_ID).map_or_else(id_value, Clone::clone);
    // an id that never comes again has no place in the header compression's table
    id.set_sensitive(true);
    id
}

fn id_value() -> HeaderValue {
    let mut buffer = Uuid::encode_buffer();
    let text = Uuid::new_v4().hyphenated().encode_lower(&mut buffer);
    let mut value = HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
