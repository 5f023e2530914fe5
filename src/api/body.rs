//! Bodies: of the right type, within their limit, in time. The limit counts what was decompressed.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Api;
use super::problem::{Code, Problem};

/// A body of most requests, at most, in bytes.
pub(super) const SMALL: usize = 1024 * 1024;
/// The body of a batch, at most, in bytes.
pub(super) const LARGE: usize = 8 * SMALL;

/// The bytes of a JSON body.
pub(super) struct JsonBody<const LIMIT: usize = SMALL>(pub(super) Bytes);

impl<const LIMIT: usize> FromRequest<Api> for JsonBody<LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        if !is_of_type(request.headers(), &["application/json", "application/merge-patch+json"]) {
            return Err(Problem::new(Code::UnsupportedMediaType, "the body must be application/json, in UTF-8"));
        }
        if declared_length(request.headers()).is_some_and(|length| length > LIMIT) {
            return Err(too_large(LIMIT));
        }
        read(request.into_body(), LIMIT, api.settings.body_timeout()).await.map(Self)
    }
}

async fn read(body: Body, limit: usize, time: Duration) -> Result<Bytes, Problem> {
    match tokio::time::timeout(time, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Ok(Err(_)) => Err(unreadable()),
        Err(_) => Err(too_slow()),
    }
}

/// 413.
fn too_large(limit: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("the body may have {limit} bytes, decompressed"))
}

/// 400 for a body that broke off, or that is not compressed as it says.
pub(super) fn unreadable() -> Problem {
    Problem::new(Code::BadRequest, "the body broke off or is not encoded as it says")
}

/// 408.
pub(super) fn too_slow() -> Problem {
    Problem::new(Code::RequestTimeout, "the body did not arrive in time")
}

/// Whether the body is of one of these types; a charset other than UTF-8 is another type.
pub(super) fn is_of_type(headers: &HeaderMap, types: &[&str]) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let is_utf8 = |charset: &str| charset.trim_matches('"').eq_ignore_ascii_case("utf-8");
    types.iter().any(|name| name.eq_ignore_ascii_case(essence))
        && parts.filter_map(|part| part.split_once('=')).all(|(name, value)| !name.eq_ignore_ascii_case("charset") || is_utf8(value))
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    // of a compressed body it says nothing yet
    let plain = !headers.contains_key(http::header::CONTENT_ENCODING);
    plain.then(|| headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn json_is_told_by_its_type() {
        for (value, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json;charset=\"utf-8\"", true),
            ("application/json; charset=latin-1", false),
            ("application/jsonx", false),
            ("text/plain", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
            assert_eq!(is_of_type(&headers, &["application/json"]), expected, "{value}");
        }
        assert!(!is_of_type(&HeaderMap::new(), &["application/json"]));
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        let minute = Duration::from_mins(1);
        assert_eq!(read(Body::from("12345"), 5, minute).await.unwrap(), "12345");
        assert_eq!(read(Body::from("123456"), 5, minute).await.unwrap_err().code(), Code::BodyTooLarge);
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_given_up() {
        let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read(body, 5, Duration::from_millis(5)).await.unwrap_err().code(), Code::RequestTimeout);
    }
}
