//! What every request has around it: an id, a span, the time it took. The raw path never reaches the log, since it may name people.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderName, HeaderValue};
use rand::Rng;
use tracing::{Instrument, Span};

use super::fresh_id::fresh_id;
use super::health::is_probe;
use super::peer::Peer;
use super::problem::{Code, Problem};
use super::{Api, header_fields};

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

tokio::task_local! {
    static CURRENT: Arc<str>;
}

/// The id of the request that is being handled.
pub(super) fn current() -> Option<String> {
    CURRENT.try_with(ToString::to_string).ok()
}

/// Notes in the request's span which notification it is about.
pub(super) fn about(notification: impl std::fmt::Display) {
    Span::current().record("notification.id", tracing::field::display(notification));
}

/// Notes in the request's span how many notifications it brings.
pub(super) fn about_many(notifications: usize) {
    Span::current().record("notification.count", notifications);
}

/// The outermost layer: takes or makes the id, opens the span, answers the id.
pub(super) async fn around(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (id, header) = id_of(&api, request.headers());
    let given = request.headers().get(&TRACEPARENT).filter(|value| is_traceparent(value.as_bytes()));
    let traceparent = given.cloned().or_else(new_traceparent);
    let route = route_of(&request).to_owned();
    let is_secure = request.extensions().get::<Peer>().is_some_and(|peer| peer.is_secure);
    let span = tracing::info_span!(
        "request",
        request.id = &*id,
        http.method = request.method().as_str(),
        http.route = &*route,
        notification.id = tracing::field::Empty,
        notification.count = tracing::field::Empty,
        trace.parent = traceparent.as_ref().and_then(|value| value.to_str().ok()),
    );
    let is_probe = is_probe(&route);
    let begun = api.clock.monotonic();
    let handled = async {
        let response = if has_known_encoding(request.headers()) { next.run(request).await } else { unknown_encoding() };
        let duration_ms = api.clock.monotonic().saturating_sub(begun).as_secs_f64() * 1e3;
        let status = response.status().as_u16();
        if is_probe {
            tracing::debug!(target: "herald::api::access", status, duration_ms, "answered");
        } else {
            tracing::info!(target: "herald::api::access", status, duration_ms, "answered");
        }
        response
    };
    let mut response = CURRENT.scope(id, handled.instrument(span)).await;
    header_fields::write(response.headers_mut(), &route, is_secure);
    response.headers_mut().insert(REQUEST_ID.clone(), header);
    if let Some(traceparent) = traceparent {
        response.headers_mut().insert(TRACEPARENT.clone(), traceparent);
    }
    response
}

/// The route of a request, as the OpenAPI document has it.
pub(super) fn route_of(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str)
}

fn id_of(api: &Api, headers: &HeaderMap) -> (Arc<str>, HeaderValue) {
    let given =
        headers.get(&REQUEST_ID).filter(|value| (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic));
    if let Some(header) = given
        && let Ok(text) = header.to_str()
    {
        return (text.into(), header.clone());
    }
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    let text: &str = fresh_id(api.clock.now()).hyphenated().encode_lower(&mut buffer);
    let header = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"));
    (text.into(), header)
}

/// The beginning of a trace, sampled, so that what we log can be found by who follows it.
fn new_traceparent() -> Option<HeaderValue> {
    let mut rng = rand::rng();
    // zeros are not allowed
    let (trace, parent) = (rng.random::<u128>().max(1), rng.random::<u64>().max(1));
    HeaderValue::from_str(&format!("00-{trace:032x}-{parent:016x}-01")).ok()
}

/// Whether it is a `traceparent` of the W3C's Trace Context, any version but the forbidden one.
fn is_traceparent(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let hex = |part: &str, len: usize| part.len() == len && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let mut parts = text.splitn(5, '-');
    let (Some(version), Some(trace), Some(parent), Some(flags), rest) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let known = hex(version, 2) && version != "ff" && (version != "00" || rest.is_none());
    text.len() <= 512 && known && hex(trace, 32) && !zero(trace) && hex(parent, 16) && !zero(parent) && hex(flags, 2)
}

fn has_known_encoding(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    let known = encodings.next().is_none_or(|value| matches!(value.as_bytes(), b"gzip" | b"br" | b"identity"));
    known && encodings.next().is_none()
}

fn unknown_encoding() -> Response {
    Problem::new(Code::UnsupportedMediaType, "bodies may be sent as they are, or as one of gzip and br").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_traceparent_is_taken() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let made = new_traceparent().unwrap();
        for (text, expected) in [
            (made.to_str().unwrap().to_owned(), true),
            (good.to_owned(), true),
            (good.replacen("00", "01", 1), true),
            (good.replacen("00", "01", 1) + "-more", true),
            (good.to_owned() + "-more", false),
            (good.replacen("00", "ff", 1), false),
            (good.to_uppercase(), false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01".to_owned(), false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".to_owned(), false),
            ("00-4bf9-00f067aa0ba902b7-01".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(is_traceparent(text.as_bytes()), expected, "{text}");
        }
    }
}
