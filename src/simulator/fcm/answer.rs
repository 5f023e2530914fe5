//! Answers as Google gives them: a name, or a `google.rpc.Status` in `error`.

use http::StatusCode;
use http::header::RETRY_AFTER;
use serde_json::{Value, json};

use super::super::behaviour::{Respond, RetryAfter};
use super::super::look_alike::Answer;

const FCM_ERROR: &str = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";

/// What is wrong with a message, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Violation {
    /// The field as it was written, from the top: `message.android.ttl`.
    pub(super) field: String,
    pub(super) description: String,
}

impl Violation {
    pub(super) fn new(field: &str, description: &str) -> Self {
        Self { field: field.to_owned(), description: description.to_owned() }
    }
}

/// Why a request is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// 401 without an `FcmError`: no access token, or none that holds.
    Unauthenticated,
    /// 404 without an `FcmError`: the path or its project is unknown.
    NotFound,
    /// 400 that names a field.
    Invalid(Violation),
}

impl Refusal {
    /// The HTTP status.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// The answer.
    pub(super) fn answer(&self) -> Answer {
        let (message, details) = match self {
            Self::Unauthenticated => ("Request had invalid authentication credentials. Expected OAuth 2 access token.", Vec::new()),
            Self::NotFound => ("Requested entity was not found.", Vec::new()),
            Self::Invalid(violation) => (
                violation.description.as_str(),
                vec![
                    json!({"@type": FCM_ERROR, "errorCode": "INVALID_ARGUMENT"}),
                    json!({
                        "@type": BAD_REQUEST,
                        "fieldViolations": [{
                            "field": violation.field,
                            "description": violation.description,
                        }],
                    }),
                ],
            ),
        };
        error(self.status(), message, details)
    }
}

/// Success with a message's name.
pub(super) fn success(status: StatusCode, name: &str) -> Answer {
    Answer::json(status, format!("{{\"name\":\"{name}\"}}").into_bytes())
}

/// An answer as a script or token asks for it. A reason makes an `FcmError`, unless the details
/// are given.
pub(super) fn scripted(respond: &Respond) -> Answer {
    let status = StatusCode::from_u16(respond.status).unwrap_or_default();
    let details = match (&respond.details, &respond.reason) {
        (Some(details), _) => details.clone(),
        (None, Some(reason)) => vec![json!({"@type": FCM_ERROR, "errorCode": reason})],
        (None, None) => Vec::new(),
    };
    let message = respond.message.as_deref().or(respond.reason.as_deref());
    let mut answer = match &respond.body {
        Some(body) => Answer::text(status, body),
        None => error(status, message.unwrap_or(canonical(status)), details),
    };
    if let Some(value) = respond.retry_after.as_ref().and_then(RetryAfter::header) {
        answer.head.headers_mut().insert(RETRY_AFTER, value);
    }
    answer
}

fn error(status: StatusCode, message: &str, details: Vec<Value>) -> Answer {
    let mut error = json!({
        "code": status.as_u16(),
        "message": message,
        "status": canonical(status),
    });
    if let (false, Some(error)) = (details.is_empty(), error.as_object_mut()) {
        error.insert("details".to_owned(), Value::Array(details));
    }
    let body = serde_json::to_vec(&json!({ "error": error })).unwrap_or_default();
    Answer::json(status, body)
}

/// The canonical code (`google.rpc.Code`) of an HTTP status.
fn canonical(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        500 => "INTERNAL",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(answer: &Answer) -> Value {
        serde_json::from_slice(&answer.body).unwrap()
    }

    #[test]
    fn a_refusal_names_its_field() {
        let violation = Violation::new("message.token", "wrong");
        let answer = Refusal::Invalid(violation).answer();
        assert_eq!(answer.head.status(), 400);
        let error = &body(&answer)["error"];
        assert_eq!(error["status"], "INVALID_ARGUMENT");
        assert_eq!(error["details"][0]["errorCode"], "INVALID_ARGUMENT");
        let violation = &error["details"][1]["fieldViolations"][0];
        assert_eq!(violation["field"], "message.token");
    }

    #[test]
    fn refusals_that_are_no_fault_of_the_message_have_no_fcm_error() {
        for (refusal, status) in [(Refusal::Unauthenticated, "UNAUTHENTICATED"), (Refusal::NotFound, "NOT_FOUND")] {
            let error = body(&refusal.answer());
            assert_eq!(error["error"]["status"], status);
            assert!(error["error"].get("details").is_none());
        }
    }

    #[test]
    fn scripts_are_answered_as_given() {
        let respond = Respond { retry_after: Some(RetryAfter::Seconds(7)), ..Respond::new(503, "UNAVAILABLE") };
        let answer = scripted(&respond);
        assert_eq!(answer.head.headers()[RETRY_AFTER], "7");
        assert_eq!(body(&answer)["error"]["details"][0]["errorCode"], "UNAVAILABLE");

        let bare = Respond { reason: None, ..respond.clone() };
        let error = body(&scripted(&bare));
        assert!(error["error"].get("details").is_none());
        assert_eq!(error["error"]["status"], "UNAVAILABLE");

        let detailed = Respond { details: Some(vec![json!({"x": 1})]), message: Some("hm".to_owned()), ..respond };
        let error = body(&scripted(&detailed));
        assert_eq!(error["error"]["details"], json!([{"x": 1}]));
        assert_eq!(error["error"]["message"], "hm");

        let page = Respond { body: Some("<html>".to_owned()), ..bare };
        let answer = scripted(&page);
        assert_eq!((answer.head.status().as_u16(), &*answer.body), (503, &b"<html>"[..]));
        assert_eq!(answer.head.headers()[RETRY_AFTER], "7");
    }
}
