//! Answers as push services give them: Mozilla's numbers, Apple's words, Google's text.

use http::header::{HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::super::behaviour::{Respond, RetryAfter};
use super::super::look_alike::Answer;

const TTL: HeaderName = HeaderName::from_static("ttl");

/// Why a request is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// 404: no path of a subscription.
    Path,
    /// 405.
    Method,
    /// 401: no token, or none that holds; what is wrong with it.
    Token(&'static str),
    /// 403: the subscription was made with another key.
    OtherKey,
    /// 400: no `TTL`.
    NoTtl,
    /// 400: a header field that is wrong; what is.
    Header(&'static str),
    /// 400: a wrong `Topic`.
    Topic,
    /// 413.
    TooLarge,
    /// 400: the body is not encrypted as it should be; what is wrong with it.
    Sealed(&'static str),
}

impl Refusal {
    /// The status.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::OtherKey => StatusCode::FORBIDDEN,
            Self::NoTtl | Self::Header(_) | Self::Topic | Self::Sealed(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// The answer.
    pub(super) fn answer(self) -> Answer {
        let (errno, message) = match self {
            Self::Path => (102, "Invalid URL endpoint"),
            Self::Method => return Answer::new(self.status()),
            Self::Token(message) => (109, message),
            Self::OtherKey => return Answer::text(self.status(), OTHER_KEY),
            Self::NoTtl => (111, "Missing TTL header"),
            Self::Header(message) => (112, message),
            Self::Topic => (113, "Invalid Topic header"),
            Self::TooLarge => (104, "Request payload is too large"),
            Self::Sealed(message) => (110, message),
        };
        numbered(self.status(), errno, message)
    }
}

/// As Google says it.
const OTHER_KEY: &str =
    "the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.\n";

/// Success, with where the message is (RFC 8030, 5) and how long it is kept.
pub(super) fn success(status: StatusCode, location: &str, request: &HeaderMap) -> Answer {
    let mut answer = Answer::new(status);
    let headers = answer.head.headers_mut();
    if let Ok(location) = HeaderValue::try_from(location) {
        headers.insert(LOCATION, location);
    }
    if let Some(ttl) = request.get(TTL) {
        headers.insert(TTL, ttl.clone());
    }
    answer
}

/// An answer as a script or token asks for it: a reason that is a number is Mozilla's, any other Apple's; a message without a
/// reason is plain text.
pub(super) fn scripted(respond: &Respond) -> Answer {
    let status = StatusCode::from_u16(respond.status).unwrap_or_default();
    let message = respond.message.as_deref();
    let mut answer = match (&respond.reason, respond.body.as_deref().or(message)) {
        (Some(reason), message) => match reason.parse() {
            Ok(errno) => numbered(status, errno, message.unwrap_or_default()),
            Err(_) => Answer::json(status, json!({ "reason": reason }).to_string().into_bytes()),
        },
        (None, Some(text)) => Answer::text(status, text),
        (None, None) => Answer::new(status),
    };
    let headers = answer.head.headers_mut();
    if let Some(value) = respond.retry_after.as_ref().and_then(RetryAfter::header) {
        headers.insert(RETRY_AFTER, value);
    }
    if let Some(value) = respond.location.as_deref().and_then(|location| HeaderValue::try_from(location).ok()) {
        headers.insert(LOCATION, value);
    }
    answer
}

fn numbered(status: StatusCode, errno: u16, message: &str) -> Answer {
    let error = status.canonical_reason().unwrap_or_default();
    let body = json!({"code": status.as_u16(), "errno": errno, "error": error, "message": message});
    Answer::json(status, body.to_string().into_bytes())
}
